"""Comparing the bond graph of a geometry with that of a molecule, atom by atom."""

from collections import Counter

import numpy as np
from ase.data import chemical_symbols
from rdkit import Chem

SHOWN = 6
"""Atoms that a message names at most."""

OPEN = (16, 17)
"""Elements that TG80 stores as charge 0."""


def plain(numbers: np.ndarray, bonds: np.ndarray) -> Chem.Mol:
    """Elements [N] and which are bonded [M, 2], all bonds single, hydrogens explicit."""
    molecule = Chem.RWMol()
    for number in numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    for i, j in bonds.tolist():
        molecule.AddBond(i, j, Chem.BondType.SINGLE)
    return molecule.GetMol()


def bond_graph(molecule: Chem.Mol) -> np.ndarray:
    """Pairs [M, 2] of bonded atoms, smaller index first, sorted."""
    pairs = sorted(tuple(sorted((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))) for bond in molecule.GetBonds())
    return np.array(pairs, np.int64).reshape(-1, 2)


def mapped_smiles(molecule: Chem.Mol) -> str:
    """SMILES with all hydrogens and map numbers 1..N in the order of the atoms."""
    mapped = Chem.Mol(molecule)
    for atom in mapped.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    return Chem.MolToSmiles(mapped)


def elements(molecule: Chem.Mol, numbers: np.ndarray) -> np.ndarray:
    """Atomic numbers of a molecule; 0 for those in OPEN where `numbers` of a file has a 0, so that both compare."""
    own = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    return own if numbers.all() else np.where(np.isin(own, OPEN), 0, own)


def difference(molecule: Chem.Mol, numbers: np.ndarray, bonds: np.ndarray) -> str:
    """Why a geometry's graph (see `plain`) is not that of `molecule`, naming atoms of the file from 1; "" if it is.

    Atoms are coloured by element and then, again and again, by the colours of their neighbours (Weisfeiler and Leman);
    atoms of a colour that the molecule does not have so often are those that differ.
    """
    own = elements(molecule, numbers)
    if Counter(own.tolist()) != Counter(numbers.tolist()):
        return f"the file has {_formula(numbers)} and it is {_formula(own)}"
    theirs = bond_graph(molecule)
    colours = [own.tolist(), numbers.tolist()]
    for _ in range(len(numbers)):
        colours = _refined(colours, (theirs, bonds))
        surplus = Counter(colours[1]) - Counter(colours[0])
        if surplus:
            odd = [k for k, colour in enumerate(colours[1]) if colour in surplus]
            return f"bonded otherwise are {', '.join(_bonded(k, numbers, bonds) for k in odd[:SHOWN])}"
        if len(set(colours[0])) == len(numbers):
            break
    return "" if _match(molecule, numbers, bonds) else "the atoms are bonded in another pattern"


def order(molecule: Chem.Mol, numbers: np.ndarray, bonds: np.ndarray) -> list[int]:
    """Index in `molecule` of each atom of the file, whose graphs are the same; by map numbers where these fit."""
    maps = [atom.GetAtomMapNum() for atom in molecule.GetAtoms()]
    if sorted(maps) == list(range(1, len(maps) + 1)):
        mapped = np.argsort(maps).tolist()
        graph = bond_graph(Chem.RenumberAtoms(molecule, mapped))
        if np.array_equal(elements(molecule, numbers)[mapped], numbers) and np.array_equal(graph, bonds):
            return mapped
    return _match(molecule, numbers, bonds)


def stereo_difference(molecule: Chem.Mol, actual: Chem.Mol) -> str:
    """The first stereocentre or double bond that `molecule` fixes and that `actual`, its copy, has otherwise; or ""."""
    for fixed, found in zip(molecule.GetAtoms(), actual.GetAtoms(), strict=True):
        tag = fixed.GetChiralTag()
        if tag != Chem.ChiralType.CHI_UNSPECIFIED and tag != found.GetChiralTag():
            return f"at {fixed.GetSymbol()}{fixed.GetIdx() + 1}"
    for fixed, found in zip(molecule.GetBonds(), actual.GetBonds(), strict=True):
        if fixed.GetStereo() > Chem.BondStereo.STEREOANY and fixed.GetStereo() != found.GetStereo():
            return f"at the double bond {fixed.GetBeginAtomIdx() + 1}={fixed.GetEndAtomIdx() + 1}"
    return ""


def _match(molecule: Chem.Mol, numbers: np.ndarray, bonds: np.ndarray) -> list[int]:
    target = plain(elements(molecule, numbers), bond_graph(molecule))
    return list(target.GetSubstructMatch(plain(numbers, bonds)))


def _refined(colours: list[list[int]], graphs: tuple[np.ndarray, np.ndarray]) -> list[list[int]]:
    """Colours after one round; the same in both graphs means the same."""
    names: dict[tuple[int, tuple[int, ...]], int] = {}
    result = []
    for own, graph in zip(colours, graphs, strict=True):
        around: list[list[int]] = [[] for _ in own]
        for i, j in graph.tolist():
            around[i].append(own[j])
            around[j].append(own[i])
        keys = [(colour, tuple(sorted(near))) for colour, near in zip(own, around, strict=True)]
        result.append([names.setdefault(key, len(names)) for key in keys])
    return result


def _bonded(k: int, numbers: np.ndarray, bonds: np.ndarray) -> str:
    """An atom and its neighbours in words, such as `C2 (to C, H, H)`."""
    near = [int(j if i == k else i) for i, j in bonds if k in (i, j)]
    return f"{_symbol(numbers[k])}{k + 1} (to {', '.join(sorted(_symbol(numbers[j]) for j in near)) or 'nothing'})"


def _formula(numbers: np.ndarray) -> str:
    return " ".join(f"{_symbol(z)}{n}" for z, n in sorted(Counter(numbers.tolist()).items(), reverse=True))


def _symbol(number: int) -> str:
    return chemical_symbols[number] if number else "S-or-Cl"
