"""The paired test beside SciPy's, by hand, and on data without a difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from score_helpers import table

from mdstride.statistics import compare_models, smallest_p
from mdstride.statistics.significance import DRAWS, holm, sign_flip_test

REAL = st.floats(-100, 100, allow_subnormal=False)


@pytest.mark.parametrize("count", [2, 5, 9])
def test_exact_p_is_that_of_scipy(count):
    differences = np.random.default_rng(count).normal(0.5, 1, (count, 3))
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=0, alternative="two-sided"
    ).pvalue
    np.testing.assert_allclose(sign_flip_test(differences), expected)


def test_drawn_p_is_that_of_scipy():
    differences = np.random.default_rng(7).normal(0.4, 1, (25, 1))
    expected = stats.permutation_test(
        (differences[:, 0],), np.mean, permutation_type="samples", n_resamples=50_000, rng=np.random.default_rng(2)
    ).pvalue
    assert sign_flip_test(differences)[0] == pytest.approx(expected, abs=0.004)


def test_p_by_hand():
    # flips of (1, 2, 4): |sums| 7, 5, 3, 1, each twice
    assert sign_flip_test(np.array([[1.0], [2.0], [4.0]]))[0] == 2 / 8
    assert sign_flip_test(np.array([[1.0], [-2.0], [4.0]]))[0] == 6 / 8
    assert sign_flip_test(np.array([[1.0]]))[0] == 1
    np.testing.assert_array_equal(sign_flip_test(np.zeros((5, 1))), 1)
    np.testing.assert_array_equal(np.isnan(sign_flip_test(np.array([[1.0, np.nan], [1.0, 1.0]]))), [False, True])


@pytest.mark.parametrize("count", [2, 4, 16, 17])
def test_the_smallest_p_is_what_a_clear_difference_gets(count):
    assert sign_flip_test(np.ones((count, 1)))[0] >= smallest_p(count)
    if count <= 16:
        assert sign_flip_test(np.ones((count, 1)))[0] == smallest_p(count) == 2 / 2**count
    else:
        assert smallest_p(count) == 1 / (DRAWS + 1)


@pytest.mark.parametrize("count", [8, 20])
def test_without_a_difference_one_in_twenty_is_called_significant(count):
    """1,000 samples of each distribution, one of them far from normal; binomial noise is 0.7 %."""
    generator = np.random.default_rng(count)
    for values in (generator.normal(size=(count, 1000)), generator.standard_t(2, size=(count, 1000))):
        share = (sign_flip_test(values) <= 0.05).mean()
        assert 0.03 < share < 0.07


@settings(deadline=None, max_examples=50)
@given(values=arrays(float, (7, 1), elements=REAL), order=st.permutations(range(7)), factor=st.floats(0.01, 100))
def test_p_knows_neither_order_nor_sign_nor_unit(values, order, factor):
    p = sign_flip_test(values)
    assert 2 / 2**7 <= p[0] <= 1
    np.testing.assert_array_equal(sign_flip_test(values[order]), p)
    np.testing.assert_array_equal(sign_flip_test(-values), p)
    np.testing.assert_array_equal(sign_flip_test(values * factor), p)


def test_holm_by_hand():
    # sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, then never below the one before
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.9])), [1, 1])
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])
    assert holm(np.array([])).size == 0


@given(arrays(float, st.integers(1, 12), elements=st.floats(0, 1)))
def test_holm_lies_between_none_and_bonferroni(p):
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= np.minimum(p * len(p), 1)).all()
    assert (np.diff(corrected[np.argsort(p)]) >= 0).all()


def test_pairs_lags_and_families():
    errors = np.random.default_rng(1).uniform(0.5, 2, (4, 6, 2))
    made = table({"rigid": errors[0], "harmonic": errors[1]}, {"atom": errors[2], "egno": errors[3]})
    found = compare_models(made)
    pairs = [(one.one, one.other) for one in found if one.lag is None]
    assert pairs == [
        ("atom", "rigid"), ("atom", "harmonic"), ("egno", "rigid"), ("egno", "harmonic"), ("atom", "egno")
    ]  # fmt: skip
    assert len(found) == 5 * 3
    overall, by_lag = [one for one in found if one.lag is None], [one for one in found if one.lag is not None]
    for family in (overall, by_lag):
        np.testing.assert_allclose([one.p_corrected for one in family], holm(np.array([one.p for one in family])))
    one = next(one for one in found if (one.one, one.other, one.lag) == ("atom", "egno", 100.0))
    logs = np.log(errors[2, :, 1] / errors[3, :, 1])
    assert one.difference == pytest.approx(logs.mean())
    assert one.ratio[0] == pytest.approx(np.exp(logs.mean()))
    assert one.p == pytest.approx(sign_flip_test(logs[:, None])[0])
    assert one.low < one.difference < one.high


def test_a_model_that_is_always_better_is_found():
    baseline = np.random.default_rng(1).lognormal(size=(10, 2)) * 1.0
    (one, *_) = compare_models(table({"rigid": baseline}, {"atom": baseline / 2}))
    assert (one.p, one.p_corrected) == (2 / 2**10, 2 / 2**10)
    assert one.ratio == pytest.approx((0.5, 0.5, 0.5))


def test_exact_forecasts_and_missing_ones():
    made = table({"rigid": np.ones((6, 2))}, {"truth": np.zeros((6, 2)), "again": np.zeros((6, 2))})
    made.scores[2].values["again", "C3", "mse"][0, 0] = np.nan
    found = {(one.one, one.other, one.lag): one for one in compare_models(made)}
    assert found["truth", "rigid", None].p == 2 / 2**6
    assert found["truth", "again", 100.0].p == 1
    missing = found["again", "rigid", None]
    assert np.isnan([missing.difference, missing.low, missing.high, missing.p, missing.p_corrected]).all()
    assert found["truth", "rigid", None].p_corrected == found["truth", "rigid", None].p  # of one comparison


def test_seeds_are_in_the_interval_of_a_difference():
    generator = np.random.default_rng(2)
    errors = generator.uniform(0.99, 1.01, (3, 8, 2)) * np.array([0.5, 1.0, 2.0])[:, None, None]
    (one, *_) = compare_models(table({"rigid": np.ones((8, 2))}, {"atom": errors}))
    (alone, *_) = compare_models(table({"rigid": np.ones((8, 2))}, {"atom": errors[:1]}))
    assert one.high - one.low > 1.0 > 0.1 > alone.high - alone.low
