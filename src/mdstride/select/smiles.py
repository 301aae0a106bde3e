"""From SMILES text to an RDKit molecule: cheap checks on the text, then parsing, then what can be simulated at all.

RDKit crashes on huge inputs and takes 0.2 ms for an ordinary one, so text is judged before it parses.
"""

import re
from collections.abc import Iterable
from typing import Any

from rdkit import Chem, rdBase

from mdstride.select.reasons import Reason

LONGEST = 300
"""Characters of SMILES that RDKit is given at most."""

HEAVIEST = 86
"""Atomic number of radon, the last element that GFN2-xTB and GFN1-xTB know."""

SYMBOLS = {Chem.GetPeriodicTable().GetElementSymbol(number): number for number in range(1, 119)}
"""Atomic number by element symbol."""

_AROMATIC = frozenset(("b", "c", "n", "o", "p", "s", "as", "se", "si", "te"))
_KNOWN = frozenset(SYMBOLS) | _AROMATIC

# One match per atom: the symbol in a bracket, or an atom of the organic subset. A bracket is consumed as a whole.
_ATOM = re.compile(r"\[\d*([A-Z][a-z]?|[a-z]{1,2})?[^\]]*\]|(Cl|Br|[BCNOPSFI]|[bcnops])")
_RING_BOND = re.compile(r"%\(\d+\)|%\d\d|\d")
_PRINTABLE = re.compile(r"[!-~]*")

_PARAMETERS: Any = Chem.SmilesParserParams()  # its type stubs forbid setting attributes
_PARAMETERS.parseName = False
_PARAMETERS.allowCXSMILES = False


class TextFilter:
    """Judges SMILES by their text.

    Refuses only what the checks on the parsed molecule would refuse as well: what it cannot tell for sure is left to
    them.
    """

    def __init__(self, elements: Iterable[str], largest: int) -> None:
        """`elements` may occur, hydrogen always; `largest` is the largest number of heavy atoms."""
        allowed = {"H"}.union(*({symbol, symbol.lower()} for symbol in elements))
        self.refused = _KNOWN - allowed
        self.largest = largest

    def __call__(self, smiles: str) -> Reason | None:
        """Why `smiles` need not be parsed, or None."""
        if not smiles:
            return Reason.EMPTY
        if len(smiles) > LONGEST:
            return Reason.LONG
        if "." in smiles and not _ring_open(smiles[: smiles.index(".")]):
            return Reason.DOTS
        symbols = [bracketed or plain for bracketed, plain in _ATOM.findall(smiles)]
        if not self.refused.isdisjoint(symbols):
            return Reason.ELEMENT_TEXT
        if sum(symbol in _KNOWN and symbol != "H" for symbol in symbols) > self.largest:
            return Reason.LARGE_TEXT
        return None


def _ring_open(part: str) -> bool:
    """Whether a ring bond is left open in `part`: it may close behind the dot, as in C1.C1, which is ethane."""
    labels = [label.strip("%()") for label in _RING_BOND.findall(re.sub(r"\[[^\]]*\]", "", part))]
    return any(labels.count(label) % 2 for label in labels)


def parse(smiles: str) -> tuple[Chem.Mol | None, str]:
    """The sanitised molecule without atom map numbers and "", or None and RDKit's complaint in one line."""
    if not _PRINTABLE.fullmatch(smiles):
        return None, "blank or foreign character in a SMILES"
    with rdBase.CaptureErrorLog() as log:
        mol = Chem.MolFromSmiles(smiles, _PARAMETERS)
    if mol is None:
        first = log.messages.partition("\n")[0]
        return None, re.sub(r"^\[[\d:]+\] (SMILES Parse Error: )?", "", first).strip()
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return mol, ""


def parse_reason(complaint: str) -> Reason:
    """The reason to count a complaint of `parse` under."""
    if "valence" in complaint:
        return Reason.VALENCE
    if "kekulize" in complaint or "aromatic" in complaint:
        return Reason.AROMATICITY
    return Reason.SYNTAX


def unfit(mol: Chem.Mol) -> Reason | None:
    """Why `mol` is not one neutral, closed-shell molecule of natural isotopes, or None."""
    if len(Chem.GetMolFrags(mol)) > 1:
        return Reason.FRAGMENTS
    if Chem.GetFormalCharge(mol) != 0:
        return Reason.CHARGED
    atoms = list(mol.GetAtoms())
    if any(atom.GetIsotope() for atom in atoms):
        return Reason.ISOTOPE
    electrons = sum(atom.GetAtomicNum() + atom.GetTotalNumHs() for atom in atoms)
    if electrons % 2 or any(atom.GetNumRadicalElectrons() for atom in atoms):
        return Reason.RADICAL
    return None
