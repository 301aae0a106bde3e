import dataclasses
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mdstride.dataset.change import add_splits
from mdstride.dataset.collect import Collected
from mdstride.dataset.stage import build_dataset
from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer
from mdstride.formats.dataset import Minimum
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.h5md import Trajectory, read_trajectory, write_trajectory
from mdstride.formats.provenance import read_record, sha256
from mdstride.formats.split import PARTS
from mdstride.formats.structure import Structure, write_structure
from mdstride.formats.tables import read_table, write_table

IDS = [f"{letter * 14}-UHFFFAOYSA-N" for letter in "ABCDE"]
REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
SPLIT = {"method": "random", "seed": 1, "validation": 0.2, "test": 0.2, "folds": None}
SETTINGS = {"splits": {"compound": SPLIT}, "max_failed": 0.5}
ELEMENTS = dict(zip("ABCDE", (("O", 8), ("S", 16), ("Se", 34), ("Te", 52), ("Po", 84)), strict=True))
"""Five molecules H2X: compounds that are the same but for their names would be kept together."""
VERDICT = {"passed": True, "reason": "", "frames": 6, "drift": -0.012, "temperature": 301.0, "max_force": 9.0}


def structure(key):
    return Structure(
        id=key,
        smiles="O|O",
        mapped_smiles=f"[{ELEMENTS[key[0]][0]}:1]([H:2])[H:3]",
        energy=-137.0,
        atomic_numbers=np.array([ELEMENTS[key[0]][1], 1, 1]),
        positions=np.array([[0, 0, 0.1], [0.7, 0, -0.5], [-0.7, 0, -0.5]]),
        bonds=np.array([[0, 1], [0, 2]]),
        masses=np.array([15.999, 1.008, 1.008]),
        frequencies=np.array([1500.0, 3600.0, 3700.0]),
        modes=np.zeros((3, 3, 3)),
        minima=(Minimum(-136.9, np.eye(3), np.array([1510.0, 3610.0, 3690.0]), np.ones((3, 3, 3))),),
    )


def trajectory(key, replica, **changes):
    generator = np.random.default_rng([replica, ord(key[0])])
    content = {
        "id": key,
        "mapped_smiles": structure(key).mapped_smiles,
        "charge": 0,
        "multiplicity": 1,
        "atomic_numbers": structure(key).atomic_numbers,
        "masses": np.array([15.999, 1.008, 1.008]),
        "bonds": np.array([[0, 1], [0, 2]]),
        "step": np.arange(6) * 2,
        "time": np.arange(6) * 2.0,
        "positions": structure(key).positions + 500.0 + 0.01 * generator.normal(size=(6, 3, 3)),
        "velocities": 0.01 * generator.normal(size=(6, 3, 3)),
        "forces": generator.normal(size=(6, 3, 3)),
        "potential_energy": generator.normal(size=6),
        "kinetic_energy": generator.normal(size=6) ** 2,
        "temperature": 300 + generator.normal(size=6),
        "verdict": VERDICT,
    }
    settings = {"replica": replica, "reference": REFERENCE, "simulate": {"timestep": 1.0}, "smiles": key}
    made = {"settings": settings | changes.pop("parameters", {}), "software": {"mdstride": "0"}, "source": "0123"}
    return Trajectory(**content | changes, provenance=made)


class Run:
    """The folder that the earlier stages have filled, and the stage under test."""

    def __init__(self, folder):
        self.folder = folder
        rows = [
            dict(zip(("id", "cid", "smiles", "name", "formula"), (key, "7", "O|O", f"n{key[0]}", "H2O"), strict=True))
            for key in IDS
        ]
        write_table(folder / "compounds.csv", list(rows[0]), rows)
        for key in IDS:
            self.put(structure(key))
            for replica in (0, 1):
                self.put(trajectory(key, replica), replica)

    def put(self, what, replica=None, *, key=None):
        key = key or what.id
        if isinstance(what, Structure):
            write_structure(self.folder / f"structures/{key}.h5", what)
        else:
            write_trajectory(self.path(key, replica), what)

    def path(self, key, replica):
        return self.folder / f"trajectories/{key}/{replica}.h5md"

    def build(self, out="out", reference=REFERENCE, twins=0, previous=None, **settings):
        build_dataset(
            SETTINGS | settings,
            reference,
            compounds=self.folder / "compounds.csv",
            structures=self.folder / "structures",
            trajectories=self.folder / "trajectories",
            replicas=2,
            twins=twins,
            previous=previous,
            output=self.folder / out / "dataset.h5",
            table=self.folder / out / "trajectories.csv",
            card=self.folder / out / "card.md",
        )
        return self.folder / out

    def refuses_twin(self):
        with pytest.raises(InputError, match=r"0\.twin\.h5md: holds replica 0"):
            self.build(out="other", twins=1)

    def refuses(self, match, **options):
        with pytest.raises(InputError, match=match) as caught:
            self.build(**options)
        assert "\n" not in str(caught.value)
        assert not list((self.folder / "out").rglob("*"))


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_everything_that_passed_is_in_it(run):
    data = read_dataset(run.build() / "dataset.h5")
    assert list(data.compounds) == IDS
    assert {part: len(data.splits["compound"].ids(part)) for part in PARTS} == {"train": 3, "validation": 1, "test": 1}
    for key in IDS:
        compound = data.compounds[key]
        assert compound.labels["cid"] == "7" and compound.labels["mapped_smiles"] == structure(key).mapped_smiles
        np.testing.assert_array_equal(compound.frequencies, structure(key).frequencies)
        np.testing.assert_array_equal(compound.reference, structure(key).positions)
        assert compound.minima[0].energy == -136.9 and len(compound.minima) == 1
        np.testing.assert_array_equal(compound.minima[0].positions, np.eye(3))
        for number, replica in enumerate(compound.replicas):
            stored = read_trajectory(run.path(key, number))
            # relative to its own centre of mass, float32 keeps what 500 Å away it would lose
            np.testing.assert_allclose(replica.positions + replica.origin, stored.positions, rtol=0, atol=1e-7)
            np.testing.assert_allclose(compound.masses @ replica.positions[0], 0, atol=1e-5)
            np.testing.assert_allclose(replica.velocities, stored.velocities, rtol=1e-6)
            np.testing.assert_allclose(replica.forces, stored.forces, rtol=0, atol=2.0**-18)  # half of the step
            assert (replica.forces * 2.0**17 % 1 == 0).all() and replica.source["force_step"] == 2.0**-17 < 1e-5
            np.testing.assert_array_equal(replica.energy, stored.potential_energy)
            assert (replica.number, replica.interval, replica.figures) == (number, 2.0, VERDICT)
            assert replica.source["sha256"] == sha256(run.path(key, number))
    # what differs from one trajectory to the next is no setting of the set
    assert data.settings["trajectories"]["simulate"] == {"timestep": 1.0}
    assert not {"replica", "smiles"} & set(data.settings["trajectories"])


def test_it_says_what_it_was_made_from(run):
    """Every file that was read; a rewritten set (`dataset split`) keeps what is said of its build."""
    run.put(Structure(id=IDS[4], smiles="O|O", failure="SCC did not converge"))
    run.put(trajectory(IDS[3], 1, verdict=VERDICT | {"passed": False, "reason": "drift"}), 1)
    folder = run.build()
    made = read_record(folder / "trajectories.provenance.json")
    names = ["compounds.csv", *(f"structures/{key}.h5" for key in IDS)]
    names += [f"trajectories/{key}/{replica}.h5md" for key in IDS[:4] for replica in (0, 1)]
    assert made["inputs"] == {name: sha256(run.folder / name) for name in names}
    assert made["settings"]["replicas"] == 2 and made["settings"]["trajectories"]["source"] == "0123"
    assert made["outputs"] == {name: sha256(folder / name) for name in ("trajectories.csv", "card.md")}
    carried = {name: made[name] for name in ("stage", "settings", "inputs", "source", "software")}
    assert read_record(folder / "dataset.h5") == carried
    add_splits(folder / "dataset.h5", "other", SPLIT)
    assert read_record(folder / "dataset.h5") == carried


def test_same_inputs_same_bytes(run):
    first, second = run.build(), run.build(out="again")
    for name in ("dataset.h5", "trajectories.csv", "card.md", "trajectories.provenance.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_failures_are_left_out_with_their_reasons(run):
    run.put(Structure(id=IDS[0], smiles="O|O", failure="SCC did not converge"))
    shutil.rmtree(run.folder / "trajectories" / IDS[0])  # never simulated
    broken = VERDICT | {"passed": False, "reason": "bond 1-2 broke", "drift": None}
    run.put(trajectory(IDS[1], 1, verdict=broken), 1)
    data = read_dataset(run.build() / "dataset.h5")
    assert list(data.compounds) == IDS[1:]
    assert [replica.number for replica in data.compounds[IDS[1]].replicas] == [0]
    rows = list(read_table(run.folder / "out/trajectories.csv", ("id", "reason")))
    assert [(row["id"], row["replica"]) for row in rows] == [(key, str(r)) for key in IDS for r in (0, 1)]
    reasons = {(row["id"], row["replica"]): row["reason"] for row in rows if row["passed"] == "False"}
    assert reasons == {
        (IDS[0], "0"): "relax: SCC did not converge",
        (IDS[0], "1"): "relax: SCC did not converge",
        (IDS[1], "1"): "bond 1-2 broke",
    }
    assert rows[0]["drift"] == "" and rows[4]["drift"] == "-0.012" and rows[4]["passed"] == "True"


def test_too_many_failures_stop_the_run(run):
    for key in IDS[:2]:
        run.put(Structure(id=key, smiles="O|O", failure="SCC did not converge"))
    run.build(max_failed=0.4)
    shutil.rmtree(run.folder / "out")
    run.refuses(f"2 of 5 compounds .*max_failed = 0.39 .*{IDS[0]} .relax: SCC did not converge", max_failed=0.39)


def test_the_card_has_what_a_reader_needs(run):
    card = (run.build() / "card.md").read_text(encoding="utf-8")
    digest = read_dataset(run.folder / "out/dataset.h5").hash()
    for text in (
        "GFN2-xTB",
        digest,
        "-0.012",
        "O\\|O",
    ):
        assert text in card
    assert "{" not in card


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"id": IDS[1]}, f"holds {IDS[1]} instead of {IDS[2]}"),
        ({"atomic_numbers": np.array([7, 1, 1])}, "atomic_numbers differ from those of the structure"),
        ({"bonds": np.array([[0, 1], [1, 2]])}, "bonds differ"),
        ({"parameters": {"replica": 1, "reference": REFERENCE}}, "holds replica 1"),
        ({"parameters": {"replica": 0, "reference": REFERENCE | {"accuracy": 1.0}}}, "another level of theory"),
        ({"time": np.array([0, 2, 4, 6, 8, 11.0])}, "not at equal intervals"),
    ],
)
def test_trajectories_that_do_not_belong_are_refused_by_name(run, changes, match):
    run.put(trajectory(IDS[2], 0, **changes), 0, key=IDS[2])
    run.refuses(f"{run.path(IDS[2], 0)}: .*{match}")


def test_a_foreign_structure_is_refused_by_name(run):
    run.put(dataclasses.replace(structure(IDS[1]), id=IDS[3]), key=IDS[1])
    run.refuses(f"{IDS[1]}.h5: holds {IDS[3]}")


def test_missing_and_damaged_files_are_refused_by_name(run):
    path = run.path(IDS[4], 1)
    content = path.read_bytes()
    path.unlink()
    run.refuses(f"{path}: no such file")
    path.write_bytes(content[: len(content) // 2])
    run.refuses(f"{path}: damaged")


def test_a_repeated_id_is_refused(run):
    table = run.folder / "compounds.csv"
    table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
    run.refuses("an id occurs twice")


def test_only_what_has_changed_is_read_again(run, monkeypatch):
    """A new trajectory costs its own compound; the rest is copied, and the result is the same as when built anew."""
    previous = run.folder / "state/dataset.h5"
    first = run.build(previous=previous) / "dataset.h5"
    assert previous.samefile(first)
    first.unlink()  # as the workflow does before it builds again
    run.put(trajectory(IDS[3], 1, potential_energy=np.arange(6.0)), 1)
    anew = read_dataset(run.build("anew") / "dataset.h5")
    read = []
    monkeypatch.setattr(Collected, "compound", lambda one, own=Collected.compound: read.append(one.id) or own(one))
    data = read_dataset(run.build(previous=previous) / "dataset.h5")
    assert read == [IDS[3]]
    assert data.hash() == anew.hash() and previous.samefile(first)
    read.clear()
    run.build(previous=previous, reference=REFERENCE)
    assert read == []


def test_a_damaged_previous_file_is_no_obstacle(run, capfd):
    previous = run.folder / "state/dataset.h5"
    expected = read_dataset(run.build(previous=previous) / "dataset.h5").hash()
    previous.write_bytes(previous.read_bytes()[:5000])
    assert read_dataset(run.build(previous=previous) / "dataset.h5").hash() == expected
    assert "building anew" in capfd.readouterr().err


def test_twins_are_kept_apart(run):
    for key in IDS:
        twin = trajectory(key, 0, parameters={"replica": 0, "reference": REFERENCE, "twin": True})
        run.put(twin, "0.twin")
    compound = read_dataset(run.build(twins=1) / "dataset.h5").compounds[IDS[0]]
    assert [replica.number for replica in compound.replicas] == [0, 1]
    assert [replica.number for replica in compound.twins] == [0]
    run.put(trajectory(IDS[2], 0), "0.twin")
    run.refuses_twin()


def test_splits_that_cannot_be_made_are_refused(run):
    for key in IDS[:3]:
        run.put(Structure(id=key, smiles="O|O", failure="SCC did not converge"))
    run.refuses("2 of different connectivity, and 3 are needed", max_failed=0.9)


def test_two_builders_at_once(run, capfd):
    """The second waits: it may be the job of a workflow started again, and the first that of the killed one."""
    output = run.folder / "out/dataset.h5"
    with ThreadPoolExecutor() as pool:
        with only_writer(output):
            second = pool.submit(run.build)
            time.sleep(0.5)
            assert not second.done()
        folder = second.result(timeout=60)
    assert "another process is writing it; waiting until that one has ended" in capfd.readouterr().err
    assert read_dataset(folder / "dataset.h5").hash()
    assert sorted(path.name for path in output.parent.iterdir()) == [
        *("card.md", "dataset.h5", "trajectories.csv", "trajectories.provenance.json")
    ]
