"""Runs side by side: which files count, what they are called, what is said of them."""

from dataclasses import replace

import numpy as np
import pytest
from score_helpers import write_run
from split_helpers import as_set, compound

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import open_dataset, write_dataset
from mdstride.formats.scores_file import read_scores_file, write_scores
from mdstride.formats.split import Split, whole
from mdstride.formats.tables import read_table
from mdstride.statistics import Comparison
from mdstride.statistics.compare import COLUMNS, compare
from mdstride.statistics.gather import gather
from mdstride.statistics.words import columns, number, sufficiency, verdict

ERRORS = np.random.default_rng(1).uniform(1, 2, (3, 8, 2))
BASELINES = {"persistence": ERRORS[0], "rigid": ERRORS[1]}
GOOD, BAD = {"atom": ERRORS[0] / 20}, {"atom": ERRORS[0] * 20}


def test_a_file_a_part_of_a_run_and_a_run_mean_the_same(tmp_path):
    paths = write_run(tmp_path / "one", BASELINES, GOOD)
    (tmp_path / "one/dataset.h5").write_bytes(b"not scores")
    for runs in ([tmp_path / "one"], [paths[1]], [tmp_path / "one/scores/atom"], [tmp_path], [*paths, tmp_path]):
        found = gather(runs)["compound"]
        assert (found.baselines, found.models) == (["persistence", "rigid"], ["atom"])


def test_models_of_one_name_are_told_apart(tmp_path):
    write_run(tmp_path / "a/one", BASELINES, GOOD)
    write_run(tmp_path / "a/two", BASELINES, BAD | {"egno": ERRORS[2]})
    found = gather([tmp_path / "a/one", tmp_path / "a/two"])["compound"]
    assert set(found.models) == {"one/atom", "two/atom", "egno"}
    np.testing.assert_allclose(found.cube("mse")[found.forecasters.index("two/atom")], BAD["atom"])
    write_run(tmp_path / "b/one", BASELINES, BAD)
    found = gather([tmp_path / "a/one", tmp_path / "b/one"])["compound"]
    assert found.models == [f"{tmp_path / run}/atom" for run in ("a/one", "b/one")]


def test_other_training_data_may_be_compared_if_the_tested_frames_are_the_same(tmp_path):
    write_run(tmp_path / "small", BASELINES, GOOD)
    write_run(tmp_path / "large", BASELINES | {"rigid": ERRORS[2]}, BAD, dataset="f" * 64)
    found = gather([tmp_path / "small", tmp_path / "large"])["compound"]
    assert found.models == ["small/atom", "large/atom"]
    np.testing.assert_allclose(found.cube("mse")[1], ERRORS[1])  # the baselines are those of the first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "f" * 64, "windows": 4}, "other windows of C0"),
        ({"dataset": "f" * 64, "lags": [10.0, 30.0]}, "other lags"),
        ({"windows": 4}, "other windows of C0"),
    ],
)
def test_runs_that_met_other_windows_are_refused(tmp_path, options, message):
    write_run(tmp_path / "one", BASELINES, GOOD)
    write_run(tmp_path / "two", BASELINES, BAD, **options)
    with pytest.raises(InputError, match=message):
        gather([tmp_path / "one", tmp_path / "two"])


def test_runs_that_met_other_trajectories_are_refused(tmp_path):
    write_run(tmp_path / "one", BASELINES, GOOD)
    write_run(tmp_path / "two", {"persistence": ERRORS[0] * 1.01, "rigid": ERRORS[1]}, BAD, dataset="f" * 64)
    with pytest.raises(InputError, match=r"two/scores/.*\.h5: scored on another data set than .*one/scores/baselines"):
        gather([tmp_path / "one", tmp_path / "two"])


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file or folder; give score files"):
        gather([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no scores below it"):
        gather([tmp_path])
    (path,) = write_run(tmp_path / "one", BASELINES, GOOD)[1:]
    moved = tmp_path / "alone.h5"
    path.rename(moved)
    with pytest.raises(InputError, match=r"alone\.h5: the baselines of split compound are missing"):
        gather([moved])


def test_the_text_and_the_table(tmp_path):
    write_run(tmp_path / "one", BASELINES, GOOD)
    text = compare([tmp_path / "one"], output=tmp_path / "pairs.csv", long=tmp_path / "long.csv")
    lines = text.splitlines()
    assert lines[0].startswith("Split compound: 8 held-out compounds x 3 windows, lags 10 to 100 fs")
    (pair,) = [line for line in lines if line.startswith("atom / persistence")]
    assert "0.0500 [0.0500, 0.0500]" in pair
    assert "atom is better" in pair
    assert "better at 10, 100 fs" in pair
    (row,) = [line for line in lines if line.startswith("10 ")]
    best = min(BASELINES, key=lambda name: BASELINES[name][:, 0].mean())
    assert row.split()[:3] == ["10", best, number(BASELINES[best][:, 0].mean() * 100)]
    rows = list(read_table(tmp_path / "pairs.csv", COLUMNS))
    assert len(rows) == 2 * 3
    assert [rows[0][name] for name in ("one", "other", "lag", "verdict")] == [
        "atom",
        "persistence",
        "",
        "atom is better",
    ]
    assert float(rows[0]["ratio"]) == pytest.approx(0.05)
    assert len(list(read_table(tmp_path / "long.csv", ["value"]))) == 3 * 8 * 3 * 2


def test_seeds_and_missing_forecasts_are_told(tmp_path):
    paths = write_run(tmp_path, BASELINES, {"atom": ERRORS})
    one = read_scores_file(paths[1])
    one.values["atom", "C2", "mse"][:2] = np.nan
    one.about["failures"].append({"forecaster": "atom", "compound": "C2", "windows": 2, "reason": "not finite: mse"})
    one.about["notes"] = ["no roll-out: too short"]
    write_scores(paths[1], one)
    text = compare([tmp_path])
    assert "none (2 windows not finite)" in text
    assert "Not finite: atom, seed 1, C2, 2 windows: not finite: mse." in text
    assert "Note: no roll-out: too short" in text
    assert "not compared: forecasts missing" in text
    assert "over seeds of models with 3 or more" in text


def test_one_compound_and_few_are_called_so(tmp_path):
    write_run(tmp_path / "one", {"persistence": [[1.0, 2.0]]}, {"atom": [[0.5, 0.5]]})
    text = compare([tmp_path / "one"])
    assert "One compound: there are no intervals" in text
    assert "[" not in text.split("worse than that.")[1]
    # 2^(1 - C) x pairs < 0.05 for C = 8 and five pairs, not for 7
    assert sufficiency(7, 5).endswith("it takes 8.")
    assert "too few" not in sufficiency(8, 5)


def test_a_metric_that_was_not_measured_is_refused(tmp_path):
    write_run(tmp_path, BASELINES, GOOD)
    with pytest.raises(InputError, match="no rotated of persistence on split compound; evaluate it again"):
        compare([tmp_path], metric="rotated", output=tmp_path / "pairs.csv")
    assert not (tmp_path / "pairs.csv").exists()


def test_the_distance_to_training_is_told(tmp_path):
    made = [compound(smiles, name=smiles, replicas=1) for smiles in ("CCO", "CCCO", "c1ccccc1", "CC(C)=O")]
    compounds = as_set(*(replace(one, replicas=(replace(one.replicas[0], source={"sha256": ""}),)) for one in made))
    ids = {one.labels["smiles"]: key for key, one in compounds.items()}
    tested = [ids["CCCO"], ids["c1ccccc1"]]
    split = Split(
        {"train": whole([ids["CCO"]]), "validation": whole([ids["CC(C)=O"]]), "test": whole(tested)}, "random"
    )
    write_dataset(tmp_path / "dataset.h5", Dataset(compounds, {"compound": split}, {}))
    with open_dataset(tmp_path / "dataset.h5") as data:
        digest = data.hash()
    paths = write_run(tmp_path, {"rigid": ERRORS[0, :2]}, {"atom": ERRORS[1, :2]}, dataset=digest)
    for path in paths:
        one = read_scores_file(path)
        name = dict(zip(sorted(one.windows), sorted(tested), strict=True))
        values = {(a, name[key], metric): value for (a, key, metric), value in one.values.items()}
        write_scores(path, replace(one, windows={name[key]: w for key, w in one.windows.items()}, values=values))
    lines = compare([tmp_path], dataset=tmp_path / "dataset.h5").splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("compound  "))
    near, far = lines[start + 2].split(), lines[start + 3].split()
    assert (near[0], near[2], far[0]) == ("CCCO", "CCO", "c1ccccc1")
    assert 0 < float(near[1]) < float(far[1]) <= 1
    assert any(line.startswith("Skill of atom changes by ") for line in lines)
    write_run(tmp_path / "foreign", {"rigid": ERRORS[0]}, {"atom": ERRORS[1]})
    with pytest.raises(InputError, match="not the data set that split compound was scored on"):
        compare([tmp_path / "foreign"], dataset=tmp_path / "dataset.h5")


def test_numbers_and_columns():
    assert [number(x) for x in (0, 1.0, 0.00123456, 1234.5, -2.5, np.nan, 1e-6)] == [
        "0", "1.00", "0.00123", "1,234", "-2.50", "-", "0.00000100"
    ]  # fmt: skip
    assert columns([("a", "bbb"), ("cc", "d")]) == ["a   bbb", "-------", "cc  d"]


def test_verdicts():
    one = Comparison("atom", "rigid", None, -0.5, -1.0, 0.0, 0.01, 0.04, 8)
    assert verdict(one) == "atom is better"
    assert verdict(replace(one, difference=0.5)) == "rigid is better"
    assert verdict(replace(one, p_corrected=0.06)) == "no difference shown"
    assert verdict(replace(one, compounds=1)) == "one compound: nothing to be said of others"
    assert verdict(replace(one, p=np.nan)) == "not compared: forecasts missing"
