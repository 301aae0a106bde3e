"""What the two libraries with GFN-xTB methods, tblite and xtb, have in common.

GFN2-xTB: Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019), doi:10.1021/acs.jctc.8b01176.
GFN1-xTB: Grimme, Bannwarth, Shushkov, J. Chem. Theory Comput. 13, 1989 (2017), doi:10.1021/acs.jctc.7b00118.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

from mdstride.engines.engine import Engine, EngineError
from mdstride.errors import InputError

METHODS = ("GFN2-xTB", "GFN1-xTB")
HEAVIEST = 86
"""Last element with parameters (radon). Beyond it xtb crashes instead of raising."""


class GfnEngine(Engine):
    """A method and an accuracy of the configuration, for elements that have parameters."""

    def __init__(
        self, reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int
    ) -> None:
        """`accuracy` scales the SCC thresholds of both libraries (1.0 is their default, smaller is tighter)."""
        self.method, self.accuracy = reference["method"], reference["accuracy"]
        if self.method not in METHODS:
            raise InputError(f"reference.method: `{self.method}` is not known; valid: {', '.join(METHODS)}")
        super().__init__(reference, atomic_numbers, charge, multiplicity)
        outside = self.numbers[(self.numbers < 1) | (self.numbers > HEAVIEST)]
        if outside.size:
            raise EngineError(f"{self.method} has no parameters for the element with atomic number {outside[0]}")


def use_one_thread(extension: str) -> None:
    """One thread for the library behind a Python extension module (its path), whatever the environment says.

    The number of threads changes the last bits. OMP_NUM_THREADS would come too late once torch has loaded an OpenMP
    library; the library's own calls always work. Which library that is, depends: the extension's own, found through a
    handle on it, or the one that torch has put before all others, found through a handle on the process.
    """
    for handle in (ctypes.CDLL(extension), ctypes.CDLL(None)):
        for name in ("omp_set_num_threads", "openblas_set_num_threads"):
            set_threads = getattr(handle, name, None)  # a build without threads, or without OpenBLAS, lacks the call
            if set_threads is not None:
                set_threads(1)
