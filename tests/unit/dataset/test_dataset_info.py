"""The summary for a terminal."""

import pytest
from card_sets import ETHANOL, compound, dataset, imported, run

from mdstride.dataset.info import WIDTH, info_text


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "dataset.h5"
    file.write_bytes(bytes(1_500_000))
    return file


def test_totals_splits_and_a_line_for_each_compound(path):
    made = run()
    lines = [" ".join(line.split()) for line in info_text(made, path).splitlines()]
    assert lines[0] == f"file {path}, 1.5 MB"
    assert "contents 3 compounds, 5 trajectories, 505 frames, 1.0 ps" in lines
    assert "source GFN2-xTB" in lines and f"content hash {made.hash()}" in lines
    assert "compound random compound 1 / 202 0 / 0 1 / 101" in lines
    assert "uracil md17 (leaky) frames 1 / 50 0 / 0 1 / 31" in lines
    assert f"{ETHANOL} ethanol C2H6O 2 202 0.4 -0.030 300 mdstride" in lines


def test_an_import_without_figures_and_splits(path):
    lines = [" ".join(line.split()) for line in info_text(dataset(imported()), path).splitlines()]
    assert "source rmd17" in lines and "split: none" in lines
    assert "ethanol_rmd17 ethanol C2H6O 1 101 0.0 – – rmd17" in lines


def test_long_names_give_way_and_columns_stay_in_line(path):
    long = compound(ETHANOL, "5-oxidanylidenepyrrolidine-2-carboxylic acid \x1b[2J", "CCO", [6, 6, 8])
    made = dataset(long, compound("A" * 27, "b", "C", [6]))
    text = info_text(made, path)
    assert "\x1b" not in text and "5-oxidanylidenepyrro" in text and "…" in text
    table = text.split("\n\n")[2].splitlines()
    assert all(len(line) <= WIDTH for line in table)
    assert len({line.index("mdstride") for line in table[1:]}) == 1
