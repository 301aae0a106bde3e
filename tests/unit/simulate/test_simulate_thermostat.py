import numpy as np
import pytest
from scipy import stats

from mdstride.constants import BOLTZMANN
from mdstride.simulate.thermostat import rescaling_factor

TEMPERATURE, DEGREES = 300.0, 21
MEAN = 0.5 * DEGREES * BOLTZMANN * TEMPERATURE


def rescaled(kinetic, decay, generator, degrees=DEGREES):
    factor = rescaling_factor(kinetic, temperature=TEMPERATURE, degrees=degrees, decay=decay, generator=generator)
    return kinetic * factor**2


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.98])
def test_the_mean_relaxes_exponentially(decay):
    # Bussi 2007, equation 4: the expectation of the new kinetic energy is c K + (1 - c) K0
    generator = np.random.default_rng(1)
    kinetic = 3 * MEAN
    drawn = [rescaled(kinetic, decay, generator) for _ in range(20000)]
    expected = decay * kinetic + (1 - decay) * MEAN
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))


@pytest.mark.parametrize("degrees", [1, 2, 21])
def test_the_kinetic_energy_becomes_chi_square(degrees):
    generator = np.random.default_rng(2)
    kinetic, seen = MEAN, []
    for _ in range(20000):
        kinetic = rescaled(kinetic, 0.1, generator, degrees)
        seen.append(kinetic)
    scaled = 2 * np.array(seen[10::4]) / (BOLTZMANN * TEMPERATURE)
    assert stats.kstest(scaled, stats.chi2(degrees).cdf).pvalue > 0.01


def test_without_coupling_nothing_changes():
    assert rescaled(MEAN, 1.0 - 1e-16, np.random.default_rng(0)) == pytest.approx(MEAN)


def test_a_slow_single_degree_turns_around_now_and_then():
    # Appendix of the paper: the sign matters when f is small, or one oscillator never passes through zero.
    generator = np.random.default_rng(3)
    signs = [
        rescaling_factor(1e-4 * MEAN, temperature=TEMPERATURE, degrees=1, decay=0.5, generator=generator) < 0
        for _ in range(1000)
    ]
    assert 0.3 < np.mean(signs) < 0.7
