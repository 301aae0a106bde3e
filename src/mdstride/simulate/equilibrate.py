"""From a minimum to a state drawn from the canonical distribution of a molecule at rest."""

from collections.abc import Iterator

import numpy as np

from mdstride.engines import Engine
from mdstride.simulate.integrate import FORGET_EVERY, State, verlet_step
from mdstride.simulate.thermostat import make_thermostat
from mdstride.simulate.velocities import thermal_velocities

REDRAW_EVERY = 100.0
"""fs between fresh thermal velocities, the first at the start, under either thermostat.

Rescaling treats all velocities alike, and a small molecule passes energy between its vibrations slowly: started at the
minimum, a vibration would keep for picoseconds the share of energy that its first velocity gave it. Each redraw halves
that memory (Andersen, J. Chem. Phys. 72, 2384 (1980), doi:10.1063/1.439486). Redraw and thermostats all leave the
canonical distribution as it is.
"""


def redraw_steps(timestep: float) -> int:
    """Steps between fresh velocities at `timestep` fs. The engine forgets there too: a run can stop and go on there."""
    return max(1, round(REDRAW_EVERY / timestep))


def equilibrate(
    state: State,
    *,
    engine: Engine,
    masses: np.ndarray,
    timestep: float,
    steps: int,
    temperature: float,
    thermostat_time: float,
    generator: np.random.Generator,
    thermostat: str = "bussi",
    done: int = 0,
) -> Iterator[State]:
    """The states after steps `done` + 1 to `steps` from the state after step `done`.

    From step 0 only the positions of `state` are used. `temperature` in K, `thermostat_time` and `timestep` in fs;
    `thermostat` is bussi or langevin, see make_thermostat. No state has net momentum or angular momentum.
    """
    act = make_thermostat(
        thermostat,
        masses=masses,
        temperature=temperature,
        timestep=timestep,
        thermostat_time=thermostat_time,
        generator=generator,
    )
    segment = redraw_steps(timestep)
    for step in range(done, steps):
        if step % segment == 0:
            drawn = thermal_velocities(state.positions, masses, temperature=temperature, generator=generator)
            state = state.with_velocities(drawn)
        if step % segment % FORGET_EVERY == 0:
            engine.forget()
        state = act(verlet_step(state, engine=engine, masses=masses, timestep=timestep))
        yield state
