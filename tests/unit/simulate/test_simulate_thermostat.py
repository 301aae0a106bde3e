import numpy as np
import pytest
from scipy import stats

from mdstride.constants import BOLTZMANN
from mdstride.simulate.equilibrate import equilibrate, redraw_steps
from mdstride.simulate.integrate import State, kinetic_energy, propagate
from mdstride.simulate.thermostat import THERMOSTATS, make_thermostat, rescaling_factor

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


MASSES = np.array([15.999, 1.008, 1.008])
WATER = np.array([[0, 0, 0.07], [0, 0.77, -0.53], [0, -0.77, -0.53]])


class Springs:
    """Each atom at the end of a spring to where it was; counts the calls, and tells whether it was told to forget."""

    def __init__(self):
        self.calls, self.forgot = 0, []

    def compute(self, positions):
        self.calls += 1
        moved = positions - WATER
        return 5.0 * float((moved * moved).sum()), -10.0 * moved

    def forget(self):
        self.forgot.append(self.calls)


def start():
    return State(WATER, np.zeros((3, 3)), np.zeros((3, 3)), 0.0)


def settings(name, generator):
    return {
        "masses": MASSES,
        "temperature": TEMPERATURE,
        "timestep": 1.0,
        "thermostat_time": 50.0,
        "generator": generator,
    } | ({"thermostat": name} if name else {})


@pytest.mark.parametrize("name", THERMOSTATS)
def test_equilibration_stopped_and_taken_up_is_the_same_to_the_bit(name):
    engine, generator = Springs(), np.random.default_rng(4)
    whole = list(equilibrate(start(), engine=engine, steps=250, **settings(name, np.random.default_rng(4))))
    assert (engine.calls, engine.forgot) == (250, [0, 100, 200])  # one force call per step
    half = list(equilibrate(start(), engine=Springs(), steps=redraw_steps(1.0), **settings(name, generator)))
    taken_up = np.random.default_rng()
    taken_up.bit_generator.state = generator.bit_generator.state
    rest = list(equilibrate(half[-1], engine=Springs(), steps=250, done=len(half), **settings(name, taken_up)))
    assert len(half) + len(rest) == 250
    for one, other in zip(half + rest, whole, strict=True):
        assert one.positions.tobytes() == other.positions.tobytes()
        assert one.velocities.tobytes() == other.velocities.tobytes()


@pytest.mark.parametrize("name", THERMOSTATS)
def test_production_under_a_thermostat_stopped_and_taken_up_is_the_same_to_the_bit(name):
    def run(state, generator, done, steps):
        keywords = settings(None, generator)
        thermostat = make_thermostat(name, **keywords)
        fixed = {"engine": Springs(), "masses": MASSES, "timestep": 1.0}
        return list(propagate(state, **fixed, steps=steps, done=done, thermostat=thermostat))

    generator, taken_up = np.random.default_rng(5), np.random.default_rng()
    first = next(equilibrate(start(), engine=Springs(), steps=1, **settings(name, np.random.default_rng(0))))
    whole = run(first, np.random.default_rng(5), 0, 40)
    half = run(first, generator, 0, 15)
    taken_up.bit_generator.state = generator.bit_generator.state
    rest = run(half[-1], taken_up, 15, 40)
    assert rest[-1].positions.tobytes() == whole[-1].positions.tobytes()
    assert rest[-1].velocities.tobytes() == whole[-1].velocities.tobytes()


def test_redraws_come_at_the_same_times_whatever_the_time_step():
    assert [redraw_steps(timestep) for timestep in (0.3, 0.5, 1.0, 2.0, 150.0)] == [333, 200, 100, 50, 1]


def test_the_default_draws_what_it_always_drew():
    # Written down before there was another thermostat: old seeds give old trajectories.
    *_, last = equilibrate(start(), engine=Springs(), steps=150, **settings(None, np.random.default_rng(6)))
    assert kinetic_energy(last.velocities, MASSES) == pytest.approx(0.06303953363491463, rel=1e-9)
