from functools import partial

import atom_padded
import atom_plain
import pytest
import torch
from models_helpers import LAGS, SETTINGS, assert_agrees, batch, make, molecule

from mdstride.models.attention import rotary_codes
from mdstride.models.features import return_probabilities
from mdstride.models.lift import Head, Lift
from mdstride.models.registry import build


@pytest.mark.parametrize(
    ("frame", "lags"),
    [
        ("centred", [[900.0, 25.0], [0.7, 23456.7]]),
        ("centred", [[12.5, 25.0, 37.5]]),
        ("lab", [[60.0]]),
        ("body", [[30.0]]),
    ],
)
def test_agrees_with_the_plain_reference(frame, lags):
    """Forward and gradients, against the equations written out for one molecule at a time."""
    model = make("atom", frame=frame)
    shape = {key: SETTINGS["atom"][key] for key in ("layers", "heads")} | {"frame": frame}
    molecules = [molecule(2, seed=1), molecule(3, seed=2, hydrogens=3)][: len(lags)]
    assert_agrees(model, partial(atom_plain.forecast, **shape), molecules, lags)


@pytest.mark.parametrize("frame", ["centred", "lab", "body"])
def test_the_baseline_of_the_benchmarks_is_the_same_model(frame):
    model, state = make("atom", frame=frame), batch([molecule(3, seed=1), molecule(5, seed=2, hydrogens=3)])
    shape = {key: SETTINGS["atom"][key] for key in ("layers", "heads")} | {"frame": frame}
    expected = atom_padded.forecast(model.state_dict(), state, LAGS, width=7, **shape)
    torch.testing.assert_close(model.forecast(state, LAGS), expected, rtol=0, atol=1e-10)


def test_the_defaults_are_those_of_the_paper():
    model = build("atom", {})
    assert (len(model.blocks), model.blocks[0].attention.heads, model.blocks[0].norm_x.weight.numel()) == (6, 8, 256)
    assert (model.blocks[0].attention_dropout.p, model.blocks[0].dropout.p, model.frame) == (0.2, 0.1, "centred")


@pytest.mark.parametrize("mirror", [1, -1])
def test_lift_and_head_commute_with_rotations_and_reflections(mirror):
    torch.manual_seed(0)
    lift, head = Lift(2, 3, 20, 5).double(), Head(5).double()
    torch.nn.init.normal_(head.weight)
    matrix = mirror * torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    vectors, scalars = torch.randn(7, 2, 3, dtype=torch.float64), torch.randn(7, 3, dtype=torch.float64)
    before, after = lift(vectors, scalars), lift(vectors @ matrix, scalars)
    turned = before[:, :15].unflatten(-1, (5, 3)) @ matrix
    torch.testing.assert_close(after[:, :15], turned.flatten(-2), rtol=0, atol=1e-13)
    torch.testing.assert_close(after[:, 15:], before[:, 15:], rtol=0, atol=0)
    torch.testing.assert_close(head(after), head(before) @ matrix, rtol=0, atol=1e-13)


def test_lag_zero_is_the_initial_state():
    state = batch([molecule(4, seed=3)])
    lags = torch.tensor([[0.0, 100.0]], dtype=torch.float64)
    forecast = make("atom").forecast(state, lags)
    torch.testing.assert_close(forecast[:, 0], state.positions, rtol=0, atol=1e-12)


def test_hydrogens_ride_with_their_heavy_atom():
    one = molecule(4, seed=4, hydrogens=3)
    moved = make("atom").forecast(batch([one]), LAGS[:1])[0] - one["positions"]
    for i in (one["atomic_numbers"] == 1).nonzero()[:, 0].tolist():
        (carrier,) = one["adjacency"][i].nonzero()[:, 0].tolist()
        torch.testing.assert_close(moved[:, i], moved[:, carrier], rtol=0, atol=1e-12)
        assert moved[:, i].abs().max() > 1e-3


def test_frame_decides_whether_the_origin_matters():
    one = molecule(4, seed=5)
    moved = one | {"positions": one["positions"] + 2.0}
    for frame, matters in (("centred", False), ("lab", True)):
        model = make("atom", frame=frame)
        difference = model.forecast(batch([moved]), LAGS[:1]) - 2.0 - model.forecast(batch([one]), LAGS[:1])
        assert (difference.abs().max() > 1e-3) == matters


def test_rotary_codes_resolve_the_lags_that_matter():
    """10 fs apart, the fastest code has turned by a radian or more; 24 ps apart, the slowest by one."""
    codes = rotary_codes(torch.tensor([[0.0, 10.0, 24000.0]], dtype=torch.float64), 16, torch.float64)
    cosine, sine = codes.keys[:, 0, :, 8:]
    angles = torch.atan2(sine, cosine)
    assert angles[1].abs().max() > 1
    assert angles[2, 0].item() == pytest.approx(1.0)


def test_return_probabilities_of_a_triangle_and_a_lone_atom():
    adjacency = torch.zeros(1, 4, 4, dtype=torch.bool)
    for i, j in ((0, 1), (1, 2), (0, 2)):
        adjacency[0, i, j] = adjacency[0, j, i] = True
    found = return_probabilities(adjacency, torch.float64)[0]
    expected = [(1 + 2 * (-0.5) ** k) / 3 for k in range(1, 9)]  # eigenvalues 1, -1/2, -1/2
    torch.testing.assert_close(found[:3], torch.tensor([expected] * 3, dtype=torch.float64))
    assert (found[3] == 0).all()
