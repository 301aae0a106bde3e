"""GFN-xTB by xtb-python, called directly: its ASE calculator ignores `charge=`. An independent check of tblite.

An optional package, in maintenance mode, with wheels up to Python 3.11.
"""

import importlib.metadata
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mdstride.constants import BOHR, HARTREE
from mdstride.engines.engine import EngineError
from mdstride.engines.gfn import GfnEngine, use_one_thread
from mdstride.errors import InputError

if TYPE_CHECKING:
    from xtb.interface import Calculator, Results


class XtbEngine(GfnEngine):
    """One molecule in xtb. Each call starts from the wavefunction of the one before, until `forget`."""

    def __init__(
        self, reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int
    ) -> None:
        """Raises InputError when the package is missing; otherwise as every engine."""
        super().__init__(reference, atomic_numbers, charge, multiplicity)
        self._xtb, extension = _load()
        self._calculator: Calculator | None = None
        self._guess: Results | None = None
        use_one_thread(extension)

    def evaluate(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """See Engine.compute."""
        try:
            self._guess = self._prepared(positions / BOHR).singlepoint(self._guess)
            return self._guess.get_energy() * HARTREE, -self._guess.get_gradient() * HARTREE / BOHR
        except self._xtb.XTBException as error:
            cause = str(error).split("-1- ")[-1]  # the last of the numbered lines is where it began
            raise EngineError(f"{self.method}: {' '.join(cause.split())}") from error

    def forget(self) -> None:
        """Drop the wavefunction."""
        self._guess = None

    @classmethod
    def version(cls, reference: dict[str, Any]) -> dict[str, str]:
        """See Engine.version."""
        _load()
        return {"xtb": importlib.metadata.version("xtb")}

    def _prepared(self, positions: np.ndarray) -> "Calculator":
        """The calculator at `positions` (bohr); it is made on the first call, since it needs a geometry."""
        if self._calculator is None:
            parameters = self._xtb.Param[self.method.replace("-", "")]
            calculator = self._xtb.Calculator(parameters, self.numbers, positions, self.charge, self.unpaired)
            calculator.set_verbosity("muted")
            calculator.set_accuracy(self.accuracy)
            self._calculator = calculator
        else:
            self._calculator.update(positions)
        return self._calculator


def _load() -> tuple[ModuleType, str]:
    """xtb's interface module and the path of its extension module. Raises InputError when it is not installed."""
    try:
        from xtb import _libxtb, interface
    except ImportError as error:
        raise InputError(
            "reference.engine: the package xtb is missing (wheels up to Python 3.11): pip install 'mdstride[xtb]'"
        ) from error
    return interface, _libxtb.__file__
