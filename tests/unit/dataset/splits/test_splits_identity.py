import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem
from split_helpers import as_set, chain, compound, disguised

from mdstride.chemistry import constitution
from mdstride.dataset.splits.identity import groups, join

TG80 = Path(__file__).parents[4] / "resources/tg80/tg80.csv"


def same(one, other) -> bool:
    found = groups(as_set(one, other))
    return found[one.id] == found[other.id]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),  # enantiomers
        ("C/C=C/C", "C/C=C\\C"),  # cis and trans
        ("CCO", "[2H]C([2H])([2H])CO"),  # isotopologues
        ("O=c1cccc[nH]1", "Oc1ccccn1"),  # tautomers: other constitution, same InChI
        ("NCC(=O)O", "[NH3+]CC(=O)[O-]"),  # zwitterion
    ],
)
def test_forms_of_one_compound(one, other):
    assert same(compound(one), compound(other, key="other", seed=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CCO", "COC"),
        ("CCCC", "CC(C)C"),
        ("C1CCC2CCCCC2C1", "C1CCCC1C1CCCC1"),  # alike to any count of neighbours
        ("Cc1ccccc1C", "Cc1cccc(C)c1"),
        ("CCS", "CCO"),
    ],
)
def test_isomers_and_analogues_are_different(one, other):
    assert not same(compound(one), compound(other))


@pytest.mark.parametrize("label", ["", "CCCCCC", "not a SMILES"])
@pytest.mark.parametrize("smiles", ["CC(=O)Oc1ccccc1C(=O)O", "C12C3C4C1C5C2C3C45", "O=C=O", "CS(C)(=O)=O"])
def test_a_duplicate_is_found_whatever_it_is_called(smiles, label):
    original = compound(smiles)
    copy = disguised(original, np.random.default_rng(0), key="something-else", label=label)
    assert same(original, copy)
    assert not same(replace(original, id="nothing", labels={}), replace(compound("CCCO"), id="nobody", labels={}))


def test_without_bonds_the_geometry_counts():
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    bare = replace(
        compound("CCO", key="bare"),
        labels={},
        bonds=np.zeros((0, 2), int),
        reference=mol.GetConformer().GetPositions(),
    )
    assert constitution(bare) == constitution(compound("CCO"))


def test_one_trajectory_under_two_ids():
    """Other elements, so that nothing but the frames tells."""
    original = compound("CCS")
    copy = replace(original, id="copy", labels={}, atomic_numbers=np.where(original.atomic_numbers == 16, 0, 6))
    assert same(original, copy)
    cut = replace(copy.replicas[0], positions=copy.replicas[0].positions[:9])
    assert same(original, replace(copy, replicas=(cut,)))
    other = replace(copy.replicas[0], positions=copy.replicas[0].positions + np.float32(1))
    assert not same(original, replace(copy, replicas=(other,)))


def test_names_of_groups():
    ethanol, copy, ether = compound("CCO"), compound("CCO", key="aaa", seed=1), compound("COC")
    found = groups(as_set(copy, ether, ethanol))
    assert found == {ethanol.id: "LFQSCWFLJHTTHZ", "aaa": "LFQSCWFLJHTTHZ", ether.id: ether.id[:14]}
    assert groups(as_set(compound("CCO", key="aaa"))) == {"aaa": "aaa"}


def test_what_is_tied_to_the_same_compound_is_tied():
    """A lying label ties the copy of ethanol to benzene too: all three stay together rather than one leaks."""
    liar = disguised(compound("CCO"), np.random.default_rng(0), key="liar", label="c1ccccc1")
    assert len(set(groups(as_set(compound("CCO"), compound("c1ccccc1"), liar)).values())) == 1


def test_very_large_compounds_are_told_apart_by_their_elements():
    assert constitution(chain(1200, key="long")) == "6:1200"


def test_the_compounds_of_tg80_are_80():
    with TG80.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(set(groups(as_set(*(compound(row["smiles"], replicas=0) for row in rows))).values())) == len(rows) == 80


@settings(max_examples=40)
@given(st.dictionaries(st.integers(0, 30), st.frozensets(st.sampled_from("abcdefghij"), max_size=3)), st.randoms())
def test_join_finds_what_hangs_together(keys, shuffler):
    """Against the closure of a matrix of ties."""
    items = sorted(keys)
    tied = np.array([[i == j or bool(keys[i] & keys[j]) for j in items] for i in items], bool).reshape(
        len(items), len(items)
    )
    for _ in items:
        tied = tied @ tied
    expected = {frozenset(items[k] for k in np.flatnonzero(row)) for row in tied}
    shuffler.shuffle(items)
    found = join({item: keys[item] for item in items})
    assert {frozenset(members) for members in found} == expected
    assert sorted(item for members in found for item in members) == sorted(keys)
