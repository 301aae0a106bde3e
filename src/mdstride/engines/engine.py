"""What the stages ask of an engine, and the check of the electrons that every engine makes first."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class EngineError(RuntimeError):
    """The engine cannot treat this molecule or geometry. The message is the reason that the tables show."""


class Engine(Protocol):
    """Energy and forces of one molecule whose composition is fixed."""

    def compute(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy in eV and forces [N, 3] in eV/Å at `positions` [N, 3] in Å. Raises EngineError when there is none."""
        ...

    def forget(self) -> None:
        """Drop what is carried from call to call, so that the next result depends on its positions alone."""
        ...


def check_electrons(atomic_numbers: Sequence[int], charge: int, multiplicity: int) -> int:
    """Number of unpaired electrons, or EngineError when the electrons cannot be arranged like that.

    Engines are lenient here: tblite runs methyl as a singlet without a word, as the doublet that it is.
    """
    electrons, unpaired = int(sum(atomic_numbers)) - charge, multiplicity - 1
    if electrons < 1 or not 0 <= unpaired <= electrons or (electrons - unpaired) % 2:
        raise EngineError(f"{electrons} electrons (charge {charge}) cannot have the multiplicity {multiplicity}")
    return unpaired
