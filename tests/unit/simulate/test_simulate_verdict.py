import numpy as np
import pytest
from scipy.signal import lfilter

from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.simulate.verdict import BondWatch, BrokenBondError, figures, judge, net_motion

LIMITS = {
    "drift": 0.05,
    "fluctuation": 2.0,
    "temperature": 30.0,
    "break_factor": 1.5,
    "break_time": 5.0,
    "max_force": 50.0,
}
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


def stay(watch, positions, steps=5):
    for _ in range(steps):
        watch.check(np.asarray(positions, float))


# formic acid, its OH turned to the nitrogen of an ammonia: C O(H) O N and the hydrogens of OH, CH
HANDED = np.array([[0, 0, 0], [1.3, 0, 0], [-0.6, 1.05, 0], [3.9, 0, 0], [2.27, 0, 0], [-0.6, -0.9, 0.0]])
HANDED_NUMBERS = np.array([6, 8, 8, 7, 1, 1])
HANDED_BONDS = np.array([[0, 1], [0, 2], [1, 4], [0, 5]])


def test_a_hydrogen_that_goes_to_another_atom_is_a_proton_transfer():
    watch = BondWatch(HANDED_NUMBERS, HANDED_BONDS, LIMITS, timestep=1.0)
    stay(watch, HANDED, 20)
    over = HANDED.copy()
    over[4, 0] = 2.87  # from 0.97 Å off the oxygen to 1.03 Å off the nitrogen
    stay(watch, over, 4)
    with pytest.raises(BrokenBondError, match=r"^proton transfer from O2 to N4$"):
        watch.check(over)


def test_a_hydrogen_that_goes_astray_is_a_broken_bond():
    astray = HANDED.copy()
    astray[4] = [1.3, 2.9, 0]
    with pytest.raises(BrokenBondError, match=r"^bond broken between atoms 2-5: over 1\.5 x covalent radii for 5 fs$"):
        stay(BondWatch(HANDED_NUMBERS, HANDED_BONDS, LIMITS, timestep=1.0), astray)


def test_every_change_is_told():
    changed = HANDED.copy()
    changed[4, 0] = 2.87
    changed[5] = [-0.6, -3.9, 0]
    reason = r"^bond broken between atoms 1-6: .* for 5 fs; proton transfer from O2 to N4$"
    with pytest.raises(BrokenBondError, match=reason):
        stay(BondWatch(HANDED_NUMBERS, HANDED_BONDS, LIMITS, timestep=1.0), changed)


def test_two_heavy_atoms_that_stay_together_have_formed_a_bond():
    closed = HANDED.copy()
    closed[2] = [1.2, 1.4, 0]
    watch = BondWatch(HANDED_NUMBERS, HANDED_BONDS[[0, 2, 3]], LIMITS, timestep=1.0)
    stay(watch, closed, 4)
    watch.check(HANDED)
    stay(watch, closed, 4)
    with pytest.raises(BrokenBondError, match=r"^bond formed between O2 and O3$"):
        watch.check(closed)


def test_a_watch_goes_on_with_the_memory_of_another():
    first, second = (BondWatch(NUMBERS, BONDS, LIMITS, timestep=1.0) for _ in range(2))
    stay(first, at(1.6), 3)
    second.beyond = first.beyond
    stay(second, at(1.6), 1)
    with pytest.raises(BrokenBondError):
        second.check(at(1.6))


def series(energy, factor=1.0, force=1.0, temperature=300.0, target=None):
    frames = len(energy)
    forces = np.zeros((frames, 2, 3))
    forces[:, 0, 0] = force
    return figures(
        atomic_numbers=NUMBERS,
        bonds=BONDS,
        time=np.arange(frames) * 2.0,
        total_energy=np.asarray(energy, float),
        temperature=np.full(frames, 1.0) * temperature,
        positions=np.repeat(at(factor)[None], frames, axis=0),
        forces=forces,
        target=target,
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


def test_a_fluctuation_beyond_the_limit_fails():
    # water at 2 fs: 5.5 meV/atom
    energy = np.random.default_rng(0).normal(0, 2 * 5.5e-3, 2000)
    assert judge(series(energy), LIMITS, "")["reason"] == "energy fluctuation of 5.5 meV/atom, limit 2"


def wandering(mean, frames, seed, memory=50.0):
    """Temperatures [F] every 2 fs of 9 atoms at `mean` K that forget themselves in `memory` fs."""
    keep = np.exp(-2.0 / memory)
    noise = np.random.default_rng(seed).normal(0, mean * np.sqrt(2 / 21), frames)
    return mean + lfilter([np.sqrt(1 - keep**2)], [1.0, -keep], noise)


def test_a_mean_temperature_beyond_the_limit_and_its_error_fails_in_nvt_alone():
    hot = wandering(458.0, 10000, seed=0)  # what noise on all degrees of freedom would make of 300 K
    verdict = judge(series(np.zeros(10000), temperature=hot, target=300.0), LIMITS, "")
    assert verdict["reason"].startswith("mean temperature of 4") and "instead of 300 K, limit 30" in verdict["reason"]
    assert judge(series(np.zeros(10000), temperature=hot), LIMITS, "")["passed"]


def test_a_mean_temperature_that_may_be_chance_passes():
    # 1 ps: the means of good runs scatter by 30 K, and none of them fails a limit of 1 K
    strict = LIMITS | {"temperature": 1.0}
    found = [series(np.zeros(500), temperature=wandering(300.0, 500, seed), target=300.0) for seed in range(100)]
    assert max(abs(figure["temperature"] - 300.0) for figure in found) > 50.0
    assert sum(not judge(figure, strict, "")["passed"] for figure in found) <= 5


def test_the_temperatures_error_is_that_of_the_scatter_between_runs():
    found = [series(np.zeros(4000), temperature=wandering(300.0, 4000, seed)) for seed in range(100)]
    scatter = np.std([figure["temperature"] for figure in found])
    assert np.mean([figure["temperature_error"] for figure in found]) == pytest.approx(scatter, rel=0.2)


def test_the_energy_of_nvt_is_not_looked_at():
    swinging = np.random.default_rng(0).normal(0, 0.3, 2000)
    found = series(swinging, target=300.0)
    assert found["drift"] is found["fluctuation"] is None
    assert found["block_time"] == found["block_energy"] == []
    assert found["target_temperature"] == 300.0 and judge(found, LIMITS, "")["passed"]


MASSES = np.array([12.0, 1.0])


def moving(drift, turn):
    """A pair [20, 2, 3] whose centre moves by `drift` Å along x, turning at `turn` rad/fs about z."""
    still = np.array([[-1.0, 0, 0], [12.0, 0, 0]]) / 13.0 * RADII
    positions = still + np.linspace(0, drift, 20)[:, None, None] * [1.0, 0, 0]
    velocities = np.repeat(np.cross([0.0, 0, turn], still)[None], 20, axis=0)
    return net_motion(masses=MASSES, positions=positions, velocities=velocities, temperature=300.0)


def test_net_motion_of_a_pair_that_drifts_and_turns():
    # sqrt(k T tr I) of a rod with the moment of inertia I: twice I is the trace
    inertia = 12.0 / 13.0 * RADII**2
    thermal = np.sqrt(2 * BOLTZMANN * 300.0 / (inertia * KINETIC))
    assert moving(0.4, thermal) == {"centre_shift": pytest.approx(0.4), "angular_momentum": pytest.approx(1.0)}
    assert moving(0.0, 0.0) == {"centre_shift": 0.0, "angular_momentum": 0.0}


@pytest.mark.parametrize(
    ("drift", "turn", "reason"),
    [
        (0.0, 0.0, ""),
        (5e-4, 1e-6, ""),
        (2e-3, 0.0, "centre of mass moved by 0.002 Å, limit 0.001"),
        (0.0, 1e-3, "angular momentum of 0.046 of its thermal value, limit 0.01"),
    ],
)
def test_a_molecule_that_drifts_or_turns_fails(drift, turn, reason):
    assert judge(series(np.zeros(20)) | moving(drift, turn), LIMITS, "")["reason"] == reason


def test_without_frames_there_is_no_net_motion():
    empty = np.zeros((0, 2, 3))
    found = net_motion(masses=MASSES, positions=empty, velocities=empty, temperature=300.0)
    assert found == {"centre_shift": None, "angular_momentum": None}
    assert judge(series(np.zeros(0)) | found, LIMITS, "")["passed"]
