"""From SMILES text to an RDKit molecule, and whether that is one that can be simulated at all."""

import re
from typing import Any

from rdkit import Chem, rdBase

from mdstride.select.reasons import Reason

LONGEST = 300
"""Characters of SMILES that RDKit is given at most."""

HEAVIEST = 86
"""Atomic number of radon, the last element that GFN2-xTB and GFN1-xTB know."""

SYMBOLS = {Chem.GetPeriodicTable().GetElementSymbol(number): number for number in range(1, 119)}
"""Atomic number by element symbol."""


def _parameters(sanitize: bool) -> Any:
    parameters: Any = Chem.SmilesParserParams()  # its type stubs forbid setting attributes
    parameters.parseName = False
    parameters.allowCXSMILES = False
    parameters.sanitize = parameters.removeHs = sanitize
    return parameters


_WHOLE, _RAW = _parameters(True), _parameters(False)
_HYDROGEN = re.compile(r"\[\d*H")


def parse(smiles: str) -> tuple[Chem.Mol | None, str]:
    """The sanitised molecule without atom map numbers and "", or None and RDKit's complaint in one line.

    RDKit also writes its complaint to standard error unless the caller holds `rdBase.BlockLogs()`.
    """
    if " " in smiles or not (smiles.isascii() and smiles.isprintable()):
        return None, "blank or foreign character in a SMILES"
    mol = Chem.MolFromSmiles(smiles, _WHOLE)
    return (None, _complaint(smiles)) if mol is None else (_without_maps(mol, smiles), "")


def parse_flat(smiles: str) -> tuple[Chem.Mol | None, str]:
    """As `parse`, without stereochemistry: perceiving it takes RDKit a third of the time, and ECFP does not use it."""
    if _HYDROGEN.search(smiles) is None:  # hydrogen as an atom of its own is left to the whole procedure
        mol = Chem.MolFromSmiles(smiles, _RAW)
        if mol is not None and not Chem.SanitizeMol(mol, catchErrors=True):
            return _without_maps(mol, smiles), ""
    return parse(smiles)


def _without_maps(mol: Chem.Mol, smiles: str) -> Chem.Mol:
    if ":" in smiles:
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
    return mol


def _complaint(smiles: str) -> str:
    with rdBase.CaptureErrorLog() as log:
        Chem.MolFromSmiles(smiles, _WHOLE)
    first = log.messages.partition("\n")[0]
    return re.sub(r"^\[[\d:]+\] (SMILES Parse Error: )?", "", first).strip()


def parse_reason(complaint: str) -> Reason:
    """The reason to count a complaint of `parse` under."""
    if "valence" in complaint:
        return Reason.VALENCE
    if "blank or foreign" in complaint:
        return Reason.FOREIGN
    if "kekulize" in complaint or "aromatic" in complaint:
        return Reason.AROMATICITY
    return Reason.SYNTAX


def unfit(mol: Chem.Mol) -> Reason | None:
    """Why `mol` is not one neutral, closed-shell molecule of natural isotopes, or None."""
    if len(Chem.GetMolFrags(mol)) > 1:
        return Reason.FRAGMENTS
    if Chem.GetFormalCharge(mol) != 0:
        return Reason.CHARGED
    electrons = radicals = isotopes = 0
    for atom in mol.GetAtoms():
        isotopes += atom.GetIsotope()
        electrons += atom.GetAtomicNum() + atom.GetTotalNumHs()
        radicals += atom.GetNumRadicalElectrons()
    if isotopes:
        return Reason.ISOTOPE
    return Reason.RADICAL if radicals or electrons % 2 else None
