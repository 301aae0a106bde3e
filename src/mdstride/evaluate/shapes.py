"""Whether forecasts look like the molecule, at each lag: validity, and distributions of torsions and distances.

All of it is of the heavy atoms, for every forecaster: what the error is of too. A model that moves hydrogens along with
heavy atoms does so by choice, and would be compared in what it does not forecast.
"""

import numpy as np

from mdstride.evaluate.distributions import distance_divergence, torsion_divergence
from mdstride.evaluate.geometry import Topology, validity

VALIDITY = ("valid", "bonds", "angles", "clashes", "chirality")


def shares_valid(forecasts: np.ndarray, about: Topology) -> dict[str, np.ndarray]:
    """Mean over W of what is valid in [W, P, N, 3] Å: [P] each of VALIDITY that the molecule has any of.

    A forecast that is not finite is not valid.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = validity(forecasts, about)
    return {name: found[name].mean(0) for name in VALIDITY if name in found}


def divergences(forecasts: np.ndarray, targets: np.ndarray, about: Topology) -> dict[str, np.ndarray]:
    """Mean divergence [P] in bits of torsions, and of distances between atoms that are three or more bonds apart.

    Of positions [W, P, N, 3] Å. A molecule without torsions, or without such pairs, has none.
    """
    found = {}
    with np.errstate(invalid="ignore", over="ignore"):
        if len(about.torsions):
            found["torsions"] = torsion_divergence(forecasts, targets, about.torsions).mean(-1)
        if len(about.apart):
            found["pairs"] = distance_divergence(forecasts, targets, about.apart).mean(-1)
    return found
