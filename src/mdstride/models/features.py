"""What the networks are told of an atom, in which units, and in which precision."""

import torch

VELOCITY_SCALE = 100.0
"""fs: velocities enter as the path of 100 fs, so that they are of order one."""

CHARGE_SCALE = 8.0
"""Atomic numbers enter as Z over that of oxygen."""

WALKS = 8
"""Lengths of random walk on the bond graph whose return probabilities describe an atom."""


def return_probabilities(adjacency: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """RRWP: the diagonals of (D^-1 A)^k, k = 1..WALKS, of bond graphs [B, N, N]: [B, N, WALKS]."""
    bonds = adjacency.to(dtype)
    step = bonds / bonds.sum(-1, keepdim=True).clamp(min=1)
    powers = [step]
    while len(powers) < WALKS:
        powers.append(powers[-1] @ step)
    return torch.stack([power.diagonal(dim1=1, dim2=2) for power in powers], dim=-1)


def full_precision(like: torch.Tensor) -> torch.autocast:
    """Keeps autocast from geometry, on the device of `like`: in bfloat16 a coordinate of 5 Å is off by up to 0.01 Å."""
    return torch.autocast(like.device.type, enabled=False)
