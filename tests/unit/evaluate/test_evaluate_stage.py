"""The evaluator: the same windows for all, known scores, refusals."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from mdstride.errors import InputError
from mdstride.evaluate import stage
from mdstride.evaluate.metrics import mean_square_error
from mdstride.evaluate.stage import baselines, choose_windows, evaluate, lag_steps, score
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.split import Segment, Split, whole
from mdstride.models.baselines import BASELINES
from mdstride.windows import Windows

SETTINGS = {"seed": 1, "windows": 30, "lags": [8.0, 2.0, 5.0]}
INTERVAL = 2.0


def make_dataset(frames=60):
    """Three compounds of different size, two replicas each, random walks."""
    rng = np.random.default_rng(0)
    compounds = {}
    for name, numbers in {"A": [6, 1, 8], "B": [6, 1, 6, 1], "C": [8, 1, 1]}.items():
        shape = (frames, len(numbers), 3)
        replicas = tuple(
            Replica(
                number=number,
                interval=INTERVAL,
                positions=rng.normal(size=shape).cumsum(0).astype(np.float32),
                velocities=rng.normal(size=shape).astype(np.float32),
                forces=np.zeros(shape, np.float32),
                energy=np.zeros(frames),
                origin=np.zeros(3),
                figures={},
                source={"format": "mdstride", "sha256": "", "notes": []},
            )
            for number in (1, 2)
        )
        compounds[name] = CompoundData(
            id=name,
            labels={},
            atomic_numbers=np.array(numbers),
            masses=np.array(numbers) * 2.0,
            bonds=np.array([[0, 1]]),
            reference=rng.normal(size=shape[1:]),
            replicas=replicas,
        )
    parts = {"train": whole("C"), "validation": (), "test": whole("AB")}
    return Dataset(compounds, {"compound": Split(parts, "random")})


class Oracle:
    """Looks the answer up: finds the start frame by its positions."""

    def __init__(self, data):
        self.replicas = [replica for compound in data.compounds.values() for replica in compound.replicas]

    def forecast(self, state, lags):
        answers = []
        for start, row in zip(state.positions.numpy(), lags.numpy(), strict=True):
            for replica in self.replicas:
                same = replica.positions.shape[1:] == start.shape
                hits = np.flatnonzero((replica.positions == start).all((1, 2))) if same else []
                if len(hits):
                    answers.append(replica.positions[hits[0] + (row / INTERVAL).astype(int)])
        return torch.from_numpy(np.stack(answers))


class Recorder:
    """Persistence that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def forecast(self, state, lags):
        self.asked.append((state.positions.clone(), lags.clone()))
        return BASELINES["persistence"].forecast(state, lags)


def by_model(rows, name):
    return [row for row in rows if row["model"] == name]


def test_the_truth_scores_zero_and_nothing_else_does():
    data = make_dataset()
    rows = score(lambda _: {**BASELINES, "oracle": Oracle(data)}, data, whole("AB"), SETTINGS, "cpu")
    assert len(rows) == 4 * 2 * 30 * 3
    assert {row["mse"] for row in by_model(rows, "oracle")} == {0.0}
    assert min(row["mse"] for row in rows if row["model"] != "oracle") > 0


def test_all_forecasters_meet_the_same_windows():
    data, first, second = make_dataset(), Recorder(), Recorder()
    rows = score(lambda _: {"first": first, "second": second}, data, whole("AB"), SETTINGS, "cpu")
    for (x, a), (y, b) in zip(first.asked, second.asked, strict=True):
        assert torch.equal(x, y)
        assert torch.equal(a, b)
        assert a[0].tolist() == [2.0, 4.0, 8.0]  # 5 fs is no whole number of 2 fs frames: rounded, and recorded so
    assert {row["lag"] for row in rows} == {2.0, 4.0, 8.0}


def test_persistence_score_by_hand():
    """Recomputed from the data set with NumPy, from the row's own replica, start and lag; hydrogens do not count."""
    data = make_dataset()
    for row in score(lambda _: {"persistence": BASELINES["persistence"]}, data, whole("AB"), SETTINGS, "cpu")[::7]:
        compound = data.compounds[row["compound"]]
        replica = compound.replicas[row["replica"] - 1]
        heavy = replica.positions[:, compound.atomic_numbers > 1].astype(float)
        moved = heavy[row["start"] + int(row["lag"] / INTERVAL)] - heavy[row["start"]]
        assert row["mse"] == pytest.approx((moved**2).mean(), rel=1e-6)


def test_windows_are_distinct_in_range_and_independent_of_other_compounds():
    data = make_dataset()
    both, alone = Windows(data, whole("AB")), Windows(data, whole("B"))
    trajectory, start = choose_windows(both, 1, 20, 50, seed=1)
    assert len(set(zip(trajectory.tolist(), start.tolist(), strict=True))) == 50
    assert (both.compound[trajectory] == 1).all()
    assert int(start.min()) >= 0
    assert int(start.max()) < 60 - 20
    other, same = choose_windows(alone, 0, 20, 50, seed=1)
    assert torch.equal(same, start)
    assert torch.equal(other, trajectory - 2)
    assert not torch.equal(choose_windows(both, 1, 20, 50, seed=2)[1], start)


def test_every_start_can_be_drawn():
    trajectory, start = choose_windows(Windows(make_dataset(), whole("A")), 0, 20, 80, seed=1)
    assert sorted(zip(trajectory.tolist(), start.tolist(), strict=True)) == [(t, s) for t in (0, 1) for s in range(40)]


def test_padded_atoms_do_not_enter_the_score():
    data = make_dataset()
    windows = Windows(data, whole("AB"))
    state, targets = windows.gather(torch.tensor([0, 2]), torch.tensor([3, 3]), torch.tensor([[1], [1]]))
    garbage = targets + 1.0
    garbage[0, :, 3:] = 1e6  # compound A has three atoms
    errors = mean_square_error(garbage, targets, state)
    torch.testing.assert_close(errors, torch.ones(2, 1, dtype=torch.float64), rtol=1e-5, atol=0)


@pytest.mark.parametrize("lags", [[118.5, 200.0], [0.5], [2.0, 2.4]])
def test_lags_that_do_not_fit_are_refused(lags):
    with pytest.raises(InputError, match=r"evaluate\.lags"):
        lag_steps(lags, Windows(make_dataset(), whole("A")))


def test_more_windows_than_there_are_is_refused():
    with pytest.raises(InputError, match="A has only 112 windows"):
        score(lambda _: BASELINES, make_dataset(), whole("A"), {**SETTINGS, "windows": 113}, "cpu")


def test_a_forecast_of_nan_names_model_and_compound():
    class Broken:
        def forecast(self, state, lags):
            return BASELINES["persistence"].forecast(state, lags) * float("nan")

    with pytest.raises(InputError, match="broken: its forecast of A is not finite"):
        score(lambda _: {"broken": Broken()}, make_dataset(), whole("A"), SETTINGS, "cpu")


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A data set on disk and a `model` that is persistence, trained on that data set."""
    data = make_dataset()
    write_dataset(tmp_path / "dataset.h5", data)
    metadata = {"model": "still", "dataset_hash": data.hash(), "seed": 1, "step": 10}
    monkeypatch.setattr(stage, "read_metadata", lambda path: metadata)
    monkeypatch.setattr(stage, "load", lambda path, device: BASELINES["persistence"])
    return tmp_path, metadata


def run_stage(folder, name="scores.csv", split="compound"):
    evaluate(SETTINGS, dataset=folder / "dataset.h5", split=split, run=folder, output=folder / name)
    return folder / name


def test_the_table_has_every_forecaster_and_the_same_bytes_again(trained):
    folder, _ = trained
    first, second = run_stage(folder, "1.csv"), run_stage(folder, "2.csv")
    assert first.read_bytes() == second.read_bytes()
    rows = list(csv.DictReader(first.open()))
    assert list(rows[0]) == ["model", "compound", "replica", "start", "lag", "mse"]
    scores = {name: [row["mse"] for row in by_model(rows, name)] for name in (*BASELINES, "still")}
    assert scores["still"] == scores["persistence"]
    windows = [tuple(row.values())[1:5] for row in by_model(rows, "rigid")]
    assert windows == sorted(windows, key=lambda w: (w[0], int(w[1]), int(w[2]), float(w[3])))


def test_a_model_of_another_data_set_is_refused(trained):
    folder, metadata = trained
    metadata["dataset_hash"] = "0" * 64
    with pytest.raises(InputError, match="another data set"):
        run_stage(folder)
    assert not (folder / "scores.csv").exists()


def test_an_unknown_split_is_named(trained):
    with pytest.raises(InputError, match="no split `scaffold`; it has compound"):
        run_stage(trained[0], split="scaffold")


def with_modes(data):
    """The same data set, slower, with three made-up orthonormal modes for each compound."""
    compounds = {}
    for key, one in data.compounds.items():
        atoms = len(one.masses)
        slow = tuple(dataclasses.replace(r, velocities=0.001 * r.velocities) for r in one.replicas)
        modes = np.eye(3 * atoms)[:3].reshape(3, atoms, 3)
        compounds[key] = dataclasses.replace(
            one, frequencies=np.array([100.0, 500.0, 900.0]), modes=modes, replicas=slow
        )
    return dataclasses.replace(data, compounds=compounds)


def test_the_harmonic_baselines_need_modes_of_every_tested_compound(capsys):
    data, lags = with_modes(make_dataset()), [2.0, 8.0]
    known = baselines(data, data.splits["compound"], lags)
    expected = [*BASELINES, "harmonic", "damped harmonic"]
    assert [list(known(data.compounds[key])) for key in "AB"] == [expected, expected]
    data.compounds["B"] = dataclasses.replace(data.compounds["B"], modes=None, frequencies=None)
    known = baselines(data, data.splits["compound"], lags)
    assert [list(known(data.compounds[key])) for key in "AB"] == [list(BASELINES), list(BASELINES)]
    assert "no harmonic baseline" in capsys.readouterr().err


def test_within_a_compound_mean_and_linear_are_fitted_on_its_training_frames():
    data = make_dataset(frames=400)
    segments = {"train": (0, 220), "validation": (230, 300), "test": (310, 400)}
    parts = {part: tuple(Segment(key, 1, *span) for key in "AB") for part, span in segments.items()}
    split = Split(parts, "time", "frames")
    rows = score(baselines(data, split, SETTINGS["lags"]), data, parts["test"], SETTINGS, "cpu")
    assert {row["model"] for row in rows} == {*BASELINES, "mean", "linear"}
    assert {row["replica"] for row in rows} == {1}
    assert min(row["start"] for row in rows) >= 310 and max(row["start"] + row["lag"] / INTERVAL for row in rows) < 400
