"""The compound, as the steps of the selection pass it on, and its fingerprint."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors
from rdkit.DataStructs import ExplicitBitVect

Fingerprinter = Callable[[Chem.Mol], ExplicitBitVect]


def fingerprinter(settings: dict[str, Any]) -> Fingerprinter:
    """ECFP of `radius` bonds, folded to `bits` bits: Rogers and Hahn, J. Chem. Inf. Model. 50, 742 (2010)."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=settings["radius"], fpSize=settings["bits"])
    return generator.GetFingerprint


@dataclass(frozen=True)
class Seed:
    """A compound that selection starts from."""

    name: str
    smiles: str
    """As its file writes it."""
    n_heavy: int
    fingerprint: ExplicitBitVect


@dataclass(frozen=True)
class Compound:
    """An accepted compound of the library, or an extra one."""

    cid: int | None
    """PubChem CID; None where there is none."""
    mol: Chem.Mol
    fingerprint: ExplicitBitVect
    seed: str
    """Name of the seed that it is compared with."""
    seed_similarity: float
    """Tanimoto similarity to that seed."""
    name: str = ""
    """What its file calls it; may be empty."""

    @cached_property
    def id(self) -> str:
        """Standard InChIKey; empty where InChI cannot describe the molecule."""
        return Chem.MolToInchiKey(self.mol)

    @cached_property
    def smiles(self) -> str:
        """RDKit canonical SMILES."""
        return Chem.MolToSmiles(self.mol)

    @cached_property
    def formula(self) -> str:
        """Molecular formula in Hill order."""
        return rdMolDescriptors.CalcMolFormula(self.mol)

    @property
    def n_heavy(self) -> int:
        """Atoms other than hydrogen."""
        return self.mol.GetNumHeavyAtoms()

    @cached_property
    def n_atoms(self) -> int:
        """Atoms, hydrogens included."""
        return Chem.AddHs(self.mol).GetNumAtoms()
