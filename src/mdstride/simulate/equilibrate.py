"""From a minimum to a state drawn from the canonical distribution of a molecule at rest."""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from mdstride.engines import Engine
from mdstride.simulate.integrate import State, propagate
from mdstride.simulate.thermostat import rescaling_factor
from mdstride.simulate.velocities import internal_degrees, thermal_velocities

REDRAW_EVERY = 100.0
"""fs between fresh thermal velocities, the first at the start.

The thermostat scales all velocities alike, and a small molecule passes energy between its vibrations slowly: started at
the minimum, a vibration would keep for picoseconds the share of energy that its first velocity gave it. Each redraw
halves that memory (Andersen, J. Chem. Phys. 72, 2384 (1980), doi:10.1063/1.439486). Redraw and thermostat both leave
the canonical distribution as it is.
"""


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
) -> Iterator[State]:
    """The states after each of `steps` thermostatted steps from the positions of `state`; its velocities are not used.

    `temperature` in K, `thermostat_time` (coupling time of the velocity rescaling) and `timestep` in fs. No state has
    net momentum or angular momentum.
    """
    rescale = partial(
        rescaling_factor,
        temperature=temperature,
        degrees=internal_degrees(len(masses)),
        decay=math.exp(-timestep / thermostat_time),
        generator=generator,
    )
    segment = max(1, round(REDRAW_EVERY / timestep))
    for done in range(0, steps, segment):
        drawn = thermal_velocities(state.positions, masses, temperature=temperature, generator=generator)
        length = min(segment, steps - done)
        fresh = replace(state, velocities=drawn)
        for state in propagate(fresh, engine=engine, masses=masses, timestep=timestep, steps=length, rescale=rescale):
            yield state
