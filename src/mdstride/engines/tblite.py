"""GFN-xTB by tblite, called directly: its ASE calculator keeps the result of a failed call as the next guess.

Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019), doi:10.1021/acs.jctc.8b01176 (GFN2-xTB);
Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017), doi:10.1021/acs.jctc.7b00118 (GFN1-xTB).
"""

import ctypes
from collections.abc import Sequence

import numpy as np
from tblite import _libtblite
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from mdstride.constants import BOHR, HARTREE
from mdstride.engines.engine import EngineError, check_electrons
from mdstride.errors import InputError

METHODS = ("GFN2-xTB", "GFN1-xTB")
HEAVIEST = 86
"""Last element with parameters (radon)."""


class TbliteEngine:
    """One molecule in tblite. Each call starts from the wavefunction of the one before, until `forget`."""

    def __init__(
        self, atomic_numbers: Sequence[int], charge: int, multiplicity: int, *, method: str, accuracy: float
    ) -> None:
        """`accuracy` scales tblite's SCC thresholds (1.0 is its default, smaller is tighter)."""
        if method not in METHODS:
            raise InputError(f"reference.method: `{method}` is not known to tblite; valid: {', '.join(METHODS)}")
        self._numbers = np.asarray(atomic_numbers, np.int64)
        outside = self._numbers[(self._numbers < 1) | (self._numbers > HEAVIEST)]
        if outside.size:
            raise EngineError(f"{method} has no parameters for the element with atomic number {outside[0]}")
        self._charge, self._unpaired = charge, check_electrons(atomic_numbers, charge, multiplicity)
        self._method, self._accuracy = method, accuracy
        self._calculator: Calculator | None = None
        self._guess: Result | None = None
        _use_one_thread()

    def compute(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy in eV and forces [N, 3] in eV/Å at `positions` [N, 3] in Å.

        Raises EngineError when the positions are not finite, atoms overlap or the SCC does not converge.
        """
        if not np.isfinite(positions).all():
            raise EngineError("the positions are not finite")
        guess, self._guess = self._guess, None  # a call that fails leaves no guess behind
        try:
            result = self._prepared(positions / BOHR).singlepoint(guess)
        except TBLiteRuntimeError as error:
            raise EngineError(f"{self._method}: {' '.join(str(error).split())}") from error
        energy, forces = float(result["energy"]) * HARTREE, result["gradient"] * (-HARTREE / BOHR)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise EngineError(f"{self._method}: energy or forces are not finite")
        self._guess = result
        return energy, forces

    def forget(self) -> None:
        """Drop the wavefunction, so that the next result depends on its positions alone."""
        self._guess = None

    def _prepared(self, positions: np.ndarray) -> Calculator:
        """The calculator at `positions` (bohr); it is made on the first call, since it needs a geometry."""
        if self._calculator is None:
            calculator = Calculator(self._method, self._numbers, positions, charge=self._charge, uhf=self._unpaired)
            calculator.set("verbosity", 0)
            calculator.set("accuracy", self._accuracy)
            self._calculator = calculator
        else:
            self._calculator.update(positions)
        return self._calculator


def _use_one_thread() -> None:
    """One OpenMP thread for tblite, whatever the environment says: the number of threads changes the last bits.

    OMP_NUM_THREADS would come too late, since torch may have loaded the OpenMP library before; its own call always
    works. A handle on tblite's extension finds the very library that the extension is bound to.
    """
    set_threads = getattr(ctypes.CDLL(_libtblite.__file__), "omp_set_num_threads", None)
    if set_threads is not None:  # a build without OpenMP has one thread anyway
        set_threads(1)
