import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mdstride.statistics import slope
from mdstride.statistics.bootstrap import expanded_tail

X = np.random.default_rng(1).uniform(0, 1, 40)
NOISE = np.random.default_rng(2).normal(0, 0.2, 40)


def test_the_line_is_that_of_scipy():
    found = slope(X, 1 - 0.7 * X + NOISE)
    expected = stats.linregress(X, 1 - 0.7 * X + NOISE)
    assert found.value == pytest.approx(expected.slope)
    half = stats.t.ppf(0.975, 38) * expected.stderr
    assert found.low == pytest.approx(expected.slope - half, abs=0.25 * half)
    assert found.high == pytest.approx(expected.slope + half, abs=0.25 * half)
    assert found.n == 40


def test_the_interval_is_that_of_scipy():
    y = NOISE * (0.5 + X)
    found = slope(X[:12], y[:12])
    expected = stats.bootstrap(
        (X[:12], y[:12]),
        lambda x, y: stats.linregress(x, y).slope,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        confidence_level=1 - 2 * expanded_tail(12),
        rng=3,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.1 * (found.high - found.low))


@settings(deadline=None, max_examples=20)
@given(a=st.floats(-5, 5), b=st.floats(-5, 5), shift=st.floats(-100, 100))
def test_a_straight_line_is_found_without_spread(a, b, shift):
    found = slope(X[:8] + shift, a + b * (X[:8] + shift))
    assert (found.low, found.value, found.high) == pytest.approx((b, b, b), abs=1e-6)


def test_few_points_and_missing_ones():
    assert math.isnan(slope(np.array([1.0]), np.array([2.0])).value)
    two = slope(np.array([0.0, 1.0, np.nan, 2.0]), np.array([1.0, 3.0, 5.0, np.nan]))
    assert (two.value, two.n) == (pytest.approx(2.0), 2)
    assert math.isnan(two.low)
    same = slope(np.ones(5), np.arange(5.0))
    assert np.isnan([same.value, same.low, same.high]).all()
