"""ATOM, a neural operator that forecasts all times of a trajectory at once; the `paper` variant.

Source: "ATOM: A Pretrained Neural Operator for Multitask Molecular Dynamics", arXiv 2510.05482 (ICLR 2026).
Equations as built, and each departure from the paper with its reason: docs/models.md.
"""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from mdstride.models.attention import HeterogeneousAttention, rotary_codes
from mdstride.models.baselines import superpose
from mdstride.models.lift import Head, Lift
from mdstride.models.state import State

VELOCITY_SCALE = 100.0
"""fs: velocities enter as the path of 100 fs, so that they are of order one."""

STRAIN_SCALE = 0.1
"""Å: displacements from the relaxed geometry enter in this unit, for the same reason."""

CHARGE_SCALE = 8.0
"""Atomic numbers enter as Z over that of oxygen."""

WALKS = 8
"""Lengths of random walk on the bond graph whose return probabilities describe an atom."""


class Atom(nn.Module):
    """Heavy atoms are forecast by the network; a hydrogen moves with the heavy atom that it is bonded to.

    width: channels, a multiple of twice the heads. frame: `centred` takes positions relative to the centre of mass
    of all atoms, `lab` as they come. The keys of the configuration's section pretrain.atom.
    """

    def __init__(
        self,
        *,
        width: int,
        layers: int,
        heads: int,
        attention_dropout: float,
        dropout: float,
        frame: Literal["centred", "lab"],
    ) -> None:
        super().__init__()
        self.frame = frame
        vectors = width // 4
        self.lift_x = Lift(1, 1, width, vectors)
        self.lift_v = Lift(1, 1, width, vectors)
        self.lift_c = Lift(3, 4 + WALKS, width, vectors)
        self.blocks = nn.ModuleList(Block(width, heads, attention_dropout, dropout) for _ in range(layers))
        self.keep = nn.Parameter(torch.full((layers - 1,), 0.5))
        self.head = Head(vectors)
        self.code_size = width // heads

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        index, kept = state.heavy_index()
        moved = self.displacements(state, lags)
        own = functional.one_hot(index, state.mask.shape[1]).to(moved.dtype).mT * kept[:, None]  # [B, N, heavy]
        hydrogen = (state.mask & (state.atomic_numbers == 1))[..., None]
        riding = hydrogen * (state.adjacency.to(own.dtype) @ own)
        carriers = own + riding / riding.sum(-1, keepdim=True).clamp(min=1)
        return state.positions[:, None] + torch.einsum("bnh, bphx -> bpnx", carriers, moved)

    def displacements(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """x(t) - x(0) of the heavy atoms: [B, P, heavy, 3] Å.

        The initial state takes part as one more time, t = 0: without it the rotary codes know only differences between
        forecast times. Its own output is subtracted, so that the forecast is x0 at lag 0.
        """
        positions, strain = self._geometry(state)
        x, v, c, mask = self._lift(state.heavy(), positions, strain)
        codes = rotary_codes(torch.cat([torch.zeros_like(lags[:, :1]), lags], dim=1), self.code_size)
        first = x = self.blocks[0](x, v, c, codes, mask)
        for keep, block in zip(torch.sigmoid(self.keep), self.blocks[1:], strict=True):
            x = keep * block(x, v, c, codes, mask) + (1 - keep) * first
        moved = self.head(x)
        return moved[:, 1:] - moved[:, :1]

    def _geometry(self, state: State) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the heavy atoms: positions in the model's frame and displacement from the relaxed geometry, Å."""
        index, kept = state.heavy_index()
        rows, blank = torch.arange(len(index), device=index.device)[:, None], ~kept[..., None]
        strain = state.positions - superpose(state.reference, state.positions, state.masses)
        positions = state.positions
        if self.frame == "centred":
            weights = state.masses / state.masses.sum(1, keepdim=True)
            positions = positions - torch.einsum("bn, bnx -> bx", weights, positions)[:, None]
        return positions[rows, index].masked_fill(blank, 0), strain[rows, index].masked_fill(blank, 0)

    def _lift(
        self, heavy: State, positions: torch.Tensor, strain: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The streams x, v and c, [B, 1, heavy, width] each, and the mask [B, heavy]."""
        vectors = torch.stack([positions, heavy.velocities * VELOCITY_SCALE, strain / STRAIN_SCALE], dim=2)
        lengths = vectors.norm(dim=-1)
        charges = (heavy.atomic_numbers / CHARGE_SCALE).to(lengths.dtype)[..., None]
        scalars = torch.cat([lengths, charges, return_probabilities(heavy.adjacency, lengths.dtype)], dim=-1)
        streams = (
            self.lift_x(vectors[:, :, :1], lengths[..., :1]),
            self.lift_v(vectors[:, :, 1:2], lengths[..., 1:2]),
            self.lift_c(vectors, scalars),
        )
        x, v, c = (stream[:, None] for stream in streams)
        return x, v, c, heavy.mask


class Block(nn.Module):
    """Normalise the three streams, attend from c to all of them, feed forward. Only x changes."""

    def __init__(self, width: int, heads: int, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.norm_x, self.norm_v, self.norm_c = (nn.RMSNorm(width) for _ in range(3))
        self.attention = HeterogeneousAttention(width, heads, sources=3)
        self.feed_forward = FeedForward(width)
        self.attention_dropout, self.dropout = nn.Dropout(attention_dropout), nn.Dropout(dropout)

    def forward(
        self,
        x: torch.Tensor,
        v: torch.Tensor,
        c: torch.Tensor,
        codes: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor,
    ) -> torch.Tensor:
        """The next x [B, T, N, width], from streams [B, T or 1, N, width], rotary codes and the mask [B, N]."""
        x, v, c = self.norm_x(x), self.norm_v(v), self.norm_c(c)
        x = x + self.attention_dropout(self.attention(c, [x, v, c], codes, mask))
        return x + self.dropout(self.feed_forward(x))


class FeedForward(nn.Module):
    """Two hidden layers with SwiGLU: h <- silu(W h) * (U h), twice, then a linear map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.out = nn.Linear(width, width, bias=False)  # one in the last block would cancel: x(t) - x(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., width] to [..., width]."""
        for layer in self.hidden:
            gate, value = layer(x).chunk(2, dim=-1)
            x = functional.silu(gate) * value
        return self.out(x)


def return_probabilities(adjacency: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """RRWP: the diagonals of (D^-1 A)^k, k = 1..WALKS, of bond graphs [B, N, N]: [B, N, WALKS]."""
    bonds = adjacency.to(dtype)
    step = bonds / bonds.sum(-1, keepdim=True).clamp(min=1)
    powers = [step]
    while len(powers) < WALKS:
        powers.append(powers[-1] @ step)
    return torch.stack([power.diagonal(dim1=1, dim2=2) for power in powers], dim=-1)
