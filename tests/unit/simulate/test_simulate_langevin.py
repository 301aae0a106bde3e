import numpy as np
import pytest

from mdstride.simulate.langevin import langevin_velocities
from mdstride.simulate.velocities import thermal_velocities, without_rigid_motion

MASSES = np.array([12.011, 15.999, 1.008, 1.008])
BENT = np.array([[0, 0, -0.53], [0, 0.1, 0.67], [0, 0.94, -1.11], [0.2, -0.94, -1.12]])
LINEAR = BENT * [0, 0, 1]


def after(decay, positions=BENT, velocities=None, seed=0):
    velocities = np.zeros_like(positions) if velocities is None else velocities
    generator = np.random.default_rng(seed)
    return langevin_velocities(velocities, positions, MASSES, temperature=300.0, decay=decay, generator=generator)


@pytest.mark.parametrize("positions", [BENT, BENT + 30.0, LINEAR], ids=["bent", "far off", "linear"])
def test_without_memory_the_velocities_are_thermal_ones(positions):
    drawn = thermal_velocities(positions, MASSES, temperature=300.0, generator=np.random.default_rng(0))
    np.testing.assert_allclose(after(0.0, positions), drawn, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("positions", [BENT, LINEAR], ids=["bent", "linear"])
def test_noise_gives_no_momentum_and_no_angular_momentum(positions):
    shifted = positions - MASSES @ positions / MASSES.sum()
    for seed in range(20):
        velocities = after(0.7, positions, seed=seed)
        np.testing.assert_allclose(MASSES @ velocities, 0, atol=1e-15)
        np.testing.assert_allclose(MASSES @ np.cross(shifted, velocities), 0, atol=1e-14)
        assert np.abs(velocities).max() > 1e-3


def test_friction_takes_its_share_and_noise_gives_it_back():
    start = without_rigid_motion(np.random.default_rng(1).normal(0, 0.02, BENT.shape), BENT, MASSES)
    drawn = after(0.0)
    np.testing.assert_allclose(after(0.6, velocities=start), 0.6 * start + 0.8 * drawn, atol=1e-15)


def test_without_coupling_nothing_changes():
    start = without_rigid_motion(np.random.default_rng(1).normal(0, 0.02, BENT.shape), BENT, MASSES)
    np.testing.assert_array_equal(after(1.0, velocities=start), start)
