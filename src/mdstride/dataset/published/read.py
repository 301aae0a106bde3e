"""Import of trajectories that others publish: one file, one compound, one replica."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses
from rdkit import Chem, rdBase
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from mdstride.bonds import lengths, radii_sums
from mdstride.dataset.published.damage import cut_broken, cut_damage
from mdstride.dataset.published.frames import Frames, check, checked_name
from mdstride.dataset.published.graphs import bond_graph, mapped_smiles
from mdstride.dataset.published.h5md import read_h5md
from mdstride.dataset.published.motion import Motion, find_motion
from mdstride.dataset.published.npz import read_npz
from mdstride.dataset.published.perceive import Identity, identify
from mdstride.dataset.published.plausible import settle_energy
from mdstride.dataset.published.xyz import read_xyz
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Replica
from mdstride.formats.provenance import sha256

READERS: dict[str, Callable[[Path], Frames]] = {
    "npz": read_npz,
    "extxyz": read_xyz,
    "h5md": read_h5md,
}
SUFFIXES = {".npz": "npz", ".xyz": "extxyz", ".extxyz": "extxyz", ".h5md": "h5md", ".h5": "h5md"}


def read_published(
    path: Path,
    *,
    format: str = "auto",
    smiles: str | None = None,
    name: str | None = None,
    interval: float | None = None,
    temperature: float | None = None,
    replica: int = 0,
    licence: str = "",
    citation: str = "",
) -> CompoundData:
    """One trajectory of one compound, as `mdstride dataset add` puts it into a data set.

    Parameters
    ----------
    format
        npz (MD17, rMD17, MD22, sGDML, TG80), extxyz, h5md, or auto: by the name's ending.
    smiles, name
        Of the compound. Without them the file's own, or the file's name, or the geometry tell it.
    interval
        fs between frames; compared with what the data show, and needed where they do not.
    temperature
        K, of the simulation; compared with the kinetic temperature.
    replica
        Number that the trajectory gets.
    licence, citation
        Of the data.

    Whether frames are consecutive is told from the data (consecutive.py); if they are not, the replica says so and has
    no velocities. Whatever was mended or left out is in the replica's `source["notes"]`. Raises InputError for a file
    that is damaged, hostile, or at odds with itself or with what is declared.
    """
    path = Path(path)
    for option, value in (("interval", interval), ("temperature", temperature)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"{path}: --{option} {value:g} must be a positive number")
    frames = cut_damage(check(_reader(path, format)(path)))
    found = identify(frames, smiles, checked_name(name or "", path))
    bonds = bond_graph(found.molecule)
    numbers = np.array([atom.GetAtomicNum() for atom in found.molecule.GetAtoms()], np.int64)
    frames = cut_broken(_with_elements(frames, numbers), numbers, bonds)
    frames = settle_energy(frames)
    masses = atomic_masses[numbers]
    motion = find_motion(frames, masses, interval=interval, temperature=temperature)
    positions = frames.positions
    lowest = 0 if frames.energy is None else int(frames.energy.argmin())
    with rdBase.BlockLogs():
        key = Chem.MolToInchiKey(found.molecule)
    return CompoundData(
        id=key,
        labels=_labels(found),
        atomic_numbers=numbers,
        masses=masses,
        bonds=bonds,
        reference=positions[lowest] - masses @ positions[lowest] / masses.sum(),
        replicas=(_replica(frames, motion, found, masses, bonds, replica),),
        charge=Chem.GetFormalCharge(found.molecule),
        multiplicity=1 + sum(atom.GetNumRadicalElectrons() for atom in found.molecule.GetAtoms()),
        licence=licence,
        citation=citation,
    )


def _reader(path: Path, format: str) -> Callable[[Path], Frames]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    kind = SUFFIXES.get(path.suffix.lower()) if format == "auto" else format
    if kind not in READERS:
        raise InputError(f"{path}: give its format with --format: {', '.join(READERS)}")
    return READERS[kind]


def _with_elements(frames: Frames, numbers: np.ndarray) -> Frames:
    """With the elements that the file stores as charge 0, which the molecule tells."""
    missing = np.flatnonzero(frames.atomic_numbers == 0)
    if not len(missing):
        return frames
    table = Chem.GetPeriodicTable()
    atoms = ", ".join(f"{table.GetElementSymbol(int(numbers[k]))}{k + 1}" for k in missing)
    return frames.noting(f"atoms stored with charge 0 were told from the SMILES: {atoms}", atomic_numbers=numbers)


def _labels(found: Identity) -> dict[str, str]:
    return {
        "name": found.name,
        "smiles": found.smiles,
        "mapped_smiles": mapped_smiles(found.molecule),
        "cid": found.cid,
        "formula": CalcMolFormula(found.molecule),
    }


def _replica(
    frames: Frames, motion: Motion, found: Identity, masses: np.ndarray, bonds: np.ndarray, number: int
) -> Replica:
    origin = masses @ frames.positions[0] / masses.sum()
    forces, velocities = frames.forces, motion.velocities
    return Replica(
        number=number,
        interval=motion.interval,
        positions=(frames.positions - origin).astype(np.float32),
        velocities=None if velocities is None else velocities.astype(np.float32),
        forces=None if forces is None else forces.astype(np.float32),
        energy=frames.energy,
        origin=origin,
        figures=_figures(frames, motion, bonds),
        source={
            "format": frames.format,
            "theory": frames.theory,
            "file": frames.path.name,
            "sha256": sha256(frames.path),
            "velocities": motion.source,
            "notes": [found.note, *frames.notes, *motion.notes],
        },
        consecutive=motion.steps.consecutive,
    )


def _figures(frames: Frames, motion: Motion, bonds: np.ndarray) -> dict[str, Any]:
    """As in a verdict, None where not computed; those of a trajectory of mdstride are kept."""
    figures: dict[str, Any] = {"frames": len(frames.positions), "drift": None, "fluctuation": None}
    figures |= {"temperature": None, "max_force": None, "longest_bond": None} | motion.figures
    if frames.forces is not None:
        figures["max_force"] = float(np.linalg.norm(frames.forces, axis=2).max())
    if len(bonds):
        stretch = lengths(frames.positions, bonds).max(axis=0) / radii_sums(frames.atomic_numbers, bonds)
        figures["longest_bond"] = float(stretch.max())
    return figures | frames.figures
