"""What is exported is read back by readers that know nothing of mdstride, and is the same to the stated digit."""

import hashlib
import zipfile
from dataclasses import replace

import ase.io
import h5py
import MDAnalysis
import numpy as np
import pytest
from ase import units
from export_sets import CHLOROETHENE, FRAMES, IMPORT, METHANETHIOL, both, imported
from scipy import constants

from mdstride.export.dataset import export_dataset
from mdstride.export.npz import fingerprint
from mdstride.formats.h5md import read_trajectory

KCAL = constants.e * constants.N_A / 4184
"""1 eV in kcal/mol."""
ULPS = 4 * np.finfo(np.float64).eps
"""Relative: two conversions of a unit in float64, there and back."""


def trajectories(dataset):
    return [(c, r) for c in dataset.compounds.values() for r in c.replicas]


def same_positions(found, replica):
    """float64 keeps the float32 positions: taking the origin off again gives the same bits."""
    assert found.dtype == np.float64
    np.testing.assert_array_equal((found - replica.origin).astype(np.float32), replica.positions)


def stored(dataset, file):
    """The data set with its arrays in an open file."""

    def write(compound, replica):
        names = ("positions", "velocities", "forces", "energy")
        group = file.create_group(f"{compound.id}/{replica.number}")
        return replace(replica, **{name: group.create_dataset(name, data=getattr(replica, name)) for name in names})

    compounds = {
        key: replace(compound, replicas=tuple(write(compound, replica) for replica in compound.replicas))
        for key, compound in dataset.compounds.items()
    }
    return replace(dataset, compounds=compounds)


@pytest.fixture(params=["in memory", "HDF5"])
def dataset(request, tmp_path):
    """The same data set, its arrays NumPy's or those of an open file."""
    if request.param == "in memory":
        yield both()
        return
    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        yield stored(both(), file)


def test_tg80_loses_nothing(tmp_path, dataset):
    paths = export_dataset(dataset, tmp_path / "out", format="tg80")
    assert [path.name for path in paths] == [
        f"{CHLOROETHENE}-0.npz",
        f"{METHANETHIOL}-0.npz",
        f"{METHANETHIOL}-1.npz",
    ]
    for path, (compound, replica) in zip(paths, trajectories(dataset), strict=True):
        with np.load(path) as found:
            assert set(found) == {"coords", "nuclear_charges", "energy", "forces", "r_unit", "e_unit"}
            assert (str(found["r_unit"]), str(found["e_unit"])) == ("Ang", "eV")
            same_positions(found["coords"], replica)
            np.testing.assert_array_equal(found["nuclear_charges"], compound.atomic_numbers)
            np.testing.assert_array_equal(found["energy"], replica.energy)
            np.testing.assert_array_equal(found["forces"], replica.forces)
            assert {17, 16} & set(found["nuclear_charges"].tolist())  # published as 0


def test_md17_is_in_kcal_per_mol(tmp_path, dataset):
    paths = export_dataset(dataset, tmp_path / "out", format="md17")
    for path, (compound, replica) in zip(paths, trajectories(dataset), strict=True):
        with np.load(path) as found:
            assert set(found) == {"R", "z", "E", "F", "name", "theory"}
            assert (str(found["name"]), str(found["theory"])) == (compound.labels["name"] or compound.id, "GFN2-xTB")
            assert found["z"].dtype == np.uint8 and found["E"].shape == (FRAMES, 1)
            same_positions(found["R"], replica)
            np.testing.assert_allclose(found["E"][:, 0], replica.energy[:] * KCAL, rtol=1e-9)
            np.testing.assert_allclose(found["F"], replica.forces[:] * KCAL, rtol=1e-6)


def test_sgdml_has_the_fingerprint_that_its_authors_compute(tmp_path, dataset):
    paths = export_dataset(dataset, tmp_path / "out", format="sgdml")
    for path, (_, replica) in zip(paths, trajectories(dataset), strict=True):
        with np.load(path) as found:
            assert str(found["type"].astype(str)) == "d"
            assert (str(found["r_unit"]), str(found["e_unit"])) == ("Ang", "kcal/mol")
            same_positions(found["R"], replica)
            digest = hashlib.md5()
            for key in ("z", "R", "E", "F"):
                digest.update(hashlib.md5(np.ascontiguousarray(found[key]).ravel()).digest())
            assert found["md5"].item().decode() == digest.hexdigest()
            assert (found["F_var"], found["E_mean"]) == (found["F"].var(), found["E"].mean())


def test_the_fingerprint_counts_energies_only_where_there_are_any():
    """sGDML's recipe; that of its published ethanol_ccsd_t-train.npz, cdad377f9048f070ba9071b647d19397, agrees."""
    arrays = {"z": np.array([8, 1], np.uint8), "R": np.zeros((1, 2, 3)), "E": np.zeros((1, 1)), "F": np.ones((1, 2, 3))}
    for keys in ("zREF", "zRF"):
        parts = b"".join(hashlib.md5(arrays[key].tobytes()).digest() for key in keys)
        assert fingerprint({key: arrays[key] for key in keys}) == hashlib.md5(parts).hexdigest()


def test_extended_xyz_loses_nothing(tmp_path, dataset):
    paths = export_dataset(dataset, tmp_path / "out", format="extxyz")
    for path, (compound, replica) in zip(paths, trajectories(dataset), strict=True):
        images = ase.io.read(path, ":")
        same_positions(np.array([atoms.positions for atoms in images]), replica)
        for read, stored in (
            ([atoms.get_velocities() * units.fs for atoms in images], replica.velocities),
            ([atoms.get_forces() for atoms in images], replica.forces),
        ):
            np.testing.assert_array_equal(np.array(read, np.float32), stored)
        assert [atoms.get_potential_energy() for atoms in images] == replica.energy[:].tolist()
        assert [atoms.info["time"] for atoms in images] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
        for atoms in images:
            np.testing.assert_array_equal(atoms.get_masses(), compound.masses)
            assert atoms.numbers.tolist() == compound.atomic_numbers.tolist() and not atoms.pbc.any()
            about = (atoms.info["id"], atoms.info["smiles"], atoms.info["replica"], atoms.info["charge"])
            assert about == (compound.id, compound.labels["mapped_smiles"], replica.number, 0)


def test_flashmd_pairs_are_a_stride_apart(tmp_path, dataset):
    paths = export_dataset(dataset, tmp_path / "out", format="flashmd", stride=2, every=3)
    for path, (compound, replica) in zip(paths, trajectories(dataset), strict=True):
        pairs = ase.io.read(path, ":")
        assert [atoms.info["frame"] for atoms in pairs] == [0, 3]
        for atoms, k in zip(pairs, (0, 3), strict=True):
            assert atoms.info["time_lag"] == 1.0  # fs
            np.testing.assert_array_equal(atoms.get_masses(), compound.masses)
            moved = atoms.arrays["future_positions"] - replica.origin
            np.testing.assert_array_equal(moved.astype(np.float32), replica.positions[k + 2])
            future = atoms.copy()
            future.set_momenta(atoms.arrays["future_momenta"])
            for state, frame in ((atoms, k), (future, k + 2)):
                speed = (state.get_velocities() * units.fs).astype(np.float32)
                np.testing.assert_array_equal(speed, replica.velocities[frame])


def test_h5md_is_read_by_mdanalysis_and_by_mdstride(tmp_path, dataset):
    """Stored as float32 nm: half a unit in the last place, 3e-8 of the coordinate."""
    paths = export_dataset(dataset, tmp_path / "out", format="h5md")
    for path, (compound, replica) in zip(paths, trajectories(dataset), strict=True):
        universe = MDAnalysis.Universe.empty(len(compound.masses), trajectory=True)
        universe.load_new(str(path))
        stored = read_trajectory(path)
        positions = replica.positions[:].astype(float) + replica.origin
        for k, step in enumerate(universe.trajectory):
            assert step.time == pytest.approx(k * replica.interval / 1000)  # ps
            np.testing.assert_allclose(step.positions, positions[k], rtol=2e-7)
            np.testing.assert_allclose(step.velocities / 1000, replica.velocities[k], rtol=2e-7)  # Å/ps
            np.testing.assert_allclose(step.forces, replica.forces[k] * KCAL * 4.184, rtol=3e-7)  # kJ/(mol Å)
        np.testing.assert_allclose(stored.potential_energy, replica.energy, rtol=ULPS)
        joule = (0.5 * compound.masses[:, None] * constants.atomic_mass * (replica.velocities[:] * 1e5) ** 2).sum(
            (1, 2)
        )
        np.testing.assert_allclose(stored.kinetic_energy, joule / constants.e, rtol=1e-6)
        np.testing.assert_allclose(stored.temperature, 2 * joule / (12 * constants.k), rtol=1e-6)
        assert stored.step.tolist() == [0, 2, 4, 6, 8, 10]  # of 0.25 fs
        assert stored.verdict == replica.figures and stored.provenance["software"] == {"mdstride": "0.1.0"}
        assert (stored.id, stored.mapped_smiles) == (compound.id, compound.labels["mapped_smiles"])


@pytest.mark.parametrize("format", ["tg80", "md17", "sgdml", "extxyz", "flashmd", "h5md"])
def test_the_same_data_give_the_same_bytes(tmp_path, format):
    first, second = (export_dataset(both(), tmp_path / name, format=format) for name in ("first", "second"))
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    if first[0].suffix == ".npz":
        with zipfile.ZipFile(first[0]) as archive:
            assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_an_import_lacks_is_left_out(tmp_path):
    dataset = imported(energy=None)
    (npz,) = export_dataset(dataset, tmp_path / "npz", format="md17")
    with np.load(npz) as found:
        assert set(found) == {"R", "z", "F", "name", "theory"} and str(found["theory"]) == "PBE/def2-SVP"
    (text,) = export_dataset(dataset, tmp_path / "text", format="extxyz")
    atoms = ase.io.read(text, 0)
    assert set(atoms.arrays) == {"numbers", "positions", "masses"} and set(atoms.calc.results) == {"forces"}
    assert set(atoms.info) == {"frame", "id", "name", "smiles", "charge", "multiplicity", "replica"}  # no time
    assert npz.stem == text.stem == f"{IMPORT}-0"
