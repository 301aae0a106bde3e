"""Every quantity is compared as ASE reads it back, with the units worked out here from SI."""

import math
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase import units
from scipy import constants

from mdstride.errors import InputError
from mdstride.export.stage import export_folder, export_trajectory
from mdstride.formats.h5md import Trajectory, read_trajectory, write_trajectory

FRAMES = 7
SUFFIXES = (".extxyz", ".xyz", ".traj")
ASE_TIME = 1e-10 * math.sqrt(constants.atomic_mass / constants.e) * 1e15
"""ASE's unit of time, Å sqrt(amu/eV), in fs."""
TEXT = 1e-8
"""Digits that ASE writes into extended XYZ."""


@pytest.fixture
def stored(tmp_path):
    """Heavy water of random geometry, whose kinetic energy belongs to its velocities; read as float32 left it."""
    generator = np.random.default_rng(0)
    masses = np.array([15.999, 2.014, 2.014])  # not ASE's defaults
    velocities = generator.normal(0, 0.01, (FRAMES, 3, 3)).astype(np.float32).astype(float)
    joule = 0.5 * ((masses[:, None] * constants.atomic_mass) * (velocities * 1e5) ** 2).sum((1, 2))  # 1 Å/fs = 1e5 m/s
    trajectory = Trajectory(
        id="XLYOFNOQVPJJNP-ZSJDYOACSA-N",
        mapped_smiles="[O:1]([H:2])[H:3]",
        charge=0,
        multiplicity=1,
        atomic_numbers=np.array([8, 1, 1]),
        masses=masses,
        bonds=np.array([[0, 1], [0, 2]]),
        step=np.arange(FRAMES) * 2,
        time=np.arange(FRAMES) * 1.0,
        positions=generator.normal(size=(FRAMES, 3, 3)),
        velocities=velocities,
        forces=generator.normal(size=(FRAMES, 3, 3)),
        potential_energy=-137.9 + generator.normal(size=FRAMES),
        kinetic_energy=joule / constants.e,
        temperature=300 * generator.random(FRAMES),
        verdict={"passed": True, "reason": ""},
        provenance={"settings": {"replica": 0}, "software": {"mdstride": "0"}},
    )
    path = tmp_path / "trajectories" / trajectory.id / "0.h5md"
    write_trajectory(path, trajectory)
    return path


def change(stored, target, **changes):
    write_trajectory(target, replace(read_trajectory(stored), **changes))
    return target


def without_frames(stored, target, reason):
    trajectory = read_trajectory(stored)
    names = ("step", "time", "positions", "velocities", "forces", "potential_energy", "kinetic_energy", "temperature")
    empty = {name: getattr(trajectory, name)[:0] for name in names}
    return change(stored, target, **empty, verdict={"passed": False, "reason": reason})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ase_reads_every_quantity_back_in_its_own_units(tmp_path, stored, suffix):
    export_trajectory(stored, tmp_path / f"0{suffix}")
    images = ase.io.read(tmp_path / f"0{suffix}", ":")
    trajectory = read_trajectory(stored)
    assert len(images) == FRAMES
    for k, atoms in enumerate(images):
        assert atoms.get_chemical_formula() == "H2O" and not atoms.pbc.any()
        np.testing.assert_allclose(atoms.positions, trajectory.positions[k], atol=TEXT)
        np.testing.assert_allclose(atoms.get_velocities() / ASE_TIME, trajectory.velocities[k], rtol=1e-6, atol=TEXT)
        np.testing.assert_allclose(atoms.get_velocities() * units.fs, trajectory.velocities[k], rtol=1e-6, atol=TEXT)
        np.testing.assert_allclose(atoms.get_forces(), trajectory.forces[k], atol=TEXT)
        np.testing.assert_allclose(atoms.get_masses(), trajectory.masses, atol=TEXT)
        assert atoms.get_potential_energy() == pytest.approx(trajectory.potential_energy[k], rel=1e-14)
        assert atoms.get_kinetic_energy() == pytest.approx(trajectory.kinetic_energy[k], rel=1e-6)
        assert atoms.info["time"] == pytest.approx(trajectory.time[k])
        assert atoms.info["step"] == trajectory.step[k]
        assert (atoms.info["id"], atoms.info["smiles"]) == (trajectory.id, trajectory.mapped_smiles)
        assert atoms.info["passed"]


def test_the_extended_xyz_says_what_its_columns_are(tmp_path, stored):
    export_trajectory(stored, tmp_path / "0.extxyz")
    comment = (tmp_path / "0.extxyz").read_text(encoding="utf-8").splitlines()[1]
    assert "Properties=species:S:1:pos:R:3:masses:R:1:momenta:R:3:forces:R:3 " in comment
    assert 'pbc="F F F"' in comment


@pytest.mark.parametrize(("stride", "steps"), [(1, [0, 2, 4, 6, 8, 10, 12]), (3, [0, 6, 12]), (100, [0])])
def test_stride_keeps_the_first_frame_and_every_so_many(tmp_path, stored, stride, steps):
    export_trajectory(stored, tmp_path / "0.extxyz", stride=stride)
    assert [atoms.info["step"] for atoms in ase.io.read(tmp_path / "0.extxyz", ":")] == steps


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_trajectory_gives_the_same_bytes(tmp_path, stored, suffix):
    for name in ("first", "second"):
        export_trajectory(stored, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"first{suffix}").read_bytes() == (tmp_path / f"second{suffix}").read_bytes()


def test_a_failed_trajectory_is_written_up_to_its_failure_and_says_so(tmp_path, stored):
    broken = change(stored, tmp_path / "broken.h5md", verdict={"passed": False, "reason": "bond broken"})
    export_trajectory(broken, tmp_path / "0.extxyz")
    images = ase.io.read(tmp_path / "0.extxyz", ":")
    assert [bool(atoms.info["passed"]) for atoms in images] == [False] * FRAMES


@pytest.mark.parametrize(
    ("name", "stride", "message"),
    [
        ("0.pdb", 1, "`.pdb` is not a format of export; choose one of .extxyz, .xyz, .traj"),
        ("0", 1, "`no suffix` is not a format of export"),
        ("0.traj", 0, "stride 0: must be 1 (every stored frame) or more"),
    ],
)
def test_what_cannot_be_written_is_refused_before_reading(tmp_path, name, stride, message):
    for work in (
        lambda: export_trajectory(tmp_path / "absent.h5md", tmp_path / name, stride=stride),
        lambda: export_folder(tmp_path / "absent", tmp_path / "out", suffix=(tmp_path / name).suffix, stride=stride),
    ):
        with pytest.raises(InputError) as caught:
            work()
        assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_trajectory_without_frames_is_refused_with_its_reason(tmp_path, stored, suffix):
    failed = without_frames(stored, tmp_path / "failed.h5md", "no conformer could be embedded")
    with pytest.raises(InputError, match=r"failed\.h5md: no frames to export \(no conformer could be embedded\)"):
        export_trajectory(failed, tmp_path / f"0{suffix}")
    assert not (tmp_path / f"0{suffix}").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_that_breaks_off_leaves_nothing_behind(tmp_path, stored, suffix, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mdstride.export.stage.Progress.update", full)
    with pytest.raises(InputError, match="No space left"):
        export_trajectory(stored, tmp_path / "out" / f"0{suffix}")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_is_exported_without_the_trajectories_that_failed(tmp_path, stored, capsys):
    folder = stored.parent.parent
    change(stored, stored.with_name("1.h5md"))
    failed = without_frames(stored, folder / "FAILED-COMPOUND" / "0.h5md", "bond graph changed")
    export_folder(folder, tmp_path / "out", suffix=".traj", stride=2)
    written = sorted((tmp_path / "out").rglob("*.*"))
    assert written == [tmp_path / "out" / stored.parent.name / name for name in ("0.traj", "1.traj")]
    assert [len(ase.io.read(path, ":")) for path in written] == [4, 4]
    assert f"export: {failed} left out: bond graph changed" in capsys.readouterr().err


def test_a_folder_without_trajectories_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no trajectory \(\.h5md\) below this folder"):
        export_folder(tmp_path, tmp_path / "out", suffix=".extxyz")
