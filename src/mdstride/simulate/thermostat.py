"""Stochastic velocity rescaling: canonical sampling by one random factor per step.

Bussi, Donadio, Parrinello, J. Chem. Phys. 126, 014101 (2007), doi:10.1063/1.2408420, equations A7 and A8. With the
kinetic energy K, its mean K0 = f k T / 2 at the target temperature T, the degrees of freedom f, the coupling time tau,
c = exp(-dt/tau) and R, R_i independent standard normal numbers, all velocities are multiplied by a, where

    a^2 = c + (1 - c) (K0 / (f K)) (R^2 + sum_{i=2..f} R_i^2) + 2 R sqrt(c (1 - c) K0 / (f K))
    sign(a) = sign(R + sqrt(c f K / ((1 - c) K0)))

The sum over i is drawn exactly, as chi-square with f - 1 degrees of freedom. f must count what can move: a molecule
without net momentum and angular momentum has 3N - 6, and counting 3N makes 9 atoms 29 % too hot.
"""

import math

import numpy as np

from mdstride.constants import BOLTZMANN


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
