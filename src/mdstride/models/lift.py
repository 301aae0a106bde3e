"""Into the network and out of it: linear maps that commute with rotations and reflections."""

import math

import torch
from torch import nn


class Lift(nn.Module):
    """Vectors and scalars of an atom to a hidden state of `width` channels.

    The first 3 m channels are m vectors, each a linear combination of the input vectors; the rest are scalars, each a
    linear combination of the input scalars plus a bias. So lift(R v, s) = R lift(v, s) on the vectors, for R in O(3).
    """

    def __init__(self, vectors: int, scalars: int, width: int, hidden_vectors: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(hidden_vectors, vectors) / math.sqrt(vectors))
        self.scalars = nn.Linear(scalars, width - 3 * hidden_vectors)

    def forward(self, vectors: torch.Tensor, scalars: torch.Tensor) -> torch.Tensor:
        """[..., vectors, 3] and [..., scalars] to [..., width]."""
        lifted = torch.einsum("hv, ...vx -> ...hx", self.vectors, vectors)
        return torch.cat([lifted.flatten(-2), self.scalars(scalars)], dim=-1)


class Head(nn.Module):
    """A hidden state to one vector: a linear combination of its vectors, all weights zero at the start."""

    def __init__(self, hidden_vectors: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(hidden_vectors))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., width] to [..., 3]."""
        vectors = hidden[..., : 3 * len(self.weight)].unflatten(-1, (-1, 3))
        return torch.einsum("h, ...hx -> ...x", self.weight, vectors)
