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

from mdstride.constants import FEMTOSECOND, KINETIC
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
    momenta: np.ndarray | None = None
    """[N, 3] sqrt(eV amu), from which a step has computed `velocities`; None where these came from elsewhere."""

    def with_velocities(self, velocities: np.ndarray) -> "State":
        """The same positions, moving otherwise."""
        return replace(self, velocities=velocities, momenta=None)


def kinetic_energy(velocities: np.ndarray, masses: np.ndarray) -> float:
    """Sum of m v^2 / 2 in eV, for velocities [N, 3] in Å/fs and masses [N] in amu."""
    return 0.5 * KINETIC * float(masses @ (velocities * velocities).sum(1))


def verlet_step(state: State, *, engine: Engine, masses: np.ndarray, timestep: float) -> State:
    """One velocity-Verlet step, see the module. Raises EngineError when there are no forces at the new positions.

    Momenta are carried from step to step, in ASE's units and with its order of operations: the same bits as ASE's.
    """
    step, mass = timestep * FEMTOSECOND, masses[:, None]
    momenta = mass * state.velocities / FEMTOSECOND if state.momenta is None else state.momenta
    half = momenta + 0.5 * step * state.forces
    positions = state.positions + step * half / mass
    energy, forces = engine.compute(positions)
    momenta = half + 0.5 * step * forces
    return State(positions, momenta / mass * FEMTOSECOND, forces, energy, momenta)


def propagate(
    state: State,
    *,
    engine: Engine,
    masses: np.ndarray,
    timestep: float,
    steps: int,
    done: int = 0,
    thermostat: Callable[[State], State] | None = None,
) -> Iterator[State]:
    """The states after steps `done` + 1 to `steps`, from the state after step `done`: NVE, or with a thermostat.

    A run that goes on at a multiple of FORGET_EVERY steps, with the thermostat's random generator as it was then, is
    bit-identical to one that never stopped.
    """
    for step in range(done, steps):
        if step % FORGET_EVERY == 0:
            engine.forget()
        state = verlet_step(state, engine=engine, masses=masses, timestep=timestep)
        if thermostat is not None:
            state = thermostat(state)
        yield state
