"""Which compound a published geometry is, and its bonds in the atom order of the file.

Which atoms are bonded is told from the geometry. Names and SMILES are believed only when their molecule has the same
graph of elements; published sets do hold molecules whose bonds do not match their SMILES.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase.data import covalent_radii
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from mdstride.bonds import lengths
from mdstride.chemistry import BOND_FACTOR, LARGEST
from mdstride.dataset.published import graphs
from mdstride.dataset.published.frames import Frames
from mdstride.dataset.published.names import known
from mdstride.errors import InputError

LONGEST_SMILES = 300
"""Characters; RDKit does not survive every long chain."""

LOOKS = 15
"""Frames over whose median distance two atoms are bonded or not: a hot bond is long in one frame now and then."""

UNKNOWN_RADIUS = 1.03
"""Å, of an atom stored as charge 0: S has 1.05, Cl 1.02."""

MOST_NEIGHBOURS = 8
"""Of an atom in a molecule."""

ITERATIONS = 20_000
"""Of RDKit's search for bond orders, beyond which it is given up."""


@dataclass(frozen=True)
class Identity:
    """A compound whose atoms are in the order of the file."""

    molecule: Chem.Mol
    """With explicit hydrogens, without map numbers."""
    smiles: str
    name: str
    cid: str
    note: str
    """How the compound was found out."""


def identify(frames: Frames, smiles: str | None, name: str | None) -> Identity:
    """The compound of some frames: by `smiles`, that of the file, the names of the file, or else by its geometry.

    Raises InputError where none of them gives one, or the bonds of the geometry are not those of the compound.
    """
    if len(frames.atomic_numbers) > LARGEST:
        raise InputError(
            f"{frames.path}: {len(frames.atomic_numbers)} atoms; molecules of at most {LARGEST} are imported"
        )
    given = smiles or frames.smiles
    if given:
        found = Identity(_parse(given, frames), "", name or frames.name, "", "compound: by its SMILES")
        if not frames.atomic_numbers.any() and (mapped := _mapped_numbers(found.molecule)):
            frames = replace(frames, atomic_numbers=np.array(mapped))
        return _placed(found, frames)
    entry = known(*(text for text in (name, frames.name, frames.path.stem) if text))
    if entry is None:
        return _perceived(frames, name or frames.name)
    title, row = entry
    found = Identity(Chem.Mol(), "", name or title, row.cid, f"compound: by its name, {title}")
    molecules = [_parse(text, frames) for text in row.smiles]
    graph = _graph(frames)
    fitting = [mol for mol in molecules if not graphs.difference(mol, *graph)]
    return _placed(replace(found, molecule=(fitting or molecules)[0]), frames, flat=row.flat)


def _parse(smiles: str, frames: Frames) -> Chem.Mol:
    """With explicit hydrogens; map numbers are kept, since they may be those of the file's atoms."""
    if len(smiles) > LONGEST_SMILES:
        raise InputError(f"{frames.path}: SMILES of {len(smiles)} characters; at most {LONGEST_SMILES} are taken")
    parameters: Any = Chem.SmilesParserParams()  # its type stubs forbid setting attributes
    parameters.removeHs = False  # of a mapped SMILES they have their place in the file's order
    parameters.parseName = parameters.allowCXSMILES = False
    plain = smiles.isascii() and smiles.isprintable() and " " not in smiles
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, parameters) if plain else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise InputError(f"{frames.path}: {smiles!r} is not a valid SMILES; give another with --smiles")
    return Chem.AddHs(molecule)


def _mapped_numbers(molecule: Chem.Mol) -> list[int]:
    """Atomic numbers in the order of the map numbers, if each atom has one of 1 .. N; else none."""
    numbers = {atom.GetAtomMapNum(): atom.GetAtomicNum() for atom in molecule.GetAtoms()}
    atoms = molecule.GetNumAtoms()
    return [numbers[k] for k in range(1, atoms + 1)] if numbers.keys() == set(range(1, atoms + 1)) else []


def _graph(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers [N], 0 where unknown, and bonds [M, 2] of the geometry."""
    numbers = frames.atomic_numbers
    looks = np.unique(np.linspace(0, len(frames.positions) - 1, LOOKS).astype(int))
    pairs = np.column_stack(np.triu_indices(len(numbers), k=1))
    radii = np.where(numbers > 0, covalent_radii[numbers], UNKNOWN_RADIUS)
    distance = np.median([lengths(frames.positions[k], pairs) for k in looks], axis=0)
    bonds = pairs[distance < BOND_FACTOR * radii[pairs].sum(axis=1)]
    neighbours = np.bincount(bonds.ravel(), minlength=len(numbers))
    if len(numbers) > 1 and (neighbours.max() > MOST_NEIGHBOURS or not neighbours.any()):
        raise InputError(
            f"{frames.path}: positions are no molecule's: an atom has {neighbours.max()} neighbours at most; "
            "they must be in Å, or the file must say their unit"
        )
    return numbers, bonds


def _placed(found: Identity, frames: Frames, *, flat: bool = False) -> Identity:
    """The molecule in the file's order; with `flat`, its stereochemistry is taken from the geometry, else compared."""
    numbers, bonds = _graph(frames)
    if not numbers.any():
        raise InputError(
            f"{frames.path}: has no elements; give a SMILES with map numbers in its atom order with --smiles"
        )
    if reason := graphs.difference(found.molecule, numbers, bonds):
        smiles = Chem.MolToSmiles(Chem.RemoveHs(_unmapped(found.molecule)))
        raise InputError(f"{frames.path}: its geometry is not {smiles}: {reason}; give the right SMILES with --smiles")
    molecule = _unmapped(Chem.RenumberAtoms(found.molecule, graphs.order(found.molecule, numbers, bonds)))
    lowest = 0 if frames.energy is None else int(frames.energy.argmin())
    actual = _with_geometry(molecule, frames.positions[lowest])
    if flat:
        molecule = actual
    elif lost := graphs.stereo_difference(molecule, actual):
        raise InputError(f"{frames.path}: its geometry is another stereoisomer ({lost}); correct the SMILES (--smiles)")
    return _finished(replace(found, molecule=molecule), frames)


def _perceived(frames: Frames, name: str) -> Identity:
    """The neutral closed-shell molecule of the geometry, with RDKit's bond orders.

    Kim and Kim, Bull. Korean Chem. Soc. 36, 1769 (2015).
    """
    numbers, bonds = _graph(frames)
    unnamed = f"{frames.path}: neither its name nor its geometry tells the compound"
    if not numbers.all():
        raise InputError(f"{unnamed} (an atom has no element); give --smiles")
    molecule = Chem.RWMol(graphs.plain(numbers, bonds))
    molecule.AddConformer(_conformer(frames.positions[0]))
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBondOrders(molecule, charge=0, maxIterations=ITERATIONS)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{unnamed}: no bond orders of a neutral molecule fit it; give --smiles") from error
    if any(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms()):
        raise InputError(f"{unnamed}: as a neutral molecule it has unpaired electrons; give --smiles")
    molecule.RemoveAllConformers()
    note = "compound: bonds and SMILES were read off the geometry, so compare the SMILES with the source"
    return _finished(Identity(Chem.Mol(molecule), "", name, "", note), frames)


def _finished(found: Identity, frames: Frames) -> Identity:
    with rdBase.BlockLogs():
        smiles = Chem.MolToSmiles(Chem.RemoveHs(found.molecule))
        key = Chem.MolToInchiKey(found.molecule)
    if not key:
        raise InputError(
            f"{frames.path}: {smiles} has no InChIKey, by which compounds are known; it cannot be imported"
        )
    return replace(found, smiles=smiles)


def _conformer(positions: np.ndarray) -> Chem.Conformer:
    conformer = Chem.Conformer(len(positions))
    conformer.SetPositions(np.ascontiguousarray(positions, dtype=np.float64))
    return conformer


def _with_geometry(molecule: Chem.Mol, positions: np.ndarray) -> Chem.Mol:
    """The molecule with the stereochemistry of positions [N, 3]."""
    actual = Chem.Mol(molecule)
    Chem.AssignStereochemistryFrom3D(actual, actual.AddConformer(_conformer(positions), assignId=True))
    actual.RemoveAllConformers()
    return actual


def _unmapped(molecule: Chem.Mol) -> Chem.Mol:
    plain = Chem.Mol(molecule)
    for atom in plain.GetAtoms():
        atom.SetAtomMapNum(0)
    return plain
