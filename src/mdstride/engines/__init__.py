"""Reference engines: energy and forces of one molecule, for relax and simulate alike. A new engine joins ENGINES."""

from collections.abc import Sequence
from typing import Any

from mdstride.engines.ase import AseEngine
from mdstride.engines.engine import Engine, EngineError
from mdstride.engines.tblite import TbliteEngine
from mdstride.engines.xtb import XtbEngine
from mdstride.errors import InputError

ENGINES: dict[str, type[Engine]] = {"tblite": TbliteEngine, "xtb": XtbEngine, "ase": AseEngine}

__all__ = ["ENGINES", "Engine", "EngineError", "engine_version", "make_engine"]


def make_engine(reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int) -> Engine:
    """The engine of the configuration's section `reference`, for one molecule.

    Raises InputError for settings that are wrong, EngineError for a molecule that it cannot treat.
    """
    return _engine_class(reference)(reference, atomic_numbers, charge, multiplicity)


def engine_version(reference: dict[str, Any]) -> dict[str, str]:
    """Name and version of the software behind the engine of `reference`, for the record in each file.

    Raises InputError as make_engine does.
    """
    return _engine_class(reference).version(reference)


def _engine_class(reference: dict[str, Any]) -> type[Engine]:
    name = reference["engine"]
    if name not in ENGINES:
        raise InputError(f"reference.engine: `{name}` is not known; valid: {', '.join(ENGINES)}")
    return ENGINES[name]
