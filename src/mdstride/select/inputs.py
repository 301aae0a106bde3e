"""Reading the inputs of the selection. Each complaint names the file, the row (the header is row 1) and the remedy."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from rdkit import Chem

from mdstride.errors import InputError
from mdstride.formats.tables import read_table
from mdstride.select.compound import Compound, Fingerprinter, Seed
from mdstride.select.rules import most_similar
from mdstride.select.smiles import HEAVIEST, LONGEST, SYMBOLS, parse, unfit

_CID = re.compile(r"[0-9]{1,18}")


def check_elements(elements: Iterable[str]) -> None:
    """Refuse a symbol that is no element, or one that the engines do not know."""
    for symbol in elements:
        if SYMBOLS.get(symbol, HEAVIEST + 1) > HEAVIEST:
            raise InputError(f"screen.elements: {symbol} is not an element from H to Rn; remove it")


def read_seeds(path: Path | str, fingerprint: Fingerprinter) -> list[Seed]:
    """Seeds in the order of the file. Each needs a name of its own and a SMILES that RDKit accepts."""
    seeds: dict[str, Seed] = {}
    for where, row in _rows(path, ["name", "smiles"]):
        name, smiles = _field(row, "name"), _field(row, "smiles")
        if not name or name in seeds:
            raise InputError(
                f"{where}: {f'the name {name} occurs before' if name else 'no name'}; give it its own name"
            )
        mol = _parse_or_refuse(where, smiles)
        seeds[name] = Seed(name, smiles, mol.GetNumHeavyAtoms(), fingerprint(mol))
    if not seeds:
        raise InputError(f"{path}: no seeds; add at least one row below the header")
    return list(seeds.values())


def read_extras(path: Path | str | None, seeds: list[Seed], fingerprint: Fingerprinter) -> list[Compound]:
    """Extra compounds in the order of the file: each one a molecule that the engine can simulate, none twice."""
    extras: dict[str, Compound] = {}
    for where, row in _rows(path, ["smiles", "name"]) if path is not None else ():
        smiles = _field(row, "smiles")
        mol = _parse_or_refuse(where, smiles)
        foreign = {atom.GetSymbol() for atom in mol.GetAtoms() if not 1 <= atom.GetAtomicNum() <= HEAVIEST}
        reason = f"no element from H to Rn: {', '.join(sorted(foreign))}" if foreign else None
        if reason is None and (found := unfit(mol)) is not None:
            reason = found.value[1]
        if reason is not None:
            raise InputError(
                f"{where}: {smiles} cannot be simulated ({reason}); "
                "give one neutral, closed-shell molecule without isotope labels"
            )
        fp = fingerprint(mol)
        place, similarity = most_similar(fp, seeds)
        extra = Compound(None, mol, fp, seeds[place].name, similarity, _field(row, "name"))
        if not extra.id:
            raise InputError(f"{where}: {smiles} has no InChIKey, which mdstride identifies it by; remove the row")
        if extra.id in extras:
            raise InputError(f"{where}: {smiles} is the same compound as an earlier row ({extra.id}); remove one")
        extras[extra.id] = extra
    return list(extras.values())


def read_names(path: Path | str | None) -> dict[int, str]:
    """Names by CID; of two names for one CID the first counts, and an empty one never."""
    names: dict[int, str] = {}
    for row in read_table(path, ["cid", "iupac_name"]) if path is not None else ():
        cid, name = read_cid(_field(row, "cid")), _field(row, "iupac_name")
        if cid is not None and name:
            names.setdefault(cid, name)
    return names


def read_cid(text: str) -> int | None:
    """A CID from text, or None where it is no whole number."""
    return int(text) if _CID.fullmatch(text) else None


def _rows(path: Path | str, columns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows with where they are, for complaints."""
    for number, row in enumerate(read_table(path, columns), start=2):
        yield f"{path}: row {number}", row


def _field(row: dict[str, str], name: str) -> str:
    """A field without blanks around it; empty where the row is too short."""
    return (row[name] or "").strip()


def _parse_or_refuse(where: str, smiles: str) -> Chem.Mol:
    if not smiles:
        raise InputError(f"{where}: no SMILES; add it or remove the row")
    if len(smiles) > LONGEST:
        raise InputError(f"{where}: a SMILES of {len(smiles)} characters, {LONGEST} are allowed; remove the row")
    mol, complaint = parse(smiles)
    if mol is None:
        raise InputError(f"{where}: {smiles} is not a valid SMILES ({complaint}); correct it or remove the row")
    return mol
