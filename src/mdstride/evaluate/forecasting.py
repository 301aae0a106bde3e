"""Forecasts in batches of a size that suits the forecaster and the processor."""

import torch
from torch import nn

from mdstride.models.state import Forecaster, State

NETWORK = 4000
"""Atoms times lags that go through a network at once on a CPU, about: more leave its cache, fewer cost overhead."""

OTHERWISE = 500000
"""The same of a baseline, or on a GPU: bounds memory alone."""


def forecast(forecaster: Forecaster, state: State, lags: torch.Tensor) -> torch.Tensor:
    """Positions [B, P, N, 3] Å of B windows of one compound at `lags` [P] or [B, P] fs."""
    count, atoms = state.mask.shape
    small = isinstance(forecaster, nn.Module) and lags.device.type == "cpu"
    batch = max(1, (NETWORK if small else OTHERWISE) // (lags.shape[-1] * atoms))
    lags = lags.expand(count, -1)
    rows = torch.arange(count, device=lags.device).split(batch)
    with torch.inference_mode():
        return torch.cat([forecaster.forecast(state.select(k, atoms, state.most_heavy), lags[k]) for k in rows])


def forecast_alone(forecaster: Forecaster, state: State, lags: torch.Tensor) -> torch.Tensor:
    """The same, [B, P, N, 3], each of `lags` [P] asked for alone: as P windows with one lag each, which is faster."""
    count, atoms = state.mask.shape
    copies = state.select(torch.arange(count, device=lags.device).repeat(len(lags)), atoms, state.most_heavy)
    found = forecast(forecaster, copies, lags.repeat_interleave(count)[:, None])
    return found.view(len(lags), count, atoms, 3).transpose(0, 1)
