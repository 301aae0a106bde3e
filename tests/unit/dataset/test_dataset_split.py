import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdstride.dataset.split import split_compounds
from mdstride.errors import InputError

BLOCKS = st.lists(st.text("ABCDEFGH", min_size=14, max_size=14), min_size=3, max_size=30, unique=True)
SHARES = st.tuples(st.floats(0.01, 0.49), st.floats(0.01, 0.5))
quick = settings(max_examples=60, deadline=None)


@st.composite
def compounds(draw):
    """InChIKeys, some of them stereoisomers of each other."""
    blocks = draw(BLOCKS)
    twins = draw(st.lists(st.sampled_from(blocks), max_size=5))
    return [f"{block}-UHFFFAOYSA-N" for block in blocks] + [f"{block}-ZZZZZZZZSA-N" for block in set(twins)]


@quick
@given(compounds(), st.integers(0, 1000), SHARES)
def test_parts_cover_everything_once_and_never_split_a_connectivity(ids, seed, shares):
    parts = split_compounds(ids, seed=seed, validation=shares[0], test=shares[1])
    assert sorted(name for part in parts.values() for name in part) == sorted(ids)
    assert all(parts.values()) and set(parts) == {"train", "validation", "test"}
    blocks = [{name.split("-")[0] for name in part} for part in parts.values()]
    assert sum(map(len, blocks)) == len(set.union(*blocks))
    assert all(part == sorted(part) for part in parts.values())


@quick
@given(compounds(), st.randoms())
def test_order_does_not_matter(ids, shuffler: random.Random):
    before = split_compounds(ids, seed=1, validation=0.2, test=0.3)
    shuffler.shuffle(ids)
    assert split_compounds(ids, seed=1, validation=0.2, test=0.3) == before


@quick
@given(compounds())
def test_a_new_compound_moves_at_most_one_group_between_parts(ids):
    before = split_compounds(ids, seed=1, validation=0.2, test=0.3)
    after = split_compounds([*ids, "IIIIIIIIIIIIII-UHFFFAOYSA-N"], seed=1, validation=0.2, test=0.3)
    moved = {name.split("-")[0] for part in before for name in before[part] if name not in after[part]}
    assert len(moved) <= 2  # one at each cut


def test_shares_and_seeds():
    ids = [f"{k:014d}-UHFFFAOYSA-N" for k in range(40)]
    parts = split_compounds(ids, seed=1, validation=0.15, test=0.25)
    assert {part: len(names) for part, names in parts.items()} == {"test": 10, "validation": 6, "train": 24}
    assert split_compounds(ids, seed=2, validation=0.15, test=0.25) != parts


def test_too_few_connectivities_are_refused():
    ids = ["AAAAAAAAAAAAAA-UHFFFAOYSA-N", "AAAAAAAAAAAAAA-ZZZZZZZZSA-N", "BBBBBBBBBBBBBB-UHFFFAOYSA-N"]
    with pytest.raises(InputError, match="2 compounds of different connectivity"):
        split_compounds(ids, seed=1, validation=0.2, test=0.2)
