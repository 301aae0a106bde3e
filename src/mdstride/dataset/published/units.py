"""Units of published files, as they are spelled."""

import re
from collections.abc import Iterator

import numpy as np

from mdstride.constants import BOHR, HARTREE, KJ_PER_MOL
from mdstride.errors import InputError

KCAL_PER_MOL = KJ_PER_MOL / 4.184
"""1 eV in kcal/mol, of the thermochemical calorie."""

ENERGIES = {"eV": 1.0, "kcal/mol": 1.0 / KCAL_PER_MOL, "kJ/mol": 1.0 / KJ_PER_MOL, "Hartree": HARTREE}
"""Units of energy that are looked for, in eV."""

_AVOGADRO = 6.02214076e23

_BASE = {  # factor to Å, fs, eV, amu; powers of length, time, energy, mass
    **dict.fromkeys(("A", "Ang", "Angstrom", "angstrom", "Å", "Å"), (1.0, (1, 0, 0, 0))),
    "nm": (10.0, (1, 0, 0, 0)),
    "pm": (0.01, (1, 0, 0, 0)),
    **dict.fromkeys(("bohr", "Bohr", "a0"), (BOHR, (1, 0, 0, 0))),
    "fs": (1.0, (0, 1, 0, 0)),
    "ps": (1e3, (0, 1, 0, 0)),
    "ns": (1e6, (0, 1, 0, 0)),
    "s": (1e15, (0, 1, 0, 0)),
    "eV": (1.0, (0, 0, 1, 0)),
    "meV": (1e-3, (0, 0, 1, 0)),
    **dict.fromkeys(("Hartree", "hartree", "Ha", "Eh"), (HARTREE, (0, 0, 1, 0))),
    "kJ": (_AVOGADRO / KJ_PER_MOL, (0, 0, 1, 0)),
    "kcal": (_AVOGADRO / KCAL_PER_MOL, (0, 0, 1, 0)),
    "mol": (_AVOGADRO, (0, 0, 0, 0)),
    **dict.fromkeys(("u", "amu", "Da"), (1.0, (0, 0, 0, 1))),
}

KINDS = {
    "length": (1, 0, 0, 0),
    "time": (0, 1, 0, 0),
    "velocity": (1, -1, 0, 0),
    "force": (-1, 0, 1, 0),
    "energy": (0, 0, 1, 0),
}
"""Powers of length, time, energy and mass."""

_TERM = re.compile(r"([/*·]?)\s*([A-Za-zÅÅ][A-Za-z]*|a0)(?:\^|\*\*)?([+-]?\d)?\s*")


def factor(unit: str, kind: str, where: str) -> float:
    """What a number in `unit` is to be multiplied by for Å, fs, eV. Understands `nm ps-1` as well as `kcal/(mol*Ang)`.

    Raises InputError, beginning with `where`, for anything that is not a unit of this kind (KINDS).
    """
    found, powers = 1.0, np.zeros(4, np.int64)
    for base, power in _terms(unit, where):
        if base not in _BASE:
            raise InputError(f"{where}: unknown unit {unit!r}; convert the file to Å, fs and eV, or kcal/mol")
        size, dimension = _BASE[base]
        found *= size**power
        powers += power * np.array(dimension)
    if tuple(powers) != KINDS[kind]:
        raise InputError(f"{where}: {unit!r} is no unit of {kind}; correct the unit in the file")
    return found


def _terms(unit: str, where: str) -> Iterator[tuple[str, int]]:
    text = re.sub(r"/\s*\(([^()]*)\)", lambda match: "/" + re.sub(r"[\s*·]+", "/", match[1].strip()), unit.strip())
    position = 0
    while position < len(text) and (match := _TERM.match(text, position)):
        sign = -1 if match[1] == "/" else 1
        yield match[2], sign * int(match[3] or 1)
        position = match.end()
    if position < len(text) or not text:
        raise InputError(f"{where}: cannot read the unit {unit[:40]!r}; write it like `kcal mol-1 Angstrom-1`")
