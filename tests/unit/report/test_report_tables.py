"""The numbers in the tables and downloads, recomputed from the arrays that went in."""

import base64
import csv
import io
import json
import re
from dataclasses import replace
from html import unescape
from urllib.parse import unquote

import numpy as np
import pytest
from report_helpers import AXES, BASELINES, FACTORS, LAGS, WINDOWS, material, write_inputs

from mdstride.formats.scores_file import read_scores_file
from mdstride.published import Published
from mdstride.report.assurance import literature
from mdstride.report.findings import compound_table, slopes
from mdstride.report.overlay import UNKNOWN, packed
from mdstride.statistics import slope


def rows(html, caption):
    """Cells of the table whose caption begins so: value, and remark where there is one, as text."""
    table = re.search(rf'<table class="[^"]*" aria-label="{re.escape(caption)}.*?</table>', html, re.DOTALL).group(0)
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        found.append([unescape(re.sub(r"<small>.*?</small>|<svg.*?</svg>|<[^>]+>", "", cell)) for cell in cells])
    return found


def download(html, name):
    """Rows of a download by column."""
    address = re.search(rf'href="data:text/csv;charset=utf-8,([^"]*)" download="{re.escape(name)}"', html).group(1)
    return list(csv.DictReader(io.StringIO(unquote(address))))


def numeric(text):
    return float(text.replace("\u202f", "").replace("\u2212", "-").removesuffix("%"))


def test_errors_by_lag(built):
    """Windows have 0.5 and 1.5, compounds 1 and 2 times the error: the means are 1.5 times it."""
    header, *body = rows(built[1], "Mean square error per coordinate")
    assert header == ["lag", "skill of atom", "atom", "persistence", "rigid"]
    assert [row[0] for row in body] == ["10 fs", "100 fs", "1000 fs", "S2S", "S2T"]
    for name, errors in BASELINES.items():
        mine = [numeric(row[header.index(name)]) for row in body]
        expected = 150 * np.array([*errors, errors[-1], np.mean(errors)])
        np.testing.assert_allclose(mine, expected, rtol=0.01)
    best = 1 - np.array([0.5] * 4 + [0.5 * (1 + 2 + 3) / min(np.sum(list(BASELINES.values()), 1))])
    np.testing.assert_allclose([numeric(row[1]) for row in body], best, atol=0.006)


def test_the_data_of_the_key_figure(built):
    found = download(built[1], "compound-error-mse.csv")
    assert {row["forecaster"] for row in found} == {*BASELINES, "atom", "twin floor"}
    for row in found:
        if row["forecaster"] in BASELINES:
            error = BASELINES[row["forecaster"]][list(LAGS).index(float(row["lag_fs"]))]
            assert float(row["value"]) == pytest.approx(1.5 * error, rel=1e-5)
            assert float(row["low"]) < float(row["value"]) < float(row["high"])


def test_each_compound(built):
    """S2T of each compound beside its best baseline, and the skill (both baselines have an S2T of 7 / 3)."""
    header, *body = rows(built[1], "Click a heading to sort")
    errors = {row[0]: numeric(row[header.index("S2T atom")]) for row in body}
    own = 100 * np.mean([0.5, 1.0, 1.5])
    for row, factor in zip(body, FACTORS.values(), strict=True):
        assert errors[row[0]] == pytest.approx(factor * own, rel=0.01)
        assert numeric(row[header.index("S2T of its best baseline")]) == pytest.approx(factor * 700 / 3, rel=0.01)
        assert numeric(row[header.index("skill atom")]) == pytest.approx(1 - 1.0 / (7 / 3), abs=0.006)
        assert numeric(row[header.index("skill atom, 100 fs")]) == pytest.approx(0.5, abs=0.006)
    assert len(download(built[1], "compound-compounds.csv")) == 3 * len(FACTORS)


def test_frames_side_by_side(built):
    header, *body = rows(built[1], "S2T, 10⁻² Å², and equivariance error")
    for row in body:
        lab, superposed, turned = (numeric(row[header.index(name)]) for name in header[1:4])
        assert superposed == pytest.approx(lab / 2, rel=0.01)
        assert turned == lab


def test_shares_and_overlaps_are_means_over_compounds(built):
    folder, html = built
    scores = read_scores_file(folder / "scores/atom/compound/1.h5")
    header, *body = rows(html, "At 100 fs")
    (own,) = (row for row in body if row[0] == "atom")
    assert numeric(own[header.index("valid")]) == 75
    angles = np.mean([scores.values["atom", key, "angles"][1] for key in FACTORS])
    assert numeric(own[header.index("angles")]) == pytest.approx(100 * angles, abs=0.06)
    torsions = np.mean([scores.values["atom", key, "torsions"][1] for key in FACTORS])
    assert numeric(own[header.index("torsions, bit")]) == pytest.approx(torsions, abs=0.006)
    header, *body = rows(html, "Share that the vibrational spectrum")
    overlaps = [scores.values["atom", key, "spectrum_overlap"] for key in FACTORS]
    shown = [numeric(row[header.index("atom")]) for row in body]
    np.testing.assert_allclose(shown, 100 * np.array([*overlaps, np.mean(overlaps)]), atol=0.06)


def test_spectra_are_those_of_the_scores(built):
    folder, html = built
    scores = read_scores_file(folder / "scores/atom/compound/1.h5")
    found = [row for row in download(html, "compound-spectrum-A.csv") if row["forecaster"] == "atom"]
    np.testing.assert_allclose([float(row["wavenumber_per_cm"]) for row in found], AXES["spectrum"], rtol=1e-5)
    expected = 100 * scores.values["atom", "A", "spectrum"]
    np.testing.assert_allclose([float(row["share_percent"]) for row in found], expected, rtol=1e-5)


def test_energies_and_costs(built):
    """Means over windows, then over compounds, in meV; rates as geometric means; what failed is counted."""
    html = built[1]
    found = {(row["forecaster"], row["lag_fs"]): row for row in download(html, "compound-energies.csv")}
    assert set(found) == {("atom", "10"), ("rigid", "10")}
    assert float(found["atom", "10"]["energy_meV_per_atom"]) == pytest.approx((np.mean([2, 4]) + 13) / 2)
    assert found["atom", "10"]["values"] == "3"
    assert rows(html, "Forecasts without an energy")[1:] == [["atom", "did not converge", "1 of 4"]]
    body = rows(html, "What it costs")[1:]
    assert body == [
        ["atom", "100", "100\u202f000", "500", "1 thread"],
        ["rigid", "–", "–", "–", "not timed"],
        ["GFN2-xTB, step by step", "–", "200", "1.0", "1 thread"],
    ]


def test_the_overlay_holds_the_frames(built):
    """Positions within half a thousandth of an Å, about the centre of the reference at the start."""
    folder, html = built
    movie = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL).group(1))
    assert movie["times"] == AXES["movie"].tolist()
    known, own = (read_scores_file(folder / f"scores/{name}.h5") for name in ("baselines/compound", "atom/compound/1"))
    truth = {key: known.movies["reference", key] for key in FACTORS}
    assert sorted(one["id"] for one in movie["compounds"]) == sorted(FACTORS)
    for one in movie["compounds"]:
        shape = truth[one["id"]].shape
        forecast = own.movies["atom", one["id"]]
        for text, frames in ((one["reference"], truth[one["id"]]), (one["forecasts"]["atom"], forecast)):
            held = np.frombuffer(base64.b64decode(text), "<i2").reshape(shape) / 1000
            np.testing.assert_allclose(held, frames - truth[one["id"]][0].mean(0), atol=0.00051)
        assert one["numbers"] == [6, 1] and one["bonds"] == [[0, 1]]


def test_what_does_not_fit_into_the_overlay_is_unknown():
    frames = np.array([[[0.0015, -32.0, np.nan], [np.inf, 40.0, -40.0]]])
    held = np.frombuffer(base64.b64decode(packed(frames)), "<i2")
    assert held.tolist() == [2, -32000, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]


def test_the_slope_is_told_for_a_tenth_of_similarity(tmp_path):
    """Two compounds have no interval, so no slope is claimed; with more it is that of the statistics."""
    found = material(write_inputs(tmp_path))
    assert "atom: too few compounds for a slope." in slopes(found.outcomes[0])
    line = slope(np.array([0.1, 0.2, 0.3]), np.array([0.0, 0.2, 0.4]))
    assert line.value == pytest.approx(2.0)


def test_novelty_is_told_for_each_compound(tmp_path):
    """Ethanol has an alcohol and glyoxal an aldehyde, which no compound in training or validation has."""
    found = material(write_inputs(tmp_path))
    header, ethanol, glyoxal = rows(compound_table(found, found.outcomes[0]), "Click a heading to sort")
    assert "alcohol" in ethanol[header.index("new in it")]
    assert "aldehyde" in glyoxal[header.index("new in it")]
    assert found.outcomes[0].table.windows == WINDOWS


def test_published_scores_stand_beside_ours(tmp_path):
    """As printed, beside our error of that compound; for a fold beside that of all."""
    found = material(write_inputs(tmp_path))
    one = Published("md17", "E", "glyoxal", "S2S", "EGNO", "", "4.62", "1e-2 Å^2", "Xu et al.", "other data")
    fold = replace(one, protocol="tg80", compound="", name="fold 1", metric="S2T")
    outcome = replace(found.outcomes[0], published=[one, fold])
    header, first, second = rows(literature(found, outcome), "Ours in 10⁻² Å²")
    assert header == ["case", "metric", "atom, here", "published", "by", "source and note"]
    assert first == ["compound E", "S2S", "300", "4.62", "EGNO", "Xu et al.; other data"]
    assert second == ["fold 1", "S2T", "62.4", "4.62", "EGNO", "Xu et al.; other data"]  # metric `drawn`
    assert literature(found, found.outcomes[0]) == ""
