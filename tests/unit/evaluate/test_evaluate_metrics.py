"""Known answers, and MDAnalysis and SciPy for what they compute too."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from MDAnalysis.analysis.rms import rmsd
from MDAnalysis.lib.distances import calc_angles, calc_dihedrals
from scipy import signal
from scipy.spatial.distance import jensenshannon
from scipy.spatial.transform import Rotation

from mdstride.constants import LIGHT
from mdstride.errors import InputError
from mdstride.evaluate.distributions import distance_divergence, jensen_shannon, torsion_divergence
from mdstride.evaluate.floor import twin_floor
from mdstride.evaluate.geometry import bond_angles, topology, torsion_angles, validity
from mdstride.evaluate.metrics import mean_square_error, superposed_square_error
from mdstride.evaluate.spectra import (
    spectrum_overlap,
    velocity_autocorrelation,
    vibrational_spectrum,
    wavenumbers,
)
from mdstride.formats.dataset import CompoundData, Replica
from mdstride.models.state import State

ETHANOL = np.array(
    [
        [1.1870, -0.3852, 0.0], [0.0, 0.5526, 0.0], [-1.1867, -0.2472, 0.0], [2.1, 0.2, 0.0], [1.17, -1.03, 0.885],
        [1.17, -1.03, -0.885], [0.0, 1.2, 0.885], [0.0, 1.2, -0.885], [-1.95, 0.33, 0.0],
    ]
)  # fmt: skip
NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])
BONDS = np.array([[0, 1], [1, 2], [0, 3], [0, 4], [0, 5], [1, 6], [1, 7], [2, 8]])


def trajectory(positions, *, number=0, interval=2.0, origin=0.0):
    x = np.asarray(positions, np.float32)
    return Replica(number, interval, x, None, None, None, np.full(3, origin), {}, {})


def ethanol(replicas=(), twins=()):
    masses = np.array([12.011, 12.011, 15.999, *[1.008] * 6])
    return CompoundData("E", {}, NUMBERS, masses, BONDS, ETHANOL, replicas, twins=twins)


def state(batch, padding=0):
    atoms = len(NUMBERS) + padding
    numbers = torch.tensor([*NUMBERS, *[0] * padding]).expand(batch, -1)
    zero = torch.zeros(batch, atoms, 3)
    blank = torch.zeros(batch, atoms, atoms, dtype=torch.bool)
    return State(numbers, numbers * 2.0, zero, zero, numbers > 0, blank, zero)


def cloud(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_errors_count_heavy_atoms_per_coordinate():
    targets = torch.from_numpy(cloud(2, 3, 11, 3))
    off = targets.clone()
    off[:, 1, :3] += torch.tensor([0.1, 0.2, 0.0])
    off[:, :, 3:] += 100.0  # hydrogens and padding
    expected = torch.tensor([[0.0, 0.05 / 3, 0.0]] * 2).double()
    torch.testing.assert_close(mean_square_error(off, targets, state(2, padding=2)), expected)


def test_superposed_error_agrees_with_mdanalysis():
    """RMSD² / 3 of the heavy atoms after the best superposition; hydrogens and padding do not steer it."""
    targets, forecast = cloud(2, 4, 11, 3), cloud(2, 4, 11, 3, seed=1)
    found = superposed_square_error(*(torch.from_numpy(x) for x in (forecast, targets)), state(2, padding=2))
    for b, p in np.ndindex(2, 4):
        wanted = rmsd(forecast[b, p, :3], targets[b, p, :3], superposition=True) ** 2 / 3
        assert found[b, p].item() == pytest.approx(wanted, rel=1e-6)


def test_superposed_error_ignores_place_and_orientation_but_not_the_hand():
    carbons = replace(state(1), atomic_numbers=torch.full((1, 9), 6))
    turned = Rotation.random(rng=np.random.default_rng(2)).apply(cloud(9, 3)) + 4.0
    for forecast, zero in ((turned, True), (turned * [1, 1, -1], False)):
        error = superposed_square_error(*(torch.from_numpy(x)[None, None] for x in (forecast, cloud(9, 3))), carbons)
        assert (error.item() < 1e-12) == zero


def test_a_forecast_that_is_not_finite_has_no_error_and_harms_no_other():
    targets = torch.from_numpy(cloud(3, 2, 9, 3))
    broken = targets.clone()
    broken[1, 0, 1] = torch.nan
    broken[2, 1, 0] = torch.inf
    broken[0, 0, 5] = torch.nan  # a hydrogen, which does not count
    for measure in (mean_square_error, superposed_square_error):
        found = measure(broken, targets, state(3))
        assert found.isfinite().tolist() == [[True, True], [False, True], [True, False]]
        assert found[0].max() < 1e-20


def test_topology_of_ethanol():
    all_atoms, heavy = topology(ethanol(), heavy=False), topology(ethanol(), heavy=True)
    assert [len(x) for x in (all_atoms.bonds, all_atoms.angles, all_atoms.apart)] == [8, 13, 36 - 8 - 13]
    assert [x.tolist() for x in (heavy.bonds, heavy.angles, heavy.apart)] == [[[0, 1], [1, 2]], [[0, 1, 2]], []]
    assert all_atoms.torsions.tolist() == [[3, 0, 1, 2], [0, 1, 2, 8]]
    assert (len(all_atoms.centres), len(heavy.centres), len(heavy.torsions)) == (2, 0, 0)


def test_validity_finds_each_fault():
    about = topology(ethanol(), heavy=False)
    faults = np.repeat(ETHANOL[None], 5, axis=0)
    faults[1, 8] = ETHANOL[2] + 1.3 * (ETHANOL[8] - ETHANOL[2])  # a stretched bond
    faults[2, 8] = ETHANOL[2] + Rotation.from_rotvec([0, 0, 1.0]).apply(ETHANOL[8] - ETHANOL[2])  # a bent angle
    faults[3, [6, 7]] = ETHANOL[[7, 6]]  # an inverted centre
    faults[4, 3] = ETHANOL[8]  # a hydrogen on another
    found = validity(faults.reshape(5, 1, 9, 3), about)
    assert all(shares.shape == (5, 1) for shares in found.values())
    np.testing.assert_array_equal(found["valid"][:, 0], [1, 0, 0, 0, 0])
    np.testing.assert_allclose(found["bonds"][:4, 0], [1, 7 / 8, 1, 1])
    np.testing.assert_allclose(found["angles"][:4, 0], [1, 1, 12 / 13, 1])
    np.testing.assert_allclose(found["chirality"][:4, 0], [1, 1, 1, 0.5])
    assert found["clashes"][4, 0] < 1
    assert validity(np.full((9, 3), np.nan), about)["valid"] == 0
    assert set(validity(ETHANOL, topology(ethanol(), heavy=True))) == {"bonds", "angles", "valid"}


def test_validity_ignores_place_and_orientation():
    turned = Rotation.random(30, rng=np.random.default_rng(0)).as_matrix()
    placed = ETHANOL @ turned + 20 * cloud(30, 1, 3)
    assert (validity(placed, topology(ethanol(), heavy=False))["valid"] == 1).all()
    assert (validity(-placed, topology(ethanol(), heavy=False))["chirality"] == 0).all()


def test_angles_agree_with_mdanalysis():
    positions, about = cloud(40, 9, 3), topology(ethanol(), heavy=False)
    corners = [[positions[:, about.angles[:, k]].reshape(-1, 3) for k in range(3)]]
    np.testing.assert_allclose(bond_angles(positions, about.angles).ravel(), calc_angles(*corners[0]), atol=1e-6)
    ends = [positions[:, about.torsions[:, k]].reshape(-1, 3) for k in range(4)]
    np.testing.assert_allclose(torsion_angles(positions, about.torsions).ravel(), calc_dihedrals(*ends), atol=1e-6)


def test_autocorrelation_of_a_vibration_is_its_cosine():
    t, interval, period = np.arange(400), 2.0, 20.0
    phases = np.linspace(0, 2 * np.pi, 12, endpoint=False)[:, None]
    swing = np.cos(2 * np.pi * t * interval / period + phases)
    positions = np.zeros((12, 400, 2, 3))
    positions[:, :, 0, 1] = swing
    positions[:, :, 1] = cloud(12, 400, 3)  # without mass
    found = velocity_autocorrelation(positions, np.array([3.0, 0.0]))
    np.testing.assert_allclose(found, np.cos(2 * np.pi * t[:-1] * interval / period), atol=1e-9)


def test_autocorrelation_agrees_with_scipy():
    positions, masses = cloud(1, 60, 2, 3), np.array([1.0, 12.0])
    steps = np.diff(positions[0], axis=0)
    raw = sum(
        masses[i] * signal.correlate(steps[:, i, x], steps[:, i, x])[58:] for i, x in np.ndindex(2, 3)
    ) / np.arange(59, 0, -1)
    np.testing.assert_allclose(velocity_autocorrelation(positions, masses), raw / raw[0], atol=1e-12)


@pytest.mark.parametrize("frames", [201, 200])
def test_spectrum_agrees_with_scipy_and_finds_the_frequency(frames):
    positions, masses = cloud(3, frames, 2, 3), np.array([1.0, 12.0])
    wavenumber = 1000.0
    positions[:, :, 1] += 20 * np.cos(2 * np.pi * LIGHT * wavenumber * 2.0 * np.arange(frames))[:, None]
    found, axis = vibrational_spectrum(positions, masses), wavenumbers(frames, 2.0)
    options = {"fs": 0.5, "window": "hann", "detrend": False, "axis": 1}
    frequency, power = signal.periodogram(np.diff(positions, axis=1), **options)
    wanted = (power * masses[:, None]).sum((2, 3)).mean(0)
    np.testing.assert_allclose(axis, frequency / LIGHT)
    np.testing.assert_allclose(found, wanted / wanted.sum(), atol=1e-12)
    assert axis[found.argmax()] == pytest.approx(wavenumber, abs=1 / (LIGHT * 2.0 * frames))


def test_overlap_of_spectra():
    one, other = np.array([0.25, 0.75, 0.0, 0.0]), np.array([0.0, 0.0, 0.5, 0.5])
    assert spectrum_overlap(one, one) == 1
    assert spectrum_overlap(one, other) == 0
    assert spectrum_overlap(one, np.full(4, 0.25)) == 0.5


def test_jensen_shannon_agrees_with_scipy():
    one, other = np.random.default_rng(3).integers(0, 9, (2, 5, 4, 20))
    np.testing.assert_allclose(jensen_shannon(one, other), jensenshannon(one, other, base=2, axis=-1) ** 2, atol=1e-12)
    assert jensen_shannon(np.array([3, 0]), np.array([0, 7])) == pytest.approx(1)
    assert jensen_shannon(np.array([1, 2]), np.array([2, 4])) == pytest.approx(0)


def test_divergences_agree_with_histograms_of_numpy():
    about = topology(ethanol(), heavy=False)
    x, y = ETHANOL + 0.3 * cloud(300, 2, 9, 3), ETHANOL + 0.2 * cloud(300, 2, 9, 3, seed=1)
    torsions, pairs = torsion_divergence(x, y, about.torsions), distance_divergence(x, y, about.apart)
    edges = np.linspace(-np.pi, np.pi, 37)
    for p, t in np.ndindex(torsions.shape):
        counts = [np.histogram(torsion_angles(one[:, p], about.torsions)[:, t], edges)[0] for one in (x, y)]
        assert torsions[p, t] == pytest.approx(jensenshannon(*counts, base=2) ** 2, abs=1e-9)
    for p, m in np.ndindex(pairs.shape):
        values = [np.linalg.norm(one[:, p, about.apart[m, 0]] - one[:, p, about.apart[m, 1]], axis=1) for one in (x, y)]
        inner = np.linspace(values[1].min(), np.nextafter(values[1].max(), 9), 51)
        counts = [np.histogram(one, [-np.inf, *inner, np.inf])[0] for one in values]
        assert pairs[p, m] == pytest.approx(jensenshannon(*counts, base=2) ** 2, abs=0.02)


def test_divergence_of_torsions_and_distances():
    about = topology(ethanol(), heavy=False)
    frames = ETHANOL + 0.05 * cloud(400, 1, 9, 3, seed=4)
    flipped = frames.copy()
    flipped[:200, :, 8] = frames[:200, :, 2] + (frames[:200, :, 8] - frames[:200, :, 2]) * [1, -1, 1]
    found = torsion_divergence(flipped, frames, about.torsions)[0]
    assert found[0] == 0
    assert found[1] == pytest.approx(jensen_shannon(np.array([200, 200]), np.array([400, 0])), abs=0.05)
    assert (distance_divergence(frames, frames, about.apart) == 0).all()
    np.testing.assert_allclose(distance_divergence(9 * frames, frames, about.apart), 1)
    flipped[7, 0, 8, 0] = np.nan
    assert np.isnan(torsion_divergence(flipped, frames, about.torsions)).tolist() == [[False, True]]


def test_the_floor_is_the_distance_of_twins():
    x = cloud(50, 9, 3)
    away = np.zeros((50, 9, 3))
    away[:, :3, 0] = 1e-3 * np.arange(50)[:, None]
    away[:, 3:] = 9.0  # hydrogens
    pair = trajectory(x), trajectory(x + away - 2.0, origin=2.0)
    found = twin_floor(ethanol((pair[0],), (pair[1],)), [2.0, 20.0, 98.0])
    np.testing.assert_allclose(found, [[(1e-3 * k) ** 2 / 3 for k in (1, 10, 49)]], rtol=0, atol=1e-8)
    assert twin_floor(ethanol(pair[:1]), [2.0]).shape == (0, 1)


def test_a_floor_that_cannot_be_had_is_named():
    one = trajectory(cloud(5, 9, 3))
    with pytest.raises(InputError, match="twin 1: no replica 1"):
        twin_floor(ethanol((one,), (replace(one, number=1),)), [2.0])
    assert np.isnan(twin_floor(ethanol((one,), (one,)), [8.0, 10.0])).tolist() == [[False, True]]
