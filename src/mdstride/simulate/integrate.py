"""Velocity Verlet on a small state: pure functions, so that 50 + 50 steps are 100 steps.

One step of length dt, with a = F/m (Swope et al., J. Chem. Phys. 76, 637 (1982), doi:10.1063/1.442716):

    v(t + dt/2) = v(t) + a(t) dt/2
    x(t + dt)   = x(t) + v(t + dt/2) dt
    v(t + dt)   = v(t + dt/2) + a(t + dt) dt/2

Symplectic, time-reversible, second order in dt. It conserves momentum and angular momentum exactly and the total energy
up to a bounded oscillation of order dt^2.

| symbol | variable | shape | unit |
|---|---|---|---|
| x | positions | [N, 3] | Å |
| v | velocities | [N, 3] | Å/fs |
| F | forces | [N, 3] | eV/Å |
| m | masses | [N] | amu |
| dt | timestep | | fs |
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from mdstride.constants import ACCELERATION, KINETIC
from mdstride.engines import Engine

FORGET_EVERY = 500
"""Steps after which the engine drops what it carries from step to step. A run that resumes at a multiple of this many
steps is then bit-identical to one that never stopped; it costs one cold start in so many steps."""


@dataclass(frozen=True)
class State:
    """A molecule at one time."""

    positions: np.ndarray
    """[N, 3] Å"""
    velocities: np.ndarray
    """[N, 3] Å/fs"""
    forces: np.ndarray
    """[N, 3] eV/Å at `positions`"""
    energy: float
    """Potential energy in eV at `positions`."""


def kinetic_energy(velocities: np.ndarray, masses: np.ndarray) -> float:
    """Sum of m v^2 / 2 in eV, for velocities [N, 3] in Å/fs and masses [N] in amu."""
    return 0.5 * KINETIC * float(masses @ (velocities * velocities).sum(1))


def verlet_step(state: State, *, engine: Engine, masses: np.ndarray, timestep: float) -> State:
    """One velocity-Verlet step, see the module. Raises EngineError when there are no forces at the new positions."""
    kick = (0.5 * timestep * ACCELERATION) / masses[:, None]
    velocities = state.velocities + kick * state.forces
    positions = state.positions + timestep * velocities
    energy, forces = engine.compute(positions)
    return State(positions, velocities + kick * forces, forces, energy)


def propagate(
    state: State,
    *,
    engine: Engine,
    masses: np.ndarray,
    timestep: float,
    steps: int,
    rescale: Callable[[float], float] | None = None,
) -> Iterator[State]:
    """The states after each of `steps` steps: NVE, or with a thermostat.

    `rescale` gives the factor on the velocities from the kinetic energy (eV) after each step, see thermostat.py.
    """
    for step in range(steps):
        if step % FORGET_EVERY == 0:
            engine.forget()
        state = verlet_step(state, engine=engine, masses=masses, timestep=timestep)
        if rescale is not None:
            factor = rescale(kinetic_energy(state.velocities, masses))
            state = replace(state, velocities=factor * state.velocities)
        yield state
