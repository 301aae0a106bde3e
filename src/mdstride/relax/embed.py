"""From a SMILES to first geometries: ETKDG conformers, each at a minimum of a force field."""

from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from mdstride.errors import InputError

LONGEST_SMILES = 300
"""Characters; RDKit does not survive every long chain."""

FORCE_FIELD_STEPS = 2000
"""Minimiser steps per conformer; a conformer that needs more is used as it is."""


class RelaxFailure(Exception):
    """Why a compound has no minimum: recorded with the compound, no error of the program."""


def parse(smiles: str, compound_id: str) -> Chem.Mol:
    """The molecule with explicit hydrogens, in the atom order that all files keep.

    Raises InputError when the SMILES cannot be parsed or is not the compound that `compound_id` (InChIKey) names.
    """
    if len(smiles) > LONGEST_SMILES:
        raise InputError(f"{compound_id}: SMILES of {len(smiles)} characters; at most {LONGEST_SMILES} are taken")
    with rdBase.BlockLogs():  # what RDKit would print is in the messages below
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or molecule.GetNumAtoms() == 0:
            raise InputError(f"{compound_id}: `{smiles}` is not a valid SMILES; correct it in the table of compounds")
        found = Chem.MolToInchiKey(molecule)
    if found != compound_id:
        raise InputError(f"{compound_id}: `{smiles}` has the InChIKey {found or '(none)'}; id and SMILES must agree")
    return Chem.AddHs(molecule)


def embed(molecule: Chem.Mol, *, conformers: int, seed: int) -> tuple[np.ndarray, str]:
    """Positions [C, N, 3] in Å of at most `conformers` conformers, and the force field whose minima they are: MMFF94,
    or UFF where MMFF94 lacks parameters.

    Embedding: ETKDGv3, Wang et al., J. Chem. Inf. Model. 60, 2044 (2020), doi:10.1021/acs.jcim.0c00025. It keeps the
    stereochemistry that the SMILES fixes. Raises RelaxFailure.
    """
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed % 2**31  # RDKit takes a signed 32-bit integer
    parameters.numThreads = 1
    embedded = Chem.Mol(molecule)
    if not rdDistGeom.EmbedMultipleConfs(embedded, conformers, parameters):
        raise RelaxFailure("no conformer could be embedded (ETKDGv3)")
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(embedded):
        name = "MMFF94"
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(embedded, numThreads=1, maxIters=FORCE_FIELD_STEPS)
    elif rdForceFieldHelpers.UFFHasAllMoleculeParams(embedded):
        name = "UFF"
        rdForceFieldHelpers.UFFOptimizeMoleculeConfs(embedded, numThreads=1, maxIters=FORCE_FIELD_STEPS)
    else:
        raise RelaxFailure("neither MMFF94 nor UFF has parameters for all atoms")
    return np.array([conformer.GetPositions() for conformer in embedded.GetConformers()]), name


def mapped_smiles(molecule: Chem.Mol) -> str:
    """SMILES with all hydrogens and map numbers 1..N in the order of the atoms."""
    mapped = Chem.Mol(molecule)
    for atom in mapped.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    return Chem.MolToSmiles(mapped)


def bond_graph(molecule: Chem.Mol) -> np.ndarray:
    """Pairs [M, 2] of bonded atoms, smaller index first, sorted."""
    pairs = sorted(tuple(sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))) for bond in molecule.GetBonds())
    return np.array(pairs, np.int64).reshape(-1, 2)


def charge_and_multiplicity(molecule: Chem.Mol) -> tuple[int, int]:
    """Formal charge, and high-spin multiplicity of the unpaired electrons that the SMILES shows."""
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())
    return Chem.GetFormalCharge(molecule), unpaired + 1


def lost_stereo(molecule: Chem.Mol, positions: np.ndarray) -> list[str]:
    """The stereocentres and double bonds that `molecule` fixes and that are different at `positions` [N, 3] in Å."""
    actual = with_stereo(molecule, positions)
    lost = []
    for fixed, found in zip(molecule.GetAtoms(), actual.GetAtoms(), strict=True):
        tag = fixed.GetChiralTag()
        if tag != Chem.ChiralType.CHI_UNSPECIFIED and tag != found.GetChiralTag():
            lost.append(f"centre {label(fixed)}")
    for fixed, found in zip(molecule.GetBonds(), actual.GetBonds(), strict=True):
        stereo = fixed.GetStereo()
        if stereo > Chem.BondStereo.STEREOANY and stereo != found.GetStereo():
            lost.append(f"double bond {label(fixed.GetBeginAtom())}={label(fixed.GetEndAtom())}")
    return lost


def with_stereo(molecule: Chem.Mol, positions: np.ndarray) -> Chem.Mol:
    """The molecule with the stereocentres and double bonds as they are at `positions` [N, 3] in Å."""
    actual = Chem.Mol(molecule)
    conformer = Chem.Conformer(molecule.GetNumAtoms())
    conformer.SetPositions(np.ascontiguousarray(positions, dtype=np.float64))
    Chem.AssignStereochemistryFrom3D(actual, actual.AddConformer(conformer, assignId=True))
    return actual


def label(atom: Chem.Atom) -> str:
    """Element and 1-based number, which is the atom's map number in the mapped SMILES."""
    return f"{atom.GetSymbol()}{atom.GetIdx() + 1}"
