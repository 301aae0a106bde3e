"""The energy of a geometry, or the reason why it has none."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mdstride.bonds import lengths, radii_sums
from mdstride.engines import EngineError, make_engine
from mdstride.formats.dataset import CompoundData

TORN = 7.0
"""Length of a bond over the sum of the covalent radii beyond which a forecast is no molecule any more.

Measured on ballistic forecasts of four compounds: up to here GFN2-xTB converges, in at most 0.1 s; from 8 on it mostly
fails, after 250 iterations and two seconds. Forecasts of all others stay below 4.
"""

Surface = Callable[[np.ndarray], tuple[float | None, str]]
"""Energy in eV of positions [N, 3] in Å, or None and why there is none."""


def energy_surface(reference: dict[str, Any], compound: CompoundData) -> Surface:
    """That of the engine in the section `reference`; each energy depends on its geometry alone."""
    try:
        engine = make_engine(reference, compound.atomic_numbers.tolist(), compound.charge, compound.multiplicity)
    except EngineError as failure:
        reason = str(failure)
        return lambda positions: (None, reason)
    bonds = np.asarray(compound.bonds)
    usual = radii_sums(compound.atomic_numbers, bonds)

    def energy(positions: np.ndarray) -> tuple[float | None, str]:
        positions = np.asarray(positions, np.float64)
        stretch = lengths(positions, bonds) / usual
        if stretch.max(initial=0) > TORN:
            i, j = bonds[stretch.argmax()] + 1
            return (
                None,
                f"torn apart: the bond of atoms {i} and {j} is {stretch.max():.1f} times the sum of their radii",
            )
        engine.forget()
        try:
            return engine.compute(positions)[0], ""
        except EngineError as failure:
            return None, str(failure)

    return energy
