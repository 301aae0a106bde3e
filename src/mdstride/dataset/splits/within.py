"""Splits within compounds: every compound is trained on, and other trajectories or later frames of it are tested."""

import math
from collections.abc import Mapping
from typing import Any

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Replica
from mdstride.formats.split import PARTS, Segment, Split

SHORTEST = 2
"""Frames of the shortest segment that holds a window."""


def replica_split(where: str, settings: Mapping[str, Any], compounds: Mapping[str, CompoundData]) -> Split:
    """The last replica of each compound is tested, the one before validates, the others train.

    Raises InputError for a compound with fewer than three.
    """
    parts: dict[str, list[Segment]] = {part: [] for part in PARTS}
    for key in sorted(compounds):
        numbers = sorted(replica.number for replica in compounds[key].replicas)
        if len(numbers) < 3:
            raise InputError(
                f"{where}: {key} has {len(numbers)} of the 3 trajectories that method replica needs; raise "
                "plan.replicas or take method time"
            )
        parts["train"] += [Segment(key, number) for number in numbers[:-2]]
        parts["validation"].append(Segment(key, numbers[-2]))
        parts["test"].append(Segment(key, numbers[-1]))
    return Split({part: tuple(segments) for part, segments in parts.items()}, "replica", unit="frames")


def time_split(where: str, settings: Mapping[str, Any], compounds: Mapping[str, CompoundData]) -> Split:
    """The first frames of each trajectory train, later ones validate, the last are tested.

    `validation` and `test` are shares of the frames that are left when twice `gap` (fs) lies fallow in between. Raises
    InputError where the frames are not consecutive, or too few for a window in each part.
    """
    parts: dict[str, list[Segment]] = {part: [] for part in PARTS}
    for key in sorted(compounds):
        for replica in sorted(compounds[key].replicas, key=lambda replica: replica.number):
            for part, (first, stop) in _blocks(f"{where}: {key} replica {replica.number}", settings, replica).items():
                parts[part].append(Segment(key, replica.number, first, stop))
    made = {name: settings[name] for name in ("validation", "test", "gap")}
    return Split({part: tuple(segments) for part, segments in parts.items()}, "time", unit="frames", settings=made)


def gap_frames(gap: float, interval: float) -> int:
    """Frames, `interval` fs apart, that must lie between two segments for `gap` fs to pass."""
    return max(0, math.ceil(gap / interval - 1e-6))


def _blocks(where: str, settings: Mapping[str, Any], replica: Replica) -> dict[str, tuple[int, int]]:
    """First frame and stop of each part of a trajectory."""
    if not replica.consecutive:
        raise InputError(f"{where}: its frames are not consecutive, so it has no blocks of time; take method random")
    frames, gap = len(replica.positions), gap_frames(settings["gap"], replica.interval)
    usable = frames - 2 * gap
    count = {part: max(SHORTEST, round(settings[part] * usable)) for part in ("validation", "test")}
    training = usable - sum(count.values())
    if training < SHORTEST:
        raise InputError(
            f"{where}: {frames} frames of {replica.interval:g} fs leave {max(0, usable)} beside two gaps of "
            f"{settings['gap']:g} fs, too few for three parts; lower gap, validation or test, or simulate longer"
        )
    validating = training + gap, training + gap + count["validation"]
    return {"train": (0, training), "validation": validating, "test": (frames - count["test"], frames)}
