import pytest
import torch
from torch.nn import functional

from mdstride.models.fused import rms_norm, rotate, swiglu, unit


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def leaf(*shape):
    return normal(*shape).requires_grad_()


def plain_rotation(values, cosine, sine):
    first, second = values.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


@pytest.mark.parametrize(
    ("step", "plain", "inputs"),
    [
        (rms_norm, lambda x, w: functional.rms_norm(x, (6,), w), (leaf(2, 3, 6), leaf(6))),
        (unit, lambda x: functional.rms_norm(x, (6,)), (leaf(2, 3, 6),)),
        (swiglu, lambda x: functional.silu(x[..., :3]) * x[..., 3:], (leaf(2, 3, 6),)),
        (rotate, plain_rotation, (leaf(2, 3, 6), normal(3, 3), normal(2, 3, 3))),
    ],
    ids=["rms_norm", "unit", "swiglu", "rotate"],
)
def test_each_step_is_what_it_says_with_its_gradients(step, plain, inputs):
    torch.testing.assert_close(step(*inputs), plain(*inputs), rtol=0, atol=1e-13)
    wanted = [one for one in inputs if one.requires_grad]
    weight = normal(2, 3, plain(*inputs).shape[-1])
    ours, theirs = (torch.autograd.grad((f(*inputs) * weight).sum(), wanted) for f in (step, plain))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
