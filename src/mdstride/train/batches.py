"""Windows for training and validation: drawn, grouped by size, turned, and the error that is minimised."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import torch

from mdstride.models.buckets import buckets
from mdstride.models.state import State
from mdstride.windows import Windows

VALIDATION_WINDOWS = 256
"""Windows of the validation compounds, the same at every validation and for every seed."""

VALIDATION_SEED = 0

CPU_ATOMS = 200
"""Heavy atoms in one pass on a CPU, unless configured."""

CPU_PADDING = 1 / 3
"""By how much the largest molecule of such a pass may exceed the smallest."""

Chosen = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Segments [B], start frames [B] and steps [B, P] of windows, on the host."""

Batch = tuple[State, torch.Tensor, torch.Tensor]
"""State, lags [B, P] fs, targets [B, P, N, 3] Å, on the device."""


def passes(windows: Windows, chosen: Chosen, rows: Sequence[int], atoms: int | None) -> Iterator[list[int]]:
    """The `rows` of a batch in groups that go through the model together.

    On a CPU, molecules of similar size, as many as have `atoms` heavy atoms together: little is padded, and what
    belongs together stays in the cache. On a GPU, all, or with `atoms` as many as fit into its memory. Losses are
    divided by the size of the whole batch, so the gradients of the groups add up to its gradient.
    """
    sizes = windows.heavy[chosen[0]].tolist()
    most = atoms or (10**9 if windows.device.type != "cpu" else CPU_ATOMS)
    padding = CPU_PADDING if windows.device.type == "cpu" else float("inf")
    for group in buckets([sizes[row] for row in rows], most=most, padding=padding):
        yield [rows[k] for k in group]


def take(windows: Windows, chosen: Chosen, rows: Sequence[int]) -> Batch:
    """Some of the chosen windows, on the device."""
    segment, start, steps = (part[list(rows)] for part in chosen)
    state, targets = windows.gather(segment, start, steps)
    return state, windows.lags(steps), targets


def validation_batches(windows: Windows, times: int, lags: tuple[float, float], atoms: int | None) -> list[Batch]:
    """The fixed validation windows."""
    generator = torch.Generator().manual_seed(VALIDATION_SEED)
    chosen = windows.choose(VALIDATION_WINDOWS, times, lags, generator)
    return [take(windows, chosen, rows) for rows in passes(windows, chosen, range(VALIDATION_WINDOWS), atoms)]


@torch.no_grad()
def total_loss(forecast: Callable[[State, torch.Tensor], torch.Tensor], batches: Sequence[Batch]) -> torch.Tensor:
    """Sum of heavy_error over all windows and their number: [2] float64, in Å²."""
    losses = [heavy_error(forecast(state, lags), targets, state).double() for state, lags, targets in batches]
    if not losses:
        return torch.zeros(2, dtype=torch.float64)
    together = torch.cat(losses)
    return torch.stack([together.sum(), torch.ones_like(together).sum()])


def mean_loss(forecast: Callable[[State, torch.Tensor], torch.Tensor], batches: Sequence[Batch]) -> float:
    """Mean of heavy_error over all windows, Å²."""
    total, count = total_loss(forecast, batches).tolist()
    return total / count


def heavy_error(forecast: torch.Tensor, targets: torch.Tensor, state: State) -> torch.Tensor:
    """Mean square error per coordinate over the heavy atoms and all times of each window: [B] Å²."""
    heavy = (state.mask & (state.atomic_numbers > 1))[:, None, :, None]
    squares = (forecast - targets).square().masked_fill(~heavy, 0).sum((1, 2, 3))
    return squares / (3 * targets.shape[1] * heavy.sum((1, 2, 3)))


def random_orthogonal(count: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform in O(3), reflections included (the energy is the same for a mirror image): [count, 3, 3].

    Source: F. Mezzadri, Notices of the AMS 54, 592 (2007).
    """
    q, r = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator))
    return q * r.diagonal(dim1=1, dim2=2).sign()[:, None]


def turn(state: State, targets: torch.Tensor, matrix: torch.Tensor) -> tuple[State, torch.Tensor]:
    """The windows turned or mirrored by `matrix` [B, 3, 3]; the relaxed geometry with them, for its handedness."""
    turned = {name: getattr(state, name) @ matrix for name in ("positions", "velocities", "reference")}
    return dataclasses.replace(state, **turned), targets @ matrix[:, None]
