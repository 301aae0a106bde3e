"""Thermostats, and stochastic velocity rescaling: canonical sampling by one random factor per step.

A thermostat changes the velocities after each velocity-Verlet step. It has no memory: what is random comes from the
generator, so the state and the generator's state are all that a run needs to go on.

Stochastic velocity rescaling is `bussi` (for `langevin` see langevin.py): Bussi, Donadio, Parrinello, J. Chem. Phys.
126, 014101 (2007), doi:10.1063/1.2408420, equations A7 and A8. With the kinetic energy K, its mean K0 = f k T / 2 at
the target temperature T, the degrees of freedom f, the coupling time tau, c = exp(-dt/tau) and R, R_i independent
standard normal numbers, all velocities are multiplied by a, where

    a^2 = c + (1 - c) (K0 / (f K)) (R^2 + sum_{i=2..f} R_i^2) + 2 R sqrt(c (1 - c) K0 / (f K))
    sign(a) = sign(R + sqrt(c f K / ((1 - c) K0)))

The sum over i is drawn exactly, as chi-square with f - 1 degrees of freedom. f must count what can move: a molecule
without net momentum and angular momentum has 3N - 6, and counting 3N makes 9 atoms 29 % too hot.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from mdstride.constants import BOLTZMANN
from mdstride.simulate.integrate import State, kinetic_energy
from mdstride.simulate.langevin import langevin_velocities
from mdstride.simulate.velocities import internal_degrees


def rescaling_factor(
    kinetic: float, *, temperature: float, degrees: int, decay: float, generator: np.random.Generator
) -> float:
    """The factor a on all velocities, see the module.

    Parameters
    ----------
    kinetic
        K in eV, greater than 0.
    temperature
        T in K.
    degrees
        f, the degrees of freedom that K is spread over.
    decay
        c = exp(-dt/tau): 0 draws K anew, 1 leaves it.
    """
    ratio = (1.0 - decay) * 0.5 * BOLTZMANN * temperature / kinetic
    normal = generator.standard_normal()
    others = generator.chisquare(degrees - 1) if degrees > 1 else 0.0
    factor = math.sqrt(decay + ratio * (normal**2 + others) + 2.0 * normal * math.sqrt(decay * ratio))
    return math.copysign(factor, normal + math.sqrt(decay / ratio))


def bussi_velocities(
    velocities: np.ndarray,
    positions: np.ndarray,
    masses: np.ndarray,
    *,
    temperature: float,
    decay: float,
    generator: np.random.Generator,
) -> np.ndarray:
    """Velocities [N, 3] in Å/fs after the rescaling, which is the same wherever the atoms are."""
    factor = rescaling_factor(
        kinetic_energy(velocities, masses),
        temperature=temperature,
        degrees=internal_degrees(len(masses)),
        decay=decay,
        generator=generator,
    )
    return factor * velocities


THERMOSTATS = {"bussi": bussi_velocities, "langevin": langevin_velocities}


def make_thermostat(
    name: str,
    *,
    masses: np.ndarray,
    temperature: float,
    timestep: float,
    thermostat_time: float,
    generator: np.random.Generator,
) -> Callable[[State], State]:
    """The state after the thermostat `name` (see THERMOSTATS) has acted, as a function of the state after a step.

    `temperature` in K, `timestep` and `thermostat_time` in fs. The latter is tau for bussi and 1/gamma for langevin.
    """
    act = partial(
        THERMOSTATS[name],
        masses=masses,
        temperature=temperature,
        decay=math.exp(-timestep / thermostat_time),
        generator=generator,
    )
    return lambda state: state.with_velocities(act(state.velocities, state.positions))
