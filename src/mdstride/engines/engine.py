"""What the stages ask of an engine, and the checks that every engine makes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

CLOSEST = 0.2
"""Å. Atoms closer than this overlap: far below any bond (H2 has 0.74 Å), where some engines still give numbers."""


class EngineError(RuntimeError):
    """The engine cannot treat this molecule or geometry. The message is the reason that the tables show."""


class Engine(ABC):
    """Energy and forces of one molecule whose composition, charge and multiplicity are fixed.

    A new engine fills in the three abstract methods and joins ENGINES.
    """

    def __init__(
        self, reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int
    ) -> None:
        """`reference` is the section of the configuration, of which an engine takes what it needs.

        Raises InputError for a setting that is wrong, EngineError for a molecule that cannot be treated.
        """
        self.numbers = np.asarray(atomic_numbers, np.int64)
        self.charge, self.multiplicity = charge, multiplicity
        self.unpaired = check_electrons(atomic_numbers, charge, multiplicity)
        self._pairs = np.triu_indices(len(self.numbers), k=1)

    def compute(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy in eV and forces [N, 3] in eV/Å at `positions` [N, 3] in Å.

        Raises EngineError when the positions are not finite, atoms overlap, the method does not converge or its result
        is not finite. A call that fails, however it does, leaves nothing behind for the next one.
        """
        try:
            self._check(positions)
            energy, forces = self.evaluate(positions)
            if not (np.isfinite(energy) and np.isfinite(forces).all()):
                raise EngineError("energy or forces are not finite")
        except BaseException:
            self.forget()
            raise
        return energy, forces

    @abstractmethod
    def evaluate(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """What `compute` returns, at positions that are finite and apart. It may start from the call before."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is carried from call to call, so that the next result depends on its positions alone."""

    @classmethod
    @abstractmethod
    def version(cls, reference: dict[str, Any]) -> dict[str, str]:
        """Name and version of the software that computes. Raises InputError when it is not installed."""

    def _check(self, positions: np.ndarray) -> None:
        """Raise EngineError unless the positions are finite and apart. 10 µs: a step of methanol takes 500."""
        if not np.isfinite(positions).all():
            raise EngineError("the positions are not finite")
        first, second = self._pairs
        between = positions.take(first, axis=0) - positions.take(second, axis=0)
        squared = np.einsum("ij,ij->i", between, between)
        if squared.min(initial=np.inf) < CLOSEST**2:
            pair = squared.argmin()
            atoms = f"{first[pair] + 1} and {second[pair] + 1}"
            raise EngineError(f"atoms {atoms} overlap: {np.sqrt(squared[pair]):.3f} Å apart")


def check_electrons(atomic_numbers: Sequence[int], charge: int, multiplicity: int) -> int:
    """Number of unpaired electrons, or EngineError when the electrons cannot be arranged like that.

    Engines are lenient here: tblite runs methyl as a singlet without a word, as the doublet that it is.
    """
    electrons, unpaired = int(sum(atomic_numbers)) - charge, multiplicity - 1
    if electrons < 1 or not 0 <= unpaired <= electrons or (electrons - unpaired) % 2:
        raise EngineError(f"{electrons} electrons (charge {charge}) cannot have the multiplicity {multiplicity}")
    return unpaired
