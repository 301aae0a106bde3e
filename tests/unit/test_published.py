"""The table of published numbers, against what it is made from."""

import csv
from pathlib import Path

import pytest
from rdkit import Chem
from split_helpers import as_set, compound

from mdstride.dataset.splits.named import named_split
from mdstride.formats.provenance import sha256
from mdstride.formats.split import Segment, Split
from mdstride.published import COLUMNS, MD17_FRAMES, TABLE, published

ROOT = Path(__file__).parents[2]
ROWS = list(csv.DictReader((ROOT / TABLE).open(encoding="utf-8")))
ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"


def split(method: str, *compounds: str, **settings: str) -> Split:
    segments = tuple(Segment(key, 0, 10_000, 13_001) for key in compounds)
    return Split(dict.fromkeys(("train", "validation", "test"), segments), method, unit="frames", settings=settings)


def numbers(found: list) -> dict[tuple[str, str, str, str], str]:
    return {(one.compound, one.metric, one.model, one.version): one.value for one in found}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_counts_and_digits():
    """8 compounds less a benzene each where the source prints none; numbers keep their printed digits."""
    assert tuple(ROWS[0]) == COLUMNS
    counts = {}
    for row in ROWS:
        key = (row["protocol"], row["metric"], row["model"], row["version"])
        counts[key] = counts.get(key, 0) + 1
    assert counts == {
        ("md17", "S2S", "EGNN", ""): 8,
        ("md17", "S2S", "EGNO", ""): 8,
        ("md17", "S2S", "ATOM", "preprint"): 8,
        ("md17", "S2S", "ATOM", "later code"): 7,
        ("md17", "S2T", "EGNO", ""): 7,
        ("md17", "S2T", "ATOM", ""): 8,
        ("md22", "S2S", "ATOM", ""): 3,
        ("tg80", "S2T", "ATOM", ""): 5,
        ("tg80", "S2T", "EGNO", ""): 5,
    }
    assert all(len(row["value"].partition(".")[2]) == 2 and row["unit"] == "1e-2 Å^2" for row in ROWS)


def test_a_swapped_column_would_show():
    """Sums over the eight molecules of the printed lines."""
    sums = {}
    for row in ROWS:
        key = (row["protocol"], row["metric"], row["model"], row["version"])
        sums[key] = sums.get(key, 0.0) + float(row["value"])
    assert {key: round(value, 2) for key, value in sums.items()} == {
        ("md17", "S2S", "EGNN", ""): 109.00,
        ("md17", "S2S", "EGNO", ""): 87.41,
        ("md17", "S2S", "ATOM", "preprint"): 48.74,
        ("md17", "S2S", "ATOM", "later code"): 31.73,
        ("md17", "S2T", "EGNO", ""): 27.46,
        ("md17", "S2T", "ATOM", ""): 32.11,
        ("md22", "S2S", "ATOM", ""): 41.50,
        ("tg80", "S2T", "ATOM", ""): 317.16,
        ("tg80", "S2T", "EGNO", ""): 590.70,
    }


def test_cases_are_the_seeds_and_the_folds():
    with (ROOT / "resources/seeds.csv").open(encoding="utf-8") as stream:
        smiles = {row["name"]: row["smiles"] for row in csv.DictReader(stream)}
    for row in ROWS:
        if row["protocol"] == "md17":
            molecule = Chem.MolFromSmiles(smiles[row["name"]])
            assert row["case"].split()[0] == Chem.MolToInchiKey(molecule)
        if row["protocol"] == "tg80":
            assert row["case"] == sha256(ROOT / f"resources/tg80/{row['name'].replace(' ', '')}.toml")


def test_md17_by_compound():
    found = published(split("md17", ETHANOL, "NOTPUBLISHEDXX-UHFFFAOYSA-N"), MD17_FRAMES)
    assert numbers(found) == {
        (ETHANOL, "S2S", "EGNN", ""): "4.64",
        (ETHANOL, "S2S", "EGNO", ""): "4.62",
        (ETHANOL, "S2S", "ATOM", "preprint"): "3.47",
        (ETHANOL, "S2S", "ATOM", "later code"): "3.52",
        (ETHANOL, "S2T", "EGNO", ""): "3.28",
        (ETHANOL, "S2T", "ATOM", ""): "2.69",
    }


@pytest.mark.parametrize("smiles", ["O=CCC=O", "O=CC=CO"])
def test_malonaldehyde_in_either_form(smiles):
    key = Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))
    assert numbers(published(split("md17", key), MD17_FRAMES))[key, "S2S", "EGNO", ""] == "12.80"


def test_stereochemistry_read_off_a_geometry_does_not_hide_a_compound():
    key = "MBMBGCFOFBJSGT-KUBAVDMBSA-N"  # all-cis docosahexaenoic acid
    (one,) = published(split("md17", key), MD17_FRAMES)
    assert (one.protocol, one.compound, one.value) == ("md22", key, "10.60")
    assert one.note


@pytest.mark.parametrize("frames", [[375], [187.5 * k for k in range(1, 9)], [*MD17_FRAMES[:-1], 3001]])
def test_nothing_beside_other_lags(frames):
    assert published(split("md17", ETHANOL), frames) == []


def test_a_fold_of_tg80_as_the_workflow_makes_it():
    compounds = as_set(*map(compound, ("CC=O", "c1ccoc1", "CCO")))
    fold = named_split("dataset.splits.tg80-2", {"path": "resources/tg80/fold2.toml"}, compounds)
    assert numbers(published(fold, [8.0])) == {("", "S2T", "ATOM", ""): "106.99", ("", "S2T", "EGNO", ""): "115.43"}
    notes = {one.model: one.note for one in published(fold, [8.0])}
    assert "diverged" in notes["ATOM"]
    assert "longer lags" in notes["EGNO"]


def test_nothing_for_other_splits(tmp_path):
    assert published(split("time", ETHANOL), MD17_FRAMES) == []
    assert published(split("named", ETHANOL, sha256="0" * 64), MD17_FRAMES) == []
    assert published(split("md17", ETHANOL), MD17_FRAMES, tmp_path / "none.csv") == []
