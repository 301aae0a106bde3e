"""Zero-shot baselines: what a learned forecaster has to beat. None of them has parameters or sees a trajectory.

| name | forecast at lag t |
|---|---|
| persistence | x0 |
| ballistic | x0 + v0 t |
| rigid | the relaxed geometry, placed on x0 by mass-weighted superposition |
"""

import torch

from mdstride.models.state import Forecaster, State


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


def superpose(moving: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`moving` [B, N, 3] translated and rotated onto `target` [B, N, 3], minimising sum_i w_i |R a_i + c - b_i|².

    With masses as weights [B, N] this is the Eckart frame of `target`; entries of weight zero are carried along but do
    not count. The rotation is proper, so a mirror image stays one. Computed in float64: the singular values of a
    planar molecule differ by many orders of magnitude. Returns the type of `target`.

    Source: Kabsch, Acta Cryst. A32, 922 (1976), with the singular value decomposition of Umeyama (1991).
    """
    a, b, w = moving.double(), target.double(), weights.double()[..., None]
    total = w.sum(1, keepdim=True)
    a_centre, b_centre = (w * a).sum(1, keepdim=True) / total, (w * b).sum(1, keepdim=True) / total
    covariance = (w * (b - b_centre)).mT @ (a - a_centre)  # [B, 3, 3]
    u, _, vt = torch.linalg.svd(covariance)
    sign = torch.linalg.det(u) * torch.linalg.det(vt)
    u = torch.cat([u[..., :2], u[..., 2:] * sign[:, None, None]], dim=-1)
    rotation = u @ vt
    return ((a - a_centre) @ rotation.mT + b_centre).to(target.dtype)
