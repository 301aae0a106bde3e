"""What is added to a data set, and what a check finds in one."""

import dataclasses
import shutil

import h5py
import numpy as np
import pytest

from mdstride import cli
from mdstride.dataset.change import add_compound, add_splits
from mdstride.dataset.verify import verify_dataset
from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.hdf5 import seal
from mdstride.formats.split import Segment, Split, whole

ELEMENTS = (("O", 8), ("S", 16), ("Se", 34), ("Te", 52))


def compound(index, *, frames=20, number=0, source="a"):
    """H2X, which moves a little."""
    symbol, charge = ELEMENTS[index]
    generator = np.random.default_rng([index, ord(source)])
    shape = (frames, 3, 3)
    reference = np.array([[0, 0, 0.1], [0.7, 0, -0.5], [-0.7, 0, -0.5]])
    replica = Replica(
        number=number,
        interval=1.0,
        positions=(reference + 0.01 * generator.normal(size=shape)).astype(np.float32),
        velocities=(0.01 * generator.normal(size=shape)).astype(np.float32),
        forces=generator.normal(size=shape).astype(np.float32),
        energy=generator.normal(size=frames),
        origin=np.zeros(3),
        figures={"drift": 0.0, "temperature": 300.0},
        source={"format": "npz", "sha256": f"{source}{index}" * 32, "notes": []},
    )
    return CompoundData(
        id=f"{'ABCD'[index] * 14}-UHFFFAOYSA-N",
        labels={"name": f"H2{symbol}", "smiles": symbol, "mapped_smiles": f"[{symbol}:1]([H:2])[H:3]"},
        atomic_numbers=np.array([charge, 1, 1]),
        masses=np.array([2.0 * charge, 1.008, 1.008]),
        bonds=np.array([[0, 1], [0, 2]]),
        reference=reference,
        replicas=(replica,),
    )


@pytest.fixture
def path(tmp_path):
    for index in range(4):
        add_compound(tmp_path / "set.h5", compound(index))
    return tmp_path / "set.h5"


def test_compounds_are_added_one_by_one(path, tmp_path):
    compounds = [compound(index) for index in range(4)]
    write_dataset(tmp_path / "at-once.h5", Dataset({one.id: one for one in compounds}, {}))
    assert read_dataset(path).hash() == read_dataset(tmp_path / "at-once.h5").hash()


def test_a_second_trajectory_joins_the_first(path):
    before = read_dataset(path)
    assert add_compound(path, compound(1, source="b", frames=30)) == 1
    after = read_dataset(path)
    key = list(before.compounds)[1]
    assert [replica.number for replica in after.compounds[key].replicas] == [0, 1]
    assert {k for k in after.digests if after.digests[k] != before.digests[k]} == {key}
    with pytest.raises(InputError, match=f"holds this file already, as trajectory 1 of {key}"):
        add_compound(path, compound(1, source="b", frames=30))
    other = dataclasses.replace(compound(1, source="c"), bonds=np.array([[0, 1], [1, 2]]))
    with pytest.raises(InputError, match=f"{key} is in it with other bonds"):
        add_compound(path, other)


def test_splits_are_added_and_kept(path):
    made = add_splits(
        path, "compound", {"method": "random", "seed": 1, "validation": 0.25, "test": 0.25, "folds": None}
    )
    folds = add_splits(path, "k", {"method": "random", "seed": 1, "validation": 0.25, "test": 0.25, "folds": 4})
    assert list(made) == ["compound"] and list(folds) == ["k-1", "k-2", "k-3", "k-4"]
    add_compound(path, compound(1, source="b"))
    assert read_dataset(path).splits == made | folds
    assert verify_dataset(path) == []


def test_two_at_once_lose_nothing(path):
    with only_writer(path), pytest.raises(InputError, match="another process is writing it"):
        add_compound(path, compound(1, source="b"))
    add_compound(path, compound(1, source="b"))
    assert sorted(item.name for item in path.parent.iterdir()) == ["set.h5"]


def rewritten(path, splits=None, **changes):
    data = read_dataset(path)
    key = next(iter(data.compounds))
    one = data.compounds[key]
    replica = {name: changes.pop(name) for name in list(changes) if hasattr(one.replicas[0], name)}
    one = dataclasses.replace(one, replicas=(dataclasses.replace(one.replicas[0], **replica),))
    compounds = data.compounds | {key: dataclasses.replace(one, **changes)}
    write_dataset(path, Dataset(compounds, splits or {}, data.settings))


def nan_at(frame):
    values = np.zeros((20, 3, 3), np.float32)
    values[frame, 1, 2] = np.nan
    return values


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"positions": nan_at(7)}, "trajectory 0: positions of frame 7 are not finite"),
        ({"forces": nan_at(19)}, "forces of frame 19 are not finite"),
        ({"masses": np.array([1.0, 0.0, 1.0])}, "an atom without element or mass"),
        ({"bonds": np.array([[0, 3]])}, "a bond of an atom that it does not have"),
        ({"interval": 0.0}, "interval of 0 fs"),
    ],
)
def test_verify_names_what_is_wrong(path, changes, fault):
    assert verify_dataset(path) == []
    rewritten(path, **changes)
    (found,) = verify_dataset(path)
    assert fault in found and str(path) in found


def test_verify_finds_a_leak_and_lets_a_marked_one_pass(path):
    key = next(iter(read_dataset(path).compounds))
    parts = {"train": (Segment(key, 0, 0, 12),), "validation": (), "test": (Segment(key, 0, 10, 20),)}
    rewritten(path, {"time": Split(parts, "time", "frames")})
    assert any("split time" in fault and "overlap" in fault for fault in verify_dataset(path))
    rewritten(path, {"time": Split(parts, "md17", "frames", leaky=True)})
    assert verify_dataset(path) == []
    rewritten(path, {"compound": Split({"train": whole([key]), "validation": (), "test": whole([key])}, "random")})
    assert any("split compound" in fault for fault in verify_dataset(path))


def test_verify_compares_digests_and_sources(path, tmp_path):
    key = next(iter(read_dataset(path).compounds))
    source = {"format": "mdstride", "sha256": "0" * 64, "notes": []}
    rewritten(path, source=source)
    assert verify_dataset(path) == []
    (missing,) = verify_dataset(path, tmp_path)
    assert f"{key}: its source {tmp_path / key / '0.h5md'} is missing" in missing
    (tmp_path / key).mkdir()
    (tmp_path / key / "0.h5md").write_bytes(b"other")
    (changed,) = verify_dataset(path, tmp_path)
    assert "has changed since" in changed
    with h5py.File(path, "r+") as file:
        file[f"compounds/{key}/replicas/0/forces"][3, 1, 2] = 0.5
    seal(path)
    assert any("does not match its digest" in fault for fault in verify_dataset(path))


def test_a_flipped_byte_is_found(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="its checksum does not fit"):
        verify_dataset(path)


def test_the_commands(path, tmp_path, capsys):
    """verify, split, info, card and export on a set; errors are one line."""
    options = ["--method", "random", "--validation", "0.25", "--test", "0.25"]
    assert cli.main(["dataset", "split", "--dataset", str(path), "--name", "compound", *options]) == 0
    assert "split compound: train 2, validation 1, test 1 compounds" in capsys.readouterr().out
    assert cli.main(["dataset", "verify", str(path)]) == 0
    assert "all is well" in capsys.readouterr().out
    assert cli.main(["dataset", "info", str(path)]) == 0
    assert "H2Se" in capsys.readouterr().out
    assert cli.main(["dataset", "card", str(path), "--output", str(tmp_path / "card.md")]) == 0
    assert read_dataset(path).hash() in (tmp_path / "card.md").read_text(encoding="utf-8")
    out = tmp_path / "out"
    export = ["dataset", "export", str(path), "--format", "md17", "--output", str(out)]
    assert cli.main([*export, "--split", "compound", "--part", "test"]) == 0
    assert len(list(out.iterdir())) == 1
    shutil.rmtree(out)
    rewritten(path, positions=nan_at(2))
    capsys.readouterr()
    assert cli.main(["dataset", "verify", str(path)]) == 1
    (error,) = [line for line in capsys.readouterr().err.splitlines() if "took" not in line]
    assert "positions of frame 2 are not finite" in error
