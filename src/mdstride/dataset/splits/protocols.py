"""Splits that the literature uses, frame for frame, so that its published scores can be compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.formats.split import PARTS, Segment, Split

MD17: dict[str, Any] = {
    "seed": 100,
    "margin": 10000,
    "horizon": 3000,
    "shares": {"train": 0.1, "validation": 0.05, "test": 0.05},
    "used": {"train": 500, "validation": 2000, "test": 2000},
}
"""Margin at both ends and horizon in frames; shares that are drawn; how many of them are used."""

SHORTEST = 20_021
"""Frames of the shortest trajectory of which the protocol takes a window for each part."""


def md17_starts(frames: int) -> dict[str, np.ndarray]:
    """Start frames of all windows of the protocol `md17`, in the order in which they are drawn, of a trajectory.

    Xu et al., Equivariant Graph Neural Operator (ICML 2024), as their program does it: the last frame has no velocity
    x[t+1] - x[t] and is dropped, then 10,000 frames at either end; 10 % of the others, drawn without replacement by
    NumPy's legacy generator with seed 100, train; of what is left in ascending order 5 % validate, and 5 % are tested.
    `frames` is the length of the trajectory, 133,770 for uracil.
    """
    eligible = frames - 1 - 2 * MD17["margin"]
    generator = np.random.RandomState(MD17["seed"])  # its stream of random numbers is frozen
    free = np.ones(eligible, dtype=bool)
    starts = {}
    for part in PARTS:
        drawn = generator.choice(np.flatnonzero(free), size=int(MD17["shares"][part] * eligible), replace=False)
        free[drawn] = False
        starts[part] = drawn + MD17["margin"]
    return starts


def md17_split(where: str, settings: Mapping[str, Any], compounds: Mapping[str, CompoundData]) -> Split:
    """The protocol `md17` on each trajectory: windows from a start to 3000 frames later, each a segment.

    Windows for training and for test overlap, so the split is marked as leaky. Raises InputError for a trajectory that
    is too short, or whose frames are not consecutive.
    """
    parts: dict[str, list[Segment]] = {part: [] for part in PARTS}
    for key in sorted(compounds):
        for replica in compounds[key].replicas:
            frames = len(replica.positions)
            if not replica.consecutive:
                raise InputError(
                    f"{where}: the frames of {key} replica {replica.number} are not consecutive, so it has no windows; "
                    "take method random"
                )
            if frames < SHORTEST:
                raise InputError(
                    f"{where}: {key} replica {replica.number} has {frames} frames, and method md17 needs "
                    f"{SHORTEST}; take method time"
                )
            for part, starts in md17_starts(frames).items():
                used = starts[: MD17["used"][part]].tolist()
                parts[part] += [Segment(key, replica.number, t, t + MD17["horizon"] + 1) for t in used]
    segments = {part: tuple(found) for part, found in parts.items()}
    return Split(segments, "md17", unit="frames", leaky=True, settings=dict(MD17))
