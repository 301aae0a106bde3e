"""The molecule to forecast: atoms, bonds and reference geometry, from a SMILES or from a geometry.

The reference is a minimum of the reference method, found as for the training compounds. From a SMILES it is the lowest
of several conformers; from a geometry the minimum downhill of it.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses
from rdkit import Chem, rdBase

from mdstride.bonds import bonded_pairs, lengths, radii_sums
from mdstride.dataset.published import graphs
from mdstride.engines import Engine, EngineError, make_engine
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.formats.structure import Structure, read_structure
from mdstride.relax.embed import (
    LONGEST_SMILES,
    RelaxFailure,
    bond_graph,
    charge_and_multiplicity,
    embed,
    mapped_smiles,
)
from mdstride.relax.modes import vibrations
from mdstride.relax.search import find_minimum, lowest
from mdstride.relax.stage import relax_compound

Settings = dict[str, Any]

BROKEN = 1.5
"""Length over the sum of the covalent radii beyond which two atoms are not bonded, whatever a SMILES says."""


def from_smiles(smiles: str, settings: Settings, *, relax: bool) -> CompoundData:
    """The molecule with its minimum and normal modes; without `relax`, at the force-field conformer lowest in energy.

    `settings` has the sections `relax` and `reference`. Atoms are in the order of the SMILES, hydrogens last.
    Raises InputError when the SMILES is not valid, charged, a radical or has no minimum.
    """
    molecule = parse(smiles)
    structure = _relaxed(molecule, smiles, settings) if relax else _embedded(molecule, smiles, settings)
    known = relax or None
    return CompoundData(
        id=structure.id,
        labels={"smiles": structure.smiles, "mapped_smiles": structure.mapped_smiles},
        atomic_numbers=structure.atomic_numbers,
        masses=structure.masses,
        bonds=structure.bonds,
        reference=structure.positions,
        replicas=(),
        frequencies=known and structure.frequencies,
        modes=known and structure.modes,
    )


def parse(smiles: str, *, keep: bool = False) -> Chem.Mol:
    """The molecule with all hydrogens: behind the heavy atoms, or with `keep` where the SMILES has written some.

    Raises InputError when it is not one neutral closed-shell molecule of two atoms or more.
    """
    if len(smiles) > LONGEST_SMILES:
        raise InputError(f"SMILES of {len(smiles)} characters; at most {LONGEST_SMILES} are taken")
    parameters: Any = Chem.SmilesParserParams()  # its type stubs forbid setting attributes
    parameters.removeHs = not keep
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, parameters)
    if molecule is None or molecule.GetNumAtoms() == 0:
        raise InputError(f"`{smiles}` is not a valid SMILES; check it for typing errors, and quote it in the shell")
    molecule = Chem.AddHs(molecule)
    if "." in Chem.MolToSmiles(molecule):
        raise InputError(f"`{smiles}`: more than one molecule; give them one by one")
    charge, multiplicity = charge_and_multiplicity(molecule)
    if charge or multiplicity > 1:
        found = f"has the charge {charge:+d}" if charge else f"is a radical (unpaired electrons: {multiplicity - 1})"
        raise InputError(f"`{smiles}` {found}; only neutral closed-shell molecules are forecast: models know no others")
    if molecule.GetNumAtoms() < 2:
        raise InputError(f"`{smiles}`: a single atom has no internal motion; give a molecule")
    return molecule


def from_geometry(
    numbers: np.ndarray, positions: np.ndarray, masses: np.ndarray, *, smiles: str | None, factor: float, where: str
) -> CompoundData:
    """The molecule at `positions` [N, 3] in Å, which are its reference for now. Errors name `where`.

    Bonds are all pairs closer than `factor` times the sum of their covalent radii; they must be those of the SMILES, if
    one is given. One whose atoms (by map number, or as they come and then the hydrogens) are in the same order decides
    on the bonds itself, also on such as vibration has stretched for the moment.
    """
    bonds, labels = bonded_pairs(numbers, positions, factor), {}
    if smiles is not None:
        given = parse(smiles, keep=True)
        molecule = _ordered(given)
        if not _fits(molecule, numbers, positions):
            if reason := graphs.difference(given, numbers, bonds):
                raise InputError(f"{where}: is not `{smiles}`: {reason}; correct the SMILES, or leave it out")
            molecule = Chem.RenumberAtoms(given, graphs.order(given, numbers, bonds))
        bonds = bond_graph(molecule)
        labels = {"smiles": _plain(molecule), "mapped_smiles": mapped_smiles(molecule)}
    if len(numbers) < 2 or not _connected(len(numbers), bonds):
        raise InputError(f"{where}: its atoms are not one molecule; give one molecule, in one piece and in Å")
    return CompoundData(
        id="", labels=labels, atomic_numbers=numbers, masses=masses, bonds=bonds, reference=positions, replicas=()
    )


def with_minimum(compound: CompoundData, settings: Settings, where: str) -> CompoundData:
    """The same with the minimum downhill of its reference, and normal modes. Raises InputError where there is none."""

    def check(positions: np.ndarray) -> None:
        found = bonded_pairs(compound.atomic_numbers, positions, settings["relax"]["bond_factor"])
        if not np.array_equal(found, compound.bonds):
            raise RelaxFailure("relaxes to another bond graph")

    try:
        engine = _engine(compound, settings)
        numbers, masses, start = compound.atomic_numbers, compound.masses, compound.reference
        found = find_minimum(engine, numbers, masses, start, settings["relax"], check=check, label=where)
    except (RelaxFailure, EngineError) as failure:
        raise InputError(
            f"{where}: {failure}; give its relaxed geometry, or do without one (no relaxation)"
        ) from failure
    seen = found.vibrations
    return replace(compound, reference=found.relaxed.positions, frequencies=seen.frequencies, modes=seen.modes)


def with_modes(compound: CompoundData, settings: Settings, where: str) -> CompoundData:
    """The same with the normal modes of its reference geometry, which must be a minimum."""
    step = settings["relax"]["hessian_step"]
    try:
        seen = vibrations(_engine(compound, settings), compound.reference, compound.masses, step=step)
    except EngineError as failure:
        raise InputError(f"{where}: {failure}; correct the reference geometry") from failure
    return replace(compound, frequencies=seen.frequencies, modes=seen.modes)


def _engine(compound: CompoundData, settings: Settings) -> Engine:
    return make_engine(settings["reference"], compound.atomic_numbers.tolist(), compound.charge, compound.multiplicity)


def _relaxed(molecule: Chem.Mol, smiles: str, settings: Settings) -> Structure:
    """What the stage relax makes of the molecule."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "structure.h5"
        sections = settings["relax"] | {"minima": 1}, settings["reference"]  # the start is at the first
        relax_compound(*sections, compound_id=_key(molecule), smiles=smiles, output=path)
        structure = read_structure(path)
    if structure.failure:
        raise InputError(
            f"`{smiles}`: {structure.failure}; do without relaxation (--no-relax), or take another molecule"
        )
    return replace(structure, smiles=_plain(molecule))


def _embedded(molecule: Chem.Mol, smiles: str, settings: Settings) -> Structure:
    """The conformer of a force field that is lowest in the energy of the reference method."""
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], np.int64)
    try:
        engine = make_engine(settings["reference"], numbers.tolist(), 0, 1)
        conformers, _ = embed(molecule, **{name: settings["relax"][name] for name in ("conformers", "seed")})
        positions = conformers[lowest(engine, conformers)]
    except (RelaxFailure, EngineError) as failure:
        raise InputError(f"`{smiles}`: {failure}; take another molecule") from failure
    return Structure(
        id=_key(molecule),
        smiles=_plain(molecule),
        mapped_smiles=mapped_smiles(molecule),
        atomic_numbers=numbers,
        positions=positions,
        bonds=bond_graph(molecule),
        masses=atomic_masses[numbers],
    )


def _key(molecule: Chem.Mol) -> str:
    with rdBase.BlockLogs():
        return Chem.MolToInchiKey(molecule)


def _plain(molecule: Chem.Mol) -> str:
    """Canonical SMILES without map numbers and hydrogens."""
    plain = Chem.Mol(molecule)
    for atom in plain.GetAtoms():
        atom.SetAtomMapNum(0)
    return Chem.MolToSmiles(Chem.RemoveHs(plain))


def _ordered(molecule: Chem.Mol) -> Chem.Mol:
    """In the order of the map numbers, if each atom has one of 1 .. N."""
    maps = [atom.GetAtomMapNum() for atom in molecule.GetAtoms()]
    complete = sorted(maps) == list(range(1, len(maps) + 1))
    return Chem.RenumberAtoms(molecule, np.argsort(maps).tolist()) if complete else molecule


def _fits(molecule: Chem.Mol, numbers: np.ndarray, positions: np.ndarray) -> bool:
    """Whether atom k of the molecule may be the one at positions[k]: the elements agree, and no bond is broken."""
    bonds, own = bond_graph(molecule), [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    if own != numbers.tolist():
        return False
    return bool((lengths(positions, bonds) < BROKEN * radii_sums(numbers, bonds)).all())


def _connected(atoms: int, bonds: np.ndarray) -> bool:
    """Whether a way along bonds [M, 2] leads to every atom."""
    reached, front = {0}, {0}
    while front:
        front = {j for pair in bonds.tolist() for i, j in (pair, pair[::-1]) if i in front} - reached
        reached |= front
    return len(reached) == atoms
