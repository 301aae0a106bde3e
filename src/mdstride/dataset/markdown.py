"""Markdown that a terminal, an editor and a web page all show well: tables, text bars and folded parts."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

Lines = list[str]

BAR = 24
"""Blocks of the longest bar."""
BINS = 10
"""Most bins of a histogram."""


def cell(text: str) -> str:
    """Foreign text as one cell: no line breaks, bars or markup of its own."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def table(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> Lines:
    """Lines of a table; columns of whole numbers are set right."""
    rule = ["---:" if rows and isinstance(item, int) else "---" for item in (rows[0] if rows else header)]
    cells = ([f"{item:,}" if isinstance(item, int) else item for item in row] for row in rows)
    return [f"| {' | '.join(row)} |" for row in (header, rule, *cells)]


def folded(summary: str, lines: Lines) -> Lines:
    """A part that opens on a click."""
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]


def tally(title: str, counted: str, names: Iterable[str]) -> Lines:
    """How often each name occurs, the commonest first."""
    counts = sorted(Counter(names).items(), key=lambda item: (-item[1], item[0]))
    return _bars(title, counted, counts)


def histogram(title: str, counted: str, values: Sequence[float], *, whole: bool = False) -> Lines:
    """Counts in equal bins between round numbers; `whole` numbers get bins of whole numbers.

    A bin holds its lower edge, the last one its upper edge too.
    """
    if not len(values):
        return _bars(title, counted, [])
    edges = _edges(min(values), max(values), whole=whole)
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].tolist()  # an edge may be rounded
    digits = max(0, -int(np.floor(np.log10(edges[1] - edges[0]) + 1e-9)))
    pairs = list(zip(edges[:-1], edges[1:] - whole, strict=True))
    labels = [f"{low:.{digits}f}" + (f" to {high:.{digits}f}" if high > low else "") for low, high in pairs]
    return _bars(title, counted, list(zip(labels, counts, strict=True)))


def _bars(title: str, counted: str, counts: Sequence[tuple[str, int]]) -> Lines:
    if not counts:
        return [f"{title[0].upper()}{title[1:]}: not known."]
    most = max(count for _, count in counts)
    rows = [(name, count, "█" * max(round(BAR * count / most), count > 0)) for name, count in counts]
    return table((title, counted, ""), rows)


def _edges(low: float, high: float, *, whole: bool) -> np.ndarray:
    """Multiples of the smallest step of 1, 2 or 5 times a power of ten that needs at most BINS bins."""
    high += whole  # the bin of a whole number ends before the next one
    finest = max((high - low) / BINS, 1e-3 * max(abs(low), abs(high))) or 1e-3  # values may be all the same
    power = 0 if whole else int(np.floor(np.log10(finest)))
    while True:
        for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power):
            first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
            if last - first <= BINS:
                return np.arange(first, max(last, first + 1) + 1) * step
        power += 1
