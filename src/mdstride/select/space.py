"""A map of chemical space: fingerprints in two dimensions, so that one can see which part of it a run covers.

The Tanimoto similarity of binary fingerprints, T(a, b) = |a and b| / |a or b|, is a positive semi-definite kernel
(Ralaivola et al., Neural Networks 18, 1093 (2005)): each fingerprint is a unit vector in some space, and two of them
are sqrt(2 - 2T) apart. Kernel principal components (Schölkopf et al., Neural Computation 10, 1299 (1998)) are the
directions in which these vectors vary most. A projection only brings points closer, so on the map

    distance <= sqrt(2 - 2T):   points that lie far apart are dissimilar; close points need not be similar.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mdstride.formats.tables import write_table

KINDS = ("library", "accepted", "selected", "seed")
COLUMNS = ("kind", "id", "name", "x", "y", "x_share", "y_share")
DECIMALS = 4
"""Digits that are written: far finer than a map shows, far coarser than what machines differ by in an eigenvector."""
SAMPLE = 1000
"""Compounds of one kind on the map at most: time grows with the third power of their number."""
TIE = 1e-8
"""Axes of equal variance can be turned at will. The variance of the points is raised along a ramp of this height, which
decides for one pair of axes, the same everywhere, and changes no written digit where there is no tie."""


def lottery(record: str) -> int:
    """A number by which to draw a sample, that of lowest numbers: it depends on the record alone, not on any order."""
    return int.from_bytes(hashlib.blake2b(record.encode(), digest_size=8).digest())


def project(fingerprints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two kernel principal components and the share of the variance that each carries.

    `fingerprints` [n, bytes] are packed bits (uint8). Returns the coordinates [n, 2] and the shares [2]; an axis along
    which nothing varies, as when all fingerprints are the same, is zero and has the share 0. Each fingerprint counts
    once, however many rows have it, and the order of the rows does not matter. Every axis points to the side of the
    first fingerprint, in the order of bytes, that is at least half as far out as the farthest.
    """
    distinct, rows = np.unique(fingerprints, axis=0, return_inverse=True)
    kernel = tanimoto(distinct)
    mean = kernel.mean(0)
    centred = kernel - mean - mean[:, None] + mean.mean()
    variance = np.trace(centred)
    ramp = np.diag(np.linspace(0, TIE, len(distinct)))
    values, vectors = np.linalg.eigh(centred + ramp)
    coordinates, shares = np.zeros((len(distinct), 2)), np.zeros(2)
    for axis, value in enumerate(values[::-1][:2]):
        if value > 2 * TIE:  # else it is the ramp, or zero
            component = vectors[:, -1 - axis] * np.sqrt(value)
            first = np.argmax(np.abs(component) >= np.abs(component).max() / 2)
            coordinates[:, axis] = component * np.sign(component[first])
            shares[axis] = value / variance
    return coordinates[rows.ravel()], shares


def tanimoto(fingerprints: np.ndarray) -> np.ndarray:
    """Tanimoto similarity [n, n] of packed bits [n, bytes]; two fingerprints without any bit count as the same."""
    bits = np.unpackbits(fingerprints, axis=1).astype(np.float32)  # whole numbers are exact, and BLAS is fast
    common = (bits @ bits.T).astype(float)
    count = common.diagonal()
    either = count + count[:, None] - common
    return np.where(either > 0, common / np.maximum(either, 1), 1.0)


def write_space(path: Path, groups: Mapping[str, Sequence[tuple[str, str, bytes]]]) -> None:
    """Write the map of all groups together as CSV, kind by kind in the order of KINDS.

    `groups` gives for each kind the (id, name, packed fingerprint) of its compounds. Coordinates are in units of
    sqrt(2 - 2T); `x_share` and `y_share`, the same in each row, are the shares of the variance along the two axes.
    """
    records = [(kind, *record) for kind in KINDS for record in groups[kind]]
    packed = np.array([np.frombuffer(record[-1], np.uint8) for record in records])
    coordinates, shares = project(packed)
    shares = np.round(shares, DECIMALS)
    coordinates = np.round(coordinates, DECIMALS) + 0.0  # no negative zero
    rows = (
        dict(zip(COLUMNS, (kind, key, name, *point.tolist(), *shares.tolist()), strict=True))
        for (kind, key, name, _), point in zip(records, coordinates, strict=True)
    )
    write_table(path, COLUMNS, rows)
