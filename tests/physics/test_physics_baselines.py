"""The baselines on real dynamics: ethanol with GFN2-xTB, against the figures of another trajectory."""

import numpy as np
import pytest
import torch

from mdstride.evaluate.metrics import mean_square_error
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Segment
from mdstride.models.baselines import make_baselines
from mdstride.simulate.integrate import propagate
from mdstride.windows import Windows

STEPS = 800
LAGS = (10, 30, 100, 300)  # fs
HARMONIC = (0.0013, 0.0043, 0.010, 0.060)  # 1e-2 Å², GFN2-xTB, NVE at 300 K, another trajectory
ORDER = 5.0
"""Two trajectories without a thermostat differ in the energies of single modes."""


@pytest.fixture(scope="module")
def errors(hot_ethanol):
    """Mean square error (1e-2 Å²) of each baseline at LAGS, over all windows of 0.8 ps at constant energy."""
    ethanol, state = hot_ethanol
    structure, engine = ethanol.structure, ethanol.engine
    states = [state, *propagate(state, engine=engine, masses=ethanol.masses, timestep=1.0, steps=STEPS)]
    x, v = (np.array([getattr(s, name) for s in states], np.float32) for name in ("positions", "velocities"))
    replica = Replica(0, 1.0, x, v, None, None, np.zeros(3), {}, {})
    of = CompoundData(
        id=structure.id,
        labels={},
        atomic_numbers=structure.atomic_numbers,
        masses=ethanol.masses,
        bonds=structure.bonds,
        reference=structure.positions,
        replicas=(replica,),
        frequencies=structure.frequencies,
        modes=structure.modes,
    )
    windows = Windows(Dataset({of.id: of}, {}), [Segment(of.id)])
    start = torch.arange(0, STEPS - LAGS[-1], 2)
    steps = torch.tensor(LAGS).expand(len(start), -1)
    one, targets = windows.gather(torch.zeros_like(start), start, steps)
    lags = windows.lags(steps)
    return {
        name: 100 * mean_square_error(baseline.forecast(one, lags), targets, one).mean(0).numpy()
        for name, baseline in make_baselines(of, 750.0).items()
    }


def test_harmonic_beats_persistence_tenfold_at_10_fs(errors):
    assert errors["harmonic"][0] < 0.1 * errors["persistence"][0]


def test_harmonic_errors_are_of_the_known_order(errors):
    ratio = errors["harmonic"] / HARMONIC
    assert (ratio > 1 / ORDER).all(), ratio
    assert (ratio < ORDER).all(), ratio


def test_harmonic_beats_everything_static_up_to_30_fs(errors):
    for name in ("persistence", "ballistic", "rigid"):
        assert (errors["harmonic"][:2] < errors[name][:2]).all(), name


def test_damping_changes_little_at_short_lags(errors):
    np.testing.assert_allclose(errors["damped harmonic"][:2], errors["harmonic"][:2], rtol=0.1)
