import numpy as np
import pytest

from mdstride.formats.dataset import Minimum
from mdstride.formats.h5md import Trajectory
from mdstride.formats.structure import Structure

WATER = {
    "id": "XLYOFNOQVPJJNP-UHFFFAOYSA-N",
    "mapped_smiles": "[O:1]([H:2])[H:3]",
    "charge": 0,
    "multiplicity": 1,
    "atomic_numbers": np.array([8, 1, 1]),
    "bonds": np.array([[0, 1], [0, 2]]),
}


def build_trajectory(frames=5, atoms=3, seed=0, **changes):
    """A trajectory of random numbers of physical size, single precision where the file is."""
    generator = np.random.default_rng(seed)

    def vectors():
        return generator.normal(size=(frames, atoms, 3)).astype(np.float32).astype(np.float64)

    content = {
        **WATER,
        "masses": np.array([15.999, 1.008, 1.008])[:atoms],
        "step": np.arange(frames) * 2,
        "time": np.arange(frames) * 2.0,
        "positions": vectors(),
        "velocities": vectors() / 100,
        "forces": vectors(),
        "potential_energy": generator.normal(size=frames) - 137.0,
        "kinetic_energy": generator.random(frames),
        "temperature": 300 * generator.random(frames),
        "provenance": {"settings": {"replica": 0, "simulate": {"timestep": 1.0}}, "inputs": {}},
        "verdict": {"passed": True, "reason": "", "drift": None, "block_time": [0.1, 0.2]},
    }
    return Trajectory(**content | changes)


def build_minimum(seed=1, **changes):
    generator = np.random.default_rng(seed)
    content = {
        "energy": -137.9,
        "positions": generator.normal(size=(3, 3)),
        "frequencies": np.array([1541.0, 3640.0, 3655.0]),
        "modes": generator.normal(size=(3, 3, 3)),
    }
    return Minimum(**content | changes)


def build_structure(**changes):
    generator = np.random.default_rng(0)
    content = {
        **WATER,
        "smiles": "O",
        "energy": -137.97,
        "provenance": {"settings": {"relax": {"seed": 1}}},
        "positions": generator.normal(size=(3, 3)),
        "masses": np.array([15.999, 1.008, 1.008]),
        "frequencies": np.array([1539.3, 3643.0, 3651.1]),
        "modes": generator.normal(size=(3, 3, 3)),
        "minima": (build_minimum(1), build_minimum(2)),
    }
    return Structure(**content | changes)


def same(first, second, rtol=0.0):
    """Whether two records of arrays and plain values agree, arrays within `rtol`."""
    pairs = [(value, getattr(second, name)) for name, value in vars(first).items() if name != "minima"]
    minima = [getattr(one, "minima", ()) for one in (first, second)]
    return len(minima[0]) == len(minima[1]) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=rtol)
        if isinstance(a, np.ndarray)
        else a == b or (a != a and b != b)
        for a, b in pairs + [(vars(a)[name], vars(b)[name]) for a, b in zip(*minima, strict=True) for name in vars(a)]
    )


@pytest.fixture
def make_trajectory():
    return build_trajectory


@pytest.fixture
def make_minimum():
    return build_minimum


@pytest.fixture
def make_structure():
    return build_structure


@pytest.fixture
def equal():
    return same
