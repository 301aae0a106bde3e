from collections import Counter

import pytest
from rdkit import Chem

from mdstride.errors import InputError
from mdstride.select.compound import Compound, Seed, fingerprinter
from mdstride.select.pick import POOL, pick
from mdstride.select.reasons import Reason
from mdstride.select.rules import accept, drop_duplicates, judge, match, most_similar

FINGERPRINT = fingerprinter({"radius": 2, "bits": 2048})


def compound(cid, smiles):
    mol = Chem.MolFromSmiles(smiles)
    return Compound(cid, mol, FINGERPRINT(mol), "benzene", 0.1)


def seed(name, smiles):
    mol = Chem.MolFromSmiles(smiles)
    return Seed(name, mol.GetNumHeavyAtoms(), FINGERPRINT(mol))


def tanimoto(first, second):
    """Independent of RDKit's similarity code."""
    a, b = set(first.fingerprint.GetOnBits()), set(second.fingerprint.GetOnBits())
    return len(a & b) / len(a | b)


@pytest.fixture(scope="module")
def library(records):
    found = [compound(int(cid), smiles) for cid, smiles in records[::5] if "." not in smiles and len(smiles) < 30]
    assert len(found) > 200
    return found


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("CCO", None),
        ("CCS", Reason.ELEMENT),
        ("O=C(O)C(O)(CO)C(=O)O", Reason.OXYGEN),
        ("OCC(O)C(O)C(O)C=O", None),  # five O
        ("NC(N)=NN", Reason.NITROGEN),
        ("NC(N)=N", None),  # three N
        ("CO", Reason.SMALL),
        ("CC[O-]", Reason.CHARGED),
    ],
)
def test_judge(base, smiles, reason):
    assert judge(Chem.MolFromSmiles(smiles), base) is reason


def test_hydrogen_is_an_element_too(base):
    without = {**base, "elements": ["C", "O"]}
    assert judge(Chem.MolFromSmiles("CCO"), without) is Reason.ELEMENT
    assert judge(Chem.MolFromSmiles("O=C=C=C=O"), without) is None


def test_match_looks_only_at_seeds_in_range_and_large_enough():
    phenol = compound(1, "Oc1ccccc1")
    benzene, aniline, ethanol = seed("benzene", "c1ccccc1"), seed("aniline", "Nc1ccccc1"), seed("ethanol", "CCO")
    similarities = {s.name: tanimoto(phenol, s) for s in (benzene, aniline, ethanol)}
    assert similarities["ethanol"] < similarities["benzene"] < similarities["aniline"]
    seeds = [benzene, aniline, ethanol]
    assert match(phenol.fingerprint, 7, seeds, (0.0, 1.0)) == (aniline, similarities["aniline"])
    below = (0.0, similarities["benzene"])  # both ends belong to the range
    assert match(phenol.fingerprint, 6, seeds, below) == (benzene, similarities["benzene"])
    assert match(phenol.fingerprint, 7, seeds, below) is None  # benzene is smaller than phenol
    assert match(phenol.fingerprint, 7, seeds, (0.99, 1.0)) is None


def test_most_similar_prefers_the_first_of_equals():
    twins = [seed("ethanol", "CCO"), seed("benzene", "c1ccccc1"), seed("again", "C1=CC=CC=C1")]
    assert most_similar(compound(1, "c1ccccc1").fingerprint, twins) == (twins[1], 1.0)


def test_duplicates_keep_the_lowest_cid():
    rejected = Counter()
    # 2-hydroxypyridine and 2-pyridone are tautomers with one standard InChIKey
    listed = [compound(9, "Oc1ccccn1"), compound(5, "CCO"), compound(7, "O=c1cccc[nH]1"), compound(5, "CCN")]
    kept = drop_duplicates(listed, rejected)
    assert [(c.cid, c.smiles) for c in kept] == [(5, "CCN"), (7, "O=c1cccc[nH]1")]
    assert rejected == {Reason.SAME_CID: 1, Reason.SAME_ID: 1}


@pytest.mark.parametrize("bound", [0.0, 0.1, 0.2, 0.5, 1.0])
def test_accepted_compounds_keep_the_bound_and_none_is_left_out_without_need(library, bound):
    rejected = Counter()
    library = library[:200]
    accepted = accept(library, bound, rejected)
    assert len(accepted) + rejected[Reason.SIMILAR] == len(library)
    assert all(tanimoto(a, b) <= bound for i, a in enumerate(accepted) for b in accepted[:i])
    chosen = {c.cid for c in accepted}
    for c in library:
        before = [a for a in accepted if a.cid < c.cid]
        assert (c.cid in chosen) == all(tanimoto(c, a) <= bound for a in before)


def test_pick_is_maxmin_from_the_lowest_cid(library):
    count = 12
    rejected = Counter()
    picked = pick(library, {"max_atoms": 30, "count": count}, rejected)
    small = [c for c in library if c.n_atoms <= 30]
    pool = small[: POOL * count]
    chosen = [pool[0]]
    while len(chosen) < count:  # the definition, written out
        left = [c for c in pool if c not in chosen]
        chosen.append(min(left, key=lambda c: max(tanimoto(c, other) for other in chosen)))
    assert [c.cid for c in picked] == sorted(c.cid for c in chosen)
    assert rejected == {Reason.MANY_ATOMS: len(library) - len(small), Reason.NOT_PICKED: len(small) - count}


def test_pick_takes_all_without_limits(library):
    rejected = Counter()
    assert pick(library, {"max_atoms": None, "count": None}, rejected) == library
    assert pick(library[:3], {"max_atoms": None, "count": 5}, rejected) == library[:3]
    assert rejected.total() == 0


def test_pick_refuses_a_limit_that_leaves_nothing():
    with pytest.raises(InputError, match=r"pick\.max_atoms: none of the 1 accepted compounds has at most 8 atoms"):
        pick([compound(1, "CCO")], {"max_atoms": 8, "count": None}, Counter())
