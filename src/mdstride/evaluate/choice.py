"""Which windows, lags and times every forecaster is asked for: drawn from seeds, so that all meet the same.

A compound's windows come from (seed, InChIKey), so they are the same whichever compounds are held out with it.
"""

import hashlib

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.windows import Windows

SPECTRUM_SPACING = 8.0
"""fs: spectra are taken at the multiple of the frame interval that is nearest to this from below."""

SPECTRUM_POINTS = 128
"""Most positions in a spectrum."""

SHORTEST_SPECTRUM = 16
"""Fewer positions than this make no spectrum."""


def lag_steps(lags: list[float], windows: Windows) -> torch.Tensor:
    """The lags (fs) in frames, rounded and sorted: [P]. Raises InputError for one that no trajectory has room for."""
    shortest = windows.shortest
    steps = [round(lag / windows.interval) for lag in sorted(lags)]
    for lag, step in zip(sorted(lags), steps, strict=True):
        if not 1 <= step < shortest or steps.count(step) > 1:
            raise InputError(
                f"evaluate.lags: {lag:g} fs is refused; lags must differ by a frame ({windows.interval:g} fs) and stay "
                f"below the shortest held-out trajectory ({(shortest - 1) * windows.interval:g} fs)"
            )
    return torch.tensor(steps)


def spectrum_steps(longest: int, windows: Windows) -> torch.Tensor:
    """Equally spaced steps in frames up to `longest`, at most SPECTRUM_POINTS; empty if below SHORTEST_SPECTRUM."""
    spacing = max(1, int(SPECTRUM_SPACING / windows.interval + 1e-9))
    count = min(longest // spacing, SPECTRUM_POINTS)
    return spacing * torch.arange(1, count + 1 if count >= SHORTEST_SPECTRUM else 1)


def rollout_steps(rollout: list[float] | None, windows: Windows) -> torch.Tensor:
    """The ends of the steps of a roll-out [step, length] (fs) in frames: [R], empty without one."""
    if rollout is None:
        return torch.zeros(0, dtype=torch.int64)
    step, length = rollout
    frames = round(step / windows.interval)
    if frames < 1 or length < step:
        raise InputError(
            f"evaluate.rollout: {rollout} is refused; give a step of at least a frame ({windows.interval:g} fs) and a "
            "length of at least a step"
        )
    return frames * torch.arange(1, int(length / step + 1e-9) + 1)


def choose_windows(
    windows: Windows, compound: int, longest: int, count: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` different segments and start frames of one compound with room for `longest` frames: [count] each.

    In random order: the first few are as good a sample as all of them, and more windows only add to fewer.
    There must be so many.
    """
    mine = torch.nonzero(windows.compound == compound)[:, 0]
    room = (windows.frames[mine] - longest).clamp(min=0)
    ends = room.cumsum(0)
    random = generator(seed, windows.ids[compound], "windows")
    picked = torch.from_numpy(random.permutation(int(ends[-1]))[:count])
    which = torch.searchsorted(ends, picked, right=True)
    return mine[which], picked - (ends - room)[which]


def count_windows(windows: Windows, compound: int, longest: int) -> int:
    """How many windows of a compound have room for `longest` frames."""
    return int((windows.frames[windows.compound == compound] - longest).clamp(min=0).sum())


def generator(seed: int, compound: str, purpose: str) -> np.random.Generator:
    """Random numbers of one compound for one purpose."""
    digest = hashlib.sha256(f"{compound} {purpose}".encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8])])


def random_rotations(count: int, random: np.random.Generator) -> np.ndarray:
    """Matrices [count, 3, 3], uniform: a quaternion of four normal components has a uniform direction.

    Marsaglia, Ann. Math. Stat. 43, 645 (1972).
    """
    quaternions = random.normal(size=(count, 4))
    w, x, y, z = quaternions.T / np.linalg.norm(quaternions, axis=1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
