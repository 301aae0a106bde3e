"""The stage on files: what it writes, and what it refuses in one line."""

import dataclasses

import numpy as np
import pytest
import torch
from evaluate_helpers import SETTINGS, compound, dataset, measured, swinging, walking

from mdstride.errors import InputError
from mdstride.evaluate.forecasters import baselines
from mdstride.evaluate.stage import evaluate
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.provenance import DATASET, sha256
from mdstride.formats.scores_file import FLOOR, REFERENCE, read_scores_file
from mdstride.formats.split import Segment, Split, whole
from mdstride.models.baselines import BASELINES
from mdstride.models.registry import build, save

EGNO = {"width": 4, "layers": 1}
LAGS = [2.0, 8.0]


@pytest.fixture
def files(tmp_path):
    """A data set, and in the same folder a freshly initialised model of it."""
    data = swinging(100)
    one = data.compounds["A"]
    short = {name: getattr(one.replicas[0], name)[:4] for name in ("positions", "velocities", "forces", "energy")}
    twin = dataclasses.replace(one.replicas[0], **short | {"positions": short["positions"] + np.float32(1e-3)})
    data.compounds["A"] = dataclasses.replace(one, twins=(twin,))
    write_dataset(tmp_path / "dataset.h5", data)
    write_model(tmp_path, data)
    return tmp_path


def write_model(folder, data, **changes):
    about = {"model": "egno", "settings": EGNO, "dataset_hash": data.hash(), "split": "compound", "seed": 7, "step": 3}
    save(folder / "weights.safetensors", build("egno", EGNO).state_dict(), about | changes)


def run_stage(folder, name="scores.h5", *, split="compound", run=None, settings=SETTINGS):
    evaluate(settings, dataset=folder / "dataset.h5", split=split, run=run, output=folder / name)
    return read_scores_file(folder / name)


def test_baselines_and_a_model_meet_the_same_windows(files):
    known, model = run_stage(files), run_stage(files, "model.h5", run=files)
    names = [REFERENCE, FLOOR, *BASELINES, "harmonic", "damped harmonic"]
    assert known.forecasters == names
    assert model.forecasters == ["egno"]
    assert (known.about["model"], known.about["seed"]) == ("baselines", None)
    assert (model.about["model"], model.about["seed"]) == ("egno", 7)
    for key in ("split", "dataset", "settings", "software", "source"):
        assert known.about[key] == model.about[key]
    assert (known.about["stage"], model.about["stage"]) == ("baselines", "evaluate")
    assert known.about["inputs"] == {DATASET: known.about["dataset"]}
    assert model.about["inputs"] == known.about["inputs"] | {
        "weights.safetensors": sha256(files / "weights.safetensors")
    }
    for key, (replica, start) in known.windows.items():
        np.testing.assert_array_equal(replica, model.windows[key][0])
        np.testing.assert_array_equal(start, model.windows[key][1])
    np.testing.assert_array_equal(model.values["egno", "B", "mse"], known.values["persistence", "B", "mse"])
    floor = known.values[FLOOR, "A", "floor"]
    np.testing.assert_allclose(floor, [1e-6, 1e-6, np.nan], rtol=1e-3)  # 8 fs is beyond the last frame of the twin
    assert not known.about["failures"]


@pytest.mark.parametrize("model", [False, True])
def test_the_same_bytes_again_whatever_the_number_of_threads(files, model):
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        run_stage(files, f"{count}.h5", run=files if model else None)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert (files / "1.h5").read_bytes() == (files / "2.h5").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset_hash": "0" * 64}, "weights.safetensors: trained on another data set"),
        ({"split": "scaffold"}, "trained on split `scaffold`, not on `compound`"),
        ({"model": "atom", "settings": {}}, "does not fit model `atom`"),
        ({"model": "oracle"}, "no model `oracle`; registered: "),
    ],
)
def test_the_weights_of_another_model_data_set_or_split_are_refused(files, changes, message):
    write_model(files, swinging(100), **{"dataset_hash": read_hash(files)} | changes)
    with pytest.raises(InputError, match=message) as error:
        run_stage(files, run=files)
    assert "\n" not in str(error.value)
    assert not (files / "scores.h5").exists()


def read_hash(folder):
    return run_stage(folder, "hash.h5").about["dataset"]


def test_damaged_weights_and_missing_files_are_refused(files):
    weights = files / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(InputError, match="does not match its SHA-256"):
        run_stage(files, run=files)
    with pytest.raises(InputError, match="no such file"):
        run_stage(files, run=files / "nowhere")


def test_a_split_that_does_not_exist_or_tests_nothing_is_refused(files):
    with pytest.raises(InputError, match="no split `scaffold`; it has compound"):
        run_stage(files, split="scaffold")
    data = swinging(100)
    empty = {"compound": Split({"train": whole("ABC"), "validation": (), "test": ()}, "random")}
    write_dataset(files / "dataset.h5", dataclasses.replace(data, splits=empty))
    with pytest.raises(InputError, match="split `compound` holds out nothing"):
        run_stage(files)


def test_trajectories_of_different_intervals_are_refused(files):
    data = swinging(100)
    slow = tuple(dataclasses.replace(run, interval=4.0) for run in data.compounds["B"].replicas)
    data.compounds["B"] = dataclasses.replace(data.compounds["B"], replicas=slow)
    write_dataset(files / "dataset.h5", data)
    with pytest.raises(InputError, match="different frame intervals"):
        run_stage(files)


def test_one_compound_of_one_replica_is_enough(files):
    still = np.zeros((80, 2, 3)) + np.array([[0, 0, 0], [1.1, 0, 0]])
    data = dataset(
        compound("C", [6, 8], [[0, 1]], still[0], [(still, still)]),
        compound("A", [6, 8], [[0, 1]], still[0], [(still, still * 0)]),
    )
    write_dataset(files / "dataset.h5", data)
    scores = run_stage(files, settings=SETTINGS | {"rollout": [20.0, 40.0]})
    assert list(scores.windows) == ["A"]
    assert not scores.about["failures"]
    assert scores.values["persistence", "A", "mse"].max() == 0
    assert (REFERENCE, "A", "torsions") not in scores.values


def test_the_harmonic_baselines_need_modes_of_every_tested_compound():
    data = swinging(100)
    known, notes = baselines(data, data.splits["compound"], LAGS)
    expected = [*BASELINES, "harmonic", "damped harmonic"]
    assert [list(known(data.compounds[key])) for key in "AB"] == [expected, expected]
    assert not notes
    data.compounds["C"] = dataclasses.replace(data.compounds["C"], modes=None, frequencies=None)
    known, notes = baselines(data, data.splits["compound"], LAGS)
    assert list(known(data.compounds["A"])) == expected[:-1]
    assert notes == [
        "no damped harmonic baseline: damped harmonic: no training compound has normal modes; "
        "relax them here (mdstride relax)"
    ]
    data.compounds["B"] = dataclasses.replace(data.compounds["B"], modes=None, frequencies=None)
    known, notes = baselines(data, data.splits["compound"], LAGS)
    assert [list(known(data.compounds[key])) for key in "AB"] == [list(BASELINES), list(BASELINES)]
    assert notes == ["no harmonic baseline, since not every tested compound has normal modes"]


def test_what_is_left_out_for_all_is_noted(files, capsys):
    scores = run_stage(files, settings=SETTINGS | {"rollout": [20.0, 400.0]})
    assert scores.about["notes"] == [
        "no spectra and no movies: the longest lag is too short for them",
        "no roll-out to 400 fs, for which trajectories are short: A, B",
    ]
    assert all(f"evaluate: {note}\n" in capsys.readouterr().err for note in scores.about["notes"][:1])


def within(parts=("train", "validation", "test")):
    """A split by time of A and B, without some of the parts of B."""
    spans = {"train": (0, 220), "validation": (230, 300), "test": (310, 400)}
    segments = {
        part: tuple(Segment(key, 1, *span) for key in "AB" if key == "A" or part in parts)
        for part, span in spans.items()
    }
    return Split(segments, "time", "frames")


def test_within_a_compound_mean_and_linear_are_fitted_on_its_training_frames():
    data, split = walking(frames=400), within()
    known = baselines(data, split, [2.0, 4.0, 8.0])[0](data.compounds["A"])
    scores = measured(Dataset(data.compounds, {"time": split}), known, segments=split.parts["test"][:1])
    assert scores.forecasters == [*BASELINES, "mean", "linear"]
    replica, start = scores.windows["A"]
    assert set(replica) == {1}
    assert start.min() >= 310 and start.max() + 4 < 400
    assert np.isfinite(scores.values["linear", "A", "mse"]).all()
    assert ("linear", "A", "finer") not in scores.values
    assert scores.about["failures"] == []  # it is defined at the fitted lags alone: that is no failure


def test_what_cannot_be_fitted_costs_no_other_baseline():
    data, split = walking(frames=400), within(parts=("train", "test"))
    known = baselines(data, split, [2.0, 4.0, 8.0])[0](data.compounds["B"])
    scores = measured(Dataset(data.compounds, {"time": split}), known, segments=split.parts["test"][1:])
    assert scores.forecasters == list(BASELINES)
    assert {(f["forecaster"], f["windows"]) for f in scores.about["failures"]} == {("mean", 30), ("linear", 30)}
    assert all("B: no validation segments" in f["reason"] for f in scores.about["failures"])
