"""Motions of a molecule as a rigid body: what vibrations and thermal velocities are free of."""

import numpy as np

LINEAR = 1e-6
"""Singular value, relative to the largest, below which a rotation moves no atom: the axis of a linear geometry."""


def centred(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Positions [N, 3] with the centre of mass at the origin."""
    return positions - masses @ positions / masses.sum()


def rigid_motions(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Orthonormal basis [6, 3N] (5 if linear) of translation and rotation in mass-weighted coordinates."""
    root = np.sqrt(masses)[:, None]
    shifted = centred(positions, masses)
    axes = np.eye(3)
    translations = [root * axis for axis in axes]
    rotations = [root * np.cross(axis, shifted) for axis in axes]
    basis = []
    for motions in (translations, rotations):  # orthogonal to each other about the centre of mass
        _, size, rows = np.linalg.svd(np.reshape(motions, (3, -1)), full_matrices=False)
        basis.append(rows[size > LINEAR * size[0]])
    return np.concatenate(basis)
