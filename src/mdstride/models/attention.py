"""Attention between (time, atom) tokens, with continuous rotary codes of time."""

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from mdstride.models.fused import rotate

HORIZON = 24000.0
"""fs: the unit of time of the rotary codes, tau."""

FASTEST = 8000.0
"""Largest rotary frequency, radians per HORIZON: one turn in 19 fs, the period of a C=O stretch."""

LEAST = 1e-30
"""Smallest sum of weights that is divided by; see `still_attention`."""


@dataclass(frozen=True)
class Codes:
    """Rotary codes of the times t_0 = 0, t_1, ... of each molecule."""

    cosine: torch.Tensor
    """[B, T, size / 2] of the angles (t / tau) f_k."""
    sine: torch.Tensor
    """[B, T, size / 2]."""
    spaced: bool
    """t_p = p t_1 for all p: then the codes of times are also those of all differences of times."""

    def quadratures(self, query: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """C_p = q cos(a_p) and S_p = q' sin(a_p), both [B, H, T, N, size], of q [B, H, N, size].

        With q = (f, g) and q' = (g, -f), C_p - S_p is q turned by the angles a_p of time p; and for any two times

            R(t_p) q . R(t_r) k  =  (C_d + S_d) . k   for r = p + d,      (C_d - S_d) . k   for r = p - d.
        """
        first, second = query.chunk(2, dim=-1)
        swapped = torch.cat([second, -first], dim=-1)
        cosine, sine = (code.repeat(1, 1, 2)[:, None, :, None] for code in (self.cosine, self.sine))
        return query[:, :, None] * cosine, swapped[:, :, None] * sine


def rotary_codes(times: torch.Tensor, size: int, dtype: torch.dtype, *, spaced: bool = False) -> Codes:
    """Codes of `times` [B, T] in fs, the first of which is 0, for heads of `size` channels.

    The frequencies f_k rise geometrically from 1 to FASTEST. Angles are formed in float64: they reach thousands.
    """
    exponents = torch.arange(size // 2, dtype=torch.float64, device=times.device) / max(size // 2 - 1, 1)
    angles = times.double()[..., None] / HORIZON * torch.exp(math.log(FASTEST) * exponents)
    return Codes(angles.cos().to(dtype), angles.sin().to(dtype), spaced)


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
        size = queries.shape[-1] // self.heads
        query = codes.quadratures(heads(self.query(queries)[:, None])[:, :, 0] * size**-0.5)
        key, value = heads(self.key(still)), heads(self.value(still)) * shares[-still.shape[1] :, None, None]
        mean = still_attention(query, key, value, codes, bias)
        if moving is not None:
            cosine, sine = codes.cosine[:, :, None, None], codes.sine[:, :, None, None]
            key = heads(rotate(self.key(moving).unflatten(-1, (self.heads, -1)), cosine, sine).flatten(-2))
            value = heads(functional.linear(moving, shares[0] * self.value.weight))
            mean = mean + attention(query[0] - query[1], key, value, bias)
        return self.out(mean.permute(0, 2, 3, 1, 4).flatten(3))


def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Fused attention between all tokens of [B, H, T, N, size]; the scores are never stored."""
    times = query.shape[2]
    bias = bias.repeat(1, times)[:, None, None].expand(-1, -1, times * query.shape[3], -1).to(query.dtype)
    query, key, value = (part.flatten(2, 3) for part in (query, key, value))
    return functional.scaled_dot_product_attention(query, key, value, bias, scale=1.0).unflatten(2, (times, -1))


def still_attention(
    query: tuple[torch.Tensor, torch.Tensor], key: torch.Tensor, value: torch.Tensor, codes: Codes, bias: torch.Tensor
) -> torch.Tensor:
    """Attention to sources that do not depend on time, summed over them: [B, H, T, N, size].

    query: its quadratures [B, H, T, N, size]; key and value [B, H, S, N, size] before rotation.

    Equally spaced times differ by multiples d of one step: there are 2 T - 1 differences instead of T², and one
    exponential E_d[i, j] for each. The weight of atom j for (p, i) is the sum of E_d over d = -p .. T - 1 - p, divided
    by its own sum over j. From all scores of (i, S) the largest, over d and j, is subtracted first. A time whose own
    largest score is below that by more than 69 gets less than its weight, and none if by more than 87 (float32).
    """
    if not codes.spaced:
        turned = query[0] - query[1]
        cosine, sine = (code[:, None, :, None] for code in (codes.cosine, codes.sine))
        total = torch.zeros_like(turned)
        for k, v in zip(key.unbind(2), value.unbind(2), strict=True):
            k, v = (part[:, :, None].expand(-1, -1, codes.cosine.shape[1], -1, -1) for part in (k, v))
            total = total + attention(turned, rotate(k, cosine, sine), v, bias)
        return total
    batch, count, times, atoms, _ = query[0].shape
    even, odd = (part.flatten(2, 3) @ key.flatten(2, 3).mT for part in query)
    scores = torch.cat([even + odd, even - odd], dim=2).view(batch, count, 2 * times, atoms, -1, atoms)
    with torch.no_grad():
        bias = bias[:, None, None, None]
        shift = (scores.amax(2) + bias).amax(-1, keepdim=True) - bias
    terms = (scores - shift[:, :, None]).exp()
    weights = (windows(times, terms) @ terms.flatten(3)).view(batch, count, times, atoms, -1, atoms)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=LEAST)
    return (weights.flatten(2, 3).flatten(3) @ value.flatten(2, 3)).unflatten(2, (times, atoms))


def windows(times: int, like: torch.Tensor) -> torch.Tensor:
    """[T, 2 T] of ones and zeros: which differences of time exist for time p, d = 0 .. T - 1 and -d = 0 .. T - 1."""
    p, d = torch.arange(times, device=like.device)[:, None], torch.arange(times, device=like.device)
    return torch.cat([d < times - p, (d > 0) & (d <= p)], dim=1).to(like.dtype)
