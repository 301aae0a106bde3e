"""Splits as data: which frames of which trajectories a model may train on, validate on, and is tested on.

A part is a tuple of segments, and a window (start frame and all its lags) lies within one segment. So whatever a
window reaches, the segment holds, and whether two parts overlap is a question of segments alone.
Needs NumPy alone: training nodes read splits, and have no chemistry installed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mdstride.errors import InputError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Segment:
    """Frames first .. stop - 1 of a trajectory; without a replica all trajectories of the compound, whole."""

    compound: str
    """Id (InChIKey)."""
    replica: int | None = None
    first: int = 0
    stop: int | None = None
    """None: up to the last frame."""


@dataclass(frozen=True)
class Split:
    """Train, validation and test, and how they were made."""

    parts: dict[str, tuple[Segment, ...]]
    """By PARTS; a part may be empty."""
    method: str
    """How it was made, such as random, scaffold, butina, named, replica, time, md17."""
    unit: str = "compound"
    """What is held out: `compound` (zero-shot) or `frames` (within the compounds that are trained on)."""
    leaky: bool = False
    """A literature protocol whose test frames are seen in training; its scores say so."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Seed, shares, gap and whatever else it takes to make it again."""

    def ids(self, part: str) -> list[str]:
        """Compounds of a part, sorted."""
        return sorted({segment.compound for segment in self.parts[part]})


def whole(ids: Iterable[str]) -> tuple[Segment, ...]:
    """Segments of all frames of some compounds, sorted."""
    return tuple(Segment(compound) for compound in sorted(set(ids)))


def split_to_json(split: Split) -> dict[str, Any]:
    """Plain values: a segment is [id], or [id, replica, first, stop]."""
    parts = {
        part: [
            [s.compound] if s == Segment(s.compound) else [s.compound, s.replica, s.first, s.stop]
            for s in split.parts[part]
        ]
        for part in PARTS
    }
    about = {name: getattr(split, name) for name in ("method", "unit", "leaky", "settings")}
    return about | {"parts": parts}


def split_from_json(value: Mapping[str, Any], where: str) -> Split:
    """The inverse of `split_to_json`. Raises InputError, naming `where`, for anything else."""
    try:
        parts = {part: tuple(_segment(*segment) for segment in value["parts"][part]) for part in PARTS}
        about = {name: value[name] for name in ("method", "unit", "leaky", "settings")}
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: not a split of this version ({error}); make it again") from error
    return Split(parts, **about)


def _segment(compound: str, replica: int | None = None, first: int = 0, stop: int | None = None) -> Segment:
    numbers = (replica, first, stop)
    if not isinstance(compound, str) or not all(value is None or isinstance(value, int) for value in numbers):
        raise TypeError(f"{[compound, *numbers]} is no segment")
    return Segment(compound, replica, first, stop)
