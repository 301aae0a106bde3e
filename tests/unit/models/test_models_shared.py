"""What every registered model must do. A new model joins by an entry in models_helpers.SETTINGS."""

import dataclasses

import pytest
import torch
from models_helpers import LAGS, SETTINGS, batch, make, molecule

from mdstride.models.registry import MODELS

EXACT = {"rtol": 0, "atol": 1e-10}
"""Å: float64 rounding."""

pytestmark = pytest.mark.parametrize("name", MODELS)


def pair():
    return [molecule(3, seed=1), molecule(5, seed=2, hydrogens=3)]


def single_precision(state):
    keys = ("masses", "positions", "velocities", "reference")
    return dataclasses.replace(state, **{key: getattr(state, key).float() for key in keys})


def test_each_model_is_tested(name):
    assert name in SETTINGS


def test_a_molecule_is_forecast_alike_alone_and_in_a_batch(name):
    model, molecules = make(name), pair()
    together = model.forecast(batch(molecules), LAGS)
    for b, one in enumerate(molecules):
        alone = model.forecast(batch([one]), LAGS[b : b + 1])[0]
        assert (alone - one["positions"]).abs().max() > 1e-3  # it does forecast something
        torch.testing.assert_close(together[b, :, : len(one["mask"])], alone, **EXACT)


def test_padding_never_matters(name):
    model, one = make(name), molecule(4, seed=3)
    atoms = len(one["mask"])
    expected = model.forecast(batch([one]), LAGS[:1])
    state = batch([one], width=atoms + 3)
    padded = ~state.mask[..., None]
    rubbish = {key: torch.where(padded, 50.0, getattr(state, key)) for key in ("positions", "velocities", "reference")}
    state = dataclasses.replace(state, **rubbish)
    torch.testing.assert_close(model.forecast(state, LAGS[:1])[:, :, :atoms], expected, **EXACT)


def test_the_order_of_atoms_does_not_matter(name):
    model, one = make(name), molecule(5, seed=4)
    order = torch.randperm(len(one["mask"]), generator=torch.Generator().manual_seed(0))
    other = {key: value[order] for key, value in one.items()}
    other["adjacency"] = one["adjacency"][order][:, order]
    expected = model.forecast(batch([one]), LAGS[:1])[:, :, order]
    torch.testing.assert_close(model.forecast(batch([other]), LAGS[:1]), expected, **EXACT)


def test_the_order_of_times_does_not_matter(name):
    model, one = make(name), molecule(4, seed=5)
    order = [2, 0, 1]
    expected = model.forecast(batch([one]), LAGS[:1])[:, order]
    torch.testing.assert_close(model.forecast(batch([one]), LAGS[:1, order]), expected, **EXACT)


def test_a_shift_in_space_shifts_the_forecast(name):
    model, one = make(name), molecule(4, seed=6)
    shift = torch.tensor([5.0, -3.0, 11.0], dtype=torch.float64)
    expected = model.forecast(batch([one]), LAGS[:1]) + shift
    moved = one | {"positions": one["positions"] + shift}
    torch.testing.assert_close(model.forecast(batch([moved]), LAGS[:1]), expected, **EXACT)


def test_training_starts_from_persistence(name):
    state = batch(pair())
    forecast = make(name, trained=False).forecast(state, LAGS)
    torch.testing.assert_close(forecast, state.positions[:, None].expand_as(forecast), rtol=0, atol=0)


@pytest.mark.parametrize("times", [1, 2, 11])
def test_any_number_of_times(name, times):
    state = batch(pair())
    lags = torch.linspace(0.5, 5000.0, times, dtype=torch.float64).expand(2, -1)
    forecast = make(name).forecast(state, lags)
    assert forecast.shape == (2, times, *state.positions.shape[1:])
    assert forecast[state.mask[:, None].expand(-1, times, -1)].isfinite().all()


def test_a_single_time_depends_on_its_lag(name):
    model, state = make(name), batch([molecule(4, seed=7)])
    short, long = (model.forecast(state, torch.tensor([[lag]], dtype=torch.float64)) for lag in (20.0, 40.0))
    assert (short - long).abs().max() > 1e-3


def test_single_precision_agrees_with_double(name):
    model, state = make(name), batch(pair())
    expected = model.forecast(state, LAGS)
    forecast = model.float().forecast(single_precision(state), LAGS.float())
    assert forecast.dtype == torch.float32
    torch.testing.assert_close(forecast.double(), expected, rtol=0, atol=1e-3)


def test_reduced_precision_is_finite_and_near(name):
    model, state, lags = make(name).float(), single_precision(batch(pair())), LAGS.float()
    expected = model.forecast(state, lags).detach() - state.positions[:, None]
    with torch.autocast("cpu", torch.bfloat16):
        forecast = model.forecast(state, lags)
    assert forecast.dtype == torch.float32
    moved = forecast - state.positions[:, None]
    assert (moved - expected).norm() < 0.1 * expected.norm()
    moved.square().sum().backward()
    assert [key for key, p in model.named_parameters() if not p.grad.isfinite().all()] == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: agreement of CPU and GPU is not tested")
def test_cpu_and_gpu_agree(name):
    model, state = make(name), batch(pair())
    expected = model.forecast(state, LAGS)
    expected.square().sum().backward()
    gradients = {key: p.grad.clone() for key, p in model.named_parameters()}
    model.zero_grad()
    there = dataclasses.replace(
        state, **{field.name: getattr(state, field.name).cuda() for field in dataclasses.fields(state)[:-1]}
    )
    forecast = model.cuda().forecast(there, LAGS.cuda())
    forecast.square().sum().backward()
    torch.testing.assert_close(forecast.cpu(), expected, rtol=0, atol=1e-9)
    for key, p in model.named_parameters():
        scale = gradients[key].abs().max()
        torch.testing.assert_close(p.grad.cpu() / scale, gradients[key] / scale, rtol=0, atol=1e-9)


def test_every_parameter_is_used(name):
    model = make(name)
    model.forecast(batch(pair()), LAGS).square().sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-6] == []
