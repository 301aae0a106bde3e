"""Elementwise steps of a transformer block with their gradients written out.

Left to automatic differentiation, each would run through memory two to three times as often and keep more for its
gradient; on a CPU that is a fifth of a training step. They can be differentiated once.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable


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


def rotate(values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn the pairs (k, k + d/2) of the last axis of [..., d] by angles whose codes are [..., d/2]."""
    result: torch.Tensor = _Rotate.apply(values, cosine, sine)
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
        ctx.save_for_backward(pair)
        gate, value = pair.chunk(2, dim=-1)
        return torch.nn.functional.silu(gate).mul_(value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (pair,) = ctx.saved_tensors
        (gate, value), both = pair.chunk(2, dim=-1), torch.empty_like(pair)
        grad_gate, grad_value = both.chunk(2, dim=-1)
        torch.mul(torch.nn.functional.silu(gate), grad, out=grad_value)
        torch.ops.aten.silu_backward.grad_input(grad * value, gate, grad_input=grad_gate)
        return both


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turn(values, cosine, sine)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turn(grad, cosine, -sine), None, None


def _turn(values: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    first, second = values.chunk(2, dim=-1)
    turned = torch.empty_like(values)
    left, right = turned.chunk(2, dim=-1)
    torch.mul(first, cosine, out=left).addcmul_(second, sine, value=-1)
    torch.mul(second, cosine, out=right).addcmul_(first, sine)
    return turned
