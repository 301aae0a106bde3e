import re
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from split_helpers import POOL, as_set, compound, data_sets, disguised, pool

from mdstride.dataset.splits.distance import distance_report
from mdstride.dataset.splits.leaks import check_split, refuse_leaks
from mdstride.dataset.splits.make import make_splits
from mdstride.errors import InputError
from mdstride.formats.split import PARTS, Segment, Split, whole
from mdstride.novelty import novelty

SHARES = {"seed": 1, "validation": 0.2, "test": 0.3, "folds": None, "cutoff": 0.6}
BY_COMPOUND = st.sampled_from(["random", "scaffold", "butina"])
BY_FRAMES = st.sampled_from(["replica", "time"])
TWO = st.permutations(PARTS).map(lambda parts: parts[:2])
quick = settings(max_examples=15)


def make(method: str, compounds, **options) -> Split:
    (split,) = make_splits("x", {"method": method, **SHARES, "gap": 4.0, **options}, compounds).values()
    return split


def plus(split: Split, part: str, *segments: Segment) -> Split:
    return replace(split, parts={**split.parts, part: (*split.parts[part], *segments)})


def frames(*parts: list[tuple[int, int]], gap: float | None = None) -> Split:
    """A split of the frames of ethanol's replica 0."""
    key = compound("CCO").id
    made = {name: tuple(Segment(key, 0, *ends) for ends in part) for name, part in zip(PARTS, parts, strict=True)}
    return Split(made, "by hand", unit="frames", settings={} if gap is None else {"gap": gap})


@quick
@given(data_sets(), BY_COMPOUND, st.integers(0, 99), st.sampled_from([None, 2, 3]))
def test_splits_by_compound_have_no_leak(compounds, method, seed, folds):
    asked = {"method": method, **SHARES, "seed": seed, "folds": folds}
    for name, split in make_splits("x", asked, compounds).items():
        assert check_split(split, compounds) == []
        refuse_leaks(name, split, compounds)


@quick
@given(data_sets(), BY_FRAMES, st.floats(0, 8))
def test_splits_within_compounds_have_no_leak(compounds, method, gap):
    assert check_split(make(method, compounds, gap=gap), compounds) == []


# Planted leaks: each is found, and named


def assert_found(split: Split, compounds, *words: str) -> None:
    found = check_split(split, compounds)
    assert any(all(word in text for word in words) for text in found), found
    with pytest.raises(InputError, match="split x: ") as caught:
        refuse_leaks("x", split, compounds)
    assert "\n" not in str(caught.value)


@quick
@given(data_sets(), BY_COMPOUND, TWO, st.sampled_from(["", "CCCC", "c1ccccc1"]), st.data())
def test_a_duplicate_under_another_name(compounds, method, parts, label, data):
    split = make(method, compounds)
    original = compounds[data.draw(st.sampled_from(split.ids(parts[0])))]
    copy = disguised(original, np.random.default_rng(0), key="innocent", label=label)
    assert_found(plus(split, parts[1], Segment("innocent")), compounds | as_set(copy), original.id, "innocent")


@quick
@given(data_sets(), BY_COMPOUND, TWO, st.sampled_from([("[C@]", "[C@@]"), ("[C@@]", "[C@]")]))
def test_a_stereoisomer(compounds, method, parts, forms):
    split = make(method, compounds)
    one, other = (compound(f"F{form}(Cl)(Br)C", seed=k) for k, form in enumerate(forms))
    assert one.id != other.id
    mixed = plus(plus(split, parts[0], Segment(one.id)), parts[1], Segment(other.id))
    assert_found(mixed, compounds | as_set(one, other), one.id, other.id, "put both in one part")


@quick
@given(data_sets(), BY_COMPOUND, TWO, st.data())
def test_one_compound_in_two_parts(compounds, method, parts, data):
    split = make(method, compounds)
    key = data.draw(st.sampled_from(split.ids(parts[0])))
    assert_found(plus(split, parts[1], Segment(key, 1, 2, 5)), compounds, key, parts[0], parts[1])


def test_two_compounds_tied_by_one_that_is_in_no_part():
    """A copy with a label that lies may be either; neither may test the other."""
    ethanol, benzene = compound("CCO"), compound("c1ccccc1")
    liar = disguised(ethanol, np.random.default_rng(0), key="liar", label="c1ccccc1")
    split = Split({"train": whole([ethanol.id]), "validation": (), "test": whole([benzene.id])}, "by hand")
    assert check_split(split, as_set(ethanol, benzene)) == []
    assert_found(split, as_set(ethanol, benzene, liar), ethanol.id, benzene.id, "by way of others")


@quick
@given(data_sets(), st.integers(0, 60), st.integers(0, 10), TWO)
def test_overlap_through_lag(compounds, start, apart, parts):
    """Two windows that start at different frames, and reach into each other with their longest lag, are found."""
    key, lag = min(compounds), 10
    long = replace(compounds[key], replicas=compound(compounds[key].labels["smiles"], frames=100).replicas)
    train, test = Segment(key, 0, start, start + lag + 1), Segment(key, 0, start + apart, start + apart + lag + 1)
    split = Split({part: () for part in PARTS} | {"test": (Segment(key, 1),)}, "by hand", unit="frames")
    split = plus(plus(split, parts[0], train), parts[1], test)
    assert_found(split, as_set(long), key, f"{start} to {start + lag}", f"{start + apart} to {start + apart + lag}")


ENDS = st.tuples(st.integers(0, 17), st.integers(1, 12)).map(lambda pair: (pair[0], min(20, sum(pair))))
INTERVALS = st.lists(ENDS, max_size=4)


@settings(max_examples=100)
@given(INTERVALS, INTERVALS, INTERVALS.filter(bool), st.sampled_from([0.0, 1.0, 4.0, 5.0]))
@example([(0, 15), (1, 2)], [], [(10, 12)], 0.0)  # the last to start is not the one that reaches farthest
def test_the_sweep_finds_what_a_comparison_of_all_pairs_finds(train, validation, test, gap):
    """Frames are 2 fs apart; between two parts must lie as many as make up the gap."""
    parts = (train, validation, test)
    between = {0.0: 0, 1.0: 1, 4.0: 2, 5.0: 3}[gap]
    expected = set()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        for a in parts[one]:
            for b in parts[other]:
                if a[0] - b[1] < between and b[0] - a[1] < between:
                    expected.add(frozenset((PARTS[one], PARTS[other])))
    found = check_split(frames(*parts, gap=gap), as_set(compound("CCO", frames=20)))
    assert {frozenset(re.findall(r"\((train|validation|test)\)", text)) for text in found} == expected
    assert len(found) == len(expected)


def test_what_is_said_of_frames():
    ethanol = as_set(compound("CCO"))
    key = next(iter(ethanol))
    assert check_split(frames([(0, 10)], [], [(10, 20)]), ethanol) == []
    assert check_split(frames([(0, 11)], [], [(10, 20)]), ethanol) == [
        f"{key} replica 0: frames 0 to 10 (train) and frames 10 to 19 (test) overlap; cut one of them short, or split "
        "by method time"
    ]
    assert check_split(frames([(0, 9)], [], [(10, 20)], gap=4.0), ethanol) == [
        f"{key} replica 0: frames 0 to 8 (train) and frames 10 to 19 (test) are less than the gap of 4 fs apart; cut "
        "one of them short"
    ]
    (many,) = check_split(frames([(0, 20)], [], [(5, 7), (8, 9), (11, 12)]), ethanol)
    assert many.endswith("(the first of 3 places)")


@quick
@given(data_sets(), BY_FRAMES, st.sampled_from(["other id", "other replica", "cut"]), TWO)
def test_one_trajectory_twice(compounds, method, where, parts):
    split = make(method, compounds)
    original = compounds[min(compounds)]
    segment = next(s for s in split.parts[parts[0]] if s.compound == original.id)
    (replica,) = (one for one in original.replicas if one.number == segment.replica)
    if where == "cut":
        replica = replace(replica, positions=replica.positions[: (segment.stop or 20) - 1])
    if where == "other id":
        copy = replace(original, id="copy", replicas=(replica,))
        place = Segment("copy", replica.number)
    else:
        copy = replace(original, replicas=(*original.replicas, replace(replica, number=7)))
        place = Segment(original.id, 7)
    assert_found(plus(split, parts[1], place), compounds | as_set(copy), original.id, place.compound, "remove the copy")


# Splits that do not fit the data set


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (Segment("nobody"), "nobody is not in the data set"),
        (Segment("KEY", 9), "KEY has no replica 9; it has 0, 1, 2"),
        (Segment("KEY", 0, 5, 21), "frames 5 to 20 are not all there; it has 20 frames"),
        (Segment("KEY", 0, -1, 5), "frames -1 to 4 are not all there"),
        (Segment("KEY", 0, 5, 5), "frames 5 to 4 are not all there"),
        (Segment("KEY", 0, 20), "frames 20 to 19 are not all there"),
        (Segment("KEY", None, 3), "a segment has frames but no replica"),
    ],
)
@pytest.mark.parametrize("leaky", [False, True])
def test_faults(segment, message, leaky):
    """They are refused even of a leaky split."""
    ethanol = compound("CCO")
    segment = replace(segment, compound=segment.compound.replace("KEY", ethanol.id))
    split = Split({"train": (), "validation": (), "test": (segment,)}, "by hand", unit="frames", leaky=leaky)
    (found,) = check_split(split, as_set(ethanol))
    assert message.replace("KEY", ethanol.id) in found
    with pytest.raises(InputError, match="split x: "):
        refuse_leaks("x", split, as_set(ethanol))


def test_nothing_tested_and_unknown_unit():
    ethanol = compound("CCO")
    split = Split({"train": whole([ethanol.id]), "validation": (), "test": ()}, "by hand", unit="frame")
    unknown, empty = check_split(split, as_set(ethanol))
    assert "unit `frame` is unknown" in unknown and "nothing is tested" in empty
    with pytest.raises(InputError, match="and 1 more"):
        refuse_leaks("x", split, as_set(ethanol))


def test_a_leaky_protocol_passes_and_only_if_marked():
    ethanol = as_set(compound("CCO"))
    split = frames([(0, 12)], [], [(10, 20)])
    refuse_leaks("x", replace(split, leaky=True), ethanol)
    with pytest.raises(InputError, match="overlap"):
        refuse_leaks("x", split, ethanol)


def test_large_splits_are_checked_in_a_moment():
    """20,000 windows; all pairs would be 100 million."""
    long = compound("CCO", frames=2, replicas=1)
    shape = np.broadcast_to(long.replicas[0].positions[:1], (200_000, *long.replicas[0].positions.shape[1:]))
    long = replace(long, replicas=(replace(long.replicas[0], positions=shape),))
    starts = np.random.default_rng(1).integers(0, 190_000, (2, 10_000)).tolist()
    split = frames([(t, t + 3001) for t in starts[0]], [], [(t, t + 3001) for t in starts[1]])
    before = time.process_time()
    assert len(check_split(split, as_set(long))) == 1
    assert time.process_time() - before < 2


# How far the test is from training


def test_novelty():
    compounds = pool()
    key = {one.labels["name"]: one.id for one in compounds.values()}
    parts = {
        "train": whole([key["ethanol"], key["benzene"]]),
        "validation": whole([key["butane"]]),
        "test": whole([key[name] for name in ("thiol", "toluene", "pyridine", "butanol")]),
    }
    split = Split(parts, "by hand")
    found = {row.compound: row for row in novelty(split, compounds)}
    assert list(found) == split.ids("test")

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2)

    def similarity(one: str, other: str) -> float:
        prints = (generator.GetFingerprint(Chem.MolFromSmiles(POOL[name])) for name in (one, other))
        return DataStructs.TanimotoSimilarity(*prints)

    for test in ("thiol", "toluene", "pyridine", "butanol"):
        likeness = {train: similarity(test, train) for train in ("ethanol", "benzene", "butane")}
        row = found[key[test]]
        assert row.similarity == pytest.approx(max(likeness.values()))
        assert row.nearest == key[max(likeness, key=lambda name: likeness[name])]
    thiol, toluene, pyridine, butanol = (found[key[name]] for name in ("thiol", "toluene", "pyridine", "butanol"))
    assert (thiol.elements, thiol.groups, thiol.scaffold) == (("S",), ("thiol",), "")
    assert (toluene.scaffold, toluene.scaffold_seen, toluene.elements, toluene.groups) == ("c1ccccc1", True, (), ())
    assert (pyridine.elements, pyridine.groups) == (("N",), ("aromatic N, pyridine-like",))
    assert pyridine.scaffold == "c1ccncc1" and not pyridine.scaffold_seen
    assert (butanol.elements, butanol.groups) == ((), ())


def test_the_report():
    compounds = pool() | as_set(replace(compound("CCN", key="mystery"), labels={}))
    key = {one.labels.get("name", ""): one.id for one in compounds.values()}
    tested = whole([key["thiol"], key["toluene"], "mystery"])
    split = Split({"train": whole([key["ethanol"], key["benzene"]]), "validation": (), "test": tested}, "by hand")
    summary, _, _, _, *rows = distance_report(split, compounds)
    assert "of the 3 test compounds to the nearest in training or validation: median 0." in summary
    assert "Scaffold seen there: 1 of 1 with rings. With an unseen element: 2; with an unseen functional" in summary
    assert rows[0] == "| mystery | unknown |  | no rings | N |  |"
    assert sorted(row.split(" | ")[0] for row in rows) == ["| mystery", "| thiol", "| toluene"]
    (within,) = distance_report(make("replica", compounds), compounds)
    assert within == "The tested compounds are trained on: other frames of them are held out."
