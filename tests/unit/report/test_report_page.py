"""The page: self-contained, complete, escaped, the same bytes each time; and it says how bad a bad model is."""

import itertools
import re
from html.parser import HTMLParser

import pytest
from report_helpers import HOSTILE, LAGS, ROOT, SPACE, material, write_energies, write_inputs

from mdstride.errors import InputError
from mdstride.formats.provenance import DATASET, read_record, sha256
from mdstride.formats.scores_file import read_scores_file, write_scores
from mdstride.formats.tables import read_table
from mdstride.report.findings import compounds, results
from mdstride.report.overlay import overlay
from mdstride.report.space import space_chart

SECTIONS = ("result", "compounds", "overlay", "shapes", "motion", "frames", "times", "costs", "tests")
SHARED = ("selection", "reference", "training", "provenance")


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
def page(built):
    return Reader(built[1])


def test_nothing_is_loaded_from_elsewhere(built, page):
    """Only links within the page and data; the browser is told to refuse all else."""
    _, html = built
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("href", "src", "srcset", "xlink:href", "data", "action"):
            assert value.startswith(("#", "data:text/csv;charset=utf-8,")), (tag, name, value)
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes
    policy = next(value for _, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; ") and "http" not in policy and "*" not in policy
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert not re.search(
        r"@import|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\(|\beval\(|new Function", html
    )
    assert "://" not in re.sub("<pre.*?</pre>", "", html, flags=re.DOTALL)  # the configuration may name an address


def test_the_document_is_sound(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    targets = [value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")]
    assert set(targets) <= set(page.ids)
    assert {f"compound-{key}" for key in SECTIONS} <= set(page.ids)
    assert "frames-result" in page.ids and "frames-shapes" not in page.ids  # nothing to show there
    assert set(SHARED) <= set(page.ids)
    assert ("html", "lang", "en") in page.attributes


def test_charts_have_names_data_and_selectable_text_in_the_colours_of_the_page(built):
    _, html = built
    figures = re.findall(r"<figure>.*?</figure>", html, flags=re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        chart = re.search(r'<svg class="chart".*?</svg>', figure, flags=re.DOTALL).group(0)
        assert re.search(r'role="img" aria-label="[^"]{20,}"', chart)
        assert "<text" in chart
        assert not re.search(r"(fill|stroke): #(?!000000|ffffff)", chart)
        assert "<style" not in chart
        assert re.search(r'<a class="data" href="data:text/csv[^"]*%0A[^"]+" download="[^"]+\.csv"', figure)
    names = re.findall(r'download="([^"]+)"', html)
    assert len(names) == len(set(names))
    molecules = re.findall(r'<svg class="molecule".*?</svg>', html, flags=re.DOTALL)
    assert len(molecules) == 2 + 2 + 5  # tested in each split, and all
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
    chart = space_chart(material(write_inputs(tmp_path, name=name))).svg
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


def test_each_split_is_marked(built):
    """Zero-shot and leaky splits side by side, each with its own result."""
    _, html = built
    articles = re.findall(r'<article id="(\w+)">.*?<span class="mark [\w-]+">([\w-]+)</span>', html, flags=re.DOTALL)
    assert articles == [("compound", "zero-shot"), ("frames", "leaky")]
    frames = html[html.index('<article id="frames">') :]
    assert "whose other frames it was trained on" in frames
    assert "Does likeness to training help?" not in frames


def test_every_figure_of_the_summary_is_on_the_page(built, page):
    columns = ("split", "model", "metric", "lag", "value", "low", "high", "compounds", "spread", "missing")
    rows = list(read_table(built[0] / "summary.csv", columns))
    words = "".join(page.words)
    found = {(row["split"], row["model"], row["metric"], row["lag"]): row for row in rows}
    assert len(found) == len(rows)
    error = float(found["compound", "atom", "mse", "10.0"]["value"])
    assert error == pytest.approx(0.5 * 1.5)  # mean of the factors 1 and 2
    assert f"{100 * error:.1f}" in words
    assert float(found["frames", "persistence", "s2t", ""]["value"]) == pytest.approx((1 + 2 + 4) / 3 * 1.5)
    assert float(found["compound", "atom", "skill", "100.0"]["value"]) == pytest.approx(0.5)


def test_same_inputs_same_bytes(built):
    """Read and drawn again, the sections with charts, drawings, downloads and movies are as they are in the page."""
    folder, html = built
    again = material(folder)
    for outcome in again.outcomes:
        for make in (results, compounds, overlay):
            assert make(again, outcome) in html


def test_it_says_what_it_was_made_from(built):
    """The hash of each input in the page, those of the outputs beside it; code and software of every stage known."""
    folder, html = built
    made = read_record(folder / "report.provenance.json")
    shown = html[html.index('<section id="provenance"') :]
    for name in ("compounds.csv", "scores/atom/compound/1.h5", "runs/atom/compound/1/run.json", DATASET):
        assert f">{name}<" in shown and f">{made['inputs'][name]}<" in shown, name
    assert made["inputs"]["compounds.csv"] == sha256(folder / "compounds.csv")
    assert made["outputs"]["report.html"] == sha256(folder / "report.html")
    assert len(made["outputs"]) == 3
    assert f"<code>{made['source']}</code>" in shown
    assert "<code>0123456789abcdef</code>" in shown and "torch 2.13.0" in shown  # of the trainings


def test_paths_and_machines_stay_out(built):
    folder, html = built
    assert str(folder) not in html
    assert str(ROOT) not in html


def test_failed_forecasts_are_rows_and_no_averages(built):
    """A window of each compound is not finite: no mean, a reason, and the page and its overlay go on."""
    _, html = built
    article = html[html.index('<article id="frames">') : html.index("</article>\n<section")]
    lead = "".join(Reader(re.search(r'<p class="lead">(.*?)</p>', article).group(1)).words)
    assert lead == "atom has no score on 2 compounds whose other frames it was trained on: 2 forecasts not finite."
    failed = re.search(r'<section id="frames-failures".*?</section>', article, re.DOTALL).group(0)
    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", failed)
    assert cells[5:10] == ["atom", "1", "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;", "1", "not finite: mse"]
    assert article.count("2 forecasts not finite") > len(LAGS)
    assert "frames-overlay" in article
    shown = re.sub(r"<(script|style|pre).*?</\1>", "", html, flags=re.DOTALL)
    assert not re.search(r"\b(nan|inf)\b", "".join(Reader(shown).words), re.IGNORECASE)


def test_scores_of_another_data_set_are_refused(tmp_path):
    folder = write_inputs(tmp_path)
    for path in folder.rglob("scores/**/*.h5"):
        scores = read_scores_file(path)
        scores.about["dataset"] = "0" * 64
        write_scores(path, scores)
    with pytest.raises(InputError, match=r"dataset\.h5: not the data set that the scores of split compound come from"):
        material(folder)
    assert not (folder / "report.html").exists()


def test_missing_files_are_named(tmp_path):
    folder = write_inputs(tmp_path)
    (folder / "runs/atom/compound/1/log.jsonl").unlink()
    with pytest.raises(InputError, match=r"log\.jsonl: no such file"):
        material(folder)
    (folder / "runs/atom/compound/1/run.json").unlink()
    with pytest.raises(InputError, match="scores of atom, split compound, seed 1, but no such run"):
        material(folder)
    (folder / "scores/atom/compound/1.h5").unlink()
    with pytest.raises(InputError, match="scores of the baselines alone"):
        material(folder)


def test_energies_without_their_scores_are_refused(tmp_path):
    folder = write_inputs(tmp_path)
    write_energies(folder, [])
    (folder / "scores/baselines/compound.energies.csv").rename(folder / "scores/other.energies.csv")
    with pytest.raises(InputError, match=r"other\.energies\.csv: no scores other\.h5 beside it"):
        material(folder)
