"""What is asked of RDKit about a compound: its molecule, constitution, fingerprint, scaffold, functional groups."""

from collections.abc import Sequence

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.Chem.Scaffolds import MurckoScaffold
from rdkit.DataStructs import ExplicitBitVect

from mdstride.bonds import bonded_pairs
from mdstride.formats.dataset import CompoundData

LARGEST = 1000
"""Atoms of a compound that RDKit is given at most; far larger ones crash it."""

BOND_FACTOR = 1.25
"""Of a compound without bonds: atoms closer than this times the sum of their covalent radii are bonded."""

GROUPS = {
    "alkene": "[CX3]=[CX3]",
    "alkyne": "[CX2]#[CX2]",
    "benzene ring": "c1ccccc1",
    "aromatic N, pyridine-like": "[nX2]",
    "aromatic N, pyrrole-like": "[nX3]",
    "aromatic O": "o",
    "aromatic S": "s",
    "three-membered ring": "[r3]",
    "four-membered ring": "[r4]",
    "alcohol": "[CX4][OX2H]",
    "phenol": "c[OX2H]",
    "enol": "[CX3;!$(C=[O,S,N])][OX2H]",
    "ether": "[#6;!$(C=[O,S,N])][OX2][#6;!$(C=[O,S,N])]",
    "acetal": "[CX4]([OX2])[OX2]",
    "peroxide": "[OX2][OX2]",
    "aldehyde": "[$([CX3H][#6]),$([CX3H2])]=[OX1]",
    "ketone": "[#6][CX3](=[OX1])[#6]",
    "ketene": "C=C=[OX1]",
    "carboxylic acid": "[CX3](=[OX1])[OX2H]",
    "ester": "[CX3;!$(C[NX3])](=[OX1])[OX2][#6;!$(C=[OX1])]",
    "anhydride": "[CX3](=[OX1])[OX2][CX3]=[OX1]",
    "amide": "[CX3;!$(C([NX3])[NX3]);!$(C[OX2])](=[OX1])[NX3]",
    "urea": "[NX3][CX3](=[OX1])[NX3]",
    "carbamate": "[NX3][CX3](=[OX1])[OX2]",
    "primary amine": "[NX3H2;!$(N*=[O,S,N])][#6]",
    "secondary amine": "[NX3H;!$(N*=[O,S,N])]([#6])[#6]",
    "tertiary amine": "[NX3H0;!$(N*=[O,S,N])]([#6])([#6])[#6]",
    "imine": "[CX3;!$(C[NX3])]=[NX2;!$(N[N,O])]",
    "amidine": "[NX3][CX3]=[NX2;!$(N[N,O])]",
    "oxime": "[CX3]=[NX2][OX2]",
    "hydrazone": "[CX3]=[NX2][NX3]",
    "hydroxylamine": "[NX3][OX2]",
    "hydrazine": "[NX3][NX3]",
    "azo": "[#6][NX2]=[NX2][#6]",
    "azide": "[NX2]=[NX2+]=[NX1-]",
    "diazo": "[#6]=[NX2+]=[NX1-]",
    "nitrile": "[CX2]#[NX1]",
    "isocyanide": "[CX1-]#[NX2+]",
    "isocyanate": "N=C=O",
    "isothiocyanate": "N=C=S",
    "nitroso": "[NX2]=[OX1]",
    "nitro": "[NX3+](=O)[O-]",
    "N-oxide": "[$([NX4+]),$([nX3+])][O-]",
    "thiol": "[#6][SX2H]",
    "thioether": "[#6][SX2][#6]",
    "disulfide": "[SX2][SX2]",
    "thiocarbonyl": "[#6]=[SX1]",
    "sulfoxide": "[#6][SX3](=O)[#6]",
    "sulfone": "[#6][SX4](=O)(=O)[#6]",
    "sulfonamide": "[SX4](=O)(=O)[NX3]",
    "phosphoryl": "P=O",
    "fluoride": "[#6]F",
    "chloride": "[#6]Cl",
    "bromide": "[#6]Br",
    "iodide": "[#6]I",
}
"""Functional groups by name, as SMARTS for a molecule that RDKit has sanitised. RDKit's own list, rdkit.Chem.Fragments,
is not used: it counts the N of pyridine among the tertiary amines, and the O of an ester among the ethers."""

_GROUPS = {name: Chem.MolFromSmarts(smarts) for name, smarts in GROUPS.items()}
_ECFP4 = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)


def molecule(compound: CompoundData) -> Chem.Mol | None:
    """The molecule of its mapped SMILES, or else of its SMILES, hydrogens implicit; None where neither can be read."""
    text = compound.labels.get("mapped_smiles") or compound.labels.get("smiles")
    if not text or len(compound.atomic_numbers) > LARGEST:
        return None
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text)
        if mol is None:
            return None
        for atom in mol.GetAtoms():
            atom.SetAtomMapNum(0)
        return Chem.RemoveHs(mol)  # those with a map number were kept


def connectivity(mol: Chem.Mol) -> str:
    """First block of the standard InChIKey, the same for stereoisomers, isotopologues and most tautomers; may be ""."""
    with rdBase.BlockLogs():
        return Chem.MolToInchiKey(mol).partition("-")[0]


def constitution(compound: CompoundData) -> str:
    """Which atoms are bonded to which, as a canonical SMILES without bond orders, charges and stereochemistry.

    It takes the stored atoms and bonds and no label. Where no bonds are stored, they are those of the reference
    geometry. Compounds of more than LARGEST atoms are told apart by their elements alone.
    """
    numbers = np.asarray(compound.atomic_numbers)
    if len(numbers) > LARGEST:
        elements, counts = np.unique(numbers, return_counts=True)
        return " ".join(f"{z}:{count}" for z, count in zip(elements.tolist(), counts.tolist(), strict=True))
    bonds = np.asarray(compound.bonds)
    if not len(bonds):
        bonds = bonded_pairs(numbers, np.asarray(compound.reference), BOND_FACTOR)
    mol = Chem.RWMol()
    for number in numbers.tolist():
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        mol.AddAtom(atom)
    for i, j in sorted({(min(pair), max(pair)) for pair in bonds.tolist()}):
        mol.AddBond(i, j, Chem.BondType.SINGLE)
    return Chem.MolToSmiles(mol)


def fingerprint(mol: Chem.Mol) -> ExplicitBitVect:
    """ECFP4, 2048 bits: Rogers and Hahn, J. Chem. Inf. Model. 50, 742 (2010)."""
    return _ECFP4.GetFingerprint(mol)


def scaffold(mol: Chem.Mol) -> str:
    """SMILES of the rings and what links them; "" without rings. Bemis and Murcko, J. Med. Chem. 39, 2887 (1996)."""
    return MurckoScaffold.MurckoScaffoldSmiles(mol=mol, includeChirality=False)


def functional_groups(mol: Chem.Mol) -> set[str]:
    """Names of the GROUPS that the molecule has."""
    return {name for name, pattern in _GROUPS.items() if mol.HasSubstructMatch(pattern)}


def elements(atomic_numbers: Sequence[int] | np.ndarray) -> set[str]:
    """Symbols of the elements."""
    table = Chem.GetPeriodicTable()
    return {table.GetElementSymbol(number) for number in np.unique(atomic_numbers).tolist()}
