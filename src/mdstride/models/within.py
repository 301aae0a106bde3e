"""Baselines within a compound: they are fitted on training segments of the trajectory that they are tested on.

With X the training-mean structure, R and c its rotation and place in the Eckart frame of x0, and V the velocity of the
centre of mass:

| name | forecast at lag t |
|---|---|
| mean | X placed on x0: R X + c |
| linear | x0 + V t + R (A_t f + b_t), f = (R^T (x0 - c) - X, R^T (v0 - V)) of all atoms |

A_t, b_t: ridge regression of the displacement R^T (x(t) - x0 - V t), one per lag, with the penalty that has the lowest
error of heavy atoms on validation windows. Hoerl, Kennard, Technometrics 12, 55 (1970).
"""

from collections.abc import Sequence

import torch

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.split import Segment
from mdstride.models.harmonic import even_starts
from mdstride.models.state import Forecaster, State
from mdstride.models.superposition import eckart, superpose
from mdstride.windows import Windows

FRAMES = 5000
"""Training windows of each fit, at even distances, at most; neighbours in time say the same."""

ROUNDS = 10
"""Of superposing all frames on their mean; it stands still after three or four."""

PENALTIES = tuple(10.0**power for power in range(-8, 3))
"""Of the squared coefficients, per window, for features of mean square one."""


class NotFittedError(InputError):
    """A lag at which this forecaster is not defined."""


class Mean:
    """The mean structure [N, 3] Å of one compound, placed on x0, the same at every lag."""

    def __init__(self, structure: torch.Tensor) -> None:
        self._structure = structure

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        placed = torch.zeros_like(state.positions)
        atoms = len(self._structure)
        structure = self._structure.to(state.positions.device).expand(len(placed), -1, -1)
        placed[:, :atoms] = superpose(structure, state.positions[:, :atoms], state.masses[:, :atoms])
        return placed[:, None].repeat(1, lags.shape[1], 1, 1)


class Linear:
    """Displacements linear in the initial state, at the lags that were fitted: see `fit_within`."""

    def __init__(self, frame: "_BodyFrame", lags: torch.Tensor, matrix: torch.Tensor, constant: torch.Tensor) -> None:
        self._frame, self._lags, self._matrix, self._constant = frame, lags, matrix, constant

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs. Raises NotFittedError for other lags than those fitted."""
        apart = (lags.double()[..., None] - self._lags.to(lags.device)).abs()
        if (apart.min(-1).values > 1e-3).any():
            raise NotFittedError(f"linear: only fitted at lags of {', '.join(f'{lag:g}' for lag in self._lags)} fs")
        features, still, rotation = self._frame.enter(state, lags)
        moved = torch.einsum("bf, kfy -> bky", features, self._matrix.to(features)) + self._constant.to(features)
        rows = torch.arange(len(lags), device=lags.device)[:, None]
        moved = moved[rows, apart.argmin(-1)].unflatten(-1, (-1, 3))
        forecast = torch.zeros(*lags.shape, *state.positions.shape[1:]).to(state.positions)
        forecast[:, :, : still.shape[2]] = (still + moved @ rotation[:, None].mT).to(forecast.dtype)
        return forecast


class _BodyFrame:
    """The Eckart frame of a mean structure, and what the regression sees in it."""

    def __init__(self, structure: torch.Tensor) -> None:
        self._structure = structure
        self.scale = torch.ones(2, dtype=torch.float64)
        """Root mean square of displacements (Å) and velocities (Å/fs), in which the features are given."""

    def enter(self, state: State, lags: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features [B, 6N], x0 + V t [B, P, N, 3] Å, and the rotation [B, 3, 3] out of the frame; float64."""
        atoms = len(self._structure)
        x, v, m = (one[:, :atoms].double() for one in (state.positions, state.velocities, state.masses))
        structure = self._structure.to(x)
        rotation, start, centre = eckart(structure.expand_as(x), x, m)
        drift = torch.einsum("bn, bni -> bi", m, v)[:, None] / m.sum(1)[:, None, None]
        displacement, speed = (x - centre) @ rotation - (structure - start), (v - drift) @ rotation
        scale = self.scale.to(x.device)
        features = torch.cat([displacement.flatten(1) / scale[0], speed.flatten(1) / scale[1]], dim=1)
        return features, x[:, None] + drift[:, None] * lags.double()[..., None, None], rotation


def fit_within(
    dataset: Dataset,
    compound: str,
    train: Sequence[Segment],
    validation: Sequence[Segment],
    lags: Sequence[float],
) -> dict[str, Forecaster]:
    """`mean` and `linear` for one compound, by its id, from its training and validation segments.

    Parameters
    ----------
    train, validation
        Parts of a split; segments of other compounds do not count. `lags` must fit into segments of both.
    lags
        fs, rounded to frames: those that `linear` can forecast.

    Raises InputError when a part has no segment of the compound, or a lag does not fit.
    """
    parts = []
    for name, segments in (("training", train), ("validation", validation)):
        mine = [segment for segment in segments if segment.compound == compound]
        if not mine:
            raise InputError(f"{compound}: no {name} segments, so no baselines within the compound; split it by time")
        parts.append(Windows(dataset, mine))
    steps = torch.tensor([round(lag / parts[0].interval) for lag in lags])
    (state, targets), (other, wanted) = (_windows(part, steps) for part in parts)
    structure = mean_structure(state.positions.double(), state.masses.double())
    frame = _BodyFrame(structure)
    times = parts[0].lags(steps)
    inputs, outputs = _regression(frame, state, targets, times)
    frame.scale = inputs.square().mean(0).unflatten(0, (2, -1)).mean(1).sqrt().clamp(min=1e-12)
    inputs = _regression(frame, state, targets, times)[0]
    heavy = (state.atomic_numbers[0] > 1).repeat_interleave(3)
    matrix, constant = _ridge(inputs, outputs, *_regression(frame, other, wanted, times), heavy)
    return {"mean": Mean(structure), "linear": Linear(frame, times.double(), matrix, constant)}


def mean_structure(positions: torch.Tensor, masses: torch.Tensor) -> torch.Tensor:
    """Mean [N, 3] of frames [F, N, 3] that are superposed (masses [F, N]) on that mean, from the first frame on."""
    mean = positions[0]
    for _ in range(ROUNDS):
        rotation, start, centre = eckart(mean.expand_as(positions), positions, masses)
        mean = ((positions - centre) @ rotation).mean(0) + start[0]
    return mean


def _windows(windows: Windows, steps: torch.Tensor) -> tuple[State, torch.Tensor]:
    segment, start = even_starts(windows, int(steps.max()), FRAMES)
    return windows.gather(segment, start, steps.expand(len(start), -1))


def _regression(
    frame: _BodyFrame, state: State, targets: torch.Tensor, lags: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features [S, 6N] and displacements [P, S, 3N] Å in the body frame."""
    features, still, rotation = frame.enter(state, lags.expand(len(targets), -1))
    return features, ((targets.double() - still) @ rotation[:, None]).flatten(2).transpose(0, 1)


def _ridge(
    x: torch.Tensor, y: torch.Tensor, x_validation: torch.Tensor, y_validation: torch.Tensor, heavy: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices [P, 6N, 3N] and constants [P, 3N] from features [S, 6N] and displacements [P, S, 3N]."""
    x_mean, y_mean = x.mean(0), y.mean(1, keepdim=True)
    centred = x - x_mean
    values, vectors = torch.linalg.eigh(centred.mT @ centred / len(x))
    projected = vectors.mT @ (centred.mT @ (y - y_mean)) / len(x)
    best = torch.full((len(y),), torch.inf, dtype=torch.float64)
    matrix = torch.zeros_like(projected)
    for penalty in PENALTIES:
        trial = vectors @ (projected / (values.clamp(min=0) + penalty)[:, None])
        error = (x_validation - x_mean) @ trial + y_mean - y_validation
        square = error[..., heavy].square().mean((1, 2))
        better = square < best
        best, matrix = torch.where(better, square, best), torch.where(better[:, None, None], trial, matrix)
    return matrix, y_mean[:, 0] - x_mean @ matrix
