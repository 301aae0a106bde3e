"""Whole replicas: what is on disk is what was computed, and every failure has a reason."""

import re
from dataclasses import replace

import h5py
import MDAnalysis
import numpy as np
import pytest

from mdstride.constants import KINETIC, KJ_PER_MOL
from mdstride.engines import EngineError, make_engine
from mdstride.formats.h5md import read_trajectory
from mdstride.formats.structure import write_structure
from mdstride.simulate import stage
from mdstride.simulate.stage import simulate_replica

FORCE_TOLERANCE = 1e-3  # eV/Å between a stored frame and the same frame computed anew


@pytest.fixture(scope="module")
def short(config):
    return config["simulate"] | {"equilibration": 0.2, "production": 0.6, "stride": 2}


@pytest.fixture(scope="module")
def stored(molecule, short, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trajectories")
    path = folder / "0.h5md"
    replica = {"structure": molecule("ethanol").path, "replica": 0, "state": folder / "state"}
    simulate_replica(short, config["reference"], **replica, output=path)
    return path


def test_a_replica_passes_with_all_its_frames(stored, short):
    trajectory = read_trajectory(stored)
    verdict = trajectory.verdict
    assert verdict["passed"] and verdict["reason"] == ""
    assert verdict["frames"] == len(trajectory.time) == 301
    np.testing.assert_array_equal(trajectory.step, np.arange(0, 601, 2))
    np.testing.assert_allclose(trajectory.time, trajectory.step * short["timestep"])
    assert 0 < verdict["fluctuation"] < 1.0
    assert 1.0 < verdict["longest_bond"] < 1.3
    assert len(verdict["block_time"]) == len(verdict["block_energy"]) == 30
    assert trajectory.parameters["simulate"] == short and trajectory.provenance["software"]["tblite"]


def test_no_frame_holds_a_value_that_is_not_finite(stored):
    with h5py.File(stored) as file:
        arrays = []
        file.visititems(lambda _, item: arrays.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert len(arrays) >= 10
    assert all(np.isfinite(array).all() for array in arrays)


def test_recomputing_stored_frames_gives_the_stored_forces_and_energies(stored, config):
    trajectory = read_trajectory(stored)
    engine = make_engine(config["reference"], trajectory.atomic_numbers.tolist(), 0, 1)
    for frame in np.random.default_rng(0).choice(len(trajectory.time), 6, replace=False):
        engine.forget()
        energy, forces = engine.compute(trajectory.positions[frame])
        np.testing.assert_allclose(trajectory.forces[frame], forces, atol=FORCE_TOLERANCE)
        assert trajectory.potential_energy[frame] == pytest.approx(energy, abs=1e-4)


def test_stored_velocities_carry_no_momentum_and_the_stored_kinetic_energy(stored):
    trajectory = read_trajectory(stored)
    momentum = np.einsum("n,fnd->fd", trajectory.masses, trajectory.velocities)
    turning = np.einsum("n,fnd->fd", trajectory.masses, np.cross(trajectory.positions, trajectory.velocities))
    centre = np.einsum("n,fnd->fd", trajectory.masses, trajectory.positions) / trajectory.masses.sum()
    for net in (momentum, turning, centre):  # single precision in the file
        np.testing.assert_allclose(net, 0, atol=1e-6)
    kinetic = 0.5 * np.einsum("n,fnd->f", trajectory.masses, trajectory.velocities**2) * KINETIC
    np.testing.assert_allclose(kinetic, trajectory.kinetic_energy, rtol=1e-6)


def test_velocities_are_the_derivative_of_the_positions(stored):
    # Central differences over +-2 fs miss a third of the fastest vibrations' speed at most, so compare in the mean.
    trajectory = read_trajectory(stored)
    slope = (trajectory.positions[2:] - trajectory.positions[:-2]) / (trajectory.time[2] - trajectory.time[0])
    stored_velocities = trajectory.velocities[1:-1]
    heavy = trajectory.atomic_numbers > 1
    correlation = np.sum(slope * stored_velocities) / np.sqrt(np.sum(slope**2) * np.sum(stored_velocities**2))
    assert correlation > 0.9
    ratio = np.sum((slope * stored_velocities)[:, heavy]) / np.sum((stored_velocities**2)[:, heavy])
    assert ratio == pytest.approx(1, abs=0.1)


def test_the_same_seed_gives_the_same_bytes_and_another_replica_another_path(stored, molecule, short, config, tmp_path):
    again, other = tmp_path / "0.h5md", tmp_path / "1.h5md"
    path = molecule("ethanol").path
    state = tmp_path / "state"
    simulate_replica(short, config["reference"], structure=path, replica=0, state=state, output=again)
    assert again.read_bytes() == stored.read_bytes()
    brief = short | {"equilibration": 0.01, "production": 0.02}
    simulate_replica(brief, config["reference"], structure=path, replica=1, state=state, output=other)
    assert not np.allclose(read_trajectory(other).positions[0], read_trajectory(stored).positions[0], atol=1e-3)


def test_mdanalysis_reads_it_without_a_topology(stored):
    trajectory = read_trajectory(stored)
    universe = MDAnalysis.Universe.empty(9, trajectory=False)
    universe.load_new(str(stored), format="H5MD", convert_units=True)
    assert len(universe.trajectory) == 301
    for frame in (0, 7, 300):
        step = universe.trajectory[frame]
        assert step.time == pytest.approx(trajectory.time[frame] / 1000)  # ps
        np.testing.assert_allclose(step.positions, trajectory.positions[frame], atol=1e-5)  # Å
        np.testing.assert_allclose(step.velocities, trajectory.velocities[frame] * 1000, rtol=1e-4, atol=1e-4)  # Å/ps
        np.testing.assert_allclose(step.forces, trajectory.forces[frame] * KJ_PER_MOL, rtol=1e-4, atol=1e-3)  # kJ/mol/Å


def failed(settings, reference, structure, folder):
    output = folder / "failed.h5md"
    settings = settings | {"retry": {"attempts": 0, "change": "seed"}}
    simulate_replica(settings, reference, structure=structure, replica=0, state=folder / "state", output=output)
    trajectory = read_trajectory(output)
    assert not trajectory.verdict["passed"]
    assert trajectory.verdict["frames"] == len(trajectory.positions)
    return trajectory


def test_a_molecule_that_falls_apart_fails_with_its_reason(molecule, short, config, tmp_path):
    hot = short | {"temperature": 8000.0, "timestep": 0.5, "limits": short["limits"] | {"break_time": 20.0}}
    trajectory = failed(hot, config["reference"], molecule("ethanol").path, tmp_path)
    broken = r"bond broken between atoms .*: over 1.5 x covalent radii for 20 fs.*|proton transfer .*|bond formed .*"
    stopped = r"GFN2-xTB: SCF not converged in 250 cycles"  # two radicals are hard for a closed shell
    assert re.fullmatch(rf"({broken}|{stopped}) \(\w+ step \d+\)", trajectory.verdict["reason"])


def test_overlapping_atoms_fail_with_the_engines_reason(molecule, short, config, tmp_path):
    structure = molecule("methanol").structure
    positions = structure.positions.copy()
    positions[1] = positions[0]
    write_structure(tmp_path / "overlap.h5", replace(structure, positions=positions))
    trajectory = failed(short, config["reference"], tmp_path / "overlap.h5", tmp_path)
    assert "atoms 1 and 2 overlap" in trajectory.verdict["reason"]
    assert trajectory.verdict["frames"] == 0


def test_impossible_electrons_fail_with_their_reason(molecule, short, config, tmp_path):
    write_structure(tmp_path / "odd.h5", replace(molecule("methanol").structure, multiplicity=2))
    trajectory = failed(short, config["reference"], tmp_path / "odd.h5", tmp_path)
    assert "18 electrons (charge 0) cannot have the multiplicity 2" in trajectory.verdict["reason"]


def test_a_production_that_dies_keeps_the_frames_before(molecule, short, config, tmp_path, monkeypatch):
    def mortal(*arguments):
        engine = make_engine(*arguments)
        compute, calls = engine.compute, iter(range(32))

        def limited(positions):
            if next(calls, None) is None:
                raise EngineError("SCF not converged")
            return compute(positions)

        engine.compute = limited
        return engine

    monkeypatch.setattr(stage, "make_engine", mortal)
    brief = short | {"equilibration": 0.02, "production": 0.1}
    trajectory = failed(brief, config["reference"], molecule("methanol").path, tmp_path)
    assert trajectory.verdict["reason"] == "SCF not converged (production step 12)"
    np.testing.assert_array_equal(trajectory.step, [0, 2, 4, 6, 8, 10])
