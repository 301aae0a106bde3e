"""An engine that costs nothing, and the energy that velocity Verlet really conserves."""

import numpy as np

from mdstride.constants import ACCELERATION
from mdstride.simulate.integrate import State, kinetic_energy


class Springs:
    """A spring between every two atoms: as free to move and turn as a molecule, anharmonic, cheap."""

    def __init__(self, minimum: np.ndarray, stiffness: float = 2.0) -> None:
        self.first, self.second = np.triu_indices(len(minimum), k=1)
        self.lengths = np.linalg.norm(minimum[self.first] - minimum[self.second], axis=1)
        self.stiffness = stiffness

    def compute(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        between = positions[self.first] - positions[self.second]
        distance = np.sqrt((between * between).sum(1))
        stretch = distance - self.lengths
        pull = (self.stiffness * stretch / distance)[:, None] * between
        forces = np.zeros_like(positions)
        np.add.at(forces, self.first, -pull)
        np.add.at(forces, self.second, pull)
        return 0.5 * self.stiffness * float(stretch @ stretch), forces

    def forget(self) -> None:
        pass


def shadow_energy(states: list[State], masses: np.ndarray, timestep: float) -> np.ndarray:
    """What velocity Verlet conserves up to dt^4, at all states but the first and last, in eV.

    H' = T + V + dt^2 (v.V''v / 12 - F.F/m / 24), with V''v = -dF/dt from central differences.
    Skeel, Hardy, SIAM J. Sci. Comput. 23, 1172 (2001), doi:10.1137/S106482750138318X.
    """
    forces = np.array([state.forces for state in states])
    velocities = np.array([state.velocities for state in states])[1:-1]
    kinetic = np.array([kinetic_energy(state.velocities, masses) for state in states])[1:-1]
    potential = np.array([state.energy for state in states])[1:-1]
    rate = (forces[2:] - forces[:-2]) / (2 * timestep)
    work = -(velocities * rate).sum((1, 2)) / 12
    push = ACCELERATION * (forces[1:-1] ** 2 / masses[:, None]).sum((1, 2)) / 24
    return kinetic + potential + timestep**2 * (work - push)
