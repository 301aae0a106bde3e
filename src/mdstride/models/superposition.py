"""Superposition of one geometry onto another: the Eckart frame of a molecule."""

import torch


def superpose(moving: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """`moving` [B, N, 3] translated and rotated onto `target` [B, N, 3], minimising sum_i w_i |R a_i + c - b_i|².

    With masses as weights [B, N] this is the Eckart frame of `target`; entries of weight zero are carried along but do
    not count. Returns the type of `target`.
    """
    rotation, start, end = eckart(moving, target, weights)
    return ((moving.double() - start) @ rotation.mT + end).to(target.dtype)


def eckart(
    moving: torch.Tensor, target: torch.Tensor, weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The rotation R [B, 3, 3] of `superpose` (column vectors), and the weighted centres [B, 1, 3] of both, float64.

    In float64 because the singular values of a planar molecule differ by many orders of magnitude. R is proper, so a
    mirror image stays one. It is not determined where the second and third singular value add up to zero: for a
    linear molecule the turn about its axis is arbitrary.

    Source: Kabsch, Acta Cryst. A32, 922 (1976), with the singular value decomposition of Umeyama (1991).
    """
    a, b, w = moving.double(), target.double(), weights.double()[..., None]
    total = w.sum(1, keepdim=True)
    start, end = (w * a).sum(1, keepdim=True) / total, (w * b).sum(1, keepdim=True) / total
    covariance = (w * (b - end)).mT @ (a - start)  # [B, 3, 3]
    u, _, vt = torch.linalg.svd(covariance)
    sign = torch.linalg.det(u) * torch.linalg.det(vt)
    u = torch.cat([u[..., :2], u[..., 2:] * sign[:, None, None]], dim=-1)
    return u @ vt, start, end
