"""Compounds with made-up trajectories, for splits and their checker."""

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import strategies as st
from rdkit import Chem

from mdstride.formats.dataset import CompoundData, Replica

POOL = {
    name: smiles
    for name, smiles in (
        line.split()
        for line in """
        ethanol CCO
        butanol CCCCO
        pentanol CCCCCO
        ether COC
        butane CCCC
        acetone CC(C)=O
        thiol CCS
        chloroform ClC(Cl)Cl
        acetamide CC(N)=O
        benzene c1ccccc1
        toluene Cc1ccccc1
        phenol Oc1ccccc1
        pyridine c1ccncc1
        picoline Cc1ccccn1
        uracil O=c1cc[nH]c(=O)[nH]1
        cyclohexane C1CCCCC1
        cyclohexanol OC1CCCCC1
        furan c1ccoc1
        """.strip().splitlines()
    )
}


@cache
def parsed(smiles: str) -> tuple[str, str, np.ndarray, np.ndarray]:
    """InChIKey, mapped SMILES, atomic numbers and bonds."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    key = Chem.MolToInchiKey(mol)
    numbers = np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])
    bonds = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in mol.GetBonds()])
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    return key, Chem.MolToSmiles(mol), numbers, bonds


def compound(
    smiles: str, *, name: str = "", key: str = "", frames: int = 20, replicas: int = 3, seed: int = 0
) -> CompoundData:
    """A compound whose trajectories are noise; `key` replaces its InChIKey as id."""
    inchikey, mapped, numbers, bonds = parsed(smiles)
    generator = np.random.default_rng([seed, *smiles.encode()])
    return CompoundData(
        id=key or inchikey,
        labels={"name": name, "smiles": smiles, "mapped_smiles": mapped, "cid": "", "formula": ""},
        atomic_numbers=numbers,
        masses=np.ones(len(numbers)),
        bonds=bonds,
        reference=np.zeros((len(numbers), 3)),
        replicas=tuple(trajectory(k, (frames, len(numbers), 3), generator) for k in range(replicas)),
    )


def trajectory(number: int, shape: tuple[int, ...], generator: np.random.Generator) -> Replica:
    """Noise, one frame each 2 fs."""
    return Replica(
        number=number,
        interval=2.0,
        positions=generator.normal(size=shape).astype(np.float32),
        velocities=None,
        forces=None,
        energy=None,
        origin=np.zeros(3),
        figures={},
        source={},
    )


def chain(length: int, *, key: str = "", seed: int = 0) -> CompoundData:
    """So many carbon atoms in a row, without any label: a quick compound, unlike those of other lengths."""
    bonds = np.array([(k, k + 1) for k in range(length - 1)]).reshape(-1, 2)
    generator = np.random.default_rng([seed, length])
    return CompoundData(
        id=key or f"{'ABCDEFGHIJ'[length // 10] * 13}{'ABCDEFGHIJ'[length % 10]}-UHFFFAOYSA-N",
        labels={},
        atomic_numbers=np.full(length, 6),
        masses=np.full(length, 12.0),
        bonds=bonds,
        reference=np.zeros((length, 3)),
        replicas=(trajectory(0, (4, length, 3), generator),),
    )


def as_set(*compounds: CompoundData) -> dict[str, CompoundData]:
    """By id."""
    return {one.id: one for one in compounds}


def pool(frames: int = 20, replicas: int = 3) -> dict[str, CompoundData]:
    """All compounds of POOL."""
    return as_set(*(compound(smiles, name=name, frames=frames, replicas=replicas) for name, smiles in POOL.items()))


def disguised(original: CompoundData, generator: np.random.Generator, *, key: str, label: str) -> CompoundData:
    """The same compound under another id, with its atoms in another order, other trajectories and a false label."""
    order = generator.permutation(len(original.atomic_numbers))
    shape = original.replicas[0].positions.shape
    return replace(
        original,
        id=key,
        labels={"name": label, "smiles": label, "mapped_smiles": label},
        atomic_numbers=original.atomic_numbers[order],
        bonds=generator.permutation(np.argsort(order)[original.bonds][:, ::-1]),
        replicas=tuple(trajectory(replica.number, shape, generator) for replica in original.replicas),
    )


@st.composite
def data_sets(draw: st.DrawFn, least: int = 6) -> dict[str, CompoundData]:
    """Some of POOL, in any order."""
    names = draw(st.lists(st.sampled_from(sorted(POOL)), min_size=least, max_size=12, unique=True))
    return as_set(*(compound(POOL[name], name=name) for name in names))
