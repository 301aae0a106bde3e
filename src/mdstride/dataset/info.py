"""A data set in a terminal: what is in it, at a glance. Reads shapes and figures, no trajectory."""

from collections.abc import Sequence
from pathlib import Path

from mdstride.dataset.summary import Size, counted, drift, number, of_compound, size, sources, temperature, theory
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import PARTS

WIDTH = 100
"""Columns."""
GAP = "  "
"""Between columns."""
SHORTEST = 12
"""Columns that a name gets at least."""


def info_text(dataset: Dataset, path: Path) -> str:
    """A summary of `dataset`, which lies at `path`: totals, splits, and a line for each compound."""
    total = size(dataset)
    twins = sum(len(compound.twins) for compound in dataset.compounds.values())
    made = [theory(dataset), *sorted({name for c in dataset.compounds.values() for name in sources(c)} - {"mdstride"})]
    about = [
        ("file", f"{path}, {_bytes(path.stat().st_size)}"),
        ("contents", _contents(total) + (f", {counted(twins, 'twin')}" if twins else "")),
        ("source", ", ".join(filter(None, made))),
        ("content hash", dataset.hash()),
    ]
    splits = [
        (name, split.method + (" (leaky)" if split.leaky else ""), split.unit, *_parts(dataset, name))
        for name, split in dataset.splits.items()
    ]
    compounds = [_compound(compound) for compound in dataset.compounds.values()]
    blocks = [
        [f"{label:<13} {text}" for label, text in about],
        _table(("split", "method", "held out", *PARTS), splits, "<<<>>>"),
        _table(("compound", "name", "formula", "trj", "frames", "ps", "drift", "K", "source"), compounds, "<<<>>>>><"),
        ["Parts: compounds / frames. Drift in meV/atom/ps, the one farthest from zero; K is the mean temperature."],
    ]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _contents(total: Size) -> str:
    trajectories, frames = counted(total.trajectories, "trajectory"), counted(total.frames, "frame")
    return f"{counted(total.compounds, 'compound')}, {trajectories}, {frames}, {total.picoseconds:,.1f} ps"


def _parts(dataset: Dataset, name: str) -> list[str]:
    sizes = [size(dataset, dataset.splits[name].parts[part]) for part in PARTS]
    return [f"{found.compounds:,} / {found.frames:,}" for found in sizes]


def _compound(compound: CompoundData) -> tuple[str, ...]:
    found = of_compound(compound)
    about = (compound.id, _printable(compound.labels.get("name", "")), _printable(compound.labels.get("formula", "")))
    counts = (f"{found.trajectories}", f"{found.frames:,}", f"{found.picoseconds:,.1f}")
    measured = (number(drift(compound), 3), number(temperature(compound), 0))
    return (*about, *counts, *measured, ",".join(sources(compound)))


def _printable(text: str) -> str:
    """Foreign text without characters that could steer a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Columns as wide as they need to be; the second one gives way where a line would be longer than WIDTH."""
    if not rows:
        return [f"{header[0]}: none"]
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    rest = sum(widths) - widths[1] + len(GAP) * (len(header) - 1)
    widths[1] = min(widths[1], max(WIDTH - rest, SHORTEST))
    lines = []
    for row in (header, *rows):
        cut = [row[0], row[1] if len(row[1]) <= widths[1] else f"{row[1][: widths[1] - 1]}…", *row[2:]]
        lines.append(
            GAP.join(f"{text:{way}{width}}" for text, way, width in zip(cut, align, widths, strict=True)).rstrip()
        )
    return lines


def _bytes(count: float) -> str:
    units = ["GB", "MB", "kB", "bytes"]
    while count >= 1000 and len(units) > 1:
        count, _ = count / 1000, units.pop()
    return f"{count:.3g} {units[-1]}"
