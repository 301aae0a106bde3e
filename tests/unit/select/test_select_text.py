from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from mdstride.select.reasons import Reason
from mdstride.select.smiles import parse
from mdstride.select.text import TextFilter

ELEMENT_SETS = [("C", "H", "N", "O"), ("C", "S", "Cl"), ("C", "H", "Se", "Br", "O"), ("Sc", "C", "N"), ("Cn",), ("Cl",)]
LARGEST, MAX_NITROGEN, MAX_OXYGEN = 13, 3, 5

# pieces of SMILES, so that RDKit accepts a fair share of what they are joined to
PIECES = [
    *("C", "c1ccccc1", "[nH]1cccc1", "n1ccccc1", "Cl", "Br", "S", "Sc1ccccc1", "Cn1cccc1", "Oc1ccccc1", "[Se]", "B"),
    *("c1cc[se]c1", "[Sc]", "[#6]", "[12#6H3]", "['Cn']", "[2H]", "[H]", "[13CH3]", "[CH3:7]", "(C)", "(Cl)", "=O"),
    *("#N", "C1", "C2", ".", "1", "2", "%10CC%10", "C%(12)CC%(12)", "/C=C/", "[C@@H](N)", "[N+](=O)[O-]", "[Uuo]"),
    *(
        "*",
        "~",
        "->",
        "[Co]",
        "[co]",
        "CCCCCC",
        "Si",
        "[si]",
        "|",
        "[Cl]",
        "[OH]",
        "[0C]",
        "[0Sn]",
        "[C@OH12H]C",
        "[H][H]",
    ),
    *("[C@TH1H](O)N", "[Na]", "[NH]", "[", "]", "[Os]", "[o]", "[Al]", "l", "r", "[P@SP1](Cl)(Br)(O)N"),
]


def text_filter(elements=ELEMENT_SETS[0]):
    return TextFilter(elements, largest=LARGEST, max_nitrogen=MAX_NITROGEN, max_oxygen=MAX_OXYGEN)


def judge(lines, check=None):
    """Reason or None for each of several lines, judged one at a time."""
    check = check or text_filter()
    found = []
    for line in lines:
        rejected = Counter()
        total, kept = check(line + b"\n", rejected)
        assert total == 1 == rejected.total() + len(kept)
        assert kept in ([], [line + b"\n"])
        found.append(next((reason for reason, count in rejected.items() if count), None))
    return found


def describe(smiles):
    """Atoms by symbol of one molecule without isotopes; None where RDKit refuses `smiles` or finds another thing."""
    with rdBase.BlockLogs():
        mol, _ = parse(smiles)
    if mol is None or mol.GetNumAtoms() == 0 or len(Chem.GetMolFrags(mol)) > 1:
        return None
    if any(atom.GetIsotope() for atom in mol.GetAtoms()):
        return None
    return Counter(atom.GetSymbol() for atom in mol.GetAtoms())


def acceptable(symbols, elements):
    """What the limits make of it. Independent of the package's own checks."""
    return (
        symbols is not None
        and symbols.keys() <= {*elements, "H"}
        and symbols.total() - symbols["H"] <= LARGEST
        and symbols["N"] <= MAX_NITROGEN
        and symbols["O"] <= MAX_OXYGEN
    )


def accepted_by_rdkit(smiles, elements):
    return acceptable(describe(smiles), elements)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join), st.sampled_from(ELEMENT_SETS))
@example("['Cn']", ("Cn",))
@example("[0Sn]", ("Sn",))
@example("C[C@OH12H](C)(C)(C)(C)(C)CCCCCC", ("C", "H"))
def test_never_refuses_what_rdkit_accepts(smiles, elements):
    (reason,) = judge([b"1\t" + smiles.encode()], text_filter(elements))
    if reason is not None:
        assert not accepted_by_rdkit(smiles, elements)


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=20))
def test_a_block_is_judged_like_its_lines(lines):
    """No line, however broken, influences the next one; and none is lost."""
    lines = [part for line in lines for part in (line, b"7\tCCO", b"[\tCl[", b"8\t" + line)]
    rejected = Counter()
    total, kept = text_filter()(b"".join(line + b"\n" for line in lines), rejected)
    alone = judge(lines)
    assert total == len(lines)
    assert kept == [line + b"\n" for line, reason in zip(lines, alone, strict=True) if reason is None]
    assert +rejected == Counter(reason for reason in alone if reason is not None)


@pytest.mark.slow
def test_agrees_with_rdkit_on_the_whole_library(bundled):
    """Nothing that RDKit accepts is refused; and of real records the text tells all, so that none is parsed in vain."""
    lines = [f"{cid}\t{smiles}".encode() for cid, smiles in bundled]
    block = b"".join(line + b"\n" for line in lines)
    kept = [(elements, set(text_filter(elements)(block, Counter())[1])) for elements in ELEMENT_SETS[:3]]
    assert all(len(passed) > 1000 for _, passed in kept)
    for line, (_, smiles) in zip(lines, bundled, strict=True):
        if len(smiles) <= 300:
            described = describe(smiles)
            for elements, passed in kept:
                assert (line + b"\n" in passed) == acceptable(described, elements), smiles


def test_agrees_with_rdkit_on_other_spellings(records):
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
                assert judge([b"1\t" + text.encode()]) == [None], text
                accepted += 1
    assert accepted > 30


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1\tCCO", None),
        ("0\tCCO\tethanol", None),
        ("1\tCCO\tÄthanol, absolut", None),
        ("", Reason.COLUMNS),
        ("CCO", Reason.COLUMNS),
        ("1\tCCO\ta\tb", Reason.COLUMNS),
        ("\tCCO", Reason.CID),
        ("1.5\tCCO", Reason.CID),
        ("-1\tCCO", Reason.CID),
        ("9" * 19 + "\tCCO", Reason.CID),
        ("1\t", Reason.EMPTY),
        ("1\t\tname", Reason.EMPTY),
        ("1\t" + "C" * 301, Reason.LONG),
        ("1\t" + "C" * 100_000, Reason.LONG),
        ("1\tC\x00C", Reason.FOREIGN),
        ("1\tCC O", Reason.FOREIGN),
        ("1\tC–C", Reason.FOREIGN),
        ("1\tC\rC", Reason.FOREIGN),
        ("1\t[Na+].[Cl-]", Reason.ELEMENT),
        ("1\tCC1CC1.O", Reason.FRAGMENTS),
        ("1\tSc1ccccc1", Reason.ELEMENT),
        ("1\tClCCl", Reason.ELEMENT),
        ("1\tC*", Reason.ELEMENT),
        ("1\tc1cc[se]c1", Reason.ELEMENT),
        ("1\tC[CH2][Hg]C", Reason.ELEMENT),
        ("1\tC[13CH2]C", Reason.ISOTOPE),
        ("1\t[2H]c1c[nH]cn1", Reason.ISOTOPE),
        ("1\t" + "C" * 14, Reason.LARGE),
        ("1\t" + "[CH3]" * 14, Reason.LARGE),
        ("1\tNNNN", Reason.NITROGEN),
        ("1\tc1[nH]nnn1", Reason.NITROGEN),
        ("1\tOOOOOO", Reason.OXYGEN),
        ("1\t" + "C" * 13, None),
        ("1\tC1.C1", None),
        ("1\tC%(12).C%12", None),
        ("1\t[H]C([H])([H])C([H])([H])C([H])([H])C([H])([H])[H]", None),
    ],
)
def test_reasons(line, reason):
    assert judge([line.encode()]) == [reason]
