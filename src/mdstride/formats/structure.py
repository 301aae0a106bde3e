"""structures/{id}.h5: the relaxed minimum of one compound, or the reason why there is none."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.provenance import SCHEMA_VERSION

KIND = "mdstride structure"


@dataclass(frozen=True)
class Structure:
    """A compound's geometry with its bond graph. A failed relaxation has `failure` set and empty arrays."""

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
    settings: dict[str, Any] = field(default_factory=dict)
    """Level of theory, seeds, convergence: what it takes to make it again."""
    software: dict[str, str] = field(default_factory=dict)


def write_structure(path: Path | str, structure: Structure) -> None:
    """Write one structure file atomically."""
    with hdf5.create(path) as file:
        file.attrs["kind"], file.attrs["schema_version"] = KIND, SCHEMA_VERSION
        for name in ("id", "smiles", "failure", "mapped_smiles", "charge", "multiplicity"):
            file.attrs[name] = getattr(structure, name)
        file.attrs["settings"] = json.dumps(structure.settings, sort_keys=True)
        file.attrs["software"] = json.dumps(structure.software, sort_keys=True)
        hdf5.put(file, "energy", structure.energy, unit="eV")
        hdf5.put(file, "atomic_numbers", structure.atomic_numbers, dtype=np.int64)
        hdf5.put(file, "positions", structure.positions, unit="Å", dtype=np.float64)
        hdf5.put(file, "bonds", structure.bonds, dtype=np.int64)


def read_structure(path: Path | str) -> Structure:
    """Read one structure file, refusing any other kind of file."""
    with hdf5.open_checked(path) as file:
        if file.attrs.get("kind") != KIND or file.attrs.get("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path}: not a structure file of this version; make it again with `mdstride relax`")
        if file["positions"].attrs["unit"] != "Å" or file["energy"].attrs["unit"] != "eV":
            raise InputError(f"{path}: positions must be in Å and the energy in eV; make it again")
        return Structure(
            id=str(file.attrs["id"]),
            smiles=str(file.attrs["smiles"]),
            failure=str(file.attrs["failure"]),
            mapped_smiles=str(file.attrs["mapped_smiles"]),
            charge=int(file.attrs["charge"]),
            multiplicity=int(file.attrs["multiplicity"]),
            energy=float(file["energy"][()]),
            atomic_numbers=file["atomic_numbers"][()],
            positions=file["positions"][()],
            bonds=file["bonds"][()],
            settings=json.loads(file.attrs["settings"]),
            software=json.loads(file.attrs["software"]),
        )
