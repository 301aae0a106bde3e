"""What all charts share: the canvas, colours, axes and bands, and the way into the page as inline SVG.

Drawn by Matplotlib, coloured by the page's CSS variables, text left as text.
"""

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mdstride.formats.scores_file import FLOOR, REFERENCE
from mdstride.report.numbers import number

COLOURS = {
    "ink": "#1b2430",
    "muted": "#5c6672",
    "grid": "#e4e7eb",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "purple": "#b5538a",
    "green": "#00805e",
    "vermillion": "#c44e00",
    "orange": "#a87000",
    "sky": "#2a8cc4",
}
"""After Okabe and Ito (2008), told apart by colour-blind readers; the page's CSS has the values for light and dark."""
BASELINE_STYLES = (
    ("blue", "o", "--"),
    ("purple", "^", ":"),
    ("green", "s", "-."),
    ("sky", "v", (0, (1, 2))),
    ("muted", "d", (0, (5, 1))),
    ("ink", "x", "--"),
    ("orange", "h", ":"),
)
MODEL_STYLES = (("vermillion", "D", "-"), ("orange", "P", "-"), ("sky", "X", "-"))
SIZE = (5.3, 3.7)
"""Inches of 72 user units: narrow, so that text stays readable on a phone."""
PLACED = re.compile(r'\b(d|x|y|transform|width|height)="[^"]*"')
DECIMALS = re.compile(r"\d+\.\d{3,}")
"""Hundredths of a unit are enough to draw by, and half the size."""
GAP = 0.062
"""Least distance of names at the ends of lines, as a share of the height of the axes."""
RC: dict[Any, Any] = {
    "font.size": 10.5,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlecolor": COLOURS["muted"],
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.8,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
}


SIGNED = FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "\u2212"))


@dataclass(frozen=True)
class Chart:
    """A chart in the page, and the numbers it is drawn from."""

    name: str
    """Unique on the page; the file name of the download."""
    svg: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def canvas(x: str, y: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """An empty chart; `y` stands above the axis, where it reads without turning the head."""
    with mpl.rc_context(RC):
        figure = Figure(size, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(y, pad=10)
        axes.set_xlabel(x)
    return figure, axes


def inline(figure: Figure, name: str, label: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Chart:
    """The chart as an SVG element: no fixed size, ids made unique by `name`, the same bytes each time."""
    buffer = io.StringIO()
    with mpl.rc_context({**RC, "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    svg = buffer.getvalue()
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()  # type: ignore[union-attr]
    body = svg[svg.index(">", svg.index("<svg")) + 1 :].replace("</svg>", "")
    body = re.sub(
        r"<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL
    )
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    body = PLACED.sub(lambda found: DECIMALS.sub(lambda digits: f"{float(digits.group()):.2f}", found.group()), body)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'xlink:href="#', f'href="#{name}-', body).replace("url(#", f"url(#{name}-")
    body = re.sub(r"\n\s*", "\n", body)
    for variable, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{variable})")
    element = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
    return Chart(name, element, tuple(columns), [tuple(row) for row in rows])


def styles(baselines: Sequence[str], models: Sequence[str]) -> dict[str, tuple[str, str, Any]]:
    """Colour, marker and line of each forecaster, the same in all charts; the reference is drawn in ink."""
    pairs = (*zip(baselines, itertools.cycle(BASELINE_STYLES)), *zip(models, itertools.cycle(MODEL_STYLES)))
    known = {name: (COLOURS[colour], marker, line) for name, (colour, marker, line) in pairs}
    return known | {REFERENCE: (COLOURS["ink"], "", "-"), FLOOR: (COLOURS["muted"], "", (0, (1, 1.2)))}


def band(
    axes: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, shade: float
) -> None:
    """The interval of a curve, where it is known."""
    if shade and np.isfinite([*low, *high]).any():
        axes.fill_between(x, low, high, color=colour, alpha=shade, lw=0)


def log_lags(axes: Axes, lags: np.ndarray) -> None:
    """Logarithmic axis over all lags, labelled at 1, 2 and 5."""
    axes.set_xscale("log")
    axes.set_xlim(0.8 * lags[0], 1.25 * lags[-1])
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def log_scale(axes: Axes) -> None:
    """Logarithmic y axis, labelled at 1, 2 and 5 where it spans less than two decades."""
    axes.set_yscale("log")
    if not np.isfinite(axes.dataLim.minposy):  # nothing to show
        axes.set_ylim(0.1, 1.0)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    even = high < 10 * low  # where the locator may fall back on even steps
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}" if even else number(value, 1)))
    axes.yaxis.set_minor_locator(NullLocator())


def end_labels(axes: Axes, ends: Sequence[tuple[str, float, str, bool]]) -> None:
    """Names beside the ends of the lines (name, value, colour, bold), pushed apart where they would overlap."""
    scaled = {value: axes.transScale.transform((1.0, value))[1] for value in (*axes.get_ylim(), *(e[1] for e in ends))}
    low, high = (scaled[end] for end in axes.get_ylim())
    places = sorted(((scaled[value] - low) / (high - low), name, colour, bold) for name, value, colour, bold in ends)
    heights: list[float] = []
    for place, *_ in places:
        heights.append(max(place, heights[-1] + GAP if heights else 0.0))
    for k in reversed(range(len(heights))):  # what was pushed beyond the top moves the others down
        heights[k] = min(heights[k], 1.0 if k == len(heights) - 1 else heights[k + 1] - GAP)
    for height, (_, name, colour, bold) in zip(heights, places, strict=True):
        weight = "bold" if bold else "normal"
        axes.text(1.02, height, name, color=colour, weight=weight, va="center", transform=axes.transAxes)
