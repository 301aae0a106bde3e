"""Attention between (time, atom) tokens, with continuous rotary codes of time."""

import math

import torch
from torch import nn
from torch.nn import functional

HORIZON = 24000.0
"""fs: the unit of time of the rotary codes, tau."""

FASTEST = 8000.0
"""Largest rotary frequency, radians per HORIZON: one turn in 19 fs, the period of a C=O stretch."""

Codes = tuple[torch.Tensor, torch.Tensor]


def rotary_codes(times: torch.Tensor, size: int, dtype: torch.dtype) -> Codes:
    """Cosines and sines [B, T, 1, 1, size / 2] of the angles (t / tau) f_k at `times` [B, T] in fs.

    The frequencies f_k rise geometrically from 1 to FASTEST. Angles are formed in float64: they reach thousands.
    """
    exponents = torch.arange(size // 2, dtype=torch.float64, device=times.device) / max(size // 2 - 1, 1)
    angles = (times.double()[..., None] / HORIZON * torch.exp(math.log(FASTEST) * exponents))[:, :, None, None]
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(values: torch.Tensor, codes: Codes) -> torch.Tensor:
    """Turn the pairs (k, k + size/2) of the last axis of [B, T or 1, N, H, size] by their angles."""
    (first, second), (cosine, sine) = values.chunk(2, dim=-1), codes
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class HeterogeneousAttention(nn.Module):
    """Cross-attention from one stream to several sources, with one key and one value projection for all of them.

    A softmax over all T N tokens of each source; the results are averaged with weights softmax(mix), mix learned.
    A stream that does not depend on time is [B, 1, N, width]; it is projected once per atom and repeated only where
    the rotary codes make its tokens differ. The scores are never stored: the fused kernel forms them in pieces.
    """

    def __init__(self, width: int, heads: int, sources: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.mix = nn.Parameter(torch.zeros(sources))

    def forward(
        self, queries: torch.Tensor, sources: list[torch.Tensor], codes: Codes, bias: torch.Tensor
    ) -> torch.Tensor:
        """[B, T, N, width] from streams [B, T or 1, N, width], rotary codes and a bias of the scores [B, 1, 1, T N].

        The bias keeps padded atoms out: zero for real ones and very negative for the others.
        """
        times = codes[0].shape[1]

        def tokens(stream: torch.Tensor) -> torch.Tensor:
            """[B, T or 1, N, H, size] to [B, H, T N, size]."""
            return stream.expand(-1, times, -1, -1, -1).flatten(1, 2).transpose(1, 2)

        def split(stream: torch.Tensor) -> torch.Tensor:
            return stream.unflatten(-1, (self.heads, -1))

        query = tokens(rotate(split(self.query(queries)), codes))
        bias = bias.expand(-1, -1, query.shape[2], -1)
        mean = torch.zeros_like(query)
        for weight, source in zip(torch.softmax(self.mix, 0), sources, strict=True):
            key = tokens(rotate(split(self.key(source)), codes))
            value = tokens(split(functional.linear(source, weight * self.value.weight)))
            mean = mean + functional.scaled_dot_product_attention(
                query, key, value, bias, scale=query.shape[-1] ** -0.5
            )
        return self.out(mean.transpose(1, 2).flatten(2).unflatten(1, (times, -1)))
