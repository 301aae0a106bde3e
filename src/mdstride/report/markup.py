"""Small pieces of HTML. Arguments called `html` or in cells are markup already; text goes through `text` first."""

import re
from collections.abc import Sequence
from html import escape as text
from typing import Any

from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

DRAWING = (150, 100)
"""Width and height of a structure drawing in pixels."""
ATOM_COLOURS = {6: "#000001", 7: "#000002", 8: "#000003"}
"""Placeholders for C, N and O; replaced by the page's colours, which follow light and dark."""


def section(key: str, title: str, *html: str) -> str:
    """A section with a heading that the navigation can point at."""
    return f'<section id="{key}" aria-labelledby="{key}-title">\n<h2 id="{key}-title">{text(title)}</h2>\n' + (
        "\n".join(html) + "\n</section>"
    )


def figure(title: str, html: str, note: str = "") -> str:
    """A chart with its title above and an explanation below."""
    below = f'<p class="note">{text(note)}</p>' if note else ""
    return f"<figure><figcaption>{text(title)}</figcaption>{html}{below}</figure>"


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1, kind: str = "") -> str:
    """A table in a box that scrolls by itself. The first `words` columns are text, the others numbers."""

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
    return (  # the caption stays outside of what scrolls
        f'<p class="caption">{text(caption)}</p>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{text(caption)}"><table class="{kind}" aria-label="{text(caption)}">'
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


def bullets(items: Sequence[str]) -> str:
    """A list of sentences."""
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"


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
