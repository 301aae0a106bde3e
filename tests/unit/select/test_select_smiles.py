import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from mdstride.select.reasons import Reason
from mdstride.select.smiles import TextFilter, parse, parse_reason, unfit

ELEMENT_SETS = [("C", "H", "N", "O"), ("C", "S", "Cl"), ("C", "H", "Se", "Br", "O"), ("Sc", "C", "N"), ("Cn",)]
LARGEST = 13

# pieces of SMILES, so that RDKit accepts a fair share of what they are joined to
PIECES = [
    *("C", "c1ccccc1", "[nH]1cccc1", "n1ccccc1", "Cl", "Br", "S", "Sc1ccccc1", "Cn1cccc1", "Oc1ccccc1", "[Se]", "B"),
    *("c1cc[se]c1", "[Sc]", "[#6]", "[12#6H3]", "['Cn']", "[2H]", "[H]", "[13CH3]", "[CH3:7]", "(C)", "(Cl)", "=O"),
    *("#N", "C1", "C2", ".", "1", "2", "%10CC%10", "C%(12)CC%(12)", "/C=C/", "[C@@H](N)", "[N+](=O)[O-]", "[Uuo]"),
    *("*", "~", "->", "[Co]", "[co]", "CCCCCC", "Si", "[si]", "|"),
]


def accepted_by_rdkit(smiles, elements):
    """What the checks on the molecule make of `smiles`, without looking at the text."""
    with rdBase.BlockLogs():
        mol, _ = parse(smiles)
    if mol is None or mol.GetNumAtoms() == 0 or len(Chem.GetMolFrags(mol)) > 1:
        return False
    symbols = {atom.GetSymbol() for atom in mol.GetAtoms()}
    return symbols <= {*elements, "H"} and mol.GetNumHeavyAtoms() <= LARGEST


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join), st.sampled_from(ELEMENT_SETS))
@example("['Cn']", ("Cn",))
def test_text_filter_never_refuses_what_rdkit_accepts(smiles, elements):
    if TextFilter(elements, LARGEST)(smiles) is not None:
        assert not accepted_by_rdkit(smiles, elements)


@pytest.mark.parametrize("elements", ELEMENT_SETS)
def test_text_filter_agrees_with_rdkit_on_the_library(records, elements):
    check, refused, missed = TextFilter(elements, LARGEST), 0, 0
    for _, smiles in records[::4]:
        accepted = accepted_by_rdkit(smiles, elements)
        if check(smiles) is not None:
            assert not accepted, smiles
            refused += 1
        else:
            missed += not accepted
    assert missed == 0  # on ordinary records the text tells all of it
    assert refused > 500


def test_text_filter_agrees_with_rdkit_on_other_spellings(records):
    check = TextFilter(ELEMENT_SETS[0], LARGEST)
    accepted = 0
    for _, smiles in records[::20]:
        mol, _ = parse(smiles)
        Chem.Kekulize(mol)
        for options in (
            {"doRandom": True},
            {"kekuleSmiles": True},
            {"allHsExplicit": True},
            {"allBondsExplicit": True},
        ):
            text = Chem.MolToSmiles(mol, **options)
            if len(text) <= 300 and accepted_by_rdkit(text, ELEMENT_SETS[0]):
                assert check(text) is None, text
                accepted += 1
    assert accepted > 30


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", Reason.EMPTY),
        ("C" * 301, Reason.LONG),
        ("[Na+].[Cl-]", Reason.DOTS),
        ("CC1CC1.O", Reason.DOTS),
        ("Sc1ccccc1", Reason.ELEMENT_TEXT),
        ("ClCCl", Reason.ELEMENT_TEXT),
        ("c1cc[se]c1", Reason.ELEMENT_TEXT),
        ("C[13CH2][Hg]C", Reason.ELEMENT_TEXT),
        ("C" * 14, Reason.LARGE_TEXT),
        ("[CH3]" * 14, Reason.LARGE_TEXT),
        ("C" * 13, None),
        ("C1.C1", None),
        ("C%(12).C%12", None),
        ("[2H]c1c[nH]cn1", None),
        ("[H]C([H])([H])C([H])([H])C([H])([H])C([H])([H])[H]", None),
    ],
)
def test_text_filter_examples(smiles, reason):
    assert TextFilter(["C", "H", "N", "O"], LARGEST)(smiles) is reason


@pytest.mark.parametrize(
    ("smiles", "reason", "complaint"),
    [
        ("C(C", Reason.SYNTAX, "extra open parentheses while parsing: C(C"),
        ("CCO ethanol", Reason.SYNTAX, "blank or foreign character in a SMILES"),
        ("CCO é", Reason.SYNTAX, "blank or foreign character in a SMILES"),
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
