"""The page: self-contained, complete, escaped, the same bytes each time; and it says how bad a bad model is."""

import csv
import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml

from mdstride.config import SCHEMA, SECTIONS
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.split import Split, whole
from mdstride.formats.tables import read_table, write_table
from mdstride.report.material import nearest_training
from mdstride.report.stage import build_report

ROOT = SCHEMA.parents[2]
CONFIG = {key: yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))[key] for key in SECTIONS}
SMILES = {"A": "CCO", "B": "c1ccccc1", "C": "CC(=O)N", "D": "C1CCOC1", "E": "O=CC=O", "F": "CCC"}
PARTS = {"train": ["B", "C"], "validation": ["D"], "test": ["A", "E"]}  # F never relaxed
HOSTILE = '<script>alert("x")</script>'
LAGS = (10.0, 100.0, 1000.0)
SPACE = {"library": 9, "accepted": 4, "selected": 6, "seed": 5}
PAGE_SECTIONS = ("result", "held-out", "selection", "reference", "training", "provenance")


def replica(number):
    figures = {"drift": 0.01 * number, "block_time": [0.1, 0.2, 0.3], "block_energy": [0.0, 0.01, -0.01]}
    frames = np.zeros((3, 2, 3), np.float32)
    return Replica(number, 2.0, frames, frames, frames, np.zeros(3), np.zeros(3), figures, {"sha256": "sha"})


def write_inputs(folder, *, factor=(0.5, 0.5, 0.5), name="ethanol"):
    """A small run on disk; the model's error is `factor` times that of the best baseline at each of LAGS."""
    names = {**{key: f"compound {key}" for key in SMILES}, "A": name}
    columns = ("id", "cid", "smiles", "name", "formula", "n_heavy", "n_atoms", "source")
    rows = [(key, "", smiles, names[key], "CHO", 3, 9, "library") for key, smiles in SMILES.items()]
    write_table(folder / "compounds.csv", columns, [dict(zip(columns, row, strict=True)) for row in rows])
    steps = [
        ("read", "records read", 1000),
        ("elements", "an element other than C, H", 900),
        ("elements", "an unheard-of element", 0),
        ("pick", "never happens", 0),
        ("pick", "not picked", 94),
    ]
    columns = ("step", "reason", "count")
    write_table(folder / "rejections.csv", columns, [dict(zip(columns, row, strict=True)) for row in steps])
    write_space(folder, seed=name)
    columns = (
        "id",
        "name",
        "replica",
        "passed",
        "reason",
        "frames",
        "drift",
        "fluctuation",
        "temperature",
        "max_force",
    )
    rows = [(key, names[key], n, True, "", 3, 0.01 * n, 0.1, 290 + 5 * n, 3.0) for key in "ABCDE" for n in (1, 2)]
    rows.append(("F", names["F"], 1, False, "no minimum & no excuse", 0, "", "", "", ""))
    write_table(folder / "trajectories.csv", columns, [dict(zip(columns, row, strict=True)) for row in rows])
    compounds = {
        key: CompoundData(
            id=key,
            labels={},
            atomic_numbers=np.array([6, 1]),
            masses=np.array([12.0, 1.0]),
            bonds=np.array([[0, 1]]),
            reference=np.zeros((2, 3)),
            replicas=(replica(1), replica(2)),
        )
        for key in "ABCDE"
    }
    split = Split({part: whole(ids) for part, ids in PARTS.items()}, "random")
    write_dataset(folder / "dataset.h5", Dataset(compounds, {"compound": split}, {"software": {"tblite": "0.8.0"}}))
    run = folder / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"model": "atom", "seed": 1, "split": "compound"}))
    log = [{"step": s, "train": 1.0 / (s + 1), "validation": 2.0 / (s + 1), "persistence": 1.0} for s in range(5)]
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, log)) + "\n")
    columns = ("model", "compound", "replica", "start", "lag", "mse")
    errors = {"persistence": (1.0, 2.0, 4.0), "rigid": (2.0, 2.0, 3.0)}
    errors["atom"] = tuple(f * min(pair) for f, *pair in zip(factor, *errors.values(), strict=True))
    rows = [
        (model, compound, 1, start, lag, error * (1 + start) * (1 if compound == "A" else 2))
        for model, curve in errors.items()
        for compound in ("A", "E")
        for start in (0, 1)
        for lag, error in zip(LAGS, curve, strict=True)
    ]
    write_table(folder / "scores.csv", columns, [dict(zip(columns, row, strict=True)) for row in rows])
    return folder


def write_space(folder, *, seed):
    """A map with compounds on a spiral and all seeds, named `seed`, in one place."""
    columns = ("kind", "id", "name", "x", "y", "x_share", "y_share")
    rows = [
        (kind, f"{kind}{k}", seed if kind == "seed" else "", *spiral, 0.0412, 0.0251)
        for kind, count in SPACE.items()
        for k, spiral in enumerate([(0.01 * k * np.cos(k), 0.01 * k * np.sin(k)) for k in range(count)])
    ]
    rows = [(*row[:3], 0.03, 0.02, *row[5:]) if row[0] == "seed" else row for row in rows]
    write_table(folder / "space.csv", columns, [dict(zip(columns, row, strict=True)) for row in rows])


def build(folder, output="report.html"):
    build_report(
        {"title": f"Report {HOSTILE}"},
        compounds=folder / "compounds.csv",
        rejections=folder / "rejections.csv",
        space=folder / "space.csv",
        trajectories=folder / "trajectories.csv",
        dataset=folder / "dataset.h5",
        runs=[folder / "run"],
        scores=[folder / "scores.csv"],
        config=CONFIG,
        output=folder / output,
        summary=folder / "summary.csv",
    )
    return (folder / output).read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects what a browser would act on, and checks that tags nest."""

    VOID = ("meta", "link", "img", "br", "hr", "input")

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.ids, self.words, self.open = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = write_inputs(tmp_path_factory.mktemp("report"), name=HOSTILE)
    return folder, build(folder)


@pytest.fixture(scope="module")
def page(built):
    return Reader(built[1])


def test_nothing_is_loaded_from_elsewhere(built, page):
    _, html = built
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("href", "src", "srcset", "xlink:href", "data", "action"):
            assert value.startswith("#"), (tag, name, value)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "@import" not in html
    assert "http" not in re.sub("<pre.*?</pre>", "", html, flags=re.DOTALL)  # the configuration may name an address


def test_the_document_is_sound(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    targets = [value[1:] for _, name, value in page.attributes if name == "href"]
    assert set(targets) <= set(page.ids)
    assert set(PAGE_SECTIONS) <= set(page.ids)
    assert ("html", "lang", "en") in page.attributes


def test_charts_have_names_and_selectable_text_in_the_colours_of_the_page(built):
    _, html = built
    charts = re.findall(r'<svg class="chart".*?</svg>', html, flags=re.DOTALL)
    assert len(charts) == 8
    for chart in charts:
        assert re.search(r'role="img" aria-label="[^"]{20,}"', chart)
        assert "<text" in chart
        assert not re.search(r"(fill|stroke): #(?!000000|ffffff)", chart)
        assert "<style" not in chart
    molecules = re.findall(r'<svg class="molecule".*?</svg>', html, flags=re.DOTALL)
    assert len(molecules) == 2 + 5  # held out, and all
    assert all("<path" in molecule and "#" not in molecule for molecule in molecules)


def test_names_are_escaped(built, page):
    _, html = built
    assert HOSTILE not in html
    assert "".join(page.words).count(HOSTILE) >= 3  # title, heading, tables: as text


def test_what_was_left_out_is_told(page):
    words = "".join(page.words)
    assert "no minimum & no excuse" in words
    assert "compound F" in words
    assert "an element other than C, H" in words
    assert "6 compounds went into the run" in words
    assert "2 other reasons left nothing out" in words
    assert "never happens" not in words


def space_map(html):
    return re.search(r'<svg class="chart"[^>]*aria-label="Map of.*?</svg>', html, flags=re.DOTALL).group(0)


def test_the_map_has_every_compound(built):
    _, html = built
    chart = space_map(html)
    for colour, kind in (("muted", "library"), ("blue", "accepted"), ("vermillion", "selected"), ("paper", "seed")):
        marks = re.findall(rf"<use [^>]*fill: var\(--{colour}\)", chart)
        assert len(marks) == SPACE[kind] + 1  # and the one in the legend
    words = "".join(Reader(chart).words)
    assert [f"({count} shown)" in words for count in SPACE.values()] == [True] * 4
    assert "first axis: 4.1 % of the variance" in words
    assert "second axis: 2.5 % of the variance" in words
    assert "carry 6.6\u00a0% of the variance" in html


def test_names_of_seeds_stand_apart(tmp_path):
    """Five seeds in one place: each name is there as it is, and none covers another."""
    name = "a$x_1$b"
    chart = space_map(build(write_inputs(tmp_path, name=name)))
    boxes = []
    for style, x, y in re.findall(
        rf'<text style="([^"]*)"[^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>{re.escape(name)}<', chart
    ):
        width, height = 5 * len(name), 9
        left = float(x) - width * ("middle" in style) / 2 - width * ("end" in style)
        boxes.append((left, left + width, float(y) - height, float(y)))
    assert len(boxes) == SPACE["seed"]
    for one, other in itertools.combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


def test_every_figure_of_the_summary_is_on_the_page(built, page):
    rows = list(read_table(built[0] / "summary.csv", ("model", "metric", "lag", "value", "low", "high", "compounds")))
    words = "".join(page.words)
    found = {(row["model"], row["metric"], row["lag"]): float(row["value"]) for row in rows}
    assert found["atom", "mse", "10.0"] == pytest.approx(0.5 * np.mean([1, 2]) * 1.5)
    assert found["persistence", "s2t", ""] == pytest.approx(np.mean([1, 2, 4]) * 1.5 * 1.5)
    assert found["atom", "skill", "100.0"] == pytest.approx(0.5)
    assert f"{100 * found['atom', 'mse', '10.0']:.0f}" in words
    assert {row["compounds"] for row in rows} == {"2"}


def test_same_inputs_same_bytes(tmp_path, built):
    folder, html = built
    first = (folder / "summary.csv").read_bytes()
    assert build(folder, "again.html") == html
    assert (folder / "summary.csv").read_bytes() == first


def test_paths_and_machines_stay_out(built):
    folder, html = built
    assert str(folder) not in html
    assert str(ROOT) not in html


@pytest.mark.parametrize(
    ("factor", "sentences"),
    [
        ((0.5, 0.5, 0.5), ["error is 0.50 times", "It beats the best baseline at every lag.", "on 2 of the 2."]),
        ((2.0, 3.0, 2.0), ["error is 3.0 times", "no lag: it is of no use as a forecaster yet", "on 0 of the 2."]),
        (
            (0.5, 0.5, 1.5),
            ["beats the best baseline at 10 and 100 fs", "not beat it at 1000 fs: there it is of no use"],
        ),
        ((0.5, 1.0, 0.9), ["error is as large as that", "does not beat it at 100 fs", "at 10 and 1000 fs"]),
    ],
)
def test_the_headline_says_it_in_words(tmp_path, factor, sentences):
    html = build(write_inputs(tmp_path, factor=factor))
    lead = "".join(Reader(re.search(r'<p class="lead">(.*?)</p>', html).group(1)).words)
    assert lead.startswith("On 2 compounds it never saw, atom’s error")
    for sentence in sentences:
        assert sentence in lead


def test_similarity_against_sets_of_bits():
    """Tanimoto recomputed from the on-bits; the nearest is a training compound."""
    from rdkit import Chem
    from rdkit.Chem import AllChem

    def bits(key):
        return set(AllChem.GetMorganFingerprintAsBitVect(Chem.MolFromSmiles(SMILES[key]), 2, 2048).GetOnBits())

    parts = {key: part for part, keys in PARTS.items() for key in keys}
    nearest = nearest_training({k: {"smiles": s} for k, s in SMILES.items()}, parts, {"radius": 2, "bits": 2048})
    assert set(nearest) == {"A", "D", "E"}
    for key, (similarity, other) in nearest.items():
        values = {t: len(bits(key) & bits(t)) / len(bits(key) | bits(t)) for t in PARTS["train"]}
        assert similarity == pytest.approx(max(values.values()))
        assert values[other] == pytest.approx(similarity)


def test_scores_of_other_compounds_are_refused(tmp_path):
    folder = write_inputs(tmp_path)
    rows = [row for row in csv.DictReader((folder / "scores.csv").open()) if row["compound"] == "A"]
    write_table(folder / "scores.csv", tuple(rows[0]), rows)
    with pytest.raises(InputError, match="not the held-out compounds"):
        build(folder)
    assert not (folder / "report.html").exists()


def test_a_missing_log_is_named(tmp_path):
    folder = write_inputs(tmp_path)
    (folder / "run" / "log.jsonl").unlink()
    with pytest.raises(InputError, match=r"log\.jsonl: no such file"):
        build(folder)
