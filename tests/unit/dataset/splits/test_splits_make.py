import hashlib
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles
from split_helpers import POOL, as_set, chain, compound, data_sets, pool

from mdstride.dataset.splits.make import deal_folds, hold_out, make_splits
from mdstride.errors import InputError
from mdstride.formats.split import PARTS, Segment, Split

TG80 = Path(__file__).parents[4] / "resources/tg80"
SHARES = {"seed": 1, "validation": 0.15, "test": 0.25, "folds": None, "cutoff": 0.6}
quick = settings(max_examples=20)

clusters = st.lists(st.integers(1, 6), min_size=3, max_size=12).map(
    lambda sizes: {f"cluster {k}": [f"{k}:{i}" for i in range(size)] for k, size in enumerate(sizes)}
)
share = st.floats(0.0, 0.9)


def make(method: str, compounds, **options) -> Split:
    (split,) = make_splits("x", {"method": method, **SHARES, **options}, compounds).values()
    return split


def ids(split: Split) -> dict[str, list[str]]:
    return {part: split.ids(part) for part in PARTS}


def everything(parts) -> list[str]:
    return sorted(name for names in parts.values() for name in names)


def assert_cover(parts, clusters):
    """Every group in one part, every cluster whole, no part empty."""
    assert everything(parts) == everything(clusters)
    for members in clusters.values():
        assert sum(not parts[part].isdisjoint(members) for part in PARTS) == 1
    assert all(parts.values())


@settings(max_examples=100)
@given(clusters, share, share)
def test_held_out_parts_cover_everything_once(clusters, validation, test):
    assert_cover(hold_out(clusters, validation, test), clusters)


@settings(max_examples=100)
@given(clusters, share, st.integers(2, 10))
def test_folds_test_every_group_once(clusters, validation, folds):
    folds = min(folds, len(clusters)) if len(clusters) > 3 else 3
    dealt = deal_folds(clusters, validation, folds)
    assert len(dealt) == folds
    for parts in dealt:
        assert_cover(parts, clusters)
    tested = sorted(group for parts in dealt for group in parts["test"])
    assert tested == everything(clusters)


def test_folds_of_single_groups_are_level():
    clusters = {str(k): [str(k)] for k in range(23)}
    sizes = [len(parts["test"]) for parts in deal_folds(clusters, 0.2, 5)]
    assert max(sizes) - min(sizes) <= 1
    assert {len(parts["validation"]) for parts in deal_folds(clusters, 0.2, 5)} == {5}


@pytest.mark.parametrize("seed", [1, 2])
def test_random_takes_the_order_of_the_hash(seed):
    """The first by sha256(seed, block) are tested, the next validate: written out anew."""
    compounds = as_set(*(chain(length) for length in range(1, 41)))
    order = sorted(compounds, key=lambda key: hashlib.sha256(f"{seed}:{key[:14]}".encode()).hexdigest())
    split = make("random", compounds, seed=seed)
    assert ids(split) == {"test": sorted(order[:10]), "validation": sorted(order[10:16]), "train": sorted(order[16:])}
    assert (split.method, split.unit, split.leaky) == ("random", "compound", False)
    assert split.settings == {"seed": seed, "validation": 0.15, "test": 0.25, "folds": None}


@quick
@given(st.lists(st.integers(1, 40), min_size=5, max_size=30, unique=True), st.integers(41, 60), st.integers(2, 4))
def test_a_new_compound_moves_few(lengths, new, folds):
    """At most one group at each cut between parts or folds."""
    compounds = as_set(*(chain(length) for length in lengths))
    more = compounds | as_set(chain(new))

    def moved(before, after, part):
        return set(before[part]) - set(after[part])

    before, after = (ids(make("random", some)) for some in (compounds, more))
    assert sum(len(moved(before, after, part)) for part in PARTS) <= 2
    before, after = (
        make_splits("x", {"method": "random", **SHARES, "folds": folds}, some) for some in (compounds, more)
    )
    assert sum(len(moved(ids(before[k]), ids(after[k]), "test")) for k in before) <= folds


@quick
@given(data_sets(), st.sampled_from(["random", "scaffold", "butina"]), st.sampled_from([None, 2, 3]), st.randoms())
def test_the_order_of_compounds_does_not_matter(compounds, method, folds, shuffler):
    asked = {"method": method, **SHARES, "folds": folds}
    items = list(compounds.items())
    shuffler.shuffle(items)
    made = make_splits("x", asked, compounds)
    assert make_splits("x", asked, dict(items)) == made
    assert list(made) == (["x"] if folds is None else [f"x-{k + 1}" for k in range(folds)])


def test_stereoisomers_and_copies_stay_together():
    forms = [compound("C[C@H](N)C(=O)O"), compound("C[C@@H](N)C(=O)O"), compound("CC(N)C(=O)O", key="copy", seed=1)]
    for seed in range(12):
        split = make("random", as_set(*forms, *pool().values()), seed=seed)
        assert sum(not {one.id for one in forms}.isdisjoint(split.ids(part)) for part in PARTS) == 1


@pytest.mark.parametrize("folds", [None, 3])
def test_no_scaffold_is_in_two_parts(folds):
    compounds = pool()
    scaffolds = {key: MurckoScaffoldSmiles(one.labels["smiles"]) for key, one in compounds.items()}
    places = set()
    for split in make_splits("x", {"method": "scaffold", **SHARES, "folds": folds}, compounds).values():
        parts = [{scaffolds[key] for key in split.ids(part)} - {""} for part in PARTS]
        assert sum(map(len, parts)) == len(set.union(*parts))
        places |= {part for part in PARTS for key in split.ids(part) if not scaffolds[key]}
    assert len(places) > 1  # those without rings are not one lump


def test_tautomers_bring_their_scaffolds_together():
    """2-pyridone and 2-hydroxypyridine are one compound with two scaffolds, each shared with another compound."""
    tied = as_set(*map(compound, ("O=c1cccc[nH]1", "Cc1ccc[nH]c1=O", "Cc1ccncc1")), compound("Oc1ccccn1", key="enol"))
    apart = {key: one for key, one in pool().items() if one.labels["name"] not in ("pyridine", "picoline")}
    assert len({MurckoScaffoldSmiles(one.labels["smiles"]) for one in tied.values()}) == 2
    for seed in range(12):
        split = make("scaffold", apart | tied, seed=seed)
        assert sum(not set(tied).isdisjoint(split.ids(part)) for part in PARTS) == 1


def test_clusters_are_as_wide_as_the_cutoff():
    compounds = pool()
    assert ids(make("butina", compounds, cutoff=0.01)) == ids(make("random", compounds))
    alcohols = {Chem.MolToInchiKey(Chem.MolFromSmiles(POOL[name])) for name in ("butanol", "pentanol")}
    for seed in range(12):
        split = make("butina", compounds, seed=seed)
        assert sum(not alcohols.isdisjoint(split.ids(part)) for part in PARTS) == 1
    with pytest.raises(InputError, match="18 compounds make 1 of different cluster"):
        make("butina", compounds, cutoff=1.0)


def test_compounds_of_unknown_structure_are_said_and_kept(capsys):
    compounds = pool() | as_set(chain(5))
    split = make("scaffold", compounds)
    assert everything(ids(split)) == sorted(compounds)
    assert f"no structure is known of {chain(5).id}" in capsys.readouterr().err


def test_too_few_connectivities_are_refused():
    few = as_set(compound("C[C@H](N)C(=O)O"), compound("C[C@@H](N)C(=O)O"), compound("CCO"))
    with pytest.raises(InputError, match=r"splits\.x: 3 compounds make 2 of different connectivity, and 3 are needed"):
        make("random", few)
    with pytest.raises(InputError, match="and 19 are needed"):
        make_splits("x", {"method": "random", **SHARES, "folds": 19}, pool())


# Named


def listed(tmp_path, **value) -> dict:
    path = tmp_path / "list.toml"
    path.write_text("".join(f"{key} = {entries!r}\n" for key, entries in value.items()), encoding="utf-8")
    return {"path": str(path)}


def test_names_ids_and_inchikeys(tmp_path, capsys):
    compounds = pool()
    key = {one.labels["name"]: one.id for one in compounds.values()}
    mirrored = f"{key['ether'][:14]}-ABCDEFGHIJ-N"
    asked = listed(tmp_path, train=["Ethanol", key["butane"], "nobody"], validation=["benzene"], test=[mirrored])
    split = make("named", compounds, **asked)
    assert ids(split) == {
        "train": sorted([key["ethanol"], key["butane"]]),
        "validation": [key["benzene"]],
        "test": [key["ether"]],
    }
    assert split.settings.keys() == {"path", "sha256"} and split.settings["path"] == "list.toml"
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "dataset.splits.x: list.toml lists compounds that the data set lacks: nobody"
    assert key["phenol"] in said[1] and key["ethanol"] not in said[1] and len(said) == 2


@pytest.mark.parametrize("fold", range(1, 6))
def test_folds_of_tg80(fold, capsys):
    """All 80 by InChIKey, whatever they are called."""
    rows = {line.split(",")[0]: line.split(",")[1] for line in (TG80 / "tg80.csv").read_text("utf-8").splitlines()[1:]}
    compounds = as_set(*(compound(smiles, replicas=0) for smiles in rows.values()))
    names = tomllib.loads((TG80 / f"fold{fold}.toml").read_text("utf-8"))
    split = make("named", compounds, path=str(TG80 / f"fold{fold}.toml"))
    assert capsys.readouterr().err == ""
    assert ids(split) == {part: sorted(compound(rows[name]).id for name in names[part]) for part in PARTS}
    assert [len(names["test"]), sum(len(names[part]) for part in PARTS)] == [[13, 12, 9, 9, 8][fold - 1], 80]


def test_names_of_tg80_that_mislead(tmp_path):
    """`benzene1` is anthranilic acid."""
    names = tomllib.loads((TG80 / "fold1.toml").read_text("utf-8"))
    assert "benzene1" in names["train"] and "benzene" not in names["train"]
    some = [compound("Nc1ccccc1C(=O)O"), compound("c1ccccc1"), compound("CCCO"), compound("CC#N")]
    some += [compound(row.split(",")[1]) for row in (TG80 / "tg80.csv").read_text("utf-8").splitlines()[-30:]]
    split = make("named", as_set(*some), path=str(TG80 / "fold1.toml"))
    assert some[0].id in split.ids("train") and some[1].id not in split.ids("train")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"train": ["ethanol"], "validation": ["ether"], "test": ["nobody"]}, "leaves test empty"),
        ({"train": ["ethanol"], "validation": ["ether"], "test": ["ETHANOL"]}, "in train .as ethanol. and in test"),
        ({"train": ["ethanol"], "test": ["ether"]}, "`validation` must be a list"),
        ({"train": ["ethanol"], "validation": "ether", "test": []}, "`validation` must be a list"),
        ({"train_molecules": ["ethanol"]}, "unknown key `train_molecules`"),
        ({"train": ["ethanol"], "validation": [], "test": [], "names": "none.csv"}, "none.csv: no such file"),
    ],
)
def test_lists_that_are_refused(tmp_path, value, message):
    with pytest.raises(InputError, match=message):
        make("named", pool(), **listed(tmp_path, **value))


def test_lists_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.toml cannot be read .*check the path"):
        make("named", pool(), path=str(tmp_path / "nothing.toml"))
    (tmp_path / "list.toml").write_text("train = [", encoding="utf-8")
    with pytest.raises(InputError, match="not a TOML file"):
        make("named", pool(), path=str(tmp_path / "list.toml"))


def test_stereoisomers_in_two_parts_are_refused(tmp_path):
    left, right = compound("C[C@H](N)C(=O)O"), replace(compound("C[C@@H](N)C(=O)O"), labels={"name": "right"})
    asked = listed(tmp_path, train=["ethanol", left.id], validation=["ether"], test=["right"])
    with pytest.raises(InputError, match="keep one of them"):
        make("named", pool() | as_set(left, right), **asked)


# Within compounds


def test_replicas():
    one, other = compound("CCO", replicas=3), compound("COC", replicas=5)
    split = make("replica", as_set(one, other))
    assert split.unit == "frames" and not split.leaky
    numbers = {part: sorted((s.compound, s.replica) for s in split.parts[part]) for part in PARTS}
    assert numbers["test"] == sorted([(one.id, 2), (other.id, 4)])
    assert numbers["validation"] == sorted([(one.id, 1), (other.id, 3)])
    assert numbers["train"] == sorted([(one.id, 0)] + [(other.id, k) for k in range(3)])
    with pytest.raises(InputError, match="has 2 of the 3 trajectories that method replica needs"):
        make("replica", as_set(one, compound("COC", replicas=2)))


def test_blocks_of_time():
    """100 frames of 2 fs; a gap of 9 fs takes 5 of them: 90 are left."""
    one = compound("CCO", frames=100, replicas=2)
    split = make("time", as_set(one), validation=0.1, test=0.2, gap=9.0)
    assert split.parts["train"] == (Segment(one.id, 0, 0, 63), Segment(one.id, 1, 0, 63))
    assert split.parts["validation"][0] == Segment(one.id, 0, 68, 77)
    assert split.parts["test"][0] == Segment(one.id, 0, 82, 100)
    assert split.unit == "frames" and split.settings == {"validation": 0.1, "test": 0.2, "gap": 9.0}
    with pytest.raises(InputError, match="20 frames of 2 fs leave 4 beside two gaps of 15 fs, too few"):
        make("time", pool(), gap=15.0)
    with pytest.raises(InputError, match="leave 0 beside"):
        make("time", pool(), gap=500.0)


def test_frames_that_are_not_consecutive_have_no_blocks_of_time():
    one = compound("CCO", frames=100)
    loose = replace(one, replicas=(replace(one.replicas[0], consecutive=False),))
    with pytest.raises(InputError, match="frames are not consecutive"):
        make("time", as_set(loose), gap=0.0)


def test_shapes_alone_are_read():
    """Arrays of an open file are not loaded to make a split within compounds."""

    class Shape:
        def __len__(self) -> int:
            return 100

    one = compound("CCO")
    bare = replace(one, replicas=tuple(replace(replica, positions=Shape()) for replica in one.replicas))
    assert len(make("time", as_set(bare), gap=0.0).parts["test"]) == len(one.replicas)
    assert len(make("replica", as_set(bare)).parts["test"]) == 1
    assert np.shape(one.replicas[0].positions)[0] == 20
