from functools import partial

import pytest
import torch
from torch.nn import functional

from mdstride.models.fused import rms_norm, swiglu, unit, window_softmax


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


def leaf(*shape):
    return normal(*shape).requires_grad_()


BIAS = torch.tensor([[0.0, 0.0], [0.0, -1e9]], dtype=torch.float64)
"""The second atom of the second molecule is padding."""


def plain_window_softmax(scores):
    """Softmax over differences p .. p + 2 and atoms together, then the sum over differences, for p = 0, 1, 2."""
    windows = [(scores + BIAS[:, None, None, None, None])[:, :, p : p + 3] for p in range(3)]
    joint = [window.permute(0, 1, 3, 4, 2, 5).flatten(4).softmax(-1).unflatten(-1, (3, 2)).sum(4) for window in windows]
    return torch.stack(joint, dim=2)


@pytest.mark.parametrize(
    ("step", "plain", "inputs"),
    [
        (rms_norm, lambda x, w: functional.rms_norm(x, (6,), w), (leaf(2, 3, 6), leaf(6))),
        (unit, lambda x: functional.rms_norm(x, (6,)), (leaf(2, 3, 6),)),
        (swiglu, lambda x: functional.silu(x[..., :3]) * x[..., 3:], (leaf(2, 3, 6),)),
        (partial(window_softmax, bias=BIAS), plain_window_softmax, (leaf(2, 2, 5, 2, 3, 2),)),
    ],
    ids=["rms_norm", "unit", "swiglu", "window_softmax"],
)
def test_each_step_is_what_it_says_with_its_gradients(step, plain, inputs):
    torch.testing.assert_close(step(*inputs), plain(*inputs), rtol=0, atol=1e-13)
    wanted = [one for one in inputs if one.requires_grad]
    weight = normal(*plain(*inputs).shape)
    ours, theirs = (torch.autograd.grad((f(*inputs) * weight).sum(), wanted) for f in (step, plain))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)
