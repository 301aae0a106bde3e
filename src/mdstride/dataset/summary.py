"""Counts and figures of a data set, from shapes and attributes alone: no trajectory is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Segment, whole

OWN = "mdstride"
"""Source of trajectories that were computed here."""


@dataclass(frozen=True)
class Size:
    """How much there is of something."""

    compounds: int
    trajectories: int
    frames: int
    """Each once, however many segments hold it."""
    picoseconds: float
    """Between consecutive frames."""


def size(dataset: Dataset, segments: Sequence[Segment] | None = None) -> Size:
    """Of these segments; of the whole data set by default."""
    spans: dict[tuple[str, int], tuple[Replica, list[tuple[int, int]]]] = {}
    for segment in whole(dataset.compounds) if segments is None else segments:
        for replica in dataset.compounds[segment.compound].replicas:
            if segment.replica in (None, replica.number):
                stop = len(replica.positions) if segment.stop is None else segment.stop
                spans.setdefault((segment.compound, replica.number), (replica, []))[1].append((segment.first, stop))
    frames, picoseconds = 0, 0.0
    for replica, pieces in spans.values():
        for first, stop in _merged(pieces):
            frames += stop - first
            picoseconds += (stop - first - 1) * replica.interval / 1000 if replica.consecutive else 0.0
    return Size(len({name for name, _ in spans}), len(spans), frames, picoseconds)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same frames without overlap; a span that begins where another ends continues it."""
    found: list[tuple[int, int]] = []
    for first, stop in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((first, stop))
    return found


def of_compound(compound: CompoundData) -> Size:
    """Size of one compound."""
    return size(Dataset({compound.id: compound}, {}))


def figures(replicas: Iterable[Replica], name: str) -> list[float]:
    """One figure, such as `drift` or `temperature`, of the trajectories that have it."""
    values = [replica.figures.get(name) for replica in replicas]
    return [float(value) for value in values if value is not None]


def drift(compound: CompoundData) -> float | None:
    """The drift farthest from zero among its trajectories, meV/atom/ps."""
    return max(figures(compound.replicas, "drift"), key=abs, default=None)


def temperature(compound: CompoundData) -> float | None:
    """Mean over its trajectories, K."""
    values = figures(compound.replicas, "temperature")
    return float(np.mean(values)) if values else None


def sources(compound: CompoundData) -> list[str]:
    """Formats of the files that its trajectories come from: `mdstride`, or those of imports."""
    return sorted({str(replica.source.get("format", OWN)) for replica in compound.replicas})


def theory(dataset: Dataset) -> str:
    """Level of theory of the trajectories that mdstride computed; empty where there is none."""
    if not any(OWN in sources(compound) for compound in dataset.compounds.values()):
        return ""
    reference = dataset.settings.get("reference") or {}
    return str(reference.get("calculator") or reference.get("method") or "a method that is not recorded")


def number(value: float | None, digits: int) -> str:
    """A figure as text; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def counted(count: int, noun: str) -> str:
    """Such as `1 compound` and `1,200 frames`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else many}"
