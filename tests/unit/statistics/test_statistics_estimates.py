"""S2S, S2T, skill and intervals by hand, and the bootstrap beside SciPy's."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from score_helpers import full_scores, table

from mdstride.statistics import bootstrap, summarise
from mdstride.statistics.bootstrap import Resamples, expanded_tail, interval
from mdstride.statistics.estimates import best, skill_by_compound
from mdstride.statistics.table import make_table

TWO = {"persistence": [[1.0, 8.0], [3.0, 12.0]], "rigid": [[5.0, 3.0], [5.0, 5.0]]}


def pick(estimates, model, metric, lag=None):
    (found,) = [one for one in estimates if (one.model, one.metric, one.lag) == (model, metric, lag)]
    return found


def test_metrics_by_hand():
    # persistence is best at 10 fs (mean 2 against 5), rigid at 100 fs (mean 4 against 10)
    found = summarise(table(TWO, {"atom": [[0.5, 2.0], [0.5, 10.0]]}))
    assert pick(found, "atom", "mse", 10.0).value == pytest.approx(0.5)
    assert pick(found, "atom", "s2s", 100.0).value == pytest.approx(6.0)
    assert pick(found, "atom", "s2t").value == pytest.approx(3.25)
    assert pick(found, "atom", "skill", 10.0).value == pytest.approx(1 - 0.5 / 2)
    assert pick(found, "atom", "skill", 100.0).value == pytest.approx(1 - 6 / 4)  # negative: useless there
    assert pick(found, "atom", "skill_s2t").value == pytest.approx(1 - 3.25 / 4.5)
    assert [one.model for one in found] == sorted(
        (one.model for one in found), key=["persistence", "rigid", "atom"].index
    )


def test_the_truth_has_skill_one_and_a_baseline_none_against_itself():
    found = summarise(table({"persistence": TWO["persistence"]}, {"truth": np.zeros((2, 2))}))
    for metric, lag in (("skill", 10.0), ("skill", 100.0), ("skill_s2t", None)):
        for model, value in (("truth", 1.0), ("persistence", 0.0)):
            one = pick(found, model, metric, lag)
            assert (one.low, one.value, one.high) == (value, value, value)
    assert pick(found, "truth", "s2t").value == 0


def test_skill_is_paired():
    """A model that is always half as wrong has skill 0.5 without any spread, however the compounds differ."""
    baseline = np.array([[1.0, 2.0], [10.0, 1.0], [100.0, 5.0]])
    one = pick(summarise(table({"rigid": baseline, "bad": 2 * baseline}, {"atom": baseline / 2})), "atom", "skill_s2t")
    assert (one.low, one.value, one.high) == pytest.approx((0.5, 0.5, 0.5))


def test_the_best_baseline_is_found_anew_in_each_resample():
    """Each baseline is best on one compound; against the better one the model's skill is between -1 and 0."""
    found = summarise(table({"a": [[1.0, 1.0], [4.0, 4.0]], "b": [[4.0, 4.0], [1.0, 1.0]]}, {"atom": [[2.0, 2.0]] * 2}))
    one = pick(found, "atom", "skill_s2t")
    assert (one.low, one.value, one.high) == pytest.approx((-1.0, 1 - 2 / 2.5, 1 - 2 / 2.5))


def test_one_compound_has_no_interval():
    one = pick(summarise(table({"rigid": [[2.0, 2.0]]}, {"atom": [[3.0, 3.0]]})), "atom", "s2t")
    assert one.value == pytest.approx(3.0)
    assert math.isnan(one.low)
    assert math.isnan(one.high)


def test_not_finite_is_never_averaged():
    made = table(TWO, {"atom": [[0.5, 2.0], [0.5, 10.0]]})
    made.scores[1].values["atom", "C1", "mse"][:2, 0] = np.nan
    found = summarise(made)
    for metric, lag in (("mse", 10.0), ("skill", 10.0), ("s2t", None), ("skill_s2t", None)):
        one = pick(found, "atom", metric, lag)
        assert np.isnan([one.value, one.low, one.high]).all()
        assert one.missing == 2
    assert (pick(found, "atom", "mse", 100.0).value, pick(found, "atom", "mse", 100.0).missing) == (6.0, 0)
    assert pick(found, "rigid", "skill", 100.0).value == 0


def test_a_baseline_with_gaps_is_no_candidate():
    made = table(TWO, {"atom": [[0.5, 2.0], [0.5, 10.0]]})
    made.scores[0].values["persistence", "C0", "mse"][0, 0] = np.nan
    found = summarise(made)
    assert pick(found, "atom", "skill", 10.0).value == pytest.approx(1 - 0.5 / 5)  # of rigid
    assert pick(found, "atom", "skill", 100.0).value == pytest.approx(1 - 6 / 4)
    assert math.isnan(pick(found, "persistence", "skill", 10.0).value)
    assert pick(found, "persistence", "mse", 10.0).missing == 1


def test_every_metric_of_a_full_file():
    found = summarise(make_table([(Path("b.h5"), one) for one in full_scores()]))
    atom = {one.metric for one in found if one.model == "atom"}
    assert {"rotated_s2t", "superposed_skill", "valid", "finer", "equivariance", "rollout", "torsions"} <= atom
    assert not {"spectrum", "autocorrelation", "floor"} & atom
    assert pick(found, "twin floor", "floor", 100.0).value == pytest.approx(1e-4)
    assert {one.metric for one in found if one.model == "reference"} == {"valid"}
    assert [one.lag for one in found if (one.model, one.metric) == ("atom", "rollout")] == [1000.0, 2000.0]


def test_what_does_not_apply_is_left_out_of_the_mean():
    files = full_scores()
    for one in files:
        for name in one.forecasters:
            one.values.pop((name, "C1", "chirality"), None)
    found = pick(summarise(make_table([(Path("b.h5"), one) for one in files])), "atom", "chirality", 10.0)
    values = [files[1].values["atom", key, "chirality"][0] for key in ("C0", "C2")]
    assert (found.value, found.compounds) == (pytest.approx(np.mean(values)), 2)
    assert (found.low, found.high) == (min(values), max(values))


def test_seeds_widen_the_interval_from_three_on():
    generator = np.random.default_rng(4)
    errors = generator.uniform(0.9, 1.1, (6, 2)) + np.array([-0.5, 0.0, 0.5])[:, None, None]
    spread = []
    for count in (1, 2, 3):
        one = pick(summarise(table({"rigid": np.ones((6, 2))}, {"atom": errors[:count]})), "atom", "s2t")
        spread.append(one.spread)
        assert (one.high - one.low > 0.5) == (count == 3)
    assert math.isnan(spread[0])
    assert spread[1:] == pytest.approx([errors[:k].mean((1, 2)).std(ddof=1) for k in (2, 3)])


def test_resampled_seeds_have_the_variance_of_the_pigeonhole_bootstrap():
    """A table of row and column effects: the variance is the sum of those of the two means."""
    rows, columns = np.random.default_rng(1).normal(0, (2, 1), (30, 2)).T
    values = rows[:20, None] + columns[None, :]
    drawn = Resamples(30, {"atom": 20}).means(values, "atom")
    assert drawn.var() == pytest.approx(rows[:20].var() / 20 + columns.var() / 30, rel=0.05)


@pytest.mark.parametrize("count", [5, 12, 60])
def test_the_interval_agrees_with_scipy(count):
    """The percentile bootstrap of SciPy at the confidence level that the expansion asks for."""
    values = np.random.default_rng(count).lognormal(size=count)
    low, high = interval(Resamples(count, {}).means(values[None, :, None], "a"), count)
    level = 1 - 2 * expanded_tail(count)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=level, method="percentile", rng=1
    ).confidence_interval
    width = expected.high - expected.low
    assert low[0] == pytest.approx(expected.low, abs=0.04 * width)
    assert high[0] == pytest.approx(expected.high, abs=0.04 * width)


def test_the_expansion_makes_up_for_few_compounds():
    """For a normal mean the interval has the width of Student's, whatever the number (Hesterberg 2015, table 4)."""
    for count in (3, 10, 30):
        width = -stats.norm.ppf(expanded_tail(count)) * np.sqrt((count - 1) / count)
        assert width == pytest.approx(stats.t.ppf(0.975, count - 1))


def test_coverage_of_the_skill(monkeypatch):
    """95 % intervals of the skill of 12 compounds hold the true one in more than nine of ten samples."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 2000)
    generator = np.random.default_rng(3)
    errors = np.exp(generator.normal(size=(300, 1, 12)) + 0.4 * generator.normal(size=(300, 2, 12)))
    inside = 0
    for model, baseline in errors:
        resamples = Resamples(12, {})
        drawn = 1 - resamples.means(model[None], "a") / resamples.means(baseline[None], "b")
        low, high = interval(drawn, 12)
        inside += low <= 0 <= high
    assert 0.90 <= inside / 300 <= 0.985


@settings(deadline=None, max_examples=60)
@given(errors=arrays(float, (4, 3), elements=st.floats(1e-3, 1e3)), factor=st.floats(1e-3, 1e3))
def test_skill_properties(errors, factor):
    values = 1 - errors / best(errors[:3])
    assert (values <= 1).all()
    assert values[:3].max(0) == pytest.approx(np.zeros(3))  # the best baseline, and none above it
    assert ((values[3] > 0) == (errors[3] < errors[:3].min(0))).all()
    np.testing.assert_allclose(1 - errors * factor / best(errors[:3] * factor), values, rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=15)
@given(errors=arrays(float, (2, 5, 2), elements=st.floats(1e-3, 1e3)), order=st.permutations(range(5)))
def test_the_order_of_compounds_changes_no_value(errors, order):
    """Intervals come from other draws, and agree within their noise."""
    one, other = (summarise(table({"rigid": e[0]}, {"atom": e[1]})) for e in (errors, errors[:, order]))
    for a, b in zip(one, other, strict=True):
        assert (a.model, a.metric, a.lag) == (b.model, b.metric, b.lag)
        assert a.value == pytest.approx(b.value, rel=1e-9, abs=1e-9)


def test_skill_by_compound():
    found = skill_by_compound(table(TWO, {"atom": [[2.0, 2.0], [2.5, 10.0]]}), "atom")
    np.testing.assert_allclose(found, [1 - 2 / 4, 1 - 6.25 / 5])  # rigid is the best on both together
