"""Bonds from distances: which atoms are bonded, and how stretched the bonds are."""

import numpy as np
from ase.data import covalent_radii


def radii_sums(atomic_numbers: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Sum of the covalent radii [M] in Å of each pair in `bonds` [M, 2].

    Radii: Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j.
    """
    return covalent_radii[np.asarray(atomic_numbers)[bonds]].sum(1)


def lengths(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Distances [..., M] in Å of the pairs `bonds` [M, 2] at `positions` [..., N, 3] in Å."""
    return np.linalg.norm(positions[..., bonds[:, 0], :] - positions[..., bonds[:, 1], :], axis=-1)


def bonded_pairs(atomic_numbers: np.ndarray, positions: np.ndarray, factor: float) -> np.ndarray:
    """Pairs [M, 2] of atoms closer than `factor` times the sum of their covalent radii, smaller index first, sorted."""
    pairs = np.column_stack(np.triu_indices(len(atomic_numbers), k=1))
    return pairs[lengths(positions, pairs) < factor * radii_sums(atomic_numbers, pairs)]
