"""Corrupt frames: cut where they are the beginning or the end of a file, an error in its middle.

Published trajectories end in damage more often than one thinks (48 of 5,398 in one collection): in frames of NaN, of
zeros, in the last frame over and over, in atoms that fly apart.
"""

import numpy as np

from mdstride.bonds import lengths, radii_sums
from mdstride.dataset.published.frames import FARTHEST, Frames
from mdstride.errors import InputError

BOND_RANGE = (0.4, 2.5)
"""Bond length over the sum of the covalent radii; outside it the molecule is no longer one."""

FEWEST = 2
"""Frames that must be left."""


def cut_damage(frames: Frames) -> Frames:
    """Without the frames at either end that hold no geometry."""
    positions = frames.positions
    with np.errstate(invalid="ignore", over="ignore"):
        bad: dict[str, np.ndarray] = {
            "not finite, or absurdly large": ~_credible(frames),
            "all zero": np.logical_not(positions.any(axis=(1, 2))),
            "same geometry over and over": _frozen_ends(positions),
        }
    return _cut(frames, bad)


def cut_broken(frames: Frames, atomic_numbers: np.ndarray, bonds: np.ndarray) -> Frames:
    """Without the frames at either end in which a bond of `bonds` [M, 2] is outside BOND_RANGE."""
    if not len(bonds):
        return frames
    low, high = (limit * radii_sums(atomic_numbers, bonds) for limit in BOND_RANGE)
    broken = np.zeros(len(frames.positions), bool)
    for start in range(0, len(broken), 10_000):  # keeps the distances of a million frames out of memory
        length = lengths(frames.positions[start : start + 10_000], bonds)
        broken[start : start + 10_000] = ((length < low) | (length > high)).any(axis=1)
    return _cut(frames, {"a bond is broken, or its atoms lie on each other": broken})


def _credible(frames: Frames) -> np.ndarray:
    """Which frames [F] hold finite numbers of a credible size."""
    good = np.ones(len(frames.positions), bool)
    for value in (frames.positions, frames.forces, frames.velocities):
        if value is not None:
            good &= (np.abs(value) < FARTHEST).all(axis=(1, 2))
    for series in (frames.energy, frames.time):
        if series is not None:
            good &= np.isfinite(series)
    if frames.energy is not None:
        good &= np.abs(frames.energy) < FARTHEST * 627.5 * len(frames.atomic_numbers)  # whatever the unit
    return good


def _frozen_ends(positions: np.ndarray) -> np.ndarray:
    """Frames [F] at the end that repeat the last but one before them, and at the beginning those that are repeated."""
    same = (positions[1:] == positions[:-1]).all(axis=(1, 2))
    moving = np.flatnonzero(~same)
    frozen = np.zeros(len(positions), bool)
    if len(moving):
        frozen[: moving[0]] = True
        frozen[moving[-1] + 2 :] = True
    return frozen


def _cut(frames: Frames, bad: dict[str, np.ndarray]) -> Frames:
    damaged = np.logical_or.reduce(list(bad.values()))
    good = np.flatnonzero(~damaged)
    if len(good) < min(FEWEST, len(damaged)):
        why = next(reason for reason, mask in bad.items() if mask.any())
        raise InputError(f"{frames.path}: no frame is sound ({why}); get the file again")
    first, stop = int(good[0]), int(good[-1]) + 1
    inside = first + np.flatnonzero(damaged[first:stop])
    if len(inside):
        why = next(reason for reason, mask in bad.items() if mask[inside[0]])
        raise InputError(
            f"{frames.path}: frame {inside[0]} of {len(damaged)} is damaged ({why}), with sound ones on both sides; "
            "cut the file there and import the parts as replicas"
        )
    for name, cut in (("first", slice(0, first)), ("last", slice(stop, None))):
        if count := len(damaged[cut]):
            why = ", ".join(reason for reason, mask in bad.items() if mask[cut].any())
            frames = frames.noting(f"the {name} {count} frames were cut off ({why})")
    return frames.keep(first, stop)
