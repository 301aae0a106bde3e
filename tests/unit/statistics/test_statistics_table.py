from pathlib import Path

import numpy as np
import pytest
from score_helpers import full_scores, scores, table, write_run

from mdstride.errors import InputError
from mdstride.formats.scores_file import write_scores
from mdstride.statistics import read_scores
from mdstride.statistics.table import make_table

BASELINES = {"persistence": [[1.0, 2.0], [3.0, 4.0]], "rigid": [[2.0, 2.0], [2.0, 2.0]]}
ATOM = {"atom": [[[1.0, 1.0], [1.0, 2.0]], [[3.0, 1.0], [1.0, 4.0]]]}


def test_files_become_means_over_windows_then_seeds(tmp_path):
    paths = write_run(tmp_path, BASELINES, ATOM)
    found = read_scores([paths[2], paths[0], paths[1]])["compound"]  # the order of the files does not matter
    assert found.baselines == ["persistence", "rigid"]
    assert found.seeds == {"atom": [1, 2]}
    assert found.compounds == ["C0", "C1"]
    assert found.windows == 3
    np.testing.assert_allclose(found.cube("mse"), [*BASELINES.values(), [[2.0, 1.0], [1.0, 3.0]]])
    np.testing.assert_allclose(found.seed_cube("mse", "atom"), ATOM["atom"])
    assert found.floor is None


def test_splits_are_kept_apart(tmp_path):
    paths = [
        *write_run(tmp_path, BASELINES, {}, split="a"),
        *write_run(tmp_path, BASELINES, {"atom": [[9.0, 9.0]] * 2}, split="b", dataset="other" * 8),
    ]
    found = read_scores(paths)
    assert {name: one.models for name, one in found.items()} == {"a": [], "b": ["atom"]}


def test_curves_scalars_and_the_floor():
    found = make_table([(Path("b.h5"), one) for one in full_scores()])
    axis, curves = found.curve("reference", "spectrum")
    assert (axis.shape, curves.shape) == ((7,), (3, 7))
    assert found.curve("atom", "rollout")[1].shape == (3, 2)
    assert found.scalar("atom", "equivariance").shape == (3,)
    np.testing.assert_array_equal(found.floor, [[1e-6, 1e-4]] * 3)
    assert found.baselines == ["persistence", "rigid", "harmonic"]


def test_a_forecast_that_is_not_finite_makes_the_mean_nan():
    for bad in (np.nan, np.inf):
        found = table(BASELINES, ATOM)
        found.scores[1].values["atom", "C1", "mse"][0, 1] = bad
        np.testing.assert_array_equal(found.cube("mse")[2], [[2.0, 1.0], [1.0, np.nan]])
        np.testing.assert_array_equal(found.missing("atom", "mse"), [0, 1])


def test_what_does_not_apply_is_told_from_what_is_missing():
    found = make_table([(Path("b.h5"), one) for one in full_scores()])
    for one in found.scores:  # C1 has no centre of chirality
        for name in one.forecasters:
            one.values.pop((name, "C1", "chirality"), None)
    found.scores[1].values.pop(("atom", "C2", "torsions"))  # the model failed on it, others did not
    np.testing.assert_array_equal(found.applies("chirality"), [True, False, True])
    assert found.applies("torsions").all()
    np.testing.assert_array_equal(found.missing("atom", "chirality"), [0, 0])
    np.testing.assert_array_equal(found.missing("atom", "torsions"), [3, 3])
    assert np.isnan(found.cube("torsions")[-1, 2]).all()


def test_failures_tell_how_many_windows_a_nan_stands_for():
    found = make_table([(Path("b.h5"), one) for one in full_scores()])
    found.scores[1].values["atom", "C0", "equivariance"] = np.array(np.nan)
    found.scores[1].about["failures"].append(
        {"forecaster": "atom", "compound": "C0", "windows": 2, "reason": "not finite: equivariance"}
    )
    np.testing.assert_array_equal(found.missing("atom", "equivariance"), [2])
    assert found.failures == [
        {"forecaster": "atom", "compound": "C0", "windows": 2, "reason": "not finite: equivariance", "seed": 1}
    ]


def other(**options):
    return scores({"atom": [[1.0, 2.0]] * 2}, model="atom", seed=1, **options)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (other(dataset="f" * 64), r"1\.h5: scored on another data set than .*b\.h5; evaluate both on one data set"),
        (other(lags=[10.0, 200.0]), r"1\.h5: other lags than .*b\.h5; .* same evaluate\.lags"),
        (other(windows=4), r"1\.h5: other windows of C0 than .*b\.h5; .* evaluate\.seed and evaluate\.windows"),
        (
            scores({"atom": [[1.0, 2.0]] * 3}, model="atom", seed=1),
            r"1\.h5: other compounds than .*b\.h5, such as C2; evaluate both on the same split",
        ),
        (scores({"egno": [[1.0, 2.0]] * 2}, model="atom", seed=1), r"1\.h5: holds no forecast of atom; evaluate it"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(tmp_path, odd, message):
    write_scores(tmp_path / "b.h5", scores(BASELINES))
    write_scores(tmp_path / "1.h5", odd)
    with pytest.raises(InputError, match=message) as caught:
        read_scores([tmp_path / "1.h5", tmp_path / "b.h5"])
    assert "\n" not in str(caught.value)


def test_other_starts_are_other_windows(tmp_path):
    one = other()
    one.windows["C1"] = (one.windows["C1"][0], one.windows["C1"][1] + 1)
    with pytest.raises(InputError, match="other windows of C1"):
        make_table([(tmp_path / "b.h5", scores(BASELINES)), (tmp_path / "1.h5", one)])


def test_a_file_given_twice_is_refused(tmp_path):
    paths = write_run(tmp_path, BASELINES, ATOM)
    with pytest.raises(InputError, match=r"atom, seed 2 of split compound is in .*2\.h5 too; give only one"):
        read_scores([*paths, paths[2]])
    with pytest.raises(InputError, match=r"baselines of split compound is in"):
        read_scores([paths[0], *paths])


def test_missing_baselines_are_asked_for(tmp_path):
    paths = write_run(tmp_path, BASELINES, ATOM)
    with pytest.raises(InputError, match=r"1\.h5: the baselines of split compound are missing; add scores/baselines/"):
        read_scores(paths[1:])
