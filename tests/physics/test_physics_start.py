"""R2: thermal starts without momentum and angular momentum, and with the right kinetic energy."""

import numpy as np
import pytest
from ase.data import atomic_masses
from scipy import stats

from mdstride.constants import BOLTZMANN
from mdstride.rigid import centred, rigid_motions
from mdstride.simulate.integrate import kinetic_energy
from mdstride.simulate.velocities import internal_degrees, thermal_velocities

TEMPERATURE = 300.0
DRAWS = 4000
SIGNIFICANCE = 0.01

WATER = (np.array([8, 1, 1]), np.array([[0, 0, 0.1], [0, 0.76, -0.47], [0, -0.76, -0.47]]))
BENT_CO2 = (np.array([6, 8, 8]), np.array([[0.02, 0, 0], [0, 0, 1.16], [0, 0, -1.16]]))
NITROGEN = (np.array([7, 7]), np.array([[0, 0, 0.55], [0, 0, -0.55]]))


def draws(numbers, positions, count):
    masses, generator = atomic_masses[numbers], np.random.default_rng(3)
    return masses, [
        thermal_velocities(positions, masses, temperature=TEMPERATURE, generator=generator) for _ in range(count)
    ]


@pytest.mark.parametrize("case", [WATER, BENT_CO2, NITROGEN, "ethanol"], ids=["H2O", "CO2", "N2", "ethanol"])
def test_starts_are_at_rest_with_chi_square_kinetic_energy(case, molecule):
    if case == "ethanol":
        case = (molecule("ethanol").structure.atomic_numbers, molecule("ethanol").structure.positions)
    numbers, positions = case
    masses, drawn = draws(numbers, positions, DRAWS)
    shifted = centred(positions, masses)
    for velocities in drawn[:100]:
        np.testing.assert_allclose(masses @ velocities, 0, atol=1e-14)
        np.testing.assert_allclose(masses @ np.cross(shifted, velocities), 0, atol=1e-14)
    kinetic = np.array([kinetic_energy(velocities, masses) for velocities in drawn])
    scaled = 2 * kinetic / (BOLTZMANN * TEMPERATURE)
    degrees = internal_degrees(len(numbers))
    assert stats.kstest(scaled, stats.chi2(degrees).cdf).pvalue > SIGNIFICANCE
    assert stats.kstest(scaled, stats.chi2(degrees + 1).cdf).pvalue < 1e-6  # the test can tell one degree more


def test_a_linear_geometry_has_two_rotations_and_a_bent_one_three():
    numbers, positions = BENT_CO2
    linear = positions * [0, 0, 1]
    assert len(rigid_motions(linear, atomic_masses[numbers])) == 5
    assert len(rigid_motions(positions, atomic_masses[numbers])) == 6


def test_rigid_motions_are_orthonormal():
    numbers, positions = WATER
    basis = rigid_motions(positions + 5.0, atomic_masses[numbers])
    np.testing.assert_allclose(basis @ basis.T, np.eye(6), atol=1e-12)
