"""Charts as inline SVG: drawn by Matplotlib, coloured by the page's CSS variables, text left as text."""

import io
import itertools
import re
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from mdstride.report.material import Material, Run
from mdstride.report.summary import Estimate
from mdstride.report.words import UNIT, number

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
LOWEST_SKILL = -2.0
"""The skill chart ends here: how useless a useless forecast is does not matter."""
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


def canvas(x: str, y: str) -> tuple[Figure, Axes]:
    """An empty chart; `y` stands above the axis, where it reads without turning the head."""
    with mpl.rc_context(RC):
        figure = Figure(SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(y, pad=10)
        axes.set_xlabel(x)
    return figure, axes


def inline(figure: Figure, name: str, label: str) -> str:
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
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'xlink:href="#', f'href="#{name}-', body).replace("url(#", f"url(#{name}-")
    body = re.sub(r"\n\s*", "\n", body)
    for variable, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{variable})")
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'


def styles(material: Material) -> dict[str, tuple[str, str, object]]:
    """Colour, marker and line of each forecaster."""
    baselines = zip(material.scores.baselines, itertools.cycle(BASELINE_STYLES))
    models = zip(material.scores.models, itertools.cycle(MODEL_STYLES))
    return {name: (COLOURS[colour], marker, line) for name, (colour, marker, line) in (*baselines, *models)}


def error_chart(material: Material) -> str:
    """Error against lag, both logarithmic, with the interval over compounds as a band."""
    figure, axes = canvas("lag (fs)", "mean square error per coordinate (10⁻² Å²)")
    axes.set_xscale("log")
    ends = {}
    for name, (colour, marker, line) in styles(material).items():
        curve = [material.estimate(name, "mse", lag) for lag in material.scores.lags]
        learned = name in material.scores.models
        _band(axes, material.scores.lags, curve, colour, 1 / UNIT)
        values = [e.value / UNIT for e in curve]
        axes.plot(material.scores.lags, values, color=colour, marker=marker, ls=line, lw=2.6 if learned else 1.6)
        ends[name] = (values[-1], colour, "bold" if learned else "normal")
    _lag_axis(axes, material.scores.lags)
    _log_scale(axes)
    _end_labels(axes, ends)
    said = f"Mean square error of {', '.join(ends)} against lag; the numbers are in the table below"
    return inline(figure, "error", said)


def skill_chart(material: Material) -> str:
    """Skill of the learned models against lag; the zero line is the best baseline."""
    figure, axes = canvas("lag (fs)", "skill = 1 − error / error of the best baseline")
    axes.set_xscale("log")
    lowest = 0.0
    for name in material.scores.models:
        colour, marker, line = styles(material)[name]
        curve = [material.estimate(name, "skill", lag) for lag in material.scores.lags]
        _band(axes, material.scores.lags, curve, colour, 1.0)
        values = [e.value for e in curve]
        axes.plot(material.scores.lags, values, color=colour, marker=marker, ls=line, lw=2.6, label=name)
        lowest = min(lowest, *values, *(e.low for e in curve if not np.isnan(e.low)))
    bottom = max(min(lowest * 1.1, -0.25), LOWEST_SKILL)
    axes.set_ylim(bottom, 1.0)
    axes.axhline(0, color=COLOURS["ink"], lw=1.2)
    axes.axhspan(bottom, 0, color=COLOURS["muted"], alpha=0.09, lw=0)
    place: dict[str, Any] = {"transform": axes.transAxes, "color": COLOURS["muted"]}
    axes.text(0.015, 0.97, "better than the best baseline", va="top", **place)
    axes.text(0.015, 0.02, "of no use", va="bottom", **place)
    axes.legend(loc="upper right", frameon=False)
    axes.yaxis.set_major_formatter(SIGNED)
    _lag_axis(axes, material.scores.lags)
    return inline(figure, "skill", "Skill of the learned models against lag; the numbers are in the table below")


def similarity_chart(material: Material) -> str:
    """Skill over all lags of each held-out compound against its likeness to the training set."""
    figure, axes = canvas("similarity to the nearest training compound", "skill (S2T) of each held-out compound")
    keys = material.scores.compounds
    s2t = material.scores.mse.mean(2)  # [F, C]
    best = s2t[: len(material.scores.baselines)].min(0)
    for f, name in enumerate(material.scores.models, start=len(material.scores.baselines)):
        colour, marker, _ = styles(material)[name]
        axes.plot([material.nearest[k][0] for k in keys], 1 - s2t[f] / best, marker, color=colour, ms=8, label=name)
    axes.axhline(0, color=COLOURS["ink"], lw=1.2)
    axes.set_xlim(0, max(0.5, 1.1 * max(material.nearest[k][0] for k in keys)))
    axes.legend(loc="lower right", frameon=False)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(SIGNED)
    return inline(figure, "similarity", "Skill of each held-out compound against its similarity to the training set")


def energy_chart(material: Material) -> str:
    """Total energy of every trajectory against time, with the drift that would be refused."""
    figure, axes = canvas("time (ps)", "total energy − first block (meV/atom)")
    limit = material.config["simulate"]["limits"]["drift"]
    longest = 0.0
    for compound in material.dataset.compounds.values():
        for replica in compound.replicas:
            if replica.figures.get("block_time"):
                time, energy = replica.figures["block_time"], replica.figures["block_energy"]
                axes.plot(time, energy, color=COLOURS["blue"], lw=0.9, alpha=0.45)
                longest = max(longest, time[-1])
    cone = np.array([0.0, longest])
    for sign in (1, -1):
        axes.plot(cone, sign * limit * cone, "--", color=COLOURS["vermillion"], lw=1.4)
    axes.text(0.6 * longest, 0.64 * limit * longest, f"limit, {limit:g} meV/atom/ps", ha="right", va="bottom")
    axes.yaxis.set_major_formatter(SIGNED)
    return inline(figure, "energy", "Total energy of every trajectory against time, beside the drift limit")


def drift_chart(material: Material) -> str:
    """Size of the energy drift of each trajectory, sorted, against the limit."""
    figure, axes = canvas("trajectories, sorted", "|drift of the total energy| (meV/atom/ps)")
    known = [row for row in material.trajectories if row["drift"]]
    known.sort(key=lambda row: abs(float(row["drift"])))
    for passed, marker, colour, label in (("True", "o", "blue", "passed"), ("False", "X", "vermillion", "left out")):
        points = [(k, abs(float(row["drift"]))) for k, row in enumerate(known, 1) if row["passed"] == passed]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=COLOURS[colour], label=label)
    limit = material.config["simulate"]["limits"]["drift"]
    axes.axhline(limit, ls="--", color=COLOURS["vermillion"], lw=1.4)
    axes.text(1, limit, f"limit, {limit:g}", va="bottom")
    _log_scale(axes)
    axes.legend(loc="lower right", frameon=False)
    return inline(figure, "drift", "Energy drift of every trajectory, sorted, against the limit")


def temperature_chart(material: Material) -> str:
    """Mean temperature of each trajectory against size, and the spread that NVE from thermal starts must have.

    The energy of 3N-6 harmonic oscillators in the canonical ensemble has a relative standard deviation of
    1/sqrt(3N-6), and half of it is kinetic on average.
    """
    figure, axes = canvas("atoms", "mean temperature (K)")
    target = material.config["simulate"]["temperature"]
    known = [row for row in material.trajectories if row["temperature"]]
    sizes = np.array([int(material.compounds[row["id"]]["n_atoms"]) for row in known])
    axes.plot(sizes, [float(row["temperature"]) for row in known], "o", color=COLOURS["blue"], alpha=0.8)
    atoms = np.linspace(max(sizes.min() - 0.5, 2.5), sizes.max() + 0.5, 100)
    spread = 2 * target / np.sqrt(3 * atoms - 6)
    axes.fill_between(atoms, target - spread, target + spread, color=COLOURS["green"], alpha=0.13, lw=0)
    axes.axhline(target, color=COLOURS["green"], lw=1.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return inline(figure, "temperature", "Mean temperature of every trajectory against its number of atoms")


def training_chart(runs: Sequence[Run], name: str) -> str:
    """Training and validation error against step, and what persistence scores on the same validation windows."""
    figure, axes = canvas("optimiser step", "mean square error (Å²)")
    series = (("train", "sky", "-", 1.0), ("validation", "vermillion", "-", 2.4), ("persistence", "blue", "--", 1.6))
    for run in runs:
        for key, colour, line, width in series:
            points = [(row["step"], row[key]) for row in run.log if row.get(key) is not None]
            if points:
                label = key if run is runs[0] else None
                axes.plot(*zip(*points, strict=True), ls=line, lw=width, color=COLOURS[colour], label=label)
    _log_scale(axes)
    axes.legend(loc="best", frameon=False)
    return inline(figure, name, f"Training and validation error of {runs[0].model} against optimiser step")


def _band(axes: Axes, lags: np.ndarray, curve: Sequence[Estimate], colour: str, factor: float) -> None:
    if not np.isnan(curve[0].low):
        low, high = ([getattr(e, side) * factor for e in curve] for side in ("low", "high"))
        axes.fill_between(lags, low, high, color=colour, alpha=0.15, lw=0)


def _lag_axis(axes: Axes, lags: np.ndarray) -> None:
    axes.xaxis.set_major_locator(FixedLocator(list(lags)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _log_scale(axes: Axes) -> None:
    """Logarithmic y axis, labelled at 1, 2 and 5 where it spans less than two decades."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axes.yaxis.set_minor_locator(NullLocator())


def _end_labels(axes: Axes, ends: dict[str, tuple[float, str, str]]) -> None:
    """Names beside the ends of the lines, pushed apart where they would overlap."""
    low, high = np.log(axes.get_ylim())
    gap = 0.06
    floor = 0.0
    for name, (value, colour, weight) in sorted(ends.items(), key=lambda item: item[1][0]):
        floor = max((np.log(value) - low) / (high - low), floor)
        axes.text(1.02, floor, name, color=colour, weight=weight, va="center", transform=axes.transAxes)
        floor += gap
