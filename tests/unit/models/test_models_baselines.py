"""Baselines against closed forms and SciPy's superposition."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from baseline_helpers import compound
from baseline_helpers import state as molecules
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mdstride.models.baselines import BASELINES, make_baselines
from mdstride.models.equivariance import equivariance_error
from mdstride.models.state import State
from mdstride.models.superposition import superpose

LAGS = torch.tensor([[0.0, 10.0, 333.3]])
WATER = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0]])


def make_state(positions, *, reference=None, velocities=None, masses=None, padding=0):
    """One molecule as a State, with `padding` blank atoms behind it."""
    atoms = len(positions)

    def pad(values, dtype):
        values = torch.as_tensor(np.asarray(values), dtype=dtype)
        return torch.cat([values, torch.zeros((padding, *values.shape[1:]), dtype=dtype)])[None]

    return State(
        atomic_numbers=pad([8] + [1] * (atoms - 1), torch.int64),
        masses=pad([16.0] + [1.0] * (atoms - 1) if masses is None else masses, torch.float32),
        positions=pad(positions, torch.float32),
        velocities=pad(np.zeros((atoms, 3)) if velocities is None else velocities, torch.float32),
        mask=pad([True] * atoms, torch.bool),
        adjacency=torch.zeros(1, atoms + padding, atoms + padding, dtype=torch.bool),
        reference=pad(positions if reference is None else reference, torch.float32),
    )


def cloud(seed, atoms):
    return np.random.default_rng(seed).normal(size=(atoms, 3))


def test_persistence_returns_the_start():
    state = make_state(WATER)
    forecast = BASELINES["persistence"].forecast(state, LAGS)
    assert torch.equal(forecast, state.positions[:, None].expand(1, 3, 3, 3))


def test_ballistic_is_exact_for_free_flight():
    velocities = cloud(1, 3) * 0.01
    forecast = BASELINES["ballistic"].forecast(make_state(WATER, velocities=velocities), LAGS)[0]
    for k, lag in enumerate(LAGS[0].tolist()):
        np.testing.assert_allclose(forecast[k], WATER + velocities * lag, atol=1e-6)


def test_rigid_recovers_a_moved_reference_at_every_lag():
    turn = Rotation.random(rng=np.random.default_rng(3))
    moved = turn.apply(WATER) + np.array([5.0, -7.0, 11.0])
    forecast = BASELINES["rigid"].forecast(make_state(moved, reference=WATER), LAGS)[0]
    np.testing.assert_allclose(forecast, np.broadcast_to(moved, (3, 3, 3)), atol=5e-6)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**31), atoms=st.integers(3, 12), planar=st.booleans())
def test_superpose_agrees_with_scipy(seed, atoms, planar):
    rng = np.random.default_rng(seed)
    moving, weights = cloud(seed, atoms), rng.uniform(1, 16, atoms)
    target = Rotation.random(rng=rng).apply(moving) + 0.1 * rng.normal(size=(atoms, 3)) + 3.0
    if planar:
        moving[:, 2] = 0.0
    ours = superpose(*(torch.from_numpy(a)[None] for a in (moving, target, weights)))[0].numpy()
    centre_a, centre_b = weights @ moving / weights.sum(), weights @ target / weights.sum()
    theirs, _ = Rotation.align_vectors(target - centre_b, moving - centre_a, weights=weights)
    np.testing.assert_allclose(ours, theirs.apply(moving - centre_a) + centre_b, atol=1e-6)


def test_superpose_never_mirrors():
    """A chiral reference stays what it is, though its mirror image would fit the target exactly."""
    chiral = np.array([[0.0, 0, 0], [1.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]])
    mirrored = chiral * [1, 1, -1]
    placed = superpose(*(torch.from_numpy(a)[None] for a in (chiral, mirrored, np.ones(4))))[0].numpy()
    volume = np.linalg.det(placed[1:] - placed[0])
    assert volume == pytest.approx(6.0)
    assert np.abs(placed - mirrored).max() > 0.5


def test_superpose_weighs_by_mass():
    """The heavier an atom, the closer it is placed; without masses both ends would miss by the same."""
    target, moving = np.array([[0.0, 0, 0], [2.0, 0, 0]]), np.array([[0.0, 0, 0], [1.0, 0, 0]])
    placed = superpose(*(torch.from_numpy(a)[None] for a in (moving, target, np.array([9.0, 1.0]))))[0].numpy()
    np.testing.assert_allclose(placed[:, 0], [0.1, 1.1], atol=1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_padding_changes_nothing(name):
    molecule = {"positions": cloud(5, 6), "reference": cloud(6, 6), "velocities": 0.01 * cloud(7, 6)}
    alone = BASELINES[name].forecast(make_state(**molecule), LAGS)
    padded = BASELINES[name].forecast(make_state(**molecule, padding=4), LAGS)
    torch.testing.assert_close(padded[:, :, :6], alone, rtol=0, atol=1e-6)
    assert (padded[:, :, 6:] == 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_turn_with_the_molecule(name):
    turn = Rotation.random(rng=np.random.default_rng(8))
    positions, velocities, reference = cloud(9, 5), 0.01 * cloud(10, 5), cloud(11, 5)
    there = BASELINES[name].forecast(make_state(positions, reference=reference, velocities=velocities), LAGS)[0]
    turned = make_state(turn.apply(positions) + 2.0, reference=reference, velocities=turn.apply(velocities))
    back = BASELINES[name].forecast(turned, LAGS)[0].numpy() - 2.0
    np.testing.assert_allclose(turn.inv().apply(back.reshape(-1, 3)).reshape(there.shape), there, atol=2e-5)


def test_rigid_takes_the_nearest_copy_of_the_known_minimum():
    """Mirrored, methyl hydrogens renamed, turned: what `rigid` without knowledge of the compound misses."""
    of = compound()
    start = Rotation.random(rng=np.random.default_rng(3)).apply(-of.reference[[0, 1, 3, 2, 4, 5]]) + 4.0
    one = molecules(of, start[None], np.zeros((1, 6, 3)), padding=2)
    lags = LAGS.double()
    found = make_baselines(of)["rigid"].forecast(one, lags)[0]
    np.testing.assert_allclose(found[:, :6], [start] * 3, rtol=0, atol=1e-9)
    assert (found[:, 6:] == 0).all()
    assert (BASELINES["rigid"].forecast(one, lags)[0, :, :6] - torch.from_numpy(start)).abs().max() > 0.1


def test_which_baselines_there_are():
    of = compound()
    assert list(make_baselines(of, 300.0)) == [*BASELINES, "harmonic", "damped harmonic"]
    assert list(make_baselines(of)) == [*BASELINES, "harmonic"]
    assert list(make_baselines(replace(of, modes=None, frequencies=None), 300.0)) == list(BASELINES)


@pytest.mark.parametrize("name", make_baselines(compound(), 300.0))
def test_equivariant_to_rounding_in_double_precision(name):
    of, rng = compound(), np.random.default_rng(12)
    positions = of.reference + 0.1 * rng.normal(size=(4, 6, 3))
    one = molecules(of, positions, 0.001 * rng.normal(size=(4, 6, 3)))
    matrices = torch.from_numpy(Rotation.random(20, rng=rng).as_matrix())
    shifts = torch.from_numpy(5 * rng.normal(size=(20, 3)))
    lags = torch.tensor([[10.0, 100.0, 300.0]]).double().expand(4, 3)
    assert equivariance_error(make_baselines(of, 300.0)[name], one, lags, matrices, shifts).max() < 1e-9
