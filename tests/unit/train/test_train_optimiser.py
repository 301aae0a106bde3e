import pytest
import torch
from torch import nn

from mdstride.models.registry import MODELS, build
from mdstride.train.optimiser import Muon, make_optimisers, orthogonalise, schedule

ATOM = {"width": 16, "layers": 3, "heads": 2, "attention_dropout": 0.0, "dropout": 0.0, "frame": "centred"}


@pytest.mark.parametrize(("name", "settings"), [("atom", ATOM)])
def test_every_parameter_is_in_exactly_one_group(name, settings):
    assert name in MODELS
    model = build(name, settings)
    optimisers = make_optimisers(model, muon_rate=0.1, adamw_rate=0.1, weight_decay=0.0)
    held = [id(p) for optimiser in optimisers.values() for group in optimiser.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    assert all(p.ndim == 2 for p in optimisers["muon"].param_groups[0]["params"])
    assert len(optimisers["muon"].param_groups[0]["params"]) == 7 * ATOM["layers"]  # query key value out, 3 of the FFN


@pytest.mark.parametrize("shape", [(24, 24), (48, 16), (16, 48)])
def test_muon_agrees_with_torch_up_to_its_bfloat16(shape):
    torch.manual_seed(0)
    start, rate, decay = torch.randn(shape), 0.02, 0.1
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimisers = [Muon([ours], rate, decay), torch.optim.Muon([theirs], lr=rate, weight_decay=decay, momentum=0.95)]
    for _ in range(5):
        gradient = torch.randn(shape)
        for parameter, optimiser in zip((ours, theirs), optimisers, strict=True):
            parameter.grad = gradient.clone()
            optimiser.step()
    change = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.03 * change
    assert change > 0.1


def test_orthogonalised_matrices_are_nearly_orthogonal():
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(30, 50, dtype=torch.float64) * 1e-6))
    assert values.min() > 0.5 and values.max() < 1.5


def test_muon_takes_matrices_only():
    with pytest.raises(ValueError, match="matrices only"):
        Muon([nn.Parameter(torch.zeros(3))], 0.1, 0.0)


def test_schedule_warms_up_and_decays_to_zero():
    rates = [schedule(step, warmup=10, steps=100) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(rates[9], abs=0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[50] == pytest.approx(0.5) and rates[100] == pytest.approx(0)
    assert schedule(0, warmup=0, steps=10) == 1
