"""Reference engines: energy and forces of one molecule, for relax and simulate alike. A new engine joins ENGINES."""

from collections.abc import Sequence
from typing import Any

from mdstride.engines.engine import Engine, EngineError
from mdstride.engines.tblite import TbliteEngine
from mdstride.errors import InputError

ENGINES = {"tblite": TbliteEngine}
"""By the name of the distribution, whose version the files record."""

__all__ = ["ENGINES", "Engine", "EngineError", "make_engine"]


def make_engine(reference: dict[str, Any], atomic_numbers: Sequence[int], charge: int, multiplicity: int) -> Engine:
    """The engine of the configuration's section `reference` (engine, method, accuracy), for one molecule.

    Raises InputError for an engine or method that is not known, EngineError for a molecule that it cannot treat.
    """
    name = reference["engine"]
    if name not in ENGINES:
        raise InputError(f"reference.engine: `{name}` is not known; valid: {', '.join(ENGINES)}")
    return ENGINES[name](
        atomic_numbers, charge, multiplicity, method=reference["method"], accuracy=reference["accuracy"]
    )
