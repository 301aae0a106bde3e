"""Attention between (time, atom) tokens, with continuous rotary codes of time."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from mdstride.models.fused import window_softmax

HORIZON = 24000.0
"""fs: the unit of time of the rotary codes, tau."""

FASTEST = 8000.0
"""Largest rotary frequency, radians per HORIZON: one turn in 19 fs, the period of a C=O stretch."""


@dataclass(frozen=True)
class Codes:
    """Rotary codes for the T times t_0 = 0, t_1, ... of each molecule; see `turns`."""

    keys: torch.Tensor
    """[2, B, T, size], of the times."""
    queries: torch.Tensor
    """The same; where t_p = p t_1 for all p, [2, B, 2 T - 1, size], of all differences of times, from -t_(T-1) on."""

    @property
    def spaced(self) -> bool:
        """Whether the queries have the codes of all differences."""
        return self.queries.shape[2] > self.keys.shape[2]


def rotary_codes(times: torch.Tensor, size: int, dtype: torch.dtype, *, spaced: bool = False) -> Codes:
    """Codes of `times` [B, T > 1] in fs, the first of which is 0, for heads of `size` channels."""
    keys = turns(times, size, dtype)
    return Codes(keys, turns(torch.cat([-times[:, 1:].flip(1), times], dim=1), size, dtype) if spaced else keys)


def turns(times: torch.Tensor, size: int, dtype: torch.dtype) -> torch.Tensor:
    """What `rotate` needs, [2, B, T, size]: (c, c) and (-s, s) of the angles (t / tau) f_k, c and s of size / 2 each.

    The frequencies f_k rise geometrically from 1 to FASTEST. Angles are formed in float64: they reach thousands.
    """
    exponents = torch.arange(size // 2, dtype=torch.float64, device=times.device) / max(size // 2 - 1, 1)
    angles = times.double()[..., None] / HORIZON * torch.exp(math.log(FASTEST) * exponents)
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([torch.cat([cosine, cosine], dim=-1), torch.cat([-sine, sine], dim=-1)]).to(dtype)


def rotate(values: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The pairs (k, k + d/2) of the last axis of [..., d] turned by codes [2, ...] that broadcast to it."""
    cosine, sine = codes
    return torch.addcmul(values * cosine, values.roll(values.shape[-1] // 2, -1), sine)


def equally_spaced(lags: torch.Tensor) -> bool:
    """Whether lags [B, P] are p lags[:, 0] for p = 1..P, to the rounding of their own precision."""
    ideal = lags[:, :1] * torch.arange(1, lags.shape[1] + 1, device=lags.device)
    return bool(((lags - ideal).abs() <= 2 * torch.finfo(lags.dtype).eps * ideal.abs()).all())


class HeterogeneousAttention(nn.Module):
    """Cross-attention from one stream to several sources, with one key and one value projection for all of them.

    A softmax over all T N tokens of each source; the results are averaged with weights softmax(mix), mix learned.
    A source is `still` when it does not depend on time, else `moving`. The queries are still. Whatever is still is
    projected once per atom, and repeated only where the rotary codes make its tokens differ.
    """

    def __init__(self, width: int, heads: int, sources: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.mix = nn.Parameter(torch.zeros(sources))

    def forward(
        self,
        queries: torch.Tensor,
        still: torch.Tensor,
        moving: torch.Tensor | None,
        codes: Codes,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        """[B, T, N, width] from queries [B, N, width] and the sources: one moving or none, then the still ones.

        still [B, S, N, width], moving [B, T, N, width]. bias [B, N] keeps padded atoms out: zero for real ones and
        very negative for the others.
        """

        def heads(stream: torch.Tensor) -> torch.Tensor:
            """[B, S or T, N, width] to [B, H, S or T, N, size]."""
            return stream.unflatten(-1, (self.heads, -1)).permute(0, 3, 1, 2, 4)

        shares = torch.softmax(self.mix, 0)
        times, size = codes.keys.shape[2:]
        query = heads(self.query(queries)[:, None] * size**-0.5).contiguous()
        query = rotate(query, codes.queries[:, :, None, :, None])
        key, value = heads(self.key(still)), heads(self.value(still)) * shares[-still.shape[1] :, None, None]
        mean = still_attention(query, key, value, codes, bias)
        if moving is not None:
            key = rotate(self.key(moving).unflatten(-1, (self.heads, -1)), codes.keys[:, :, :, None, None])
            value = heads(functional.linear(moving, shares[0] * self.value.weight))
            mean = attention(query[:, :, -times:], heads(key.flatten(-2)), value, bias) + mean
        return self.out(mean.permute(0, 2, 3, 1, 4).flatten(3))


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Fused attention between all tokens of [B, H, T, N, size]; the scores are never stored."""
    times = query.shape[2]
    bias = bias.repeat(1, times)[:, None, None].expand(-1, -1, times * query.shape[3], -1).to(query.dtype)
    query, key, value = (part.flatten(2, 3) for part in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, bias, scale=1.0).unflatten(2, (times, -1))


def still_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, codes: Codes, bias: torch.Tensor
) -> torch.Tensor:
    """Attention to sources that do not depend on time, summed over them: [B, H, T, N, size].

    query [B, H, T or 2 T - 1, N, size], turned by codes.queries; key and value [B, H, S, N, size] before rotation.

    Scores depend on the difference of two times alone: equally spaced times have 2 T - 1 for each two atoms, not T².
    Those of time p are the T from p on, its difference to the last time, to its difference to the first.
    """
    if not codes.spaced:
        total = torch.zeros_like(query)
        for k, v in zip(key.unbind(2), value.unbind(2), strict=True):
            k = rotate(k[:, :, None], codes.keys[:, :, None, :, None])
            total = total + attention(query, k, v[:, :, None].expand_as(k), bias)
        return total
    atoms = query.shape[3]
    scores = query.flatten(2, 3) @ key.flatten(2, 3).mT
    weights = window_softmax(scores.unflatten(3, (-1, atoms)).unflatten(2, (-1, atoms)), bias)
    return (weights.flatten(2, 3).flatten(3) @ value.flatten(2, 3)).unflatten(2, (-1, atoms))
