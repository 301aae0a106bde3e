from collections import Counter

import pytest
from rdkit import Chem
from rdkit.DataStructs import BitVectToBinaryText, BulkTanimotoSimilarity

from mdstride.errors import InputError
from mdstride.formats.candidates import Candidate
from mdstride.select.accept import RECENT, Acceptance, Neighbours, on_bits
from mdstride.select.compound import Compound, Seed, fingerprinter
from mdstride.select.pick import POOL, pick
from mdstride.select.reasons import Reason
from mdstride.select.rules import CompositionFilter, SeedFilter, most_similar

FINGERPRINT = fingerprinter({"radius": 2, "bits": 2048})


def compound(cid, smiles):
    mol = Chem.MolFromSmiles(smiles)
    return Compound(cid, mol, FINGERPRINT(mol), "benzene", 0.1)


def seed(name, smiles):
    mol = Chem.MolFromSmiles(smiles)
    return Seed(name, smiles, mol.GetNumHeavyAtoms(), FINGERPRINT(mol))


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
def test_composition(base, smiles, reason):
    assert CompositionFilter(base["screen"])(Chem.MolFromSmiles(smiles), smiles) is reason


def test_hydrogen_is_an_element_too(base):
    check = CompositionFilter({**base["screen"], "elements": ["C", "O"]})
    assert check(Chem.MolFromSmiles("CCO"), "CCO") is Reason.ELEMENT
    assert check(Chem.MolFromSmiles("O=C=C=C=O"), "O=C=C=C=O") is None


def test_alerts_are_off_unless_named(base):
    mol = Chem.MolFromSmiles("CCOOCC")
    assert CompositionFilter(base["screen"])(mol, "CCOOCC") is None
    assert CompositionFilter({**base["screen"], "alerts": ["peroxide"]})(mol, "CCOOCC") is Reason.ALERT


def test_seeds_count_only_in_range_and_when_large_enough():
    phenol = compound(1, "Oc1ccccc1")
    seeds = [seed("benzene", "c1ccccc1"), seed("aniline", "Nc1ccccc1"), seed("ethanol", "CCO")]
    benzene, aniline, ethanol = (tanimoto(phenol, s) for s in seeds)
    assert ethanol < benzene < aniline
    assert SeedFilter(seeds, (0.0, 1.0))(phenol.fingerprint, 7) == (1, aniline)
    below = SeedFilter(seeds, (0.0, benzene))  # both ends belong to the range
    assert below(phenol.fingerprint, 6) == (0, benzene)
    assert below(phenol.fingerprint, 7) is None  # benzene is smaller than phenol
    assert SeedFilter(seeds, (0.99, 1.0))(phenol.fingerprint, 7) is None
    twins = [seed("ethanol", "CCO"), seed("benzene", "c1ccccc1"), seed("again", "C1=CC=CC=C1")]
    assert SeedFilter(twins, (0.0, 1.0))(compound(1, "c1ccccc1").fingerprint, 6) == (1, 1.0)  # the first of equals


def test_most_similar_prefers_the_first_of_equals():
    twins = [seed("ethanol", "CCO"), seed("benzene", "c1ccccc1"), seed("again", "C1=CC=CC=C1")]
    assert most_similar(compound(1, "c1ccccc1").fingerprint, twins) == (1, 1.0)


def accept(base, candidates, **changes):
    """The accepted compounds and the counts of the others; `candidates` are compounds, or (cid, smiles)."""
    rejected = Counter()
    acceptance = Acceptance(
        {**base["select"], **changes}, [seed("benzene", "c1ccccc1"), seed("ethanol", "CCO")], rejected
    )
    for place, item in enumerate(candidates):
        item = compound(*item) if isinstance(item, tuple) else item
        bits = BitVectToBinaryText(item.fingerprint)
        acceptance.add(Candidate(item.cid or 0, item.smiles, "", bits, place % 2, 0.1))
    assert len(acceptance.accepted) + rejected.total() == len(candidates)
    return [c.cid for c in acceptance.accepted], +rejected


def quota(**most):
    return {"total": None, "seed": None, "scaffold": None, **most}


def test_one_record_per_cid_and_per_inchikey(base):
    # 2-hydroxypyridine and 2-pyridone are tautomers with one standard InChIKey
    listed = [(5, "CCN"), (5, "CCO"), (7, "O=c1cccc[nH]1"), (9, "Oc1ccccn1")]
    assert accept(base, listed, max_similarity=1.0) == ([5, 7], {Reason.SAME_CID: 1, Reason.SAME_ID: 1})
    without_cid = [compound(None, "CCN"), compound(None, "CCO")]
    assert accept(base, without_cid, max_similarity=1.0) == ([None, None], {})


def test_quotas(base):
    rings = [
        (1, "Cc1ccccc1"),
        (2, "CCc1ccccc1"),
        (3, "CCCc1ccccc1"),
        (4, "C1CCCC1"),
        (5, "CCC"),
        (6, "CCCC"),
        (7, "CCCCC"),
    ]
    loose = {"max_similarity": 1.0}
    assert accept(base, rings, quota=quota(total=3), **loose) == ([1, 2, 3], {Reason.ACCEPTED: 4})
    assert accept(base, rings, quota=quota(seed=2), **loose) == ([1, 2, 3, 4], {Reason.SEED_QUOTA: 3})
    expected = ([1, 2, 4, 5, 6, 7], {Reason.SCAFFOLD_QUOTA: 1})  # chains have no scaffold and are not limited
    assert accept(base, rings, quota=quota(scaffold=2), **loose) == expected


@pytest.mark.parametrize("bound", [0.0, 0.1, 0.2, 0.5])
def test_accepted_compounds_keep_the_bound_and_none_is_left_out_without_need(base, library, bound):
    candidates = [c for c in library[:250] if c.id]
    chosen, rejected = accept(base, candidates, max_similarity=bound)
    assert rejected.keys() == {Reason.SIMILAR}
    accepted = [c for c in candidates if c.cid in chosen]
    for c in candidates:
        before = [a for a in accepted if a.cid < c.cid]
        assert (c.cid in chosen) == all(tanimoto(c, a) <= bound for a in before)


def test_similarity_is_rdkits(library):
    """Against RDKit's own comparison; each similarity that occurs is a limit, which it does not exceed itself."""
    limits = sorted({s for c in library[:20] for s in BulkTanimotoSimilarity(c.fingerprint, _bits(library[20:60]))})
    assert len(limits) > 20
    for limit in [*limits, 0.2, 0.35, 0.7]:
        neighbours, added, reached = Neighbours(2048, limit), [], 0
        for c in library[:160]:
            bits = BitVectToBinaryText(c.fingerprint)
            assert on_bits(bits).tolist() == list(c.fingerprint.GetOnBits())
            expected = max(BulkTanimotoSimilarity(c.fingerprint, added), default=0.0) > limit
            assert neighbours.reach(bits) == expected
            reached += expected
            if not expected or len(added) < 2 * RECENT:  # also without keeping the limit
                neighbours.add(bits)
                added.append(c.fingerprint)
        assert reached > 0 or limit > 0.5


def _bits(compounds):
    return [c.fingerprint for c in compounds]


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
