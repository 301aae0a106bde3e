import pytest
import torch
from models_helpers import batch, make, molecule

from mdstride.models.attention import equally_spaced, rotate, turns

STEPS = torch.tensor([[12.5], [0.7]], dtype=torch.float64)


def forecast(model, lags, spaced):
    """A ragged batch, and the gradients for all parameters."""
    state = batch([molecule(3, seed=1), molecule(5, seed=2, hydrogens=3)])
    moved = model.forecast(state, lags, spaced=spaced)
    gradients = torch.autograd.grad((moved - 1.0).square().sum(), list(model.parameters()))
    return moved, [gradient / gradient.abs().max() for gradient in gradients]


@pytest.mark.parametrize("times", [1, 2, 9])
@pytest.mark.parametrize("sharpness", [1.0, 6.0])
def test_equally_spaced_times_are_a_faster_way_to_the_same(times, sharpness):
    model, lags = make("atom"), STEPS * torch.arange(1, times + 1)
    with torch.no_grad():
        for block in model.blocks:
            block.attention.query.weight.mul_(sharpness)
    for one, other in zip(forecast(model, lags, True), forecast(model, lags, False), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_spacing_is_found_on_a_cpu():
    model, lags = make("atom"), STEPS * torch.arange(1, 6)
    found, told = (forecast(model, lags, spaced)[0] for spaced in (None, True))
    assert torch.equal(found, told)


def test_scores_far_apart_stay_finite():
    """Where the scores of one time are all negligible beside those of another."""
    model = make("atom").float()
    state = batch([{k: v.float() if v.is_floating_point() else v for k, v in molecule(4, seed=1).items()}])
    with torch.no_grad():
        for block in model.blocks:
            block.attention.query.weight.mul_(1000.0)
    model.forecast(state, torch.arange(1.0, 9.0)[None] * 20, spaced=True).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("lags", "answer"),
    [
        ([[0.3, 0.6, 0.9], [8.0, 16.0, 24.0]], True),
        ([[7.0]], True),
        ([[10.0, 20.0, 31.0]], False),
        ([[20.0, 10.0]], False),
        ([[0.0, 10.0]], False),
        ([[10.0, 20.0], [10.0, 20.01]], False),
    ],
)
def test_equal_spacing_is_recognised(lags, answer, dtype):
    assert equally_spaced(torch.tensor(lags, dtype=dtype)) == answer


def test_turned_pairs_know_differences_of_time_alone():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 8, dtype=torch.float64, generator=generator)
    codes = turns(torch.tensor([[-30.0, 0.0, 20.0, 50.0, 70.0]], dtype=torch.float64), 8, torch.float64)
    (back, _, early, _, late), turned = rotate(query, codes)[0], rotate(key, codes)[0]
    torch.testing.assert_close(rotate(query, codes[:, :, 1:2]), query, rtol=0, atol=0)
    assert (late - early).abs().max() > 0.1
    torch.testing.assert_close(early @ turned[3], back @ key[0, 0], rtol=0, atol=1e-13)
    torch.testing.assert_close(late @ turned[3], early @ key[0, 0], rtol=0, atol=1e-13)
