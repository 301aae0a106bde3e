"""structures/{id}.h5: the minima of one compound with their normal modes, or the reason why there is none."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.dataset import Minimum
from mdstride.formats.minima_file import read_minima, write_minima
from mdstride.formats.provenance import Record

KIND = "mdstride structure"

VERSION = "4"
"""Of this kind of file. 2: masses, frequencies and modes. 3: further minima. 4: provenance."""

UNITS = {"energy": "eV", "positions": "Å", "masses": "amu", "frequencies": "cm-1", "modes": "1"}


@dataclass(frozen=True)
class Structure:
    """A compound's minimum with bonds and normal modes. A failed relaxation has `failure` set and empty arrays."""

    id: str
    """InChIKey."""
    smiles: str
    """As selected (RDKit canonical)."""
    failure: str = ""
    """Empty, or why there is no minimum."""
    mapped_smiles: str = ""
    """With hydrogens and atom map numbers 1..N that give the order of the atoms below."""
    charge: int = 0
    multiplicity: int = 1
    energy: float = float("nan")
    """eV."""
    atomic_numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """[N]"""
    positions: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    """[N, 3] Å, float64."""
    bonds: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """[M, 2] indices of bonded atoms, each pair once, smaller index first, sorted."""
    masses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[N] amu, of the modes."""
    frequencies: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[M] cm-1, ascending; M = 3N - 6, or 3N - 5 if linear. Imaginary ones, below the limit of the relaxation, are
    negative."""
    modes: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3)))
    """[M, N, 3], dimensionless, orthonormal in mass-weighted coordinates: amplitude q of mode k displaces atom i by
    q modes[k, i] / sqrt(masses[i])."""
    minima: tuple[Minimum, ...] = ()
    """Other minima of the same isomer, ascending in energy; see CompoundData."""
    provenance: Record = field(default_factory=dict)
    """See formats/provenance.py; empty for a structure that was not relaxed here."""

    @property
    def settings(self) -> dict[str, Any]:
        """Level of theory, seeds, convergence: what it takes to make it again."""
        return self.provenance.get("settings", {})


def write_structure(path: Path | str, structure: Structure) -> None:
    """Write one structure file atomically."""
    with hdf5.create(path) as file:
        file.attrs["kind"], file.attrs["schema_version"] = KIND, VERSION
        for name in ("id", "smiles", "failure", "mapped_smiles", "charge", "multiplicity"):
            file.attrs[name] = getattr(structure, name)
        file.attrs["provenance"] = json.dumps(structure.provenance, sort_keys=True)
        hdf5.put(file, "atomic_numbers", structure.atomic_numbers, dtype=np.int64)
        hdf5.put(file, "bonds", structure.bonds, dtype=np.int64)
        for name, unit in UNITS.items():
            hdf5.put(file, name, getattr(structure, name), unit=unit, dtype=np.float64)
        write_minima(file, structure.minima)


def read_structure(path: Path | str) -> Structure:
    """Read one structure file, refusing any other kind of file, other units and arrays that do not fit each other."""
    with hdf5.open_checked(path) as file:
        if file.attrs.get("kind") != KIND or file.attrs.get("schema_version") != VERSION:
            raise InputError(f"{path}: not a structure file of this version; make it again with `mdstride relax`")
        for name, unit in UNITS.items():
            if file[name].attrs.get("unit") != unit:
                raise InputError(f"{path}: {name} must be in {unit}, not {file[name].attrs.get('unit')}; make it again")
        numbers = file["atomic_numbers"][()]
        try:
            minima = read_minima(file, len(numbers))
        except ValueError as error:
            raise InputError(f"{path}: {error}; make it again") from error
        structure = Structure(
            id=str(file.attrs["id"]),
            smiles=str(file.attrs["smiles"]),
            failure=str(file.attrs["failure"]),
            mapped_smiles=str(file.attrs["mapped_smiles"]),
            charge=int(file.attrs["charge"]),
            multiplicity=int(file.attrs["multiplicity"]),
            energy=float(file["energy"][()]),
            atomic_numbers=numbers,
            positions=file["positions"][()],
            bonds=file["bonds"][()],
            masses=file["masses"][()],
            frequencies=file["frequencies"][()],
            modes=file["modes"][()],
            minima=minima,
            provenance=json.loads(file.attrs["provenance"]),
        )
    _check_shapes(structure, path)
    return structure


def _check_shapes(structure: Structure, path: Path | str) -> None:
    """Raise InputError unless the arrays describe one molecule, or none after a failure."""
    atoms, modes = len(structure.atomic_numbers), len(structure.frequencies)
    shapes = {"positions": (atoms, 3), "masses": (atoms,), "frequencies": (modes,), "modes": (modes, atoms, 3)}
    for name, shape in shapes.items():
        array = getattr(structure, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise InputError(f"{path}: {name} must have the shape {shape} and be finite; make it again")
    if structure.failure:
        if atoms or modes or structure.minima:
            raise InputError(
                f"{path}: {modes} normal modes do not fit {atoms} atoms of a failed relaxation; make it again"
            )
    elif modes not in (3 * atoms - 6, 3 * atoms - 5):
        raise InputError(f"{path}: {modes} normal modes do not fit {atoms} atoms; make it again")
