"""Langevin dynamics of a molecule that neither drifts nor turns: friction and noise after each velocity-Verlet step.

With the friction gamma, c = exp(-gamma dt), standard normal numbers xi and the projection P(x), in mass-weighted
coordinates, onto velocities without momentum and angular momentum at x, one step of length dt is velocity Verlet (see
integrate.py) and then the exact Ornstein-Uhlenbeck step

    v <- c v + sqrt(1 - c^2) P(x) sqrt(k T / m) xi

This is Bussi and Parrinello, Phys. Rev. E 75, 056707 (2007), doi:10.1103/PhysRevE.75.056707 (known as OBABO), with the
two half noise steps that meet between neighbouring steps drawn as one: one force call and one draw per step.

Noise and friction act on the 3N - 6 internal degrees of freedom alone, so momentum and angular momentum stay zero and
the temperature of the rest is T.

Why not BAOAB (Leimkuhler, Matthews, Appl. Math. Res. Express 2013, 34, doi:10.1093/amrx/abs010): its velocities at full
steps are too cold by (w dt)^2 / 4 in a vibration of frequency w, at 1 fs 10 K of 300 for ethanol and 26 K for water.
Here they have the target temperature, and the two thermostats and NVE by velocity Verlet share one stationary
distribution: a run started from it keeps its temperature. The price is positions of the same error that velocity Verlet
gives them anyway.
"""

import numpy as np

from mdstride.constants import BOLTZMANN, KINETIC

SPECK = 1e-14
"""Share of the moments of inertia that is added to them, so that those of a linear molecule can be inverted."""


def langevin_velocities(
    velocities: np.ndarray,
    positions: np.ndarray,
    masses: np.ndarray,
    *,
    temperature: float,
    decay: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Velocities [N, 3] in Å/fs after friction and noise, see the module.

    Parameters
    ----------
    velocities, positions
        [N, 3] in Å/fs, without momentum and angular momentum, and [N, 3] in Å.
    temperature
        T in K.
    decay
        c = exp(-gamma dt): 0 draws the velocities anew, 1 leaves them.
    """
    spread = np.sqrt((1.0 - decay**2) * BOLTZMANN * temperature / (KINETIC * masses))[:, None]
    return decay * velocities + _at_rest(spread * generator.standard_normal(positions.shape), positions, masses)


def _at_rest(velocities: np.ndarray, positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Velocities [N, 3] less those of the rigid body with the same momentum and angular momentum.

    The projection that velocities.without_rigid_motion makes with a basis, at a quarter of its cost: every step pays.
    """
    weights = masses[:, None]
    arms = positions - masses @ positions / masses.sum()
    momenta = weights * (velocities - masses @ velocities / masses.sum())
    turn = arms.T @ momenta
    spin = np.array([turn[1, 2] - turn[2, 1], turn[2, 0] - turn[0, 2], turn[0, 1] - turn[1, 0]])
    spread = arms.T @ (weights * arms)
    inertia = (1.0 + SPECK) * spread.trace() * np.eye(3) - spread
    x, y, z = np.linalg.solve(inertia, spin)
    return momenta / weights - arms @ np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
