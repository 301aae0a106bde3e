"""Any calculator of ASE that a configuration names: `module:Class` and its keyword arguments.

ASE has no total charge or spin; calculators look in three places, and the first two are filled in here:

- initial charges and initial magnetic moments of the atoms, whose sums count (tblite, xtb, MOPAC, Gaussian);
- `atoms.info`, keys `charge` and `spin`, the latter being the multiplicity (learned potentials: MACE-OMOL, FAIRChem);
- keyword arguments, which `reference.options` gives, the same for every compound.
"""

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError

from mdstride.engines.engine import Engine, EngineError
from mdstride.errors import InputError
from mdstride.formats.provenance import sha256

IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class AseEngine(Engine):
    """One molecule in an ASE calculator, which works in eV and Å as the package does.

    `forget` makes a new calculator: what `Calculator.reset` drops is up to each, and not all of them have it.
    """

    def __init__(
        self, reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int
    ) -> None:
        """Raises InputError when the calculator cannot be imported or made; otherwise as every engine."""
        super().__init__(reference, atomic_numbers, charge, multiplicity)
        self._class = calculator_class(reference["calculator"])
        self._options = reference["options"]
        self._atoms = Atoms(self.numbers, info={"charge": charge, "spin": multiplicity})
        on_first = np.arange(len(self.numbers)) == 0  # whole numbers add up exactly
        if charge:
            self._atoms.set_initial_charges(charge * on_first)
        if self.unpaired:
            self._atoms.set_initial_magnetic_moments(self.unpaired * on_first)
        self._atoms.calc = self._made()

    def evaluate(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """See Engine.compute."""
        if self._atoms.calc is None:
            self._atoms.calc = self._made()
        self._atoms.positions = positions
        try:
            forces = np.array(self._atoms.get_forces(), float)
            return float(self._energy()), forces
        except (MemoryError, OSError):  # the machine's fault, not the molecule's
            raise
        except Exception as error:  # the code of any calculator may raise anything
            raise EngineError(f"{self._class.__name__}: {_one_line(error)}") from error

    def forget(self) -> None:
        """Drop the calculator; the next call makes a new one."""
        self._atoms.calc = None

    @classmethod
    def version(cls, reference: dict[str, Any]) -> dict[str, str]:
        """See Engine.version: that of the distribution which holds the calculator's module.

        A module of the user's own belongs to none; the start of its file's digest stands for its version.
        """
        calculator_class(reference["calculator"])
        module = reference["calculator"].split(":")[0]
        holders = importlib.metadata.packages_distributions().get(module.split(".")[0], [])
        if holders:
            return {name: importlib.metadata.version(name) for name in sorted(set(holders))}
        return {module: f"sha256 {sha256(str(sys.modules[module].__file__))[:16]}"}

    def _energy(self) -> float:
        """The energy whose derivative the forces are: with fractional occupations, the free energy."""
        try:
            return self._atoms.get_potential_energy(force_consistent=True)
        except PropertyNotImplementedError:
            return self._atoms.get_potential_energy()

    def _made(self) -> BaseCalculator:
        try:
            return self._class(**self._options)
        except Exception as error:  # the code of any calculator may raise anything
            raise InputError(f"reference.options: {self._class.__name__} cannot be made: {_one_line(error)}") from error


def calculator_class(path: str | None) -> type[BaseCalculator]:
    """The ASE calculator class that `path` (module:Class) names. Raises InputError when it names anything else."""
    if path is None or not IMPORT_PATH.fullmatch(path):
        raise InputError(f"reference.calculator: {path!r} is not of the form module:Class, such as tblite.ase:TBLite")
    module, name = path.split(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"reference.calculator: {path!r} cannot be imported: {_one_line(error)}") from error
    if not (isinstance(found, type) and issubclass(found, BaseCalculator)):
        raise InputError(f"reference.calculator: {path!r} is not a calculator class of ASE")
    return found


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
