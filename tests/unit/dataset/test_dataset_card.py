"""The card of data sets whose trajectories cannot be read: it takes shapes and figures."""

import re
from dataclasses import replace

import pytest
from card_sets import ETHANOL, compound, dataset, imported, run

from mdstride.dataset.card import card_text
from mdstride.dataset.markdown import BAR, cell, histogram, table, tally

PASSED = {"passed": True, "reason": ""}
HEADINGS = (
    "What it is",
    "How it was made",
    "Units",
    "What is in it",
    "Splits",
    "Compounds",
    "Use and known limits",
    "Licence",
    "How to cite",
    "Checksums",
)


def section(card, name):
    return card.split(f"\n## {name}\n")[1].split("\n## ")[0]


def well_formed(card):
    """Every table has the same number of cells in each row."""
    for block in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(bars) == 1, block
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == list(HEADINGS)


def test_the_card_counts_what_there_is():
    card = card_text(run(), [PASSED] * 5 + [{"passed": False, "reason": "bond | broken"}], {})
    well_formed(card)
    assert card.startswith("# Data card: 3 compounds, molecular dynamics with GFN2-xTB\n")
    assert "3 compounds of 9 to 12 atoms: 5 trajectories, 505 frames, 1.0 ps in all, a frame every 2 fs." in card
    assert "| velocities | 5 |" in section(card, "What it is")
    made = section(card, "How it was made")
    assert "1 of 6 trajectories were left out" in made and "| bond \\| broken | 1 |" in made
    assert "| engine | tblite |" in made and "| software | tblite 0.8.0 |" in made
    assert "| ethanol | `CCO` | C2H6O | mdstride | 2 | 202 | 0.4 | -0.030 | 300 |" in section(card, "Compounds")


def test_histograms_count_every_compound_or_trajectory():
    card = section(card_text(run(), [], {}), "What is in it")
    for title, counted, total in (
        ("similarity to the nearest other compound", "compounds", 3),
        ("atoms", "compounds", 3),
        ("heavy atoms", "compounds", 3),
        ("mean temperature (K)", "trajectories", 5),
        ("drift (meV/atom/ps)", "trajectories", 5),
    ):
        block = card.split(f"| {title} | {counted} |")[1].split("\n\n")[0]
        assert sum(int(count) for count in re.findall(r"\| (\d+) \| █* ?\|$", block, re.MULTILINE)) == total, title
    assert re.search(r"\| O \| 2 \|", card) and re.search(r"\| alcohol \| 2 \|", card)
    # ethanol and propan-1-ol are each other's nearest; RDKit's ECFP4 similarity of the two is 5/10
    assert re.search(r"\| 0.5\d? to [\d.]+ \| 2 \|", card)


def test_splits_count_each_frame_once_and_say_that_they_leak():
    card = card_text(run(), [], {"compound": ["| test compound |", "|---|", "| pyridine |"]})
    splits = section(card, "Splits")
    by_compound, leaky = splits.split("### `uracil`")
    assert "| test | 1 | 1 | 101 |" in by_compound and "- test: pyridine" in by_compound
    assert "| pyridine |\n" in by_compound and "Leaky" not in by_compound
    assert "| train | 1 | 1 | 50 |" in leaky  # 0 to 30, and 50 to 70
    assert "| test | 1 | 2 | 31 |" in leaky
    assert "Method `md17`" in leaky and "**Leaky**" in leaky and "seed 100" in leaky
    assert "`uracil`" in section(card, "Use and known limits")


def test_an_imported_compound_is_not_called_ours():
    card = card_text(dataset(imported()), [], {})
    well_formed(card)
    assert card.startswith("# Data card: 1 compound, molecular dynamics with rmd17\n")
    assert "1 compound of 9 atoms: 1 trajectory, 101 frames, 0.0 ps in all.\n" in card
    made = section(card, "How it was made")
    assert "PBE/def2-SVP" in made and "| frames are not consecutive | 1 |" in made and "no \\| pipes" in made
    assert "relaxed" not in made and "GFN2" not in card and "PubChem" not in card
    assert "Similarity to the nearest other compound: not known." in card and "Drift (meV/atom/ps): not known." in card
    limits = section(card, "Use and known limits")
    assert "1 trajectory whose frames do not follow each other" in limits and "1 trajectory without energy." in limits
    assert "Semi-empirical" not in limits
    assert "| rmd17 | CC0 | 1 |" in section(card, "Licence")
    assert "Christensen" in section(card, "How to cite")
    assert "The file holds no split." in section(card, "Splits")


def test_a_mixed_set_names_both_sources_and_each_licence():
    made = run()
    compounds = (*made.compounds.values(), imported(licence=""))
    card = card_text(dataset(*compounds, settings=made.settings), [], {})
    well_formed(card)
    assert "molecular dynamics with GFN2-xTB and rmd17" in card
    licences = section(card, "Licence")
    assert "| rmd17 | not stated: ask its authors | 1 |" in licences and "| mdstride | MIT" in licences


def test_every_digest_is_in_the_card_and_the_content_hash():
    made = run()
    checks = section(card_text(made, [], {}), "Checksums")
    assert made.hash() in checks
    for key, digest in made.digests.items():
        assert f"| {key} | `{digest}` |" in checks


def test_a_compound_without_labels_and_figures_is_described():
    bare = compound("unknown_1", "", "", [6, 1])
    bare = replace(bare, labels={}, replicas=tuple(replace(r, figures={}, source={}) for r in bare.replicas))
    card = card_text(dataset(bare), [], {})
    well_formed(card)
    assert "| unknown_1 |  |  | mdstride | 2 | 202 | 0.4 | – | – |" in card
    assert "leave out 1 compound without a SMILES" in card and "a method that is not recorded" in card


def test_a_hostile_name_breaks_neither_table_nor_page():
    evil = compound(ETHANOL, "a|b\n## c <script>", "CCO", [6, 6, 8] + [1] * 6)
    card = card_text(dataset(evil), [], {})
    well_formed(card)
    assert "<script" not in card


@pytest.mark.parametrize(
    ("values", "whole", "labels", "counts"),
    [
        ([0.0, 0.05, 0.1, 0.95], False, ["0.0 to 0.1", "0.9 to 1.0"], {"0.0 to 0.1": 2, "0.1 to 0.2": 1}),
        ([7, 7, 9], True, ["7", "9"], {"7": 2, "8": 0, "9": 1}),
        ([3, 40], True, ["0 to 4", "40 to 44"], {"0 to 4": 1, "40 to 44": 1}),
        ([300.0], False, ["300.0 to 300.1", "300.0 to 300.1"], {"300.0 to 300.1": 1}),
        ([-1.0, 1.0], False, ["-1.0 to -0.8", "0.8 to 1.0"], {"-1.0 to -0.8": 1, "0.8 to 1.0": 1}),
    ],
)
def test_bins_lie_between_round_numbers(values, whole, labels, counts):
    lines = histogram("size", "compounds", values, whole=whole)
    cells = [[text.strip() for text in line.split("|")[1:4]] for line in lines[2:]]
    assert [cells[0][0], cells[-1][0]] == labels and len(cells) <= 10
    assert sum(int(count) for _, count, _ in cells) == len(values)
    assert {name: int(count) for name, count, _ in cells if name in counts} == counts
    assert max(len(bar) for _, _, bar in cells) == BAR


def test_a_tally_puts_the_commonest_first():
    assert tally("element", "compounds", ["H", "O", "C", "H"])[2:] == [
        f"| H | 2 | {'█' * BAR} |",
        f"| C | 1 | {'█' * (BAR // 2)} |",
        f"| O | 1 | {'█' * (BAR // 2)} |",
    ]


def test_tables_and_cells():
    assert table(("a", "b"), [("x", 1234)]) == ["| a | b |", "| --- | ---: |", "| x | 1,234 |"]
    assert cell(" a|b\n c<d ") == "a\\|b c&lt;d"
