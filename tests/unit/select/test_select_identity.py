"""What counts as the same compound: the claims of docs/selection.md, checked on real molecules."""

import pytest
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import TanimotoSimilarity

from mdstride.select.compound import fingerprinter
from mdstride.select.reasons import Reason
from mdstride.select.smiles import unfit

FINGERPRINT = fingerprinter({"radius": 2, "bits": 1024})

MERGED = {
    "two ways to draw one molecule": ("C1=CC=CC=C1", "c1ccccc1"),
    "nitro group, charge-separated and pentavalent": ("C[N+](=O)[O-]", "CN(=O)=O"),
    "azide, charge-separated and pentavalent": ("CN=[N+]=[N-]", "CN=N#N"),
    "amine oxide, charge-separated and pentavalent": ("C[N+](C)(C)[O-]", "CN(C)(C)=O"),
    "diazo compound, two resonance forms": ("C=[N+]=[N-]", "[CH2-][N+]#N"),
    "amide and imidic acid": ("CC(N)=O", "CC(O)=N"),
    "lactam and lactim": ("O=C1CCCN1", "OC1=NCCC1"),
    "2-pyridone and 2-hydroxypyridine": ("O=c1cccc[nH]1", "Oc1ccccn1"),
    "4-pyridone and 4-hydroxypyridine": ("O=c1cc[nH]cc1", "Oc1ccncc1"),
    "thioamide and thioimidic acid": ("CC(N)=S", "CC(S)=N"),
    "amidine": ("CNC(C)=NCC", "CN=C(C)NCC"),
    "guanidine": ("CN=C(N)N", "CNC(=N)N"),
    "1H- and 4H-1,2,4-triazole": ("c1nc[nH]n1", "c1nnc[nH]1"),
    "4- and 5-methylimidazole": ("Cc1c[nH]cn1", "Cc1cnc[nH]1"),
    "1H- and 2H-tetrazole": ("c1nnn[nH]1", "c1nn[nH]n1"),
    "uracil and its dihydroxy form": ("O=c1cc[nH]c(=O)[nH]1", "Oc1ccnc(O)n1"),
    "tropolone, hydrogen on either oxygen": ("OC1=CC=CC(C)=CC1=O", "O=C1C=CC=C(C)C=C1O"),
    "glycine and its zwitterion": ("NCC(=O)O", "[NH3+]CC(=O)[O-]"),
    "3-hydroxypyridine and its zwitterion": ("Oc1cccnc1", "[O-]c1ccc[nH+]c1"),
    "singlet and triplet oxygen": ("O=O", "[O][O]"),
}

KEPT_APART = {
    "acetone and its enol": ("CC(C)=O", "CC(O)=C"),
    "malonaldehyde and its enol": ("O=CCC=O", "O=CC=CO"),
    "acetylacetone and its enol": ("CC(=O)CC(C)=O", "CC(=O)C=C(C)O"),
    "imine and enamine": ("CC(C)=NC", "CC(=C)NC"),
    "nitrosoethane and its oxime": ("CCN=O", "CC=NO"),
    "nitroethane and its aci form": ("CC[N+](=O)[O-]", "CC=[N+](O)[O-]"),
    "azo compound and hydrazone": ("CN=NC", "C=NNC"),
    "cyanamide and carbodiimide": ("NC#N", "N=C=N"),
    "4-hydroxybutanal and its ring": ("OCCCC=O", "OC1CCCO1"),
    "glucose, chain and ring": ("OCC(O)C(O)C(O)C(O)C=O", "OCC1OC(O)C(O)C(O)C1O"),
    "2-azidopyridine and its tetrazole": ("[N-]=[N+]=Nc1ccccn1", "c1ccc2nnnn2c1"),
    "methylglyoxal and its hydrate": ("CC(=O)C=O", "CC(=O)C(O)O"),
    "acetic acid and its sodium salt": ("CC(=O)O", "CC(=O)[O-].[Na+]"),
    "methylamine and its hydrochloride": ("CN", "CN.Cl"),
    "methyl radical and methane": ("[CH3]", "C"),
}

SAME_CONNECTIVITY = {
    "enantiomers": ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),
    "diastereomers": ("O[C@H]([C@@H](O)C(=O)O)C(=O)O", "O[C@H]([C@H](O)C(=O)O)C(=O)O"),
    "E and Z": ("C/C=C/C", "C/C=C\\C"),
    "R and unspecified": ("C[C@H](O)CC", "CC(O)CC"),
    "E and unspecified": ("C/C=C/C", "CC=CC"),
}


def key(smiles):
    return Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))


def similarity(first, second, fingerprint=FINGERPRINT):
    return TanimotoSimilarity(fingerprint(Chem.MolFromSmiles(first)), fingerprint(Chem.MolFromSmiles(second)))


@pytest.mark.parametrize("pair", MERGED.values(), ids=MERGED)
def test_one_compound(pair):
    assert key(pair[0]) == key(pair[1]) != ""


@pytest.mark.parametrize("pair", KEPT_APART.values(), ids=KEPT_APART)
def test_two_compounds(pair):
    assert key(pair[0])[:14] != key(pair[1])[:14]


def test_the_tautomer_is_not_the_same_to_the_fingerprint():
    """So the InChIKey is needed: the rule `diverse` would take both forms, at most 0.2 being its limit."""
    assert similarity("O=c1cccc[nH]1", "Oc1ccccn1") < 0.2
    assert similarity("O=CCC=O", "O=CC=CO") < 0.2  # keto and enol form are two keys as well: both may be taken


@pytest.mark.parametrize("pair", SAME_CONNECTIVITY.values(), ids=SAME_CONNECTIVITY)
def test_stereoisomers_differ_in_the_second_block_and_not_in_the_fingerprint(pair):
    first, second = key(pair[0]), key(pair[1])
    assert first[:14] == second[:14] and first[15:25] != second[15:25]
    assert similarity(*pair) == 1.0


def test_a_fingerprint_with_chirality_would_tell_enantiomers_apart():
    chiral = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024, includeChirality=True).GetFingerprint
    assert similarity(*SAME_CONNECTIVITY["enantiomers"], chiral) < 1.0


@pytest.mark.parametrize("labelled", ["[2H]OC", "[13CH3]O"])
def test_isotopologues_differ_in_the_second_block_and_are_left_out(labelled):
    assert key(labelled)[:14] == key("CO")[:14] and key(labelled) != key("CO")
    assert unfit(Chem.MolFromSmiles(labelled)) is Reason.ISOTOPE


def test_an_ion_differs_in_the_last_letter_and_is_left_out():
    acid, anion = key("CC(=O)O"), key("CC(=O)[O-]")
    assert acid[:-1] == anion[:-1] and (acid[-1], anion[-1]) == ("N", "M")
    assert unfit(Chem.MolFromSmiles("CC(=O)[O-]")) is Reason.CHARGED


@pytest.mark.parametrize("smiles", ["CC(=O)[O-].[Na+]", "CN.Cl", "CC(=O)O.O", "CCO.CCCO"])
def test_salts_hydrates_and_mixtures_are_left_out(smiles):
    assert unfit(Chem.MolFromSmiles(smiles)) is Reason.FRAGMENTS


def test_a_salt_written_two_ways_is_one_record():
    assert key("CN.Cl") == key("C[NH3+].[Cl-]")


@pytest.mark.parametrize("smiles", ["[CH3]", "[CH2]", "[NH]", "[O][O]", "[N]=O", "CN1C=CN(C)[C]1"])
def test_radicals_and_carbenes_are_left_out(smiles):
    assert unfit(Chem.MolFromSmiles(smiles)) is Reason.RADICAL


@pytest.mark.parametrize("smiles", ["[NH3+]CC(=O)[O-]", "C[N+](C)(C)CC(=O)[O-]", "C[N+](=O)[O-]", "O=O"])
def test_no_net_charge_is_let_through(smiles):
    """Zwitterions and charge-separated groups; and O=O, whose triplet ground state the text does not tell."""
    assert unfit(Chem.MolFromSmiles(smiles)) is None


def test_what_is_left_out_of_the_bundled_library_by_the_rule_analogue():
    """The only records within its range of a seed are these two: salts, and larger than aniline."""
    for salt in ("Nc1ccccc1.Cl", "Nc1ccccc1.Br"):
        mol = Chem.MolFromSmiles(salt)
        assert 0.875 <= similarity(salt, "Nc1ccccc1") <= 0.925
        assert unfit(mol) is Reason.FRAGMENTS and mol.GetNumHeavyAtoms() > 7
    assert similarity("Nc1ccccc1", "Nc1ccccc1") > 0.925  # a seed itself is too similar
    assert similarity("Oc1ccccc1", "Nc1ccccc1") == 0.375  # and phenol, one atom exchanged, is far below
