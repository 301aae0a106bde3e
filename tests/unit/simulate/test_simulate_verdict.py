import numpy as np
import pytest

from mdstride.simulate.verdict import BondWatch, BrokenBondError, figures, judge

LIMITS = {"drift": 0.05, "break_factor": 1.5, "break_time": 5.0, "max_force": 50.0}
NUMBERS, BONDS = np.array([6, 1]), np.array([[0, 1]])
RADII = 0.76 + 0.31


def at(factor):
    return np.array([[0.0, 0, 0], [factor * RADII, 0, 0]])


def test_a_bond_that_stays_long_is_broken():
    watch = BondWatch(NUMBERS, BONDS, LIMITS, timestep=1.0)
    for _ in range(4):
        watch.check(at(1.6))
    with pytest.raises(BrokenBondError, match=r"bond broken between atoms 1-2: over 1\.5 x covalent radii for 5 fs"):
        watch.check(at(1.6))


def test_a_bond_that_comes_back_in_time_is_not():
    watch = BondWatch(NUMBERS, BONDS, LIMITS, timestep=1.0)
    for factor in [1.6, 1.6, 1.6, 1.6, 1.49] * 5:
        watch.check(at(factor))


def test_half_the_time_step_takes_twice_the_steps():
    watch = BondWatch(NUMBERS, BONDS, LIMITS, timestep=0.5)
    for _ in range(9):
        watch.check(at(1.6))
    with pytest.raises(BrokenBondError):
        watch.check(at(1.6))


def series(energy, factor=1.0, force=1.0):
    frames = len(energy)
    forces = np.zeros((frames, 2, 3))
    forces[:, 0, 0] = force
    return figures(
        atomic_numbers=NUMBERS,
        bonds=BONDS,
        time=np.arange(frames) * 2.0,
        total_energy=np.asarray(energy, float),
        temperature=np.full(frames, 300.0),
        positions=np.repeat(at(factor)[None], frames, axis=0),
        forces=forces,
    )


def test_figures_of_a_made_up_series():
    time = np.arange(2000) * 0.002  # ps
    swing = 1e-4 * np.sin(2 * np.pi * time / 0.02)  # eV: rms 0.1 / sqrt(2) meV in all, half of it per atom
    found = series(-100 + 2 * 0.03e-3 * time + swing, factor=1.2, force=7.0)
    assert found["drift"] == pytest.approx(0.03, abs=1e-3)
    assert found["fluctuation"] == pytest.approx(0.05 / np.sqrt(2), rel=1e-2)
    assert (found["frames"], found["temperature"], found["max_force"]) == (2000, 300.0, 7.0)
    assert found["longest_bond"] == pytest.approx(1.2)
    assert len(found["block_time"]) == 40 and found["block_energy"][0] == 0
    assert found["block_energy"][-1] == pytest.approx(
        0.03 * (found["block_time"][-1] - found["block_time"][0]), rel=0.01
    )


@pytest.mark.parametrize("frames", [0, 1, 9])
def test_what_cannot_be_computed_is_null(frames):
    found = series(np.zeros(frames))
    assert found["drift"] is found["fluctuation"] is None
    assert (found["max_force"] is None) == (found["longest_bond"] is None) == (frames == 0)
    assert found["block_time"] == found["block_energy"] == []


def test_a_good_run_passes():
    found = series(np.random.default_rng(0).normal(0, 1e-4, 2000))
    assert judge(found, LIMITS, "") == {"passed": True, "reason": "", **found}


def test_a_drift_beyond_the_limit_and_its_error_fails():
    energy = np.random.default_rng(0).normal(0, 1e-4, 2000) + 2 * 0.2e-3 * np.arange(2000) * 0.002
    verdict = judge(series(energy), LIMITS, "")
    assert not verdict["passed"]
    assert verdict["reason"].startswith("energy drift of 0.2 ± ")


def test_a_slope_that_may_be_chance_passes():
    # 50 frames of noise: the slope is far beyond the limit, and so is its error
    found = series(np.random.default_rng(0).normal(0, 2e-3, 50))
    assert abs(found["drift"]) > 2 * LIMITS["drift"]
    assert judge(found, LIMITS, "")["passed"]


def test_a_force_beyond_the_limit_fails():
    reason = judge(series(np.zeros(20), force=60.0), LIMITS, "")["reason"]
    assert reason == "force of 60 eV/Å on an atom, limit 50"


def test_the_reason_for_stopping_comes_first():
    verdict = judge(series(np.zeros(20), force=60.0), LIMITS, "SCF not converged (production step 3)")
    assert (verdict["passed"], verdict["reason"]) == (False, "SCF not converged (production step 3)")
