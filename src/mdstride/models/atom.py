"""ATOM, a neural operator that forecasts all times of a trajectory at once; the `paper` variant.

Source: "ATOM: A Pretrained Neural Operator for Multitask Molecular Dynamics", arXiv 2510.05482 (ICLR 2026).
Equations as built, and each departure from the paper with its reason: docs/models.md.
"""

from typing import Literal

import torch
from torch import nn

from mdstride.models.attention import Codes, HeterogeneousAttention, equally_spaced, rotary_codes
from mdstride.models.features import CHARGE_SCALE, VELOCITY_SCALE, WALKS, full_precision, return_probabilities
from mdstride.models.fused import rms_norm, swiglu, unit
from mdstride.models.lift import Head, Lift
from mdstride.models.state import State
from mdstride.models.superposition import eckart

STRAIN_SCALE = 0.1
"""Å: displacements from the relaxed geometry enter in this unit, so that they are of order one."""

EXCLUDED = -1e9
"""Score of a padded atom: its weight, the exponential of this, is exactly zero."""


class Atom(nn.Module):
    """Heavy atoms are forecast by the network; a hydrogen moves with the heavy atom that it is bonded to.

    width: channels, a multiple of twice the heads. The keys of the configuration's section pretrain.atom; the defaults
    are those of the paper.

    frame, in which the network sees a molecule:
    `lab` as it comes; `centred` relative to the centre of mass of all atoms; `body` also turned into the Eckart frame
    of the relaxed geometry, and the forecast turned back. In `body` a forecast turns and moves with its molecule
    exactly (to rounding), but for mirror images, and for linear molecules, whose frame is not determined.
    """

    def __init__(
        self,
        *,
        width: int = 256,
        layers: int = 6,
        heads: int = 8,
        attention_dropout: float = 0.2,
        dropout: float = 0.1,
        frame: Literal["lab", "centred", "body"] = "centred",
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

    def forecast(self, state: State, lags: torch.Tensor, *, spaced: bool | None = None) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs.

        spaced: the caller knows whether the lags of each molecule are p = 1..P times the first, which is forecast
        faster. By default that is looked up where it costs nothing, on a CPU, and else not used.
        """
        if spaced is None:
            spaced = lags.device.type == "cpu" and equally_spaced(lags)
        with full_precision(lags):
            heavy = state.heavy()
            positions, strain, axes = self._geometry(state)
            vectors = torch.stack([positions, heavy.velocities * VELOCITY_SCALE, strain / STRAIN_SCALE], dim=2)
            vectors = vectors @ axes[:, None]
            scalars = _scalars(heavy, vectors)
        moved = self(vectors, scalars, heavy.mask, lags, spaced)
        with full_precision(lags):
            return state.carry(moved @ axes[:, None].mT)

    def forward(
        self, vectors: torch.Tensor, scalars: torch.Tensor, mask: torch.Tensor, lags: torch.Tensor, spaced: bool
    ) -> torch.Tensor:
        """x(t) - x(0) of the heavy atoms at `lags` [B, P], [B, P, N, 3] Å: the part worth compiling.

        vectors [B, N, 3, 3] (position, velocity, strain), scalars [B, N, 4 + WALKS], mask [B, N] of real atoms.
        The initial state takes part as one more time, t = 0: without it the rotary codes know only differences between
        forecast times. Its own output is subtracted, so that the forecast is x0 at lag 0.
        """
        times = torch.cat([torch.zeros_like(lags[:, :1]), lags], dim=1)
        codes = rotary_codes(times, self.code_size, vectors.dtype, spaced=spaced)
        bias = torch.where(mask, 0.0, EXCLUDED).to(vectors.dtype)
        with full_precision(vectors):
            x = self.lift_x(vectors[:, :, :1], scalars[..., :1])
            v = unit(self.lift_v(vectors[:, :, 1:2], scalars[..., 1:2]))
            c = unit(self.lift_c(vectors, scalars))
        first = x = self.blocks[0](x[:, None], v, c, codes, bias)
        for keep, block in zip(torch.sigmoid(self.keep), self.blocks[1:], strict=True):
            x = torch.lerp(first, block(x, v, c, codes, bias), keep)
        with full_precision(vectors):
            moved = self.head(x)
        return moved[:, 1:] - moved[:, :1]

    def _geometry(self, state: State) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of the heavy atoms: positions, and displacements from the relaxed geometry, Å; axes [B, 3, 3] of the frame.

        Axes are the columns, in the laboratory frame: row vectors times axes are in the model's frame.
        """
        index, kept = state.heavy_index()
        rows, blank = torch.arange(len(index), device=index.device)[:, None], ~kept[..., None]
        rotation, start, centre = (
            part.to(state.positions.dtype) for part in eckart(state.reference, state.positions, state.masses)
        )
        centred = state.positions - centre
        strain = centred - (state.reference - start) @ rotation.mT
        positions = state.positions if self.frame == "lab" else centred
        axes = rotation if self.frame == "body" else torch.eye(3, dtype=rotation.dtype, device=rotation.device)
        positions, strain = (part[rows, index].masked_fill(blank, 0) for part in (positions, strain))
        return positions, strain, axes.expand(len(index), 3, 3)


class Block(nn.Module):
    """Normalise the three streams, attend from c to all of them, feed forward. Only x changes."""

    def __init__(self, width: int, heads: int, attention_dropout: float, dropout: float) -> None:
        super().__init__()
        self.norm_x, self.norm_v, self.norm_c = (nn.RMSNorm(width) for _ in range(3))
        self.attention = HeterogeneousAttention(width, heads, sources=3)
        self.feed_forward = FeedForward(width)
        self.attention_dropout, self.dropout = nn.Dropout(attention_dropout), nn.Dropout(dropout)

    def forward(
        self, x: torch.Tensor, v: torch.Tensor, c: torch.Tensor, codes: Codes, bias: torch.Tensor
    ) -> torch.Tensor:
        """The next x [B, T, N, width], from x [B, T or 1, N, width] and `unit` v and c [B, N, width]."""
        x, v, c = rms_norm(x, self.norm_x.weight), v * self.norm_v.weight, c * self.norm_c.weight
        moves = x.shape[1] > 1
        still = torch.stack([v, c] if moves else [x[:, 0], v, c], dim=1)
        x = x + self.attention_dropout(self.attention(c, still, x if moves else None, codes, bias))
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
            x = swiglu(layer(x))
        return self.out(x)


def _scalars(heavy: State, vectors: torch.Tensor) -> torch.Tensor:
    """|x|, |v|, |u|, Z and the return probabilities of each heavy atom: [B, N, 4 + WALKS]."""
    lengths = vectors.norm(dim=-1)
    charges = (heavy.atomic_numbers / CHARGE_SCALE).to(lengths.dtype)[..., None]
    return torch.cat([lengths, charges, return_probabilities(heavy.adjacency, lengths.dtype)], dim=-1)
