import numpy as np
import pytest
from ase import units
from relax_helpers import Bonds, Wells, internal_modes

from mdstride.relax.modes import hessian, normal_modes, vibrations
from mdstride.rigid import rigid_motions

STEP = 0.005
CARBON, OXYGEN = 12.011, 15.999
BENT = np.array([[0, 0, 0.1], [0, 0.8, -0.5], [0, -0.8, -0.5], [1.1, 0.2, 0.9]])
LINE = np.outer([-2.2, -1.1, 0.3, 1.5], [1, 2, 2]) / 3
MASSES = np.array([12.0, 1.0, 16.0, 14.0])


def wavenumber(squared):
    """cm-1, from stiffness over mass in eV/Å²/amu, with ASE's constants."""
    return 1e10 * units._hbar * np.sqrt(squared / (units._e * units._amu)) / units.invcm


def test_a_diatomic_molecule_has_one_vibration_of_known_frequency_and_shape():
    positions, masses = np.array([[0.0, 0, 0], [0.4, 0.8, 0.8]]), np.array([CARBON, OXYGEN])
    found = vibrations(Bonds(positions, [(0, 1)], 100.0), positions, masses, step=STEP)
    assert found.frequencies == pytest.approx([wavenumber(100 * (1 / CARBON + 1 / OXYGEN))], rel=1e-4)
    along = found.modes[0] @ np.array([1, 2, 2]) / 3  # the rest of the mode is across the bond
    share = np.sqrt(np.array([OXYGEN, CARBON]) / (CARBON + OXYGEN))
    np.testing.assert_allclose(np.abs(along), share, atol=1e-6)
    assert along[0] * along[1] < 0 and found.modes.max() == np.abs(found.modes).max()


def test_a_linear_triatomic_molecule_has_the_stretches_of_the_textbook_and_two_bends():
    positions, masses = np.array([[0, 0, -1.2], [0, 0, 0], [0, 0, 1.2]]), np.array([OXYGEN, CARBON, OXYGEN])
    found = vibrations(Bonds(positions, [(0, 1), (1, 2)], 90.0), positions, masses, step=1e-4)
    symmetric, antisymmetric = 90 / OXYGEN, 90 / OXYGEN * (1 + 2 * OXYGEN / CARBON)
    assert found.frequencies[2:] == pytest.approx(wavenumber(np.array([symmetric, antisymmetric])), rel=1e-6)
    np.testing.assert_allclose(found.frequencies[:2], 0, atol=1.0)  # bonds alone do not resist bending
    np.testing.assert_allclose(found.modes[:2, :, 2], 0, atol=1e-8)


@pytest.mark.parametrize(("positions", "zero"), [(BENT, 6), (LINE, 5)], ids=["bent", "linear"])
def test_any_spectrum_is_found_with_exactly_the_rigid_motions_left_out(positions, zero):
    count = 12 - zero
    expected = np.concatenate([[-300.0, -2.0, 0.0], np.geomspace(15, 3600, count - 3)])
    modes = internal_modes(positions, MASSES)
    found = vibrations(Wells(positions, MASSES, modes, expected), positions, MASSES, step=STEP)
    assert len(found.frequencies) == count
    np.testing.assert_allclose(found.frequencies, expected, atol=1e-3)
    flat = found.modes.reshape(count, 12)
    np.testing.assert_allclose(flat @ flat.T, np.eye(count), atol=1e-12)
    np.testing.assert_allclose(rigid_motions(positions, MASSES) @ flat.T, 0, atol=1e-12)
    overlap = np.abs(np.sum(flat * modes, axis=1))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)


def test_translation_and_rotation_leave_no_trace_of_what_they_are_given():
    # Stiffness against moving and turning as a whole, such as noise in the forces would feign.
    rigid = rigid_motions(BENT, MASSES)
    modes = np.concatenate([internal_modes(BENT, MASSES), rigid])
    engine = Wells(BENT, MASSES, modes, [100, 200, 300, 400, 500, 600, 50, 50, 50, 50, 50, 50])
    found = vibrations(engine, BENT, MASSES, step=STEP)
    np.testing.assert_allclose(found.frequencies, [100, 200, 300, 400, 500, 600], rtol=1e-6)


def test_frequencies_do_not_depend_on_place_and_orientation():
    engine = Bonds(BENT, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], 20.0)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    frequencies = [
        vibrations(engine, x, MASSES, step=1e-3).frequencies for x in (BENT, BENT @ turn + np.array([3, -2, 5]))
    ]
    np.testing.assert_allclose(*frequencies, atol=1e-2)


class Lazy(Wells):
    """As an SCC that stops early: what it returns leans towards the call before, until it forgets."""

    last = 0.0

    def compute(self, positions):
        energy, forces = super().compute(positions)
        forces = forces + 1e-4 * self.last
        self.last = forces
        return energy, forces

    def forget(self):
        self.last = 0.0


def test_the_hessian_does_not_depend_on_what_was_computed_before():
    fixed = (BENT, MASSES, internal_modes(BENT, MASSES), [20, 300, 600, 900, 1500, 3000])
    used = Lazy(*fixed)
    used.compute(BENT + 0.3)
    np.testing.assert_array_equal(hessian(used, BENT, step=STEP), hessian(Wells(*fixed), BENT, step=STEP))


def test_the_asymmetry_of_the_finite_differences_is_reported_and_removed():
    class Skewed(Wells):
        def compute(self, positions):
            energy, forces = super().compute(positions)
            forces[0, 0] += 0.25 * (positions - self.centre)[1, 1]
            forces[1, 1] -= 0.25 * (positions - self.centre)[0, 0]
            return energy, forces

    fixed = (BENT, MASSES, internal_modes(BENT, MASSES), [100, 300, 600, 900, 1500, 3000])
    found = vibrations(Skewed(*fixed), BENT, MASSES, step=STEP)
    assert found.asymmetry == pytest.approx(0.5, rel=1e-6)
    np.testing.assert_allclose(found.frequencies, fixed[3], rtol=1e-6)


def test_the_largest_component_of_each_mode_is_positive():
    stiff = Bonds(BENT, [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)], 20.0)
    raw = hessian(stiff, BENT, step=STEP)
    _, modes = normal_modes((raw + raw.T) / 2, BENT, MASSES)
    flat = modes.reshape(len(modes), -1)
    np.testing.assert_array_equal(flat.max(1), np.abs(flat).max(1))
