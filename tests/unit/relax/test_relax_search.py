import numpy as np
import pytest
from relax_helpers import FLAT_AMMONIA, Wells, internal_modes

from mdstride.engines import EngineError, make_engine
from mdstride.relax.embed import RelaxFailure
from mdstride.relax.minimise import minimise, straightened
from mdstride.relax.search import ESCAPE, SAME_ENERGY, downhill, find_minimum, lowest

SETTINGS = {"max_force": 0.001, "max_steps": 300, "hessian_step": 0.005, "max_imaginary": 20.0, "max_escapes": 5}
REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
WATER = np.array([[0, 0, 0.1], [0, 0.8, -0.5], [0, -0.8, -0.5]])
MASSES = np.array([16.0, 1.0, 1.0])


def search(engine, start, numbers=(8, 1, 1), masses=MASSES, check=lambda positions: None, **changes):
    return find_minimum(engine, np.array(numbers), masses, start, SETTINGS | changes, check=check, label="test")


def double_well(imaginary, tilt=0.0, barrier_at=0.4):
    """A water with a barrier along its first mode between two wells at +-`barrier_at` Å amu^1/2."""
    modes = internal_modes(WATER, MASSES)
    engine = Wells(WATER, MASSES, modes, [-imaginary, 1500, 3500], tilt=tilt)
    engine.quartic = -engine.curvature[0] / barrier_at**2
    return engine


@pytest.mark.parametrize("imaginary", [60.0, 300.0, 900.0])
def test_a_saddle_point_is_left_for_a_well_of_known_place_and_curvature(imaginary):
    engine = double_well(imaginary)
    found = search(engine, WATER)
    assert found.escapes >= 1
    amplitude = engine.amplitudes(found.relaxed.positions + WATER.mean(0))
    assert abs(amplitude[0]) == pytest.approx(0.4, abs=0.1 if imaginary < 100 else 0.01)  # a flat well has no force
    np.testing.assert_allclose(amplitude[1:], 0, atol=1e-3)
    if imaginary > 100:
        soft = np.sqrt(2) * imaginary  # V'' at the wells is twice that of the barrier
        assert found.vibrations.frequencies[0] == pytest.approx(soft, rel=0.05)


@pytest.mark.parametrize("tilt", [0.02, -0.02])
def test_the_lower_side_is_taken(tilt):
    engine = double_well(600.0, tilt=tilt)
    saddle = min(np.roots([engine.quartic, 0, engine.curvature[0], tilt]).real, key=abs)
    start = WATER + (saddle * engine.modes[0] / engine.root).reshape(3, 3)
    found = search(engine, start)
    assert found.escapes == 1
    assert np.sign(engine.amplitudes(found.relaxed.positions + start.mean(0))[0]) == -np.sign(tilt)


def test_a_minimum_is_left_alone_and_so_is_a_small_imaginary_mode():
    modes = internal_modes(WATER, MASSES)
    for lowest_frequency in (100.0, -15.0):
        found = search(Wells(WATER, MASSES, modes, [lowest_frequency, 1500, 3500]), WATER)
        assert found.escapes == 0
        assert found.vibrations.frequencies[0] == pytest.approx(lowest_frequency, rel=1e-3)


def test_a_saddle_point_that_cannot_be_left_is_a_failure_with_its_reason():
    with pytest.raises(RelaxFailure, match=r"after leaving 0 of them: imaginary mode of 300 cm-1, limit 20$"):
        search(double_well(300.0), WATER, max_escapes=0)


def test_what_is_not_the_compound_any_more_fails_before_its_hessian_is_computed():
    calls = []

    def refuse(positions):
        calls.append(positions)
        raise RelaxFailure("another bond graph")

    with pytest.raises(RelaxFailure, match="another bond graph"):
        search(double_well(300.0), WATER, check=refuse)
    assert len(calls) == 1


def test_flat_ammonia_becomes_a_pyramid():
    masses = np.array([14.007, 1.008, 1.008, 1.008])
    engine = make_engine(REFERENCE, [7, 1, 1, 1], 0, 1)
    found = search(engine, FLAT_AMMONIA, (7, 1, 1, 1), masses)
    assert found.escapes == 1
    nitrogen, hydrogens = found.relaxed.positions[0], found.relaxed.positions[1:]
    normal = np.linalg.svd(hydrogens - hydrogens.mean(0))[2][2]
    assert abs((nitrogen - hydrogens.mean(0)) @ normal) > 0.3
    assert found.vibrations.frequencies[0] > 900
    raised = FLAT_AMMONIA + np.outer([0.3, 0, 0, 0], [0, 0, 1])
    pyramid = minimise(engine, np.array([7, 1, 1, 1]), raised, max_force=0.001, max_steps=99)
    assert found.relaxed.energy == pytest.approx(pyramid.energy, abs=1e-5)


def test_the_move_off_a_saddle_point_follows_the_mode_in_space():
    engine = double_well(600.0)
    mode = engine.modes[0].reshape(3, 3)
    move = downhill(engine, WATER, MASSES, mode) - WATER
    assert np.linalg.norm(move, axis=1).max() == pytest.approx(ESCAPE)
    np.testing.assert_allclose(
        move / np.linalg.norm(move), (mode.T / MASSES**0.5).T / np.linalg.norm(mode.T / MASSES**0.5)
    )


@pytest.mark.parametrize("away", [0.02, 0.1])
def test_relaxing_goes_downhill_from_beside_a_barrier(away):
    raised = FLAT_AMMONIA + np.outer([away, 0, 0, 0], [0, 0, 1])
    engine = make_engine(REFERENCE, [7, 1, 1, 1], 0, 1)
    assert minimise(engine, np.array([7, 1, 1, 1]), raised, max_force=0.001, max_steps=100).steps < 15


def test_relaxing_does_not_depend_on_what_was_computed_before():
    raised = FLAT_AMMONIA + np.outer([0.3, 0, 0, 0], [0, 0, 1])
    fresh, used = make_engine(REFERENCE, [7, 1, 1, 1], 0, 1), make_engine(REFERENCE, [7, 1, 1, 1], 0, 1)
    used.compute(1.4 * raised)
    first, second = (
        minimise(engine, np.array([7, 1, 1, 1]), raised, max_force=0.001, max_steps=99) for engine in (fresh, used)
    )
    np.testing.assert_array_equal(first.positions, second.positions)


class Ladder:
    """The energy is the height of the first atom; none above 2."""

    def compute(self, positions):
        if positions[0, 2] > 2:
            raise EngineError(f"nothing at {positions[0, 2]:g}")
        return float(positions[0, 2]), np.zeros_like(positions)

    def forget(self):
        pass


def test_the_lowest_geometry_is_the_first_of_equals_and_one_without_energy_is_passed_over():
    heights = np.array([5.0, 1.0 + 0.5 * SAME_ENERGY, 1.0, 1.5])
    assert lowest(Ladder(), heights[:, None, None] * np.ones((1, 1, 3))) == 1
    with pytest.raises(EngineError, match="nothing at 5"):
        lowest(Ladder(), np.array([5.0, 6.0])[:, None, None] * np.ones((1, 1, 3)))


def test_what_is_all_but_linear_becomes_linear_and_what_is_bent_stays():
    along = np.outer([-1.5, 0.1, 1.4], [2, 1, 2]) / 3
    bump = np.array([[0, 0, 0], [1, 0, -1], [0, 0, 0]])
    nearly = straightened(along + 0.005 * bump - (0.005 * bump).mean(0))
    assert np.linalg.svd(nearly)[1][1] < 1e-14
    np.testing.assert_allclose(nearly, along, atol=0.01)
    bent = along + 0.1 * bump - (0.1 * bump).mean(0)
    np.testing.assert_array_equal(straightened(bent), bent)
