"""Baselines within a compound: systems that they describe exactly, and MDAnalysis for the mean structure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from baseline_helpers import angular, compound, dataset, displaced, replica, state
from MDAnalysis import Universe
from MDAnalysis.analysis.align import iterative_average
from MDAnalysis.coordinates.memory import MemoryReader
from scipy.spatial.transform import Rotation

from mdstride.errors import InputError
from mdstride.formats.split import Segment
from mdstride.models import within
from mdstride.models.equivariance import equivariance_error
from mdstride.models.within import fit_within, mean_structure
from mdstride.windows import Windows

LAGS = [6.0, 40.0, 100.0]
FRAMES = 600
PARTS = [Segment("A", 0, 0, 400)], [Segment("A", 0, 400, FRAMES)]


def vibrating(*, noise=0.0, turning=True):
    """A molecule whose modes swing, while it flies and is turned at random from frame to frame or not at all."""
    of, rng = compound(), np.random.default_rng(2)
    w, t = angular(of), 2.0 * np.arange(FRAMES)[:, None]
    size, phase = 0.05 * rng.normal(size=len(w)), rng.uniform(0, 6, len(w))
    x = of.reference + displaced(of, size * np.cos(w * t + phase)) + np.array([1e-3, 2e-3, 0]) * t[..., None]
    v = displaced(of, -size * w * np.sin(w * t + phase)) + np.array([1e-3, 2e-3, 0])
    x += noise * rng.normal(size=x.shape)
    turn = Rotation.random(rng=rng) if turning else Rotation.identity()
    x, v = (turn.apply(one.reshape(-1, 3)).reshape(x.shape) for one in (x, v))
    return replace(of, replicas=(replica(0, x, v),))


def test_a_harmonic_molecule_is_linear():
    """Fitted on the first 400 frames, exact on windows of the rest, which it has not seen."""
    of = vibrating()
    model = fit_within(dataset(of), "A", *PARTS, LAGS)["linear"]
    windows = Windows(dataset(of), PARTS[1])
    steps = torch.tensor([round(lag / 2) for lag in LAGS]).expand(30, -1)
    one, targets = windows.gather(torch.zeros(30, dtype=torch.int64), torch.arange(30) * 4, steps)
    found = model.forecast(one, windows.lags(steps))
    assert (found - targets).abs().max() < 1e-4
    back = model.forecast(one, windows.lags(steps).flip(1))  # lags in any order, and some of them
    torch.testing.assert_close(back, found.flip(1), rtol=0, atol=0)
    torch.testing.assert_close(model.forecast(one, windows.lags(steps)[:, 1:2]), found[:, 1:2], rtol=0, atol=0)


def test_the_regression_is_that_of_least_squares():
    """The normal equations solved by NumPy's least squares on rows extended by the root of the penalty."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(2, 50, 3))
    heavy, penalty = torch.tensor([True, True, False]), 0.1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(within, "PENALTIES", (penalty,))
        matrix, constant = within._ridge(*(torch.from_numpy(a) for a in (x, y, x, y)), heavy)
    for k in range(2):
        rows = np.concatenate([x - x.mean(0), np.sqrt(penalty * 50) * np.eye(6)])
        wanted = np.linalg.lstsq(rows, np.concatenate([y[k] - y[k].mean(0), np.zeros((6, 3))]))[0]
        np.testing.assert_allclose(matrix[k], wanted, rtol=0, atol=1e-12)
        np.testing.assert_allclose(constant[k], y[k].mean(0) - x.mean(0) @ wanted, rtol=0, atol=1e-12)


def test_the_penalty_is_the_best_one_of_the_heavy_atoms_at_each_lag():
    """Validation says the opposite of training at the first lag: the heaviest penalty; at the second the same."""
    rng = np.random.default_rng(4)
    x = torch.from_numpy(rng.normal(size=(40, 3)))
    y = torch.stack([x, x])
    unseen = torch.stack([torch.cat([-x[:, :2], x[:, 2:]], 1), torch.cat([x[:, :2], -x[:, 2:]], 1)])
    matrix, _ = within._ridge(x, y, x, unseen, torch.tensor([True, True, False]))
    assert matrix[0].abs().max() < 0.02
    torch.testing.assert_close(matrix[1], torch.eye(3).double(), rtol=0, atol=1e-6)


def test_mean_structure_agrees_with_mdanalysis():
    rng = np.random.default_rng(5)
    of = compound()
    frames = of.reference + 0.1 * rng.normal(size=(20, 6, 3))
    turned = np.stack([turn.apply(one) for turn, one in zip(Rotation.random(20, rng=rng), frames, strict=True)])
    universe = Universe.empty(6, trajectory=True)
    universe.load_new(turned.astype(np.float32), format=MemoryReader)
    universe.add_TopologyAttr("masses", of.masses)
    theirs = iterative_average(universe, weights="mass", eps=1e-5).results.positions
    ours = mean_structure(torch.from_numpy(turned), torch.from_numpy(of.masses).expand(20, -1)).numpy()
    pairs = np.triu_indices(6, k=1)
    lengths = [np.linalg.norm(one[pairs[0]] - one[pairs[1]], axis=1) for one in (ours, theirs)]
    np.testing.assert_allclose(*lengths, rtol=0, atol=3e-5)


def test_mean_is_placed_on_the_start():
    of = vibrating(noise=0.02)
    mean = fit_within(dataset(of), "A", *PARTS, LAGS)["mean"]
    turn = Rotation.random(rng=np.random.default_rng(6))
    start = turn.apply(of.reference) + 3.0
    found = mean.forecast(state(of, start[None], np.zeros((1, 6, 3)), padding=2), torch.tensor([LAGS]))[0].numpy()
    assert np.abs(found[:, :6] - start).max() < 0.03  # of 400 frames with vibrations of 0.1 Å
    assert (found[:, 6:] == 0).all()


@pytest.mark.parametrize("name", ["mean", "linear"])
def test_equivariant_to_rounding_in_double_precision(name):
    of, rng = vibrating(noise=0.02), np.random.default_rng(7)
    model = fit_within(dataset(of), "A", *PARTS, LAGS)[name]
    one = state(of, of.reference + 0.1 * rng.normal(size=(3, 6, 3)), 0.01 * rng.normal(size=(3, 6, 3)), padding=1)
    matrices, shifts = torch.from_numpy(Rotation.random(20, rng=rng).as_matrix()), torch.randn(20, 3).double()
    assert equivariance_error(model, one, torch.tensor([LAGS]).double().expand(3, -1), matrices, shifts).max() < 1e-9


def test_linear_does_not_depend_on_a_common_velocity():
    of, rng = vibrating(noise=0.02), np.random.default_rng(8)
    model, boost = fit_within(dataset(of), "A", *PARTS, LAGS)["linear"], np.array([0.01, -0.02, 0.0])
    positions, velocities = of.reference + 0.1 * rng.normal(size=(2, 6, 3)), 0.01 * rng.normal(size=(2, 6, 3))
    lags = torch.tensor([LAGS]).double().expand(2, -1)
    slow, fast = (model.forecast(state(of, positions, velocities + u), lags) for u in (0.0, boost))
    np.testing.assert_allclose(fast, slow.numpy() + boost * np.array(LAGS)[:, None, None], rtol=0, atol=1e-9)


def test_what_cannot_be_fitted_or_forecast_is_named():
    of = vibrating()
    data = dataset(of)
    with pytest.raises(InputError, match="A: no validation segments"):
        fit_within(data, "A", PARTS[0], [], LAGS)
    with pytest.raises(InputError, match="400 fs does not fit into any segment of A"):
        fit_within(data, "A", *PARTS, [400.0])
    one = state(of, of.reference[None], np.zeros((1, 6, 3)))
    with pytest.raises(InputError, match="only fitted at lags of 6, 40, 100 fs"):
        fit_within(data, "A", *PARTS, LAGS)["linear"].forecast(one, torch.tensor([[6.0, 50.0]]))
