"""Stage report: one self-contained HTML page and the figures behind it as CSV."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mdstride import __version__
from mdstride.formats.atomic import write_text
from mdstride.formats.provenance import write_record
from mdstride.formats.tables import write_table
from mdstride.report.assurance import failures, literature, tests
from mdstride.report.background import provenance, reference, selection, training
from mdstride.report.costs import costs
from mdstride.report.findings import compounds as compound_section
from mdstride.report.findings import lead, origin, results
from mdstride.report.markup import text
from mdstride.report.material import Material, Outcome, read_material
from mdstride.report.overlay import overlay
from mdstride.report.robustness import frames, times
from mdstride.report.shapes import motion, shapes
from mdstride.statistics.long import write_long

COLUMNS = ("split", "model", "metric", "lag", "value", "low", "high", "compounds", "spread", "missing")
"""Of summary.csv: errors in Å², lags in fs, equivariance in Å, divergences in bit."""
FOLDER = Path(__file__).parent
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="run">data set <b>{dataset}</b></p>
</header>
<nav aria-label="Sections">
{nav}
</nav>
<main>
{parts}
</main>
<footer>Made by mdstride {version}. The figures on this page: {summary}; each score: {long}.</footer>
<script>
{script}</script>
</body>
</html>
"""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""The browser itself sees to it that the page loads nothing from anywhere."""
NAMES = {
    "result": "Error",
    "compounds": "Compounds",
    "overlay": "3D",
    "shapes": "Geometries",
    "motion": "Vibrations",
    "frames": "Frames",
    "times": "Lags",
    "costs": "Costs",
    "tests": "Tests",
    "literature": "Literature",
    "failures": "Failures",
    "selection": "Selection",
    "reference": "Reference",
    "training": "Training",
    "provenance": "Provenance",
}
"""Sections in the navigation, in the order of the page."""


def build_report(
    settings: dict[str, Any],
    *,
    compounds: Path,
    rejections: Path,
    space: Path,
    trajectories: Path,
    dataset: Path,
    runs: Sequence[Path],
    scores: Sequence[Path],
    energies: Sequence[Path],
    config: dict[str, Any],
    output: Path,
    summary: Path,
    long: Path,
) -> None:
    """Write report.html, which needs no other file, summary.csv (COLUMNS), every score as a row (`long`, .csv.gz), and
    where they come from.

    `scores` are those of the baselines and of all `runs`, of one split or several; `energies` lie beside them.
    Raises InputError where the inputs do not belong together.
    """
    material = read_material(
        config,
        compounds=compounds,
        rejections=rejections,
        space=space,
        trajectories=trajectories,
        dataset=dataset,
        runs=runs,
        scores=scores,
        energies=energies,
    )
    html = page(settings["title"], material, summary.name, long.name)
    rows = (
        {"split": outcome.name} | {key: "" if value is None or value != value else value for key, value in row.items()}
        for outcome in material.outcomes
        for row in map(asdict, outcome.estimates.values())
    )
    write_long(scores, long)
    write_table(summary, COLUMNS, rows)
    write_text(output, html)
    write_record(material.made, output, summary, long)


def page(title: str, material: Material, summary: str, long: str) -> str:
    """The whole page: one article for each split, then what they share."""
    found = {outcome.name: _sections(material, outcome) for outcome in material.outcomes}
    makers = {"selection": selection, "reference": reference, "training": training, "provenance": provenance}
    parts = [
        f'<article id="{text(outcome.name)}">{origin(outcome)}{lead(material, outcome)}'
        + "\n".join(found[outcome.name].values())
        + "</article>"
        for outcome in material.outcomes
    ]
    rows = [(name, {f"{name}-{key}": NAMES[key] for key in sections}) for name, sections in found.items()]
    rows.append(("background", {key: NAMES[key] for key in makers}))
    return PAGE.format(
        policy=POLICY,
        title=text(title),
        style=(FOLDER / "report.css").read_text(encoding="utf-8"),
        dataset=material.dataset_hash[:12],
        nav="\n".join(_nav(*row) for row in rows),
        parts="\n".join([*parts, *(make(material) for make in makers.values())]),
        version=__version__,
        summary=text(summary),
        long=text(long),
        script="\n".join((FOLDER / name).read_text(encoding="utf-8") for name in ("page.js", "overlay.js")),
    )


def _sections(material: Material, outcome: Outcome) -> dict[str, str]:
    """The sections of a split by key, without those that there is nothing to show in."""
    made = {
        "result": results(material, outcome),
        "compounds": compound_section(material, outcome),
        "overlay": overlay(material, outcome),
        "shapes": shapes(outcome),
        "motion": motion(material, outcome),
        "frames": frames(outcome),
        "times": times(material, outcome),
        "costs": costs(material, outcome),
        "tests": tests(outcome),
        "literature": literature(material, outcome),
        "failures": failures(material, outcome),
    }
    return {key: html for key, html in made.items() if html}


def _nav(title: str, sections: dict[str, str]) -> str:
    links = "".join(f'<a href="#{text(key)}">{name}</a>' for key, name in sections.items())
    return f"<p><b>{text(title)}</b>{links}</p>"
