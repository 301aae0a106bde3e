from dataclasses import replace

import pytest
from rdkit import Chem
from split_helpers import chain, compound

from mdstride.chemistry import (
    GROUPS,
    connectivity,
    elements,
    fingerprint,
    functional_groups,
    molecule,
    scaffold,
)


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CC(=O)Oc1ccccc1C(=O)O", {"benzene ring", "carboxylic acid", "ester"}),  # aspirin
        ("CC(=O)Nc1ccc(O)cc1", {"amide", "benzene ring", "phenol"}),  # paracetamol
        ("O=CCC=O", {"aldehyde"}),
        ("C=O", {"aldehyde"}),
        ("NC=O", {"amide"}),
        ("O=C1CC(=O)NC(=O)N1", {"amide", "urea"}),
        ("COC(N)=O", {"carbamate"}),
        ("CN1CCCC1", {"tertiary amine"}),
        ("Nc1ccccn1", {"aromatic N, pyridine-like", "primary amine"}),
        ("c1cnc[nH]1", {"aromatic N, pyridine-like", "aromatic N, pyrrole-like"}),
        ("C[N+](=O)[O-]", {"nitro"}),
        ("C1CO1", {"ether", "three-membered ring"}),
        ("O=C1C=CC(=O)C=C1", {"alkene", "ketone"}),
        ("CC(=O)OC(C)=O", {"anhydride"}),
        ("CC#N", {"nitrile"}),
        ("CS(C)=O", {"sulfoxide"}),
        ("ClCCl", {"chloride"}),
        ("CCC", set()),
    ],
)
def test_functional_groups(smiles, expected):
    assert functional_groups(Chem.MolFromSmiles(smiles)) == expected


def test_every_group_is_a_pattern():
    assert all(Chem.MolFromSmarts(smarts) is not None for smarts in GROUPS.values())


def test_a_molecule_has_neither_maps_nor_hydrogens():
    ethanol = compound("CCO")
    assert ":1]" in ethanol.labels["mapped_smiles"]
    assert Chem.MolToSmiles(molecule(ethanol)) == "CCO"
    plain = Chem.MolFromSmiles("CCO")
    assert fingerprint(molecule(ethanol)) == fingerprint(plain) and connectivity(plain) == ethanol.id[:14]
    assert molecule(replace(ethanol, labels={"smiles": "CCN"})).GetAtomWithIdx(2).GetSymbol() == "N"


def test_a_molecule_that_is_not_known(capfd):
    assert molecule(chain(3)) is None
    assert molecule(replace(compound("CCO"), labels={"mapped_smiles": "C(("})) is None
    assert molecule(replace(chain(2000, key="long"), labels={"smiles": "C" * 2000})) is None
    assert capfd.readouterr().err == ""


def test_scaffolds_and_elements():
    assert scaffold(Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O")) == "c1ccccc1"
    assert scaffold(Chem.MolFromSmiles("CCO")) == ""
    assert elements([6, 17, 1, 6]) == {"C", "Cl", "H"}
