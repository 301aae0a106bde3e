"""GFN-xTB by tblite, called directly: its ASE calculator keeps the result of a failed call as the next guess."""

import importlib.metadata
from collections.abc import Sequence
from typing import Any

import numpy as np
from tblite import _libtblite
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from mdstride.constants import BOHR, HARTREE
from mdstride.engines.engine import EngineError
from mdstride.engines.gfn import GfnEngine, use_one_thread


class TbliteEngine(GfnEngine):
    """One molecule in tblite. Each call starts from the wavefunction of the one before, until `forget`."""

    def __init__(
        self, reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int
    ) -> None:
        super().__init__(reference, atomic_numbers, charge, multiplicity)
        self._calculator: Calculator | None = None
        self._guess: Result | None = None
        use_one_thread(_libtblite.__file__)

    def evaluate(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """See Engine.compute."""
        try:
            self._guess = self._prepared(positions / BOHR).singlepoint(self._guess)
        except TBLiteRuntimeError as error:
            raise EngineError(f"{self.method}: {' '.join(str(error).split())}") from error
        return float(self._guess["energy"]) * HARTREE, -self._guess["gradient"] * HARTREE / BOHR

    def forget(self) -> None:
        """Drop the wavefunction."""
        self._guess = None

    @classmethod
    def version(cls, reference: dict[str, Any]) -> dict[str, str]:
        """See Engine.version."""
        return {"tblite": importlib.metadata.version("tblite")}

    def _prepared(self, positions: np.ndarray) -> Calculator:
        """The calculator at `positions` (bohr); it is made on the first call, since it needs a geometry."""
        if self._calculator is None:
            calculator = Calculator(self.method, self.numbers, positions, charge=self.charge, uhf=self.unpaired)
            calculator.set("verbosity", 0)
            calculator.set("accuracy", self.accuracy)
            self._calculator = calculator
        else:
            self._calculator.update(positions)
        return self._calculator
