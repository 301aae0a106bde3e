"""How far the shapes that a model forecasts are distributed as those of the reference: Jensen-Shannon divergence.

Two samples of one distribution differ by chance: of S values in K bins each by about (K - 1) / (8 S ln 2) bits. Compare
as many forecasts as targets, and print a second half of the reference beside.
"""

import numpy as np

from mdstride.evaluate.geometry import distances, torsion_angles

TORSION_BINS = 36
DISTANCE_BINS = 50


def jensen_shannon(one: np.ndarray, other: np.ndarray) -> float:
    """Divergence in bits of two histograms [K] of counts: 0 if proportional, 1 if they share no bin.

    J = H((p + q) / 2) - (H(p) + H(q)) / 2. Lin, IEEE Trans. Inf. Theory 37, 145 (1991).
    """
    p, q = one / one.sum(), other / other.sum()
    return float(_entropy(0.5 * (p + q)) - 0.5 * (_entropy(p) + _entropy(q)))


def torsion_divergence(forecasts: np.ndarray, targets: np.ndarray, torsions: np.ndarray) -> np.ndarray:
    """Divergence [T] of each of `torsions` [T, 4] between positions [..., N, 3], in bins of 10 degrees."""
    edges = np.linspace(-np.pi, np.pi, TORSION_BINS + 1)
    one, other = (torsion_angles(x, torsions).reshape(-1, len(torsions)) for x in (forecasts, targets))
    return np.array([_divergence(a, b, edges) for a, b in zip(one.T, other.T, strict=True)])


def distance_divergence(forecasts: np.ndarray, targets: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Divergence [M] of each distance of `pairs` [M, 2] between positions [..., N, 3].

    The bins are DISTANCE_BINS over the range of the targets; two more hold the forecasts outside it.
    """
    one, other = (distances(x, pairs).reshape(-1, len(pairs)) for x in (forecasts, targets))
    found = []
    for a, b in zip(one.T, other.T, strict=True):
        inner = np.linspace(b.min(), b.max(), DISTANCE_BINS + 1)
        inner[-1] = np.nextafter(inner[-1], np.inf)  # the last bin holds the largest target
        found.append(_divergence(a, b, np.concatenate([[-np.inf], inner, [np.inf]])))
    return np.array(found)


def _divergence(one: np.ndarray, other: np.ndarray, edges: np.ndarray) -> float:
    return jensen_shannon(*(np.histogram(values, edges)[0] for values in (one, other)))


def _entropy(shares: np.ndarray) -> float:
    """In bits."""
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())
