import pytest
from rdkit import Chem, rdBase
from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from mdstride.select.reasons import Reason
from mdstride.select.smiles import parse, parse_flat, parse_reason, unfit


@pytest.mark.parametrize(
    ("smiles", "reason", "complaint"),
    [
        ("C(C", Reason.SYNTAX, "extra open parentheses while parsing: C(C"),
        ("CCO ethanol", Reason.FOREIGN, "blank or foreign character in a SMILES"),
        ("CCO é", Reason.FOREIGN, "blank or foreign character in a SMILES"),
        ("[Xx]", Reason.SYNTAX, "syntax error while parsing: [Xx]"),
        ("CC(C)(C)(C)C", Reason.VALENCE, "Explicit valence for atom # 1 C, 5, is greater than permitted"),
        ("c1cccc1", Reason.AROMATICITY, "Can't kekulize mol.  Unkekulized atoms: 0 1 2 3 4"),
        ("ccc", Reason.AROMATICITY, "non-ring atom 0 marked aromatic"),
    ],
)
def test_parse_keeps_rdkits_complaint(smiles, reason, complaint):
    with rdBase.BlockLogs():
        assert parse(smiles) == (None, complaint)
    assert parse_reason(complaint) is reason


FINGERPRINT = GetMorganGenerator(radius=2, fpSize=2048).GetFingerprint


@pytest.mark.slow
def test_parse_flat_changes_nothing_that_screening_looks_at(bundled):
    texts = [smiles for _, smiles in bundled if len(smiles) < 60][::3]
    texts += [text for smiles in texts[::50] for text in _spellings(smiles)]
    texts += [
        "C(C",
        "CC(C)(C)(C)C",
        "c1cccc1",
        "[H]C([H])[H]",
        "[H]/C(C)=C/C",
        "[2H]OC",
        "[CH3:1]O",
        "C[C@H](N)O",
        "[H][H]",
    ]
    failed = 0
    for text in texts:
        with rdBase.BlockLogs():
            (whole, complaint), (flat, again) = parse(text), parse_flat(text)
        assert (whole is None, complaint) == (flat is None, again), text
        failed += whole is None
        if whole is not None:
            assert CalcMolFormula(whole) == CalcMolFormula(flat), text
            assert FINGERPRINT(whole) == FINGERPRINT(flat), text
            assert unfit(whole) is unfit(flat), text
    assert failed >= 3
    assert len(texts) > 40_000


def _spellings(smiles):
    mol = Chem.MolFromSmiles(smiles)
    yield Chem.MolToSmiles(mol, doRandom=True)
    yield Chem.MolToSmiles(Chem.AddHs(mol))
    Chem.Kekulize(mol)
    yield Chem.MolToSmiles(mol, kekuleSmiles=True)


def test_parse_drops_atom_maps():
    mol, complaint = parse("[CH3:2][CH2:1]O")
    assert (Chem.MolToSmiles(mol), complaint) == ("CCO", "")


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("C.C", Reason.FRAGMENTS),
        ("C[NH3+]", Reason.CHARGED),
        ("[2H]OC", Reason.ISOTOPE),
        ("C[CH2]", Reason.RADICAL),
        ("[O][O]", Reason.RADICAL),
        ("[N]=O", Reason.RADICAL),
        ("C[Fe]", Reason.RADICAL),  # RDKit gives transition metals no radical electrons
        ("C1.C1", None),
        ("C[N+](=O)[O-]", None),
        ("[NH3+]CC(=O)[O-]", None),
    ],
)
def test_unfit(smiles, reason):
    assert unfit(parse(smiles)[0]) is reason
