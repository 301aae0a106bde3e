"""S2S, S2T, skill and intervals by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdstride.errors import InputError
from mdstride.formats.tables import write_table
from mdstride.report.summary import Scores, read_scores, skill, summarise

COLUMNS = ("model", "compound", "replica", "start", "lag", "mse")


def make_scores(mse, baselines=("persistence", "rigid"), models=("atom",)):
    mse = np.asarray(mse, float)
    names = [f"C{k}" for k in range(mse.shape[1])]
    return Scores(list(baselines), list(models), names, np.array([10.0, 100.0])[: mse.shape[2]], mse, 5)


def pick(estimates, model, metric, lag=None):
    (found,) = [e for e in estimates if (e.model, e.metric, e.lag) == (model, metric, lag)]
    return found


def test_metrics_by_hand():
    # persistence is best at 10 fs (mean 2 against 5), rigid at 100 fs (mean 4 against 10)
    estimates = summarise(make_scores([[[1.0, 8.0], [3.0, 12.0]], [[5.0, 3.0], [5.0, 5.0]], [[0.5, 2.0], [0.5, 10.0]]]))
    assert pick(estimates, "atom", "mse", 10.0).value == pytest.approx(0.5)
    assert pick(estimates, "atom", "s2s", 100.0).value == pytest.approx(6.0)
    assert pick(estimates, "atom", "s2t").value == pytest.approx(3.25)
    assert pick(estimates, "atom", "skill", 10.0).value == pytest.approx(1 - 0.5 / 2)
    assert pick(estimates, "atom", "skill", 100.0).value == pytest.approx(1 - 6 / 4)  # negative: useless there
    assert pick(estimates, "atom", "skill_s2t").value == pytest.approx(1 - 3.25 / 4.5)
    assert pick(estimates, "persistence", "skill", 10.0).value == 0
    assert pick(estimates, "rigid", "skill", 100.0).value == 0


def test_the_interval_spans_what_two_compounds_allow():
    """With two compounds the resamples are (1,1), (1,2), (2,2) with shares 1/4, 1/2, 1/4: the interval is the range."""
    estimate = pick(
        summarise(make_scores(np.array([[[1.0], [3.0]], [[9.0], [9.0]], [[1.0], [1.0]]]))), "persistence", "s2t"
    )
    assert (estimate.low, estimate.value, estimate.high) == (1.0, 2.0, 3.0)


def test_the_interval_agrees_with_the_normal_theory_for_many_compounds():
    values = np.random.default_rng(2).normal(10, 1, 400)
    estimate = pick(summarise(make_scores(np.stack([values, values + 1, values])[..., None])), "atom", "s2t")
    half = 1.96 * values.std() / np.sqrt(400)
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.02)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.02)


def test_skill_is_paired():
    """A model that is always half as wrong has skill 0.5 without any spread, however the compounds differ."""
    baseline = np.array([[1.0], [10.0], [100.0]])
    estimate = pick(summarise(make_scores([baseline, 2 * baseline, baseline / 2])), "atom", "skill_s2t")
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx((0.5, 0.5, 0.5))


def test_one_compound_has_no_interval():
    estimate = pick(summarise(make_scores([[[1.0]], [[2.0]], [[3.0]]])), "atom", "s2t")
    assert estimate.value == 3.0
    assert np.isnan([estimate.low, estimate.high]).all()


@settings(deadline=None, max_examples=60)
@given(mse=arrays(float, (4, 3), elements=st.floats(1e-3, 1e3)), factor=st.floats(1e-3, 1e3))
def test_skill_properties(mse, factor):
    values = skill(mse, 3)
    assert (values <= 1).all()
    assert values[:3].max(0) == pytest.approx(np.zeros(3))  # the best baseline, and none above it
    assert ((values[3] > 0) == (mse[3] < mse[:3].min(0))).all()
    np.testing.assert_allclose(skill(mse * factor, 3), values, atol=1e-9)


def write_scores(path, models, *, shift=0, scale=1.0):
    rows = [
        dict(zip(COLUMNS, (model, compound, 1, start + shift, lag, scale * (k + 1) * (start + 1) * lag), strict=True))
        for k, model in enumerate(models)
        for compound in ("A", "B")
        for start in (0, 2)
        for lag in (10.0, 100.0)
    ]
    write_table(path, COLUMNS, rows)
    return path


def test_windows_are_averaged_first_then_seeds(tmp_path):
    paths = [
        write_scores(tmp_path / "1.csv", ("rigid", "atom")),
        write_scores(tmp_path / "2.csv", ("rigid", "atom"), scale=3),
    ]
    scores = read_scores(paths, ["atom", "atom"])
    assert scores.baselines == ["rigid"]
    assert scores.models == ["atom"]
    assert scores.windows == 2
    np.testing.assert_allclose(scores.mse[1], [[80.0, 800.0]] * 2)  # 2 x mean(1, 3) x lag, mean of the scales 1 and 3


def test_other_windows_are_refused(tmp_path):
    paths = [
        write_scores(tmp_path / "1.csv", ("rigid", "atom")),
        write_scores(tmp_path / "2.csv", ("rigid", "egno"), shift=1),
    ]
    with pytest.raises(InputError, match=r"2\.csv: egno met other windows"):
        read_scores(paths, ["atom", "egno"])


def test_a_table_without_its_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="no scores of atom"):
        read_scores([write_scores(tmp_path / "1.csv", ("rigid",))], ["atom"])
