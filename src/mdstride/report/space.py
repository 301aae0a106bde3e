"""The map of chemical space: what the library holds, what the rule accepts of it, and what the run takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.ticker import NullFormatter
from matplotlib.transforms import Bbox

from mdstride.report.material import Material, Record
from mdstride.report.numbers import whole
from mdstride.report.plotting import COLOURS, Chart, canvas, inline

SIZE = (5.3, 6.1)
"""Inches: about square above the legend, because the two axes have the same unit."""
AXES = ("first", "second")
PAPER = COLOURS["paper"]
LAYERS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("library", "library, a sample", "o", {"ms": 2.6, "color": COLOURS["muted"], "mew": 0, "alpha": 0.4}),
    ("accepted", "accepted, not selected", "o", {"ms": 4.2, "color": COLOURS["blue"], "mew": 0, "alpha": 0.8}),
    ("selected", "selected", "o", {"ms": 8.5, "color": COLOURS["vermillion"], "mec": PAPER, "mew": 0.8}),
    ("seed", "seeds", "D", {"ms": 5.5, "color": COLOURS["ink"], "mfc": PAPER, "mew": 1.4}),
)
"""Kind in space.csv, label, marker and look, from the back to the front."""
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
PLACES = [(reach * x, reach * y) for reach in (6, 18, 30) for x, y in SIDES]
"""Where a name may stand beside its point, in points of 1/72 inch, the best first."""
MARK = 5
"""Room that a mark takes, in points to each side."""


def space_chart(material: Material) -> Chart:
    """All compounds of space.csv in two dimensions, the seeds with their names."""
    titles = [
        f"{name} axis: {100 * share:.1f} % of the variance" for name, share in zip(AXES, shares(material), strict=True)
    ]
    figure, axes = canvas(titles[0], titles[1], SIZE)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.1)
    axes.xaxis.set_major_formatter(NullFormatter())  # only nearness has a meaning
    axes.yaxis.set_major_formatter(NullFormatter())
    for kind, label, marker, look in LAYERS:
        records = [row for row in material.space if row["kind"] == kind]
        axes.plot(*_points(records).T, marker, label=f"{label} ({whole(len(records))} shown)", **look)
    figure.legend(loc="outside lower left", ncols=2, frameon=False)
    figure.draw_without_rendering()  # places the axes, so that names can be fitted in
    axes.autoscale(False)
    _label_seeds(axes, material.space)
    columns = ("kind", "name", "x", "y")
    rows = [[row[name] for name in columns] for row in material.space]
    said = "Map of the compounds by similarity: library, accepted, selected and seeds"
    return inline(figure, "space", said, columns, rows)


def shares(material: Material) -> tuple[float, float]:
    """Share of the variance along each axis."""
    first = material.space[0]
    return float(first["x_share"]), float(first["y_share"])


def _points(records: Sequence[Record]) -> np.ndarray:
    return np.array([[float(row["x"]), float(row["y"])] for row in records]).reshape(-1, 2)


def _label_seeds(axes: Axes, space: Sequence[Record]) -> None:
    """Names beside the seeds, where they cover least: other names, the edge, marks of seeds and selected compounds."""
    pixels = axes.figure.dpi / 72
    centres = axes.transData.transform(_points([row for row in space if row["kind"] in ("selected", "seed")]))
    marks = [Bbox([centre - MARK * pixels, centre + MARK * pixels]) for centre in centres]
    names: list[Bbox] = []

    def put(label: Text, point: np.ndarray, place: tuple[int, int]) -> Bbox:
        """Move the name to that place; returns the room it takes, in pixels."""
        there = axes.transData.transform(point) + pixels * np.array(place)
        across, up = np.sign(place)
        label.set(ha=("center", "left", "right")[across], va=("center", "bottom", "top")[up])
        label.set(position=axes.transData.inverted().transform(there))
        return label.get_window_extent()

    def covered(box: Bbox) -> int:
        outside = 2 - axes.bbox.count_contains(box.get_points())
        return 10 * (box.count_overlaps(names) + outside) + box.count_overlaps(marks)

    seeds = [row for row in space if row["kind"] == "seed"]
    for row, point in zip(seeds, _points(seeds), strict=True):
        label = axes.text(point[0], point[1], row["name"], parse_math=False, in_layout=False)
        best = min(PLACES, key=lambda place: covered(put(label, point, place)))
        names.append(put(label, point, best))
        axes.plot(*zip(point, label.get_position(), strict=True), color=COLOURS["muted"], lw=0.8)
