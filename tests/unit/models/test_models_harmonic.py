"""Harmonic forecasts against closed forms, and the free rotor against SciPy's integrator."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from baseline_helpers import METHANOL, METHANOL_NUMBERS, angular, compound, dataset, displaced, replica, state
from scipy.integrate import solve_ivp
from scipy.spatial.transform import Rotation

from mdstride.errors import InputError
from mdstride.formats.dataset import Minimum
from mdstride.formats.split import Segment
from mdstride.models.harmonic import TIMES, Harmonic, fit_damping, rotor
from mdstride.models.minima import Minima

LAGS = np.array([0.0, 1.0, 10.0, 333.3, 24000.0])
TURN = Rotation.random(rng=np.random.default_rng(3))
DRIFT = np.array([1e-4, -2e-3, 3e-3])


def forecast(of, positions, velocities, lags=LAGS, damping=None):
    """[P, N, 3] for one molecule."""
    one = state(of, positions[None], velocities[None])
    return Harmonic(Minima(of), damping).forecast(one, torch.tensor(lags)[None])[0].numpy()


def placed(shape):
    """Turned and far from the origin."""
    return TURN.apply(shape.reshape(-1, 3)).reshape(shape.shape) + np.array([5.0, -7.0, 11.0])


@pytest.mark.parametrize("modes", ["all, released from rest", "one, in motion"])
def test_a_harmonic_molecule_is_exact_at_any_lag(modes):
    """Flying, turned and vibrating without angular momentum: x = c + V t + R (a + d(t))."""
    of = compound()
    w, rng = angular(of), np.random.default_rng(0)
    one = np.eye(len(w))[4] if modes.startswith("one") else np.ones(len(w))
    q, p = 0.1 * one * rng.normal(size=len(w)), 0.01 * rng.normal(size=len(w)) * one * modes.startswith("one")
    amplitudes = q * np.cos(w * LAGS[:, None]) + p / w * np.sin(w * LAGS[:, None])
    expected = placed(of.reference + displaced(of, amplitudes)) + DRIFT * LAGS[:, None, None]
    found = forecast(of, expected[0], TURN.apply(displaced(of, p)) + DRIFT)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_flat_and_imaginary_modes_stay_bounded_or_free():
    of = compound()
    frequencies = np.array([-15.0, 0.0, *of.frequencies[2:]])
    of = replace(of, frequencies=frequencies)
    for k, moved in ((0, np.sin(angular(of)[0] * LAGS) / angular(of)[0]), (1, LAGS)):
        p = 1e-3 * np.eye(len(frequencies))[k]
        expected = of.reference + displaced(of, moved[:, None] * p)
        np.testing.assert_allclose(forecast(of, of.reference, displaced(of, p)), expected, rtol=0, atol=1e-9)


def test_damping_shrinks_vibrations_towards_the_minimum():
    of = compound()
    start = of.reference + displaced(of, np.full(len(of.frequencies), 0.05))
    rest = np.zeros_like(start)
    free, damped = (forecast(of, start, rest, damping=tau) - of.reference for tau in (None, 100.0))
    np.testing.assert_allclose(damped, free * np.exp(-LAGS / 100.0)[:, None, None], rtol=0, atol=1e-9)


def test_lag_zero_is_the_initial_state():
    of, rng = compound(), np.random.default_rng(4)
    start, velocities = placed(of.reference) + 0.1 * rng.normal(size=(6, 3)), 0.01 * rng.normal(size=(6, 3))
    np.testing.assert_allclose(forecast(of, start, velocities, LAGS[:1])[0], start, rtol=0, atol=1e-9)


def test_a_rigid_rotor_is_exact_and_keeps_energy_and_angular_momentum():
    """Against Euler's equations and the orientation, integrated by SciPy to 1e-11."""
    of = compound()
    masses, centre = of.masses[:, None], of.masses @ of.reference / of.masses.sum()
    body = of.reference - centre
    inertia = (of.masses @ (body**2).sum(1)) * np.eye(3) - (masses * body).T @ body
    spin = np.array([2e-3, -4e-3, 1e-3])

    def rate(_, y):
        turn, w = y[:9].reshape(3, 3), y[9:]
        cross = np.cross(np.eye(3), w)  # rows: e_k x w, so that this is [w]_x
        return np.concatenate([(turn @ cross).ravel(), np.linalg.solve(inertia, np.cross(inertia @ w, w))])

    lags = np.array([0.0, 50.0, 700.0, 3000.0])
    found = solve_ivp(rate, (0, 3000.0), [*np.eye(3).ravel(), *spin], "DOP853", lags, rtol=1e-11, atol=1e-13).y.T
    expected = [TURN.apply(body @ one[:9].reshape(3, 3).T) + DRIFT * t for one, t in zip(found, lags, strict=True)]
    velocities = TURN.apply(np.cross(spin, body)) + DRIFT
    np.testing.assert_allclose(forecast(of, TURN.apply(body), velocities, lags), expected, rtol=0, atol=2e-6)

    momentum, energy = np.cross(TURN.apply(body), masses * velocities).sum(0), (masses * velocities**2).sum()
    for lag in lags[1:]:
        before, now, after = forecast(of, TURN.apply(body), velocities, np.array([lag - 0.01, lag, lag + 0.01]))
        speed = (after - before) / 0.02
        np.testing.assert_allclose(np.cross(now - DRIFT * lag, masses * speed).sum(0), momentum, rtol=0, atol=1e-5)
        assert (masses * speed**2).sum() == pytest.approx(energy, rel=1e-5)


def test_the_rotor_conserves_its_energy_and_stays_a_rotation():
    rng = np.random.default_rng(5)
    momentum, inverse = torch.from_numpy(0.1 * rng.normal(size=(8, 3))), torch.tensor([0.05, 0.02, 0.015]).double()
    turn = rotor(momentum, inverse, torch.tensor([[10.0, 500.0, 3000.0]]).double().expand(8, 3))
    body = (turn.mT @ momentum[:, None, :, None])[..., 0]
    energy, start = (body.square() * inverse).sum(-1), (momentum.square() * inverse).sum(-1)
    torch.testing.assert_close(energy, start[:, None].expand(8, 3), rtol=1e-6, atol=0)
    torch.testing.assert_close(turn @ turn.mT, torch.eye(3).double().expand_as(turn), rtol=0, atol=1e-12)


def test_a_linear_molecule_turns_at_a_constant_rate():
    """CO2 about z, and nothing turns about its axis."""
    of = compound(np.array([[0.0, 0, 0], [1.16, 0, 0], [-1.16, 0, 0]]), [6, 8, 8], [[0, 1], [0, 2]])
    assert len(of.frequencies) == 4
    found = forecast(of, of.reference, np.cross([0, 0, 3e-3], of.reference), np.array([100.0, 900.0]))
    expected = [Rotation.from_rotvec([0, 0, 3e-3 * t]).apply(of.reference) for t in (100.0, 900.0)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("hand, order", [(1, [0, 1, 3, 4, 2, 5]), (-1, [0, 1, 3, 2, 4, 5]), (-1, [0, 1, 2, 4, 3, 5])])
def test_turned_methyl_groups_and_mirror_images_are_the_same_minimum(hand, order):
    """The forecast of a renamed (and mirrored) molecule is the renamed forecast, and lies as near to its minimum."""
    staggered = METHANOL + 0.05 * np.random.default_rng(8).normal(size=METHANOL.shape)  # no symmetry left
    of, rng = compound(staggered), np.random.default_rng(6)
    start = placed(of.reference + 0.03 * rng.normal(size=(6, 3)))
    velocities = 0.003 * rng.normal(size=(6, 3))
    lags = LAGS[:4]
    found = forecast(of, hand * start[order], hand * velocities[order], lags)
    np.testing.assert_allclose(found, hand * forecast(of, start, velocities, lags)[:, order], rtol=0, atol=1e-9)


def test_orders_that_would_break_a_bond_are_not_considered():
    """A mirrored stereocentre stays what it is; the hydrogens of a methyl group go round, and none leaves its atom."""
    bonds = [[0, 1], [0, 2], [0, 3], [0, 4]]
    chiral = compound(np.random.default_rng(7).normal(size=(5, 3)), [6, 7, 8, 9, 1], bonds)
    match = Minima(chiral).nearest(torch.from_numpy(-chiral.reference)[None])
    assert (match.hand.tolist(), match.order.tolist()) == ([1.0], [[0, 1, 2, 3, 4]])
    methanol = Minima(compound())
    assert methanol.hands[1] == [((2, 3, 4), (3, 4, 2), (4, 2, 3)), ((5,),)]
    assert methanol.hands[-1] == [((2, 4, 3), (3, 2, 4), (4, 3, 2)), ((5,),)]
    water = compound(METHANOL[:3], [8, 1, 1], [[0, 1], [0, 2]])
    assert Minima(water).hands == {1: [((1, 2), (2, 1))], -1: [((1, 2), (2, 1))]}


def test_the_nearest_of_several_minima_is_used():
    of = compound()
    other = METHANOL.copy()
    other[5] = [-0.97, -1.06, 0.0]  # the hydroxyl group on the other side
    second = compound(other)
    of = replace(of, minima=(Minimum(-138.0, second.reference, second.frequencies, second.modes),))
    start = np.stack([other, METHANOL]) + 0.02
    assert Minima(of).nearest(torch.from_numpy(start)).minimum.tolist() == [1, 0]
    rest = np.zeros((6, 3))
    np.testing.assert_allclose(forecast(of, start[0], rest), [start[0]] * len(LAGS), atol=1e-9)


def test_padding_and_single_precision():
    of, rng = compound(), np.random.default_rng(9)
    positions, velocities = of.reference + 0.1 * rng.normal(size=(4, 6, 3)), 0.01 * rng.normal(size=(4, 6, 3))
    lags = torch.tensor(LAGS[:4]).expand(4, 4)
    model = Harmonic(Minima(of))
    wide = model.forecast(state(of, positions, velocities, padding=3, dtype=torch.float32), lags.float())
    assert (wide.dtype, wide.shape) == (torch.float32, (4, 4, 9, 3))
    assert (wide[:, :, 6:] == 0).all()
    double = model.forecast(state(of, positions, velocities), lags).float()
    torch.testing.assert_close(wide[:, :, :6], double, rtol=0, atol=2e-5)


def decaying(tau, *, frames=400):
    """Replicas of one mode each in which (q, p) turns and decays by exp(-t/tau)."""
    of, t = compound(low=700.0), 2.0 * np.arange(frames)[:, None]
    replicas = []
    for k in range(3):
        mode, w = np.eye(len(of.frequencies))[k], angular(of)[k]
        decay = 0.3 * np.exp(-t / tau)
        q, p = decay * np.cos(w * t) * mode, -w * decay * np.sin(w * t) * mode
        replicas.append(replica(k, of.reference + displaced(of, q), displaced(of, p)))
    return replace(of, replicas=tuple(replicas))


def test_fit_damping_finds_the_time_constant_of_the_data():
    tau = TIMES[40]
    of = decaying(tau)
    segments = [Segment("A"), Segment("B")]
    data = dataset(of, replace(of, id="B", modes=None))  # without modes: does not count
    assert fit_damping(data, segments, [20.0, 60.0, 200.0]) == tau
    assert fit_damping(dataset(decaying(1e9)), segments[:1], [20.0, 60.0, 200.0]) == TIMES[-1]


def test_fit_damping_says_what_is_missing():
    of = decaying(300.0, frames=20)
    with pytest.raises(InputError, match="no training compound has normal modes"):
        fit_damping(dataset(replace(of, modes=None)), [Segment("A")], [10.0])
    with pytest.raises(InputError, match="40 fs does not fit into any segment of A"):
        fit_damping(dataset(of), [Segment("A")], [10.0, 40.0])


def test_a_minimum_without_modes_is_refused():
    with pytest.raises(ValueError, match="normal modes"):
        Harmonic(Minima(replace(compound(), modes=None)))
    assert len(METHANOL_NUMBERS) == len(METHANOL)


def test_a_turning_molecule_starts_to_vibrate_from_rest():
    """Released with the velocities of a rigid body: in the turning frame one mode swings as a cosine."""
    of, spin = compound(), np.array([4e-3, -3e-3, 2e-3])
    amplitude = 0.3 * np.eye(len(of.frequencies))[1]
    centre = of.masses @ of.reference / of.masses.sum()
    start = of.reference - centre + displaced(of, amplitude)
    lags = np.array([5.0, 10.0, 20.0, 40.0])
    found = forecast(of, start, np.cross(spin, start), lags)
    wanted = of.reference + displaced(of, amplitude * np.cos(angular(of) * lags[:, None]))
    pairs = np.triu_indices(6, k=1)
    lengths = [np.linalg.norm(one[:, pairs[0]] - one[:, pairs[1]], axis=-1) for one in (found, wanted)]
    np.testing.assert_allclose(*lengths, rtol=0, atol=2e-3)
