"""Forecasts in batches of a size that suits the forecaster and the processor."""

from dataclasses import fields

import torch
from torch import nn

from mdstride.models.state import Forecaster, State

NETWORK = 4000
"""Atoms times lags that go through a network at once on a CPU, about: more leave its cache, fewer cost overhead."""

OTHERWISE = 500000
"""The same of a baseline, or on a GPU: bounds memory alone."""


def forecast(forecaster: Forecaster, state: State, lags: torch.Tensor) -> torch.Tensor:
    """Positions [B, P, N, 3] Å of all B windows of one compound at the same `lags` [P] fs."""
    small = isinstance(forecaster, nn.Module) and lags.device.type == "cpu"
    batch = max(1, (NETWORK if small else OTHERWISE) // (len(lags) * state.mask.shape[1]))
    with torch.inference_mode():
        return torch.cat([forecaster.forecast(part, lags.expand(len(part.mask), -1)) for part in split(state, batch)])


def split(state: State, batch: int) -> list[State]:
    """The windows in groups of `batch`."""
    arrays = {one.name: getattr(state, one.name).split(batch) for one in fields(State)[:-1]}
    groups = range(len(arrays["mask"]))
    return [State(**{name: parts[k] for name, parts in arrays.items()}, most_heavy=state.most_heavy) for k in groups]
