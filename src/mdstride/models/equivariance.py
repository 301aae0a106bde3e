"""How far a forecaster is from treating all positions and orientations of a molecule alike."""

import torch

from mdstride.models.state import Forecaster, State


def equivariance_error(
    forecaster: Forecaster, state: State, lags: torch.Tensor, matrices: torch.Tensor, shifts: torch.Tensor
) -> torch.Tensor:
    """For each of K motions x -> x Q + s, the distance between f(x Q + s) and f(x) Q + s: [K] Å.

    The root mean square over molecules, times, real atoms and coordinates. `matrices` Q [K, 3, 3] are rotations or
    reflections, `shifts` s [K, 3] Å; see State.turned.
    """
    expected, real = forecaster.forecast(state, lags), state.mask[:, None, :, None]
    errors = []
    for matrix, shift in zip(matrices, shifts, strict=True):
        there = forecaster.forecast(state.turned(matrix, shift), lags)
        square = (there - (expected @ matrix + shift)).double().square() * real
        errors.append(torch.sqrt(square.sum() / (3 * real.sum() * lags.shape[1])))
    return torch.stack(errors)
