"""Score against distance: an ordinary least-squares line over compounds with a bootstrap interval."""

from dataclasses import dataclass

import numpy as np

from mdstride.statistics.bootstrap import Resamples, interval


@dataclass(frozen=True)
class Slope:
    """Of y against x."""

    value: float
    """Units of y over units of x; NaN if x does not vary."""
    low: float
    high: float
    """95 % interval; NaN for fewer than three points."""
    n: int
    """Points: pairs of which both are finite."""


def slope(x: np.ndarray, y: np.ndarray) -> Slope:
    """Slope of the line through compounds x [C], y [C], which are drawn in pairs.

    Resamples in which all x are the same have no slope and are left out.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    known = np.isfinite(x) & np.isfinite(y)
    count = int(known.sum())
    if count < 2:
        return Slope(np.nan, np.nan, np.nan, count)
    x, y = x[known] - x[known].mean(), y[known] - y[known].mean()
    value = _slopes(np.full((1, count), 1 / count), x, y)[0]
    if count < 3:
        return Slope(float(value), np.nan, np.nan, count)
    low, high = interval(_slopes(Resamples(count, {}).compounds, x, y), count)
    return Slope(float(value), float(low), float(high), count)


def _slopes(shares: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[R] weighted slopes for the shares [R, C] of compounds in each resample."""
    mean_x, mean_y = shares @ x, shares @ y
    variance = shares @ x**2 - mean_x**2
    varies = variance > 1e-9 * np.ptp(x) ** 2
    return (shares @ (x * y) - mean_x * mean_y) / np.where(varies, variance, np.nan)
