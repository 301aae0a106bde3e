"""R3: the integrator conserves what it should, at the order it should, and agrees with ASE's."""

from dataclasses import replace

import ase
import ase.units
import numpy as np
import pytest
from ase.md.verlet import VelocityVerlet
from physics_helpers import Springs, shadow_energy

from mdstride.constants import FEMTOSECOND
from mdstride.relax.minimise import EngineCalculator
from mdstride.simulate.integrate import FORGET_EVERY, propagate

DRIFT = 0.05  # meV/atom/ps
RETURN = 1e-4  # Å


def run(ethanol, state, steps, timestep=1.0):
    ethanol.engine.forget()
    later = propagate(state, engine=ethanol.engine, masses=ethanol.masses, timestep=timestep, steps=steps)
    return [state, *later]


@pytest.fixture(scope="module")
def production(hot_ethanol):
    ethanol, state = hot_ethanol
    return ethanol, run(ethanol, state, 2000)


def slope_and_spread(energy, atoms, timestep=1.0):
    """Drift in meV/atom/ps and rms of the rest in meV/atom."""
    time = np.arange(len(energy)) * timestep / 1000
    scaled = 1000 * (energy - energy[0]) / atoms
    slope, offset = np.polyfit(time, scaled, 1)
    return slope, (scaled - slope * time - offset).std()


def test_total_energy_does_not_drift(production):
    ethanol, states = production
    slope, _ = slope_and_spread(ethanol.total(states), 9)
    assert abs(slope) < DRIFT


def test_shadow_energy_is_conserved_ten_times_better(production):
    # Velocity Verlet conserves a modified energy to fourth order; an error in the forces or the integrator would show.
    ethanol, states = production
    slope, spread = slope_and_spread(shadow_energy(states, ethanol.masses, 1.0), 9)
    _, plain = slope_and_spread(ethanol.total(states), 9)
    assert abs(slope) < DRIFT / 2
    assert spread < plain / 8


def test_energy_fluctuation_is_of_second_order(production):
    ethanol, states = production
    _, whole = slope_and_spread(ethanol.total(states[:1001]), 9)
    _, half = slope_and_spread(ethanol.total(run(ethanol, states[0], 2000, timestep=0.5)), 9, timestep=0.5)
    assert 3.3 < whole / half < 4.7


def test_momentum_and_angular_momentum_stay_zero(production):
    ethanol, states = production
    last, masses = states[-1], ethanol.masses
    thermal = np.abs(masses[:, None] * last.velocities).max()
    np.testing.assert_allclose(masses @ last.velocities, 0, atol=1e-10 * thermal)
    np.testing.assert_allclose(masses @ np.cross(last.positions, last.velocities), 0, atol=1e-3 * thermal)


def test_two_hundred_steps_forward_and_back_return(production):
    ethanol, states = production
    turned = states[200].with_velocities(-states[200].velocities)
    back = run(ethanol, turned, 200)[-1]
    np.testing.assert_allclose(back.positions, states[0].positions, atol=RETURN)
    np.testing.assert_allclose(-back.velocities, states[0].velocities, atol=RETURN)


def test_half_and_half_is_the_whole_to_the_bit(molecule, hot_ethanol):
    ethanol, state = hot_ethanol
    first = run(ethanol, state, FORGET_EVERY)[-1]
    whole = run(ethanol, state, FORGET_EVERY + 20)[-1]
    resumed = replace(ethanol, engine=molecule("ethanol").engine)
    second = run(resumed, first, 20)[-1]
    assert second.positions.tobytes() == whole.positions.tobytes()
    assert second.velocities.tobytes() == whole.velocities.tobytes()
    assert second.energy == whole.energy


def test_the_path_is_that_of_ase(hot_ethanol):
    ethanol, state = hot_ethanol
    atoms = ase.Atoms(ethanol.structure.atomic_numbers, state.positions, masses=ethanol.masses)
    atoms.set_momenta(ethanol.masses[:, None] * state.velocities / FEMTOSECOND)
    atoms.calc = EngineCalculator(ethanol.engine)
    ethanol.engine.forget()
    state = replace(state.with_velocities(state.velocities), forces=atoms.get_forces())
    ethanol.engine.forget()
    VelocityVerlet(atoms, timestep=1.0 * FEMTOSECOND).run(200)
    ours = run(ethanol, state, 200)[-1]
    np.testing.assert_array_equal(ours.positions, atoms.positions)
    np.testing.assert_array_equal(ours.momenta, atoms.get_momenta())


def test_energy_errors_shrink_with_the_fourth_power_for_the_shadow_energy(molecule):
    # Exact forces, so that nothing but the integrator is measured: second order as it is, fourth in the shadow energy.
    ethanol = molecule("ethanol")
    start = ethanol.start()
    springs = Springs(start.positions, stiffness=5.0)
    generator = np.random.default_rng(0)
    energy, forces = springs.compute(start.positions)
    state = replace(start, energy=energy, forces=forces, velocities=0.01 * generator.standard_normal((9, 3)))
    plain, shadow = [], []
    for timestep in (0.5, 0.25):
        steps = int(200 / timestep)
        states = [state]
        states += propagate(state, engine=springs, masses=ethanol.masses, timestep=timestep, steps=steps)
        plain.append(np.std(ethanol.total(states)))
        shadow.append(np.std(shadow_energy(states, ethanol.masses, timestep)))
    assert plain[0] / plain[1] == pytest.approx(4, rel=0.1)
    assert shadow[0] / shadow[1] == pytest.approx(16, rel=0.15)
