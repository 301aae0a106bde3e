import json
from dataclasses import replace

import h5py
import MDAnalysis
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdstride.constants import KJ_PER_MOL
from mdstride.errors import InputError
from mdstride.formats.h5md import read_trajectory, write_trajectory
from mdstride.formats.hdf5 import seal

SINGLE = 2e-7  # relative precision of the float32 on disk


@pytest.fixture
def stored(tmp_path, make_trajectory):
    path = tmp_path / "0.h5md"
    write_trajectory(path, make_trajectory(frames=200))
    return path


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.integers(0, 70), seed=st.integers(0, 2**31))
def test_what_is_written_is_read(tmp_path, make_trajectory, equal, frames, seed):
    trajectory = make_trajectory(frames, seed=seed)
    write_trajectory(tmp_path / "0.h5md", trajectory)
    assert equal(read_trajectory(tmp_path / "0.h5md"), trajectory, rtol=SINGLE)


def test_a_trajectory_without_frames_and_atoms_is_read_back(tmp_path, make_trajectory, equal):
    empty = make_trajectory(
        0, 0, atomic_numbers=np.zeros(0, int), bonds=np.zeros((0, 2), int), verdict={"passed": False, "reason": "why"}
    )
    write_trajectory(tmp_path / "0.h5md", empty)
    assert equal(read_trajectory(tmp_path / "0.h5md"), empty)


def test_the_same_content_gives_the_same_bytes(tmp_path, make_trajectory, stored):
    write_trajectory(tmp_path / "again.h5md", make_trajectory(frames=200))
    assert (tmp_path / "again.h5md").read_bytes() == stored.read_bytes()


def test_without_arrays_only_the_series_are_read(stored, make_trajectory):
    trajectory = read_trajectory(stored, arrays=False)
    assert trajectory.positions.size == 0
    np.testing.assert_allclose(trajectory.potential_energy, make_trajectory(frames=200).potential_energy)


def test_units_on_disk_are_those_of_h5md(stored, make_trajectory):
    trajectory = make_trajectory(frames=200)
    with h5py.File(stored) as file:
        particles = file["particles/trajectory"]
        for name, unit, value in (
            ("position", "nm", trajectory.positions / 10),  # 1 nm = 10 Å
            ("velocity", "nm ps-1", trajectory.velocities * 100),  # 1 nm/ps = 0.01 Å/fs
            ("force", "kJ mol-1 nm-1", trajectory.forces * 964.8533212),  # 1 eV/Å = 964.85 kJ/mol/nm
        ):
            assert particles[f"{name}/value"].attrs["unit"] == unit
            np.testing.assert_allclose(particles[f"{name}/value"], value, rtol=1e-6)
        assert particles["position/time"].attrs["unit"] == "ps"
        np.testing.assert_allclose(particles["force/time"], np.arange(200) * 0.002)
        assert particles["box"].attrs["boundary"].tolist() == [b"none"] * 3
        assert file["h5md"].attrs["version"].tolist() == [1, 1]


def test_mdanalysis_reads_it_without_a_topology(stored, make_trajectory):
    trajectory = make_trajectory(frames=200)
    universe = MDAnalysis.Universe.empty(3)
    universe.load_new(str(stored), format="H5MD")
    assert len(universe.trajectory) == 200
    step = universe.trajectory[123]
    assert step.time == pytest.approx(0.246)
    np.testing.assert_allclose(step.positions, trajectory.positions[123], rtol=1e-5)
    np.testing.assert_allclose(step.velocities, trajectory.velocities[123] * 1000, rtol=1e-5)
    np.testing.assert_allclose(step.forces, trajectory.forces[123] * KJ_PER_MOL, rtol=1e-5)


@pytest.mark.parametrize("name", ["positions", "velocities", "forces", "potential_energy", "kinetic_energy"])
def test_a_value_that_is_not_finite_is_never_written(tmp_path, make_trajectory, name):
    trajectory = make_trajectory()
    spoilt = getattr(trajectory, name).copy()
    spoilt.flat[-1] = np.nan
    with pytest.raises(ValueError, match=f"{name} holds values that are not finite"):
        write_trajectory(tmp_path / "0.h5md", replace(trajectory, **{name: spoilt}))
    assert list(tmp_path.iterdir()) == []


def set_unit(name, unit):
    return lambda file: file[name].attrs.__setitem__("unit", unit)


def spoil(file):
    file["particles/trajectory/velocity/value"][7, 0, 0] = np.inf


def shorten(file):
    del file["particles/trajectory/force/value"]
    file["particles/trajectory/force/value"] = np.zeros((3, 3, 3), np.float32)
    file["particles/trajectory/force/value"].attrs["unit"] = "kJ mol-1 nm-1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_unit("particles/trajectory/position/value", "Angstrom"), "position must be in nm, not Angstrom"),
        (set_unit("particles/trajectory/force/value", "eV"), "force must be in kJ mol-1 nm-1, not eV"),
        (set_unit("observables/potential_energy/value", "eV"), "potential_energy must be in kJ mol-1, not eV"),
        (set_unit("particles/trajectory/position/time", "fs"), "time must be in ps"),
        (lambda file: file.attrs.__setitem__("kind", "mdstride structure"), "not a trajectory of this version"),
        (lambda file: file.attrs.__setitem__("schema_version", "0"), "not a trajectory of this version"),
        (lambda file: file.__delitem__("parameters"), "not a trajectory of this version"),
        (lambda file: file.__delitem__("observables/temperature"), "damaged or not the expected HDF5 file"),
        (spoil, "velocity holds values that are not finite"),
        (shorten, "forces does not have 200 frames of 3 atoms"),
    ],
)
def test_another_file_is_refused_by_name(stored, change, message):
    edit(stored, change)
    with pytest.raises(InputError) as caught:
        read_trajectory(stored)
    assert str(caught.value).startswith(f"{stored}: ") and message in str(caught.value)


def test_flipped_bytes_are_refused_or_harmless(stored, equal):
    whole, original = stored.read_bytes(), read_trajectory(stored)
    generator = np.random.default_rng(0)
    refused = 0
    for position in generator.choice(len(whole), 300, replace=False):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(generator.integers(8))
        stored.write_bytes(damaged)
        try:
            assert equal(read_trajectory(stored), original), f"byte {position}"
        except InputError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(stored, share):
    whole = stored.read_bytes()
    stored.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"0\.h5md: damaged"):
        read_trajectory(stored)


def test_the_verdict_is_json(stored):
    with h5py.File(stored) as file:
        assert json.loads(file["parameters"].attrs["verdict"])["block_time"] == [0.1, 0.2]
