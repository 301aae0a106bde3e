"""Stage report: one self-contained HTML page and the figures behind it as CSV."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mdstride import __version__
from mdstride.formats.atomic import write_text
from mdstride.formats.tables import write_table
from mdstride.report.background import provenance, reference, selection, training
from mdstride.report.findings import held_out, lead, results
from mdstride.report.markup import text
from mdstride.report.material import Material, read_material
from mdstride.report.summary import COLUMNS

STYLE = Path(__file__).with_name("report.css")
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
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
<main>
{lead}
<nav aria-label="Sections">
<a href="#result">Result</a>
<a href="#held-out">Held-out compounds</a>
<a href="#selection">Selection</a>
<a href="#reference">Reference</a>
<a href="#training">Training</a>
<a href="#provenance">Provenance</a>
</nav>
{sections}
</main>
<footer>Made by mdstride {version}. The figures on this page: {summary}.</footer>
</body>
</html>
"""


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
    config: dict[str, Any],
    output: Path,
    summary: Path,
) -> None:
    """Write report.html, which needs no other file, and summary.csv (see `summary.COLUMNS`; errors in Å², lags in fs).

    `runs` and `scores` go together. Raises InputError where the inputs do not.
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
    )
    html = page(settings["title"], material, summary.name)
    rows = ({k: "" if v is None or v != v else v for k, v in asdict(e).items()} for e in material.estimates)
    write_table(summary, COLUMNS, rows)
    write_text(output, html)


def page(title: str, material: Material, summary: str) -> str:
    """The whole page."""
    makers = (results, held_out, selection, reference, training, provenance)
    return PAGE.format(
        title=text(title),
        style=STYLE.read_text(encoding="utf-8"),
        dataset=material.dataset_hash[:12],
        lead=lead(material),
        sections="\n".join(make(material) for make in makers),
        version=__version__,
        summary=text(summary),
    )
