"""Steps of a transformer block between its matrix products, with their gradients written out.

Left to automatic differentiation, each would run through memory two to three times as often and keep more for its
gradient; on a CPU that is a fifth of a training step. They can be differentiated once.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

LEAST = 1e-30
"""Smallest sum of weights that is divided by; see `window_softmax`."""


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """weight * x / sqrt(mean(x²) + eps) over the last axis of x [..., d], eps the machine precision."""
    result: torch.Tensor = _RmsNorm.apply(x, weight)
    return result


def unit(x: torch.Tensor) -> torch.Tensor:
    """x / sqrt(mean(x²) + eps): RMSNorm without its weight."""
    return rms_norm(x, torch.ones_like(x[0, 0]))


def swiglu(pair: torch.Tensor) -> torch.Tensor:
    """silu(g) * u of pairs (g, u) that lie one after the other in the last axis: [..., 2 d] to [..., d]."""
    result: torch.Tensor = _Swiglu.apply(pair)
    return result


def window_softmax(scores: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Attention weights [B, H, T, N, S, N] from scores [B, H, 2 T - 1, N, S, N] for all differences of two times.

    Time p has T differences, from p on. For each source of S, weights are proportional to the exponentials of
    scores + bias [B, N], summed over these differences, and add up to 1 over the last axis.
    One exponential serves all times: the largest score of any is subtracted first. A time whose own largest is below
    that by more than 69 gets less than its weight, and none if by more than 87 (float32).
    """
    result: torch.Tensor = _WindowSoftmax.apply(scores, bias)
    return result


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        power = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_() / x.shape[-1]
        inverse = power.add_(torch.finfo(x.dtype).eps).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return (x * inverse).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """With n = x / rms: d weight = sum of grad n, dx = (grad weight - n mean(grad weight n)) / rms."""
        x, weight, inverse = ctx.saved_tensors
        normal = x * inverse
        product = grad * normal
        mean = (product @ weight)[..., None] / x.shape[-1]
        grad_x = (grad * weight).addcmul_(normal, mean, value=-1).mul_(inverse)
        return grad_x, product.flatten(0, -2).sum(0)


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pair: torch.Tensor) -> torch.Tensor:
        gate, value = pair.chunk(2, dim=-1)
        opening = torch.sigmoid(gate)
        ctx.save_for_backward(pair, opening)
        return (gate * opening).mul_(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        """With s = sigmoid(g) and h = g s: du = grad h, dg = grad u (s + h - h s)."""
        pair, opening = ctx.saved_tensors
        (gate, value), both = pair.chunk(2, dim=-1), torch.empty_like(pair)
        grad_gate, grad_value = both.chunk(2, dim=-1)
        silu = gate * opening
        torch.mul(grad, silu, out=grad_value)
        slope = torch.addcmul(silu, silu, opening, value=-1).add_(opening)
        torch.mul(slope.mul_(grad), value, out=grad_gate)
        return both


class _WindowSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        bias = bias[:, None, None, None]
        largest = (scores.amax(2) + bias).amax(-1, keepdim=True) - bias
        terms = (scores - largest[:, :, None]).exp_()
        weights = terms.unfold(2, scores.shape[2] // 2 + 1, 1).sum(-1)
        total = weights.sum(-1, keepdim=True).clamp_(min=LEAST)
        weights.div_(total)
        ctx.save_for_backward(terms, weights, total)
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        """With w = sum of the terms e over a window / Z: de = sum of (grad - sum(grad w)) / Z over its windows."""
        terms, weights, total = ctx.saved_tensors
        each = (grad - (grad * weights).sum(-1, keepdim=True)).div_(total)
        times = each.shape[2]
        windows = torch.ones(2 * times - 1, times, dtype=each.dtype, device=each.device).tril_().triu_(1 - times)
        return (windows @ each.flatten(3)).view_as(terms).mul_(terms), None
