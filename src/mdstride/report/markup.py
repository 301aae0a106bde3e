"""Small pieces of HTML. Arguments called `html` or in cells are markup already; text goes through `text` first."""

import csv
import io
import re
from collections.abc import Sequence
from html import escape as text
from typing import Any
from urllib.parse import quote

from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

from mdstride.report.plotting import Chart

DRAWING = (150, 100)
"""Width and height of a structure drawing in pixels."""
ATOM_COLOURS = {6: "#000001", 7: "#000002", 8: "#000003"}
"""Placeholders for C, N and O; replaced by the page's colours, which follow light and dark."""


def section(key: str, title: str, *html: str) -> str:
    """A section with a heading that the navigation can point at."""
    return f'<section id="{key}" aria-labelledby="{key}-title">\n<h2 id="{key}-title">{text(title)}</h2>\n' + (
        "\n".join(html) + "\n</section>"
    )


def figure(title: str, chart: Chart, note: str = "") -> str:
    """A chart with its title above, an explanation below, and its numbers to download."""
    below = f'<p class="note">{text(note)}</p>' if note else ""
    link = download(f"{chart.name}.csv", chart.columns, chart.rows, f"data of: {title}")
    return f"<figure><figcaption>{text(title)}</figcaption>{chart.svg}{below}{link}</figure>"


def download(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], label: str) -> str:
    """A link that holds a CSV file; NaN and None are empty there, and floats have six digits."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in rows)
    address = quote(buffer.getvalue(), safe=",;:/()+=*")
    return (
        f'<a class="data" href="data:text/csv;charset=utf-8,{address}" download="{text(name)}" '
        f'aria-label="{text(label)}">data (CSV)</a>'
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float):  # NumPy's too
        return "" if value != value else f"{value:.6g}"
    return value


def table(
    caption: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    words: int = 1,
    kind: str = "",
    sortable: bool = False,
) -> str:
    """A table in a box that scrolls by itself. The first `words` columns are text, the others numbers.

    Sortable: page.js turns the names of the columns into buttons; without JavaScript the order stays as it is.
    """

    def side(k: int) -> str:
        return "" if k < words else ' class="n"'

    head = "".join(f'<th scope="col"{side(k)}>{text(name)}</th>' for k, name in enumerate(header))
    body = "\n".join(
        "<tr>"
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td{side(k)}>{cell}</td>" for k, cell in enumerate(row[1:], start=1))
        + "</tr>"
        for row in rows
    )
    classes = " ".join(filter(None, (kind, "sortable" if sortable else "")))
    return (  # the caption stays outside of what scrolls
        f'<p class="caption">{text(caption)}</p>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption)}"><table class="{classes}" aria-label="{text(caption)}">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Sequence[tuple[str, str, str]]) -> str:
    """A row of key figures: value, what it is, and a remark."""
    items = (
        f"<div><dt>{text(label)}<small>{text(remark)}</small></dt><dd>{text(value)}</dd></div>"
        for value, label, remark in pairs
    )
    return f'<dl class="facts">{"".join(items)}</dl>'


def details(title: str, html: str) -> str:
    """Something to fold out."""
    return f"<details><summary>{text(title)}</summary>{html}</details>"


def bullets(items: Sequence[str], kind: str = "") -> str:
    """A list of sentences."""
    return f'<ul class="{kind}">{"".join(f"<li>{text(item)}</li>" for item in items)}</ul>'


def drawing(smiles: str, name: str) -> str:
    """The structural formula as inline SVG in the page's colours."""
    canvas = rdMolDraw2D.MolDraw2DSVG(*DRAWING)
    options: Any = canvas.drawOptions()
    options.clearBackground = False
    options.fixedBondLength = 20
    options.bondLineWidth = 1
    options.padding = 0.03
    options.setAtomPalette({z: tuple(bytes.fromhex(c[1:])[k] / 255 for k in range(3)) for z, c in ATOM_COLOURS.items()})
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, Chem.MolFromSmiles(smiles))
    canvas.FinishDrawing()
    svg = canvas.GetDrawingText()
    paths = "".join(re.findall(r"<path[^>]*/>", re.sub(r" class='[^']*'", "", svg)))
    for colour, variable in zip(ATOM_COLOURS.values(), ("ink", "blue", "vermillion"), strict=True):
        paths = paths.replace(colour, f"var(--{variable})")
    return (
        f'<svg class="molecule" viewBox="0 0 {DRAWING[0]} {DRAWING[1]}" role="img" '
        f'aria-label="Structure of {text(name)}">{paths}</svg>'
    )
