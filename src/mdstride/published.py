"""Scores that the literature prints, to stand beside ours in a column of their own: quoted, never averaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mdstride.formats.split import Split
from mdstride.formats.tables import read_table

TABLE = Path("resources/published.csv")
"""Relative to the project's folder; resources/README.md explains its columns."""

COLUMNS = ("protocol", "metric", "model", "version", "name", "case", "value", "unit", "source", "note")

MD17_FRAMES = [375 * k for k in range(1, 9)]
"""Lags of the protocol `md17`: 3000 k / 8 frames."""


@dataclass(frozen=True)
class Published:
    """One number as it was printed."""

    protocol: str
    """md17, md22 or tg80."""
    compound: str
    """Id in our data set; empty for a mean over all that a fold tests."""
    name: str
    """Of the compound or the fold, in words."""
    metric: str
    """S2S (the last lag) or S2T (the mean over the lags)."""
    model: str
    version: str
    """Which of a model's several publications; empty where that is not said."""
    value: str
    """Digit for digit."""
    unit: str
    source: str
    note: str
    """Why it may not be comparable; empty otherwise."""


def published(split: Split, frames: Sequence[float], table: Path = TABLE) -> list[Published]:
    """What the literature prints for the protocol that `split` is made by, in the order of the table.

    For method `md17`, at its lags alone (`frames`: ours, in frames), the numbers of each tested compound, known by the
    connectivity in its InChIKey. For a fold of TG80, known by the checksum of its file, the numbers of the fold; they
    are means over lags that are drawn for each window (docs/protocols.md). Nothing for other splits, and where the
    table is not at hand, as outside the repository.
    """
    if not table.exists():
        return []
    found = []
    if split.method == "md17" and [round(frame, 3) for frame in frames] == MD17_FRAMES:
        cases = {key.split("-")[0]: key for key in split.ids("test")}
    else:
        cases = {split.settings["sha256"]: ""} if split.method == "named" else {}
    for row in read_table(table, COLUMNS):
        for case in row.pop("case").split():
            key = case.split("-")[0]
            if key in cases:
                found.append(Published(compound=cases[key], **row))
    return found
