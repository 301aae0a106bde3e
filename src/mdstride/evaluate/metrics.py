"""Errors of forecasts: mean squares per coordinate over the heavy atoms, in Å². The literature prints 1e-2 Å²."""

import torch

from mdstride.models.state import State
from mdstride.models.superposition import superpose


def mean_square_error(forecast: torch.Tensor, targets: torch.Tensor, state: State) -> torch.Tensor:
    """Mean of (forecast - target)² over the coordinates of the heavy atoms, Å², float64: [B, P] from [B, P, N, 3].

    In the laboratory frame: where the molecule is and how it is turned count.
    """
    heavy = (state.mask & (state.atomic_numbers > 1))[:, None, :, None]
    squares = (forecast.double() - targets.double()).square().masked_fill(~heavy, 0)
    return squares.sum((2, 3)) / (3 * heavy.sum((2, 3)))


def superposed_square_error(forecast: torch.Tensor, targets: torch.Tensor, state: State) -> torch.Tensor:
    """`mean_square_error` [B, P] after each forecast is superposed on its target: the error of shape alone.

    The superposition minimises this error itself (heavy atoms, equal weights), so it is RMSD² / 3. Mirror images are
    not superposed on each other. NaN where a forecast is not finite.
    """
    heavy = (state.mask & (state.atomic_numbers > 1)).repeat_interleave(targets.shape[1], dim=0)
    moving, still = (x.flatten(0, 1).double().masked_fill(~heavy[..., None], 0) for x in (forecast, targets))
    broken = ~moving.isfinite().all(2).all(1)[:, None, None]
    placed = superpose(moving.masked_fill(broken, 0), still, heavy.double()).masked_fill(broken, torch.nan)
    return mean_square_error(placed.unflatten(0, targets.shape[:2]), targets, state)
