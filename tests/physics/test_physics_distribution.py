"""Both thermostats sample the canonical distribution: kinetic and potential energies, equipartition, nothing drifts.

Judged by physical_validation, which implements Merz and Shirts, PLoS ONE 13, e0202764 (2018),
doi:10.1371/journal.pone.0202764: no code of ours decides what is right.
"""

import ase
import ase.units
import numpy as np
import physical_validation as validation
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_masses
from ase.md.langevin import Langevin
from physics_helpers import Springs
from scipy import stats

from mdstride.constants import BOLTZMANN, KINETIC, KJ_PER_MOL
from mdstride.rigid import centred
from mdstride.simulate.integrate import State, kinetic_energy, propagate
from mdstride.simulate.thermostat import THERMOSTATS, make_thermostat
from mdstride.simulate.velocities import internal_degrees, thermal_velocities
from mdstride.simulate.verdict import net_motion

COLD, HOT = 300.0, 390.0  # K; apart by what tells most about the energies of 21 vibrations
COUPLING = 25.0  # fs
APART = 20  # steps between the samples
SIGNIFICANCE = 0.01
SIGMAS = 3.0

NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
MASSES = atomic_masses[NUMBERS]
ETHANOL = centred(
    np.array(
        [
            [-0.964, -0.352, 0.035],
            [0.533, -0.095, -0.020],
            [0.748, 1.301, -0.024],
            [-1.160, -1.420, 0.039],
            [-1.381, 0.094, 0.934],
            [-1.447, 0.099, -0.827],
            [1.023, -0.555, 0.851],
            [0.956, -0.549, -0.929],
            [1.693, 1.476, -0.059],
        ]
    ),
    MASSES,
)


def run(engine, minimum, masses, name, *, steps, temperature=COLD, coupling=COUPLING, seed=1):
    """The states of NVT production at 1 fs after thermal velocities at `minimum`."""
    generator = np.random.default_rng(seed)
    velocities = thermal_velocities(minimum, masses, temperature=temperature, generator=generator)
    energy, forces = engine.compute(minimum)
    thermostat = make_thermostat(
        name, masses=masses, temperature=temperature, timestep=1.0, thermostat_time=coupling, generator=generator
    )
    state = State(minimum, velocities, forces, energy)
    return list(propagate(state, engine=engine, masses=masses, timestep=1.0, steps=steps, thermostat=thermostat))


@pytest.fixture(scope="module", params=THERMOSTATS)
def runs(request):
    """20 ps of nine atoms on springs, after 1 ps, at both temperatures."""
    springs = Springs(ETHANOL)
    return [
        run(springs, ETHANOL, MASSES, request.param, steps=20000, temperature=temperature, seed=seed)[1000:]
        for seed, temperature in enumerate((COLD, HOT), start=1)
    ]


def observed(kinetic, potential, temperature):
    """The energies [S] in eV for physical_validation."""
    units = validation.data.UnitData(
        kb=BOLTZMANN,
        energy_str="eV",
        energy_conversion=KJ_PER_MOL,
        length_str="A",
        length_conversion=0.1,
        volume_str="A3",
        volume_conversion=1e-3,
        temperature_str="K",
        temperature_conversion=1.0,
        pressure_str="bar",
        pressure_conversion=1.0,
        time_str="fs",
        time_conversion=1e-3,
    )
    system = validation.data.SystemData(
        natoms=9, nconstraints=0, ndof_reduction_tra=3, ndof_reduction_rot=3, mass=MASSES
    )
    return validation.data.SimulationData(
        units=units,
        system=system,
        ensemble=validation.data.EnsembleData("NVT", natoms=9, volume=1.0, temperature=temperature),
        observables=validation.data.ObservableData(
            kinetic_energy=kinetic, potential_energy=potential, total_energy=kinetic + potential
        ),
    )


def samples(states, temperature):
    apart = states[::APART]
    kinetic = np.array([kinetic_energy(state.velocities, MASSES) for state in apart])
    return observed(kinetic, np.array([state.energy for state in apart]), temperature)


def kinetic_checks(data):
    """p-value of the whole distribution, and deviations of its mean and width in standard errors."""
    options = {"verbosity": 0, "data_is_uncorrelated": True}
    whole = validation.kinetic_energy.distribution(data, strict=True, **options)
    parts = validation.kinetic_energy.distribution(data, strict=False, bootstrap_seed=1, **options)
    return whole, max(parts)


def test_kinetic_energies_have_the_canonical_distribution(runs):
    for states, temperature in zip(runs, (COLD, HOT), strict=True):
        whole, parts = kinetic_checks(samples(states, temperature))
        assert whole > SIGNIFICANCE
        assert parts < SIGMAS


@pytest.mark.parametrize("total", [False, True], ids=["potential", "total"])
def test_energies_at_two_temperatures_differ_by_the_boltzmann_factor(runs, total):
    cold, hot = (samples(states, temperature) for states, temperature in zip(runs, (COLD, HOT), strict=True))
    (deviation,) = validation.ensemble.check(cold, hot, total_energy=total, verbosity=0, data_is_uncorrelated=True)
    assert deviation < SIGMAS
    wrong = samples(runs[1], HOT + 150.0)  # the test can tell
    (deviation,) = validation.ensemble.check(cold, wrong, total_energy=total, verbosity=0, data_is_uncorrelated=True)
    assert deviation > SIGMAS


def test_neither_thermostat_makes_the_molecule_drift_or_turn(runs):
    for states, temperature in zip(runs, (COLD, HOT), strict=True):
        motion = moved(states, temperature)
        assert motion["centre_shift"] < 1e-9 and motion["angular_momentum"] < 1e-9


def test_without_a_thermostat_it_does_not_either(runs):
    springs = Springs(ETHANOL)
    motion = moved(propagate(runs[0][0], engine=springs, masses=MASSES, timestep=1.0, steps=3000), COLD)
    assert motion["centre_shift"] < 1e-9 and motion["angular_momentum"] < 1e-9


def moved(states, temperature):
    both = [(state.positions, state.velocities) for state in states]
    positions, velocities = map(np.array, zip(*both, strict=True))
    return net_motion(masses=MASSES, positions=positions, velocities=velocities, temperature=temperature)


class SpringCalculator(Calculator):
    implemented_properties = ("energy", "forces")

    springs = Springs(ETHANOL)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.springs.compute(self.atoms.positions)
        self.results = {"energy": energy, "forces": forces}


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_stock_langevin_thermostat_fails_every_check():
    atoms = ase.Atoms(NUMBERS, ETHANOL, masses=MASSES, calculator=SpringCalculator())
    friction = 1.0 / (COUPLING * ase.units.fs)
    stock = Langevin(atoms, ase.units.fs, temperature_K=COLD, friction=friction, rng=np.random.default_rng(1))
    kinetic, potential = [], []
    for _ in stock.irun(5000):
        kinetic.append(atoms.get_kinetic_energy())
        potential.append(atoms.get_potential_energy())
    kept = slice(1000, None, APART)
    whole, parts = kinetic_checks(observed(np.array(kinetic)[kept], np.array(potential)[kept], COLD))
    assert whole < 1e-6 and parts > 10
    assert np.mean(kinetic[1000:]) > 1.2 * 10.5 * BOLTZMANN * COLD


class Harmonic:
    """The harmonic molecule of Springs: no vibration passes energy to another."""

    def __init__(self, steps=1e-4):
        self.weights = np.repeat(np.sqrt(MASSES), 3)
        springs, shifts = Springs(ETHANOL), np.eye(27).reshape(27, 9, 3) * steps
        self.hessian = np.array(
            [(springs.compute(ETHANOL - s)[1] - springs.compute(ETHANOL + s)[1]).ravel() / (2 * steps) for s in shifts]
        )
        self.curvature, self.modes = (
            part[..., 6:] for part in np.linalg.eigh(self.hessian / np.outer(self.weights, self.weights))
        )

    def compute(self, positions):
        moved = (positions - ETHANOL).ravel()
        return 0.5 * float(moved @ self.hessian @ moved), -(self.hessian @ moved).reshape(-1, 3)

    def forget(self):
        pass

    def energies(self, states):
        """Kinetic and potential energies [S, 21] in kT of each vibration."""
        speed = np.array([state.velocities.ravel() for state in states]) * self.weights @ self.modes
        moved = np.array([(state.positions - ETHANOL).ravel() for state in states]) * self.weights @ self.modes
        return 0.5 * KINETIC * speed**2 / (BOLTZMANN * COLD), 0.5 * self.curvature * moved**2 / (BOLTZMANN * COLD)


def test_langevin_gives_every_vibration_its_share():
    harmonic = Harmonic()
    states = run(harmonic, ETHANOL, MASSES, "langevin", steps=20000)[1000:]
    kinetic, potential = harmonic.energies(states)
    # 19 ps with a memory of 25 fs: each vibration has kT / 2 of either kind with a standard error of 4 to 5 %
    np.testing.assert_allclose(2 * kinetic.mean(0), 1.0, atol=0.2)
    np.testing.assert_allclose(2 * potential.mean(0), 1.0, atol=0.2)
    for energies in (kinetic, potential):  # and both are squares of Gaussian numbers
        assert stats.kstest(2 * energies[::100].ravel(), stats.chi2(1).cdf).pvalue > SIGNIFICANCE


def test_keeping_the_temperature_by_force_would_not(monkeypatch):
    def forced(velocities, positions, masses, *, temperature, decay, generator):
        return velocities * np.sqrt(10.5 * BOLTZMANN * temperature / kinetic_energy(velocities, masses))

    monkeypatch.setitem(THERMOSTATS, "forced", forced)
    harmonic = Harmonic()
    kinetic, _ = harmonic.energies(run(harmonic, ETHANOL, MASSES, "forced", steps=5000)[1000:])
    assert kinetic.mean(0).sum() == pytest.approx(21 * 0.5, rel=1e-2)  # the temperature is right
    assert np.abs(2 * kinetic.mean(0) - 1.0).max() > 0.5


@pytest.mark.parametrize("name", THERMOSTATS)
def test_stiff_vibrations_are_no_colder_at_a_long_time_step(name):
    # Springs as stiff as O-H bonds, at 1 fs: BAOAB's velocities at full steps would be 17 % too cold.
    masses = atomic_masses[[8, 1, 1]]
    water = centred(np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]]), masses)
    states = run(Springs(water, stiffness=48.0), water, masses, name, steps=10000, coupling=10.0)
    kinetic = np.mean([kinetic_energy(state.velocities, masses) for state in states])
    assert 2 * kinetic / (internal_degrees(3) * BOLTZMANN) == pytest.approx(COLD, rel=0.06)
