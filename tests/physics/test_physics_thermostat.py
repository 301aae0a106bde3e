"""R1: the internal temperature is the one asked for, and every vibration gets its share."""

import numpy as np
import pytest
from physics_helpers import Springs
from scipy import stats

from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.rigid import centred
from mdstride.simulate import equilibrate as equilibrate_module
from mdstride.simulate import thermostat as thermostat_module
from mdstride.simulate.equilibrate import equilibrate
from mdstride.simulate.integrate import State, kinetic_energy, propagate
from mdstride.simulate.thermostat import THERMOSTATS, make_thermostat
from mdstride.simulate.velocities import internal_degrees, thermal_velocities

TARGET = 300.0
COUPLING = 10.0  # fs; the kinetic energy forgets itself in about this time, which sets the statistical errors below
TOLERANCE = 0.03


def mean_temperature(name, start, engine, masses, seed, steps):
    """Mean internal temperature under the thermostat alone, after a tenth of the steps."""
    generator = np.random.default_rng(seed)
    velocities = thermal_velocities(start.positions, masses, temperature=TARGET, generator=generator)
    state = State(start.positions, velocities, start.forces, start.energy)
    thermostat = make_thermostat(
        name, masses=masses, temperature=TARGET, timestep=1.0, thermostat_time=COUPLING, generator=generator
    )
    run = propagate(state, engine=engine, masses=masses, timestep=1.0, steps=steps, thermostat=thermostat)
    kinetic = np.array([kinetic_energy(state.velocities, masses) for state in run])
    return 2 * kinetic[steps // 10 :].mean() / (internal_degrees(len(masses)) * BOLTZMANN)


@pytest.fixture(scope="module")
def springs(molecule):
    """A 9-atom molecule of springs in the shape of ethanol, with ethanol's masses."""
    ethanol = molecule("ethanol")
    positions = centred(ethanol.structure.positions, ethanol.masses)
    engine = Springs(positions)
    energy, forces = engine.compute(positions)
    return State(positions, np.zeros_like(positions), forces, energy), engine, ethanol.masses


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("name", "steps"), [("bussi", 20000), ("langevin", 10000)])
def test_internal_temperature_of_nine_atoms(springs, name, steps, seed):
    # 20 ps: standard error sqrt(2/21) * sqrt(2 * 10 fs / 20 ps) = 1.0 %; Langevin's memory is half as long
    assert mean_temperature(name, *springs, seed, steps) == pytest.approx(TARGET, rel=TOLERANCE)


def test_counting_all_degrees_of_freedom_would_be_far_too_hot(springs, monkeypatch):
    monkeypatch.setattr(thermostat_module, "internal_degrees", lambda atoms: 3 * atoms)
    assert mean_temperature("bussi", *springs, 1, 8000) == pytest.approx(TARGET * 27 / 21, rel=0.05)


@pytest.mark.parametrize(("name", "steps"), [("bussi", 2400), ("langevin", 1200)])
def test_internal_temperature_of_ethanol(molecule, name, steps):
    # Three seeds of 2.4 or 1.2 ps of GFN2-xTB together: standard error 1.7 or 1.5 %.
    ethanol = molecule("ethanol")
    means = [mean_temperature(name, ethanol.start(), ethanol.engine, ethanol.masses, seed, steps) for seed in (1, 2, 3)]
    assert np.mean(means) == pytest.approx(TARGET, rel=TOLERANCE)


def mode_energies(springs, seeds, name):
    """Energies [seeds * 21] in kT of the normal modes after 0.8 ps of equilibration."""
    start, engine, masses = springs
    weights = np.repeat(np.sqrt(masses), 3)
    shifts = np.eye(27).reshape(27, 9, 3) * 1e-4
    hessian = np.array(
        [
            (engine.compute(start.positions - shift)[1] - engine.compute(start.positions + shift)[1]).ravel() / 2e-4
            for shift in shifts
        ]
    )
    curvature, modes = np.linalg.eigh(hessian / np.outer(weights, weights))
    curvature, modes = curvature[6:], modes[:, 6:]

    class Harmonic:
        def compute(self, positions):
            moved = (positions - start.positions).ravel()
            return 0.5 * float(moved @ hessian @ moved), -(hessian @ moved).reshape(-1, 3)

        def forget(self):
            pass

    energies = []
    for seed in range(seeds):
        *_, state = equilibrate(
            start,
            engine=Harmonic(),
            masses=masses,
            timestep=1.0,
            steps=800,
            temperature=TARGET,
            thermostat_time=50.0,
            thermostat=name,
            generator=np.random.default_rng(seed),
        )
        moved = modes.T @ (weights * (state.positions - start.positions).ravel())
        speed = modes.T @ (weights * state.velocities.ravel())
        energies.append(0.5 * curvature * moved**2 + 0.5 * KINETIC * speed**2)
    return np.concatenate(energies) / (BOLTZMANN * TARGET)


@pytest.mark.parametrize("name", THERMOSTATS)
def test_every_vibration_has_a_canonical_energy_after_equilibration(springs, name):
    # Even where vibrations pass no energy to each other (a harmonic molecule): exponential with mean kT.
    assert stats.kstest(mode_energies(springs, 40, name), stats.expon.cdf).pvalue > 0.01


def test_rescaling_alone_would_leave_the_vibrations_as_they_started(springs, monkeypatch):
    monkeypatch.setattr(equilibrate_module, "REDRAW_EVERY", 1e9)
    assert stats.kstest(mode_energies(springs, 40, "bussi"), stats.expon.cdf).pvalue < 1e-4
