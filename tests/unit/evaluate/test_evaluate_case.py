"""Windows, lags and rotations: seeded, in range, the same for every forecaster."""

import numpy as np
import pytest
import torch
from evaluate_helpers import LONGER, SETTINGS, measured, swinging, walking

from mdstride.errors import InputError
from mdstride.evaluate.case import make_case, make_plan
from mdstride.evaluate.choice import choose_windows, lag_steps, random_rotations, rollout_steps, spectrum_steps
from mdstride.formats.split import whole
from mdstride.models.baselines import BASELINES
from mdstride.windows import Windows


class Recorder:
    """Persistence that remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def forecast(self, state, lags):
        self.asked.append((state.positions.clone(), lags.clone()))
        return BASELINES["persistence"].forecast(state, lags)


def plan(data, settings=SETTINGS, names="AB"):
    return make_plan(data, whole(names), settings, "cpu")


def pairs(segment, start):
    return list(zip(segment.tolist(), start.tolist(), strict=True))


def test_all_forecasters_are_asked_the_same():
    first, second = Recorder(), Recorder()
    scores = measured(swinging(), {"first": first, "second": second}, LONGER)
    mine, other = (
        sorted((lags.shape, x.sum().item(), lags.sum().item()) for x, lags in one.asked) for one in (first, second)
    )
    assert mine == other
    assert len(mine) == 2 * 10
    assert scores.lags.tolist() == [4.0, 40.0, 200.0]


def test_lags_are_rounded_to_frames_and_recorded_so():
    assert measured(walking(), {}).lags.tolist() == [2.0, 4.0, 8.0]  # 5 fs is no whole number of 2 fs frames


@pytest.mark.parametrize("lags", [[118.5, 200.0], [0.5], [2.0, 2.4]])
def test_lags_that_do_not_fit_are_refused(lags):
    with pytest.raises(InputError, match=r"evaluate\.lags"):
        lag_steps(lags, Windows(walking(), whole("A")))


def test_windows_are_distinct_in_range_and_independent_of_other_compounds():
    data = walking()
    both, alone = Windows(data, whole("AB")), Windows(data, whole("B"))
    segment, start = choose_windows(both, 1, 20, 50, seed=1)
    assert len(set(pairs(segment, start))) == 50
    assert (both.compound[segment] == 1).all()
    assert int(start.min()) >= 0
    assert int(start.max()) < 60 - 20
    other, same = choose_windows(alone, 0, 20, 50, seed=1)
    assert torch.equal(same, start)
    assert torch.equal(other, segment - 2)
    assert not torch.equal(choose_windows(both, 1, 20, 50, seed=2)[1], start)


def test_every_start_can_be_drawn_and_more_windows_add_to_fewer():
    windows = Windows(walking(), whole("A"))
    everything = pairs(*choose_windows(windows, 0, 20, 80, seed=1))
    assert sorted(everything) == [(t, s) for t in (0, 1) for s in range(40)]
    assert pairs(*choose_windows(windows, 0, 20, 30, seed=1)) == everything[:30]
    assert everything[:30] != sorted(everything[:30])


def test_more_windows_than_there_are_is_refused_before_any_forecast():
    recorder = Recorder()
    with pytest.raises(InputError, match=r"evaluate\.windows: A has only 112 windows"):
        measured(walking(), {"recorder": recorder}, SETTINGS | {"windows": 113})
    assert not recorder.asked


def test_a_second_sample_of_the_truth_shares_no_window_with_the_first():
    data = walking()
    case = make_case(plan(data, SETTINGS | {"windows": 50}), 0)
    first, second = (ask.state.positions[:, 0, 0].tolist() for ask in (case.main, case.other))
    assert len(second) == 50
    assert not set(first) & set(second)
    assert make_case(plan(data, SETTINGS | {"windows": 60}), 0).other is None  # 112 there are


def test_motions_turn_each_molecule_about_its_centre_of_mass():
    case = make_case(plan(walking()), 1)
    moved = case.motions.ask(case.main)
    mass = case.main.state.masses[..., None].double()

    def centre(positions):
        return (mass * positions.double()).sum(1) / mass.sum(1)

    shift = centre(moved.state.positions) - centre(case.main.state.positions)
    assert shift.std().item() == pytest.approx(5.0, rel=0.2)
    before, after = (x.state.positions.double() - centre(x.state.positions)[:, None] for x in (case.main, moved))
    assert len(case.motions.turns.unique(dim=0)) == 30
    torch.testing.assert_close(before @ case.motions.turns.double(), after, atol=1e-4, rtol=0)
    speed = moved.state.velocities.norm(dim=-1) / case.main.state.velocities.norm(dim=-1)
    torch.testing.assert_close(speed[case.main.state.mask], torch.ones(120), atol=1e-5, rtol=0)
    drift = [(ask.targets - ask.state.positions[:, None]).norm(dim=-1) for ask in (case.main, moved)]
    torch.testing.assert_close(*drift, atol=1e-4, rtol=1e-4)


def test_rotations_are_proper_and_uniform():
    turns = random_rotations(4000, np.random.default_rng(0))
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turns.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turns), 1)
    np.testing.assert_allclose(turns.mean(0), 0, atol=0.04)
    angles = np.arccos(((np.trace(turns, axis1=1, axis2=2) - 1) / 2).clip(-1, 1))
    assert np.mean(angles) == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.03)  # density (1 - cos a) / pi


def test_spectra_lie_on_frames_and_need_sixteen_points():
    windows = Windows(walking(), whole("A"))
    assert spectrum_steps(59, windows).tolist() == []
    assert spectrum_steps(70, windows).tolist() == list(range(4, 69, 4))  # every 8 fs
    assert len(spectrum_steps(5000, windows)) == 128


def test_the_steps_of_a_rollout():
    windows = Windows(walking(), whole("A"))
    assert rollout_steps([20.0, 65.0], windows).tolist() == [10, 20, 30]
    assert rollout_steps(None, windows).tolist() == []
    for wrong in ([0.5, 65.0], [20.0, 10.0]):
        with pytest.raises(InputError, match=r"evaluate\.rollout"):
            rollout_steps(wrong, windows)


def test_a_rollout_that_does_not_fit_is_left_out():
    settings = SETTINGS | {"rollout": [20.0, 200.0]}
    assert plan(walking(), settings).notes()[1] == "no roll-out to 200 fs, for which trajectories are short: A, B"
    assert not [key for key in measured(walking(), BASELINES, settings).values if key[2] == "rollout"]
