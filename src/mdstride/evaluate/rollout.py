"""Forecasts that are fed back: beyond the horizon that a model was trained on."""

from dataclasses import replace

import torch

from mdstride.evaluate.forecasting import forecast_alone
from mdstride.models.state import Forecaster, State

STEP = 0.5
"""fs: velocities at the end of a step are central differences over this time, forwards and back. A vibration at 3000
cm-1 then loses 1 % of its velocity; at a frame interval of 2 fs it would be 20 %. In float32 the rounding error is
1e-6 Å/fs, a thousandth of a thermal velocity."""


def roll_out(forecaster: Forecaster, state: State, step: torch.Tensor, count: int) -> torch.Tensor:
    """Positions [B, count, N, 3] Å at `count` multiples of `step` (fs, a scalar), each forecast from the one before.

    The velocities that are fed back are v(t) = (x(t + h) - x(t - h)) / 2h with h = STEP, from forecasts that are asked
    for one at a time: a model to which the number of lags matters answers each alike.
    """
    found = []
    lags = step + torch.tensor([-STEP, 0.0, STEP], device=step.device)
    for _ in range(count):
        before, there, after = forecast_alone(forecaster, state, lags).unbind(1)
        state = replace(state, positions=there, velocities=(after - before) / (2 * STEP))
        found.append(there)
    return torch.stack(found, dim=1)
