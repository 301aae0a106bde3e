"""How far the shapes that a model forecasts are distributed as those of the reference: Jensen-Shannon divergence.

Two samples of one distribution differ by chance: of S values in K bins each by about (K - 1) / (8 S ln 2) bits. Compare
as many forecasts as targets, and print another sample of the reference beside.
"""

import numpy as np

from mdstride.evaluate.geometry import distances, torsion_angles

TORSION_BINS = 36
DISTANCE_BINS = 50


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Divergence [...] in bits of histograms [..., K] of counts: 0 if proportional, 1 if they share no bin.

    J = H((p + q) / 2) - (H(p) + H(q)) / 2. Lin, IEEE Trans. Inf. Theory 37, 145 (1991).
    """
    p, q = (counts / counts.sum(-1, keepdims=True) for counts in (one, other))
    return _entropy(0.5 * (p + q)) - 0.5 * (_entropy(p) + _entropy(q))


def torsion_divergence(forecasts: np.ndarray, targets: np.ndarray, torsions: np.ndarray) -> np.ndarray:
    """Divergence [P, T] of each of `torsions` [T, 4] between positions [W, P, N, 3], in bins of 10 degrees.

    NaN where a forecast is not finite, as below.
    """
    one, other = (torsion_angles(x, torsions) for x in (forecasts, targets))
    per_bin = TORSION_BINS / (2 * np.pi)
    return _divergence((one + np.pi) * per_bin % TORSION_BINS, (other + np.pi) * per_bin % TORSION_BINS, TORSION_BINS)


def distance_divergence(forecasts: np.ndarray, targets: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Divergence [P, M] of each distance of `pairs` [M, 2] between positions [W, P, N, 3].

    The bins are DISTANCE_BINS over the range of the targets; two more hold the forecasts outside it.
    """
    one, other = (distances(x, pairs) for x in (forecasts, targets))
    low, high = other.min(0), other.max(0)
    width = np.maximum(high - low, 1e-9) / DISTANCE_BINS * (1 + 1e-9)  # the last bin holds the largest target
    return _divergence((one - low) / width, (other - low) / width, DISTANCE_BINS)


def _divergence(one: np.ndarray, other: np.ndarray, bins: int) -> np.ndarray:
    """[P, M] of values [W, P, M] in units of bins."""
    broken = ~np.isfinite(one).all(0)
    found = jensen_shannon(_count(np.where(broken, 0.0, one), bins), _count(other, bins))
    return np.where(broken, np.nan, found)


def _count(values: np.ndarray, bins: int) -> np.ndarray:
    """Histograms [P, M, bins + 2] of [W, P, M]; the first bin and the last are for all that lies outside."""
    places, size = values[0].size, bins + 2
    index = np.floor(values).clip(-1, bins).astype(np.int64) + 1 + size * np.arange(places).reshape(values.shape[1:])
    return np.bincount(index.ravel(), minlength=places * size).reshape(*values.shape[1:], size)


def _entropy(shares: np.ndarray) -> np.ndarray:
    """In bits, over the last axis."""
    return -(shares * np.log2(np.where(shares > 0, shares, 1.0))).sum(-1)
