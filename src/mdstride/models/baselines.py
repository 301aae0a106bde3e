"""Zero-shot baselines: what a learned forecaster has to beat. None of them has parameters or sees a trajectory.

| name | forecast at lag t |
|---|---|
| persistence | x0 |
| ballistic | x0 + v0 t |
| rigid | the relaxed geometry, placed on x0 by mass-weighted superposition |
"""

import torch

from mdstride.models.state import Forecaster, State
from mdstride.models.superposition import superpose


class Persistence:
    """Nothing moves: x(t) = x0."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        return state.positions[:, None].repeat(1, lags.shape[1], 1, 1)


class Ballistic:
    """No forces: x(t) = x0 + v0 t."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        return state.positions[:, None] + state.velocities[:, None] * lags[:, :, None, None]


class Rigid:
    """No vibration and no rotation: the relaxed geometry where x0 is, the same at every lag."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        placed = superpose(state.reference, state.positions, state.masses)
        placed = placed.masked_fill(~state.mask[..., None], 0)
        return placed[:, None].repeat(1, lags.shape[1], 1, 1)


BASELINES: dict[str, Forecaster] = {"persistence": Persistence(), "ballistic": Ballistic(), "rigid": Rigid()}
