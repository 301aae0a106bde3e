"""Maxwell-Boltzmann velocities of a molecule that neither drifts nor turns.

In the mass-weighted coordinates y = sqrt(m) v the Maxwell-Boltzmann distribution is the same in every direction, so
removing translation and rotation is an orthogonal projection there, and what is left has the right distribution:
2K/kT is chi-square with as many degrees of freedom as directions are left. No rescaling afterwards.
"""

import numpy as np

from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.rigid import rigid_motions


def internal_degrees(atoms: int) -> int:
    """Degrees of freedom of the kinetic energy without momentum and angular momentum: 3N - 6, and 1 for two atoms.

    A linear molecule of three or more atoms counts 3N - 6 here, not the 3N - 5 of its vibrations: as soon as it bends,
    all three components of the angular momentum are constraints, and the two vibrations of a degenerate pair share one
    direction (no vibrational angular momentum).
    """
    return 1 if atoms == 2 else max(3 * atoms - 6, 0)


def without_rigid_motion(velocities: np.ndarray, positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Velocities [N, 3] in Å/fs less their net momentum and angular momentum, by projection."""
    root = np.sqrt(masses)[:, None]
    weighted = (root * velocities).ravel()
    basis = rigid_motions(positions, masses)
    return (weighted - basis.T @ (basis @ weighted)).reshape(-1, 3) / root


def thermal_velocities(
    positions: np.ndarray, masses: np.ndarray, *, temperature: float, generator: np.random.Generator
) -> np.ndarray:
    """Velocities [N, 3] in Å/fs at `temperature` (K), without momentum and angular momentum."""
    spread = np.sqrt(BOLTZMANN * temperature / (KINETIC * masses))[:, None]
    return without_rigid_motion(spread * generator.standard_normal(positions.shape), positions, masses)
