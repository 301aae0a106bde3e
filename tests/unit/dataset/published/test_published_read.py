"""Import of published files, with real frames of MD17 (consecutive, 0.5 fs) and sGDML (unordered)."""

import hashlib
from pathlib import Path
from typing import Any

import ase.io
import h5py
import numpy as np
import pytest
from import_helpers import CONSECUTIVE, MAPPED, UNORDERED, arrays, in_ev, masses, picked, xyz_text
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from mdstride.constants import FEMTOSECOND
from mdstride.dataset.published.read import read_published
from mdstride.dataset.published.units import KCAL_PER_MOL
from mdstride.errors import InputError
from mdstride.export.excerpt import Excerpt
from mdstride.export.extxyz import write_extxyz
from mdstride.export.h5md import write_h5md
from mdstride.export.npz import write_md17, write_sgdml, write_tg80
from mdstride.formats.dataset import CompoundData
from mdstride.formats.h5md import Trajectory, write_trajectory

ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
SYMBOLS = ["C", "C", "O", *"HHHHHH"]


def _npz(folder: Path, file_name: str = "md17_ethanol.npz", **values: Any) -> Path:
    np.savez(folder / file_name, **values)
    return folder / file_name


def _notes(compound: CompoundData) -> str:
    return "; ".join(compound.replicas[0].source["notes"])


def test_md17_becomes_a_compound_in_the_packages_units() -> None:
    compound = read_published(CONSECUTIVE, replica=3, licence="MIT", citation="Chmiela 2017")
    (replica,) = compound.replicas
    raw = arrays()
    assert (compound.id, compound.charge, compound.multiplicity) == (ETHANOL, 0, 1)
    assert (compound.licence, compound.citation, replica.number) == ("MIT", "Chmiela 2017", 3)
    assert compound.labels["smiles"] == "CCO" and compound.labels["formula"] == "C2H6O"
    assert compound.labels["mapped_smiles"] == MAPPED
    assert compound.bonds.tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 5], [1, 6], [1, 7], [2, 8]]
    np.testing.assert_allclose(replica.positions + replica.origin, raw["R"], atol=1e-6)
    np.testing.assert_allclose(replica.forces, raw["F"] / 23.0605, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(replica.energy, raw["E"][:, 0] / 23.0605, rtol=1e-5)
    np.testing.assert_allclose(compound.masses @ replica.positions[0], 0, atol=1e-5)
    lowest = raw["R"][raw["E"].argmin()]
    np.testing.assert_allclose(compound.reference - compound.reference[0], lowest - lowest[0], atol=1e-12)
    assert replica.source["format"] == "md17"
    assert replica.source["sha256"] == hashlib.sha256(CONSECUTIVE.read_bytes()).hexdigest()
    assert all(value.dtype == np.float32 for value in (replica.positions, replica.velocities, replica.forces))


def test_mapped_smiles_has_the_files_atom_order(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(9)
    raw = arrays()
    path = _npz(tmp_path, R=raw["R"][:, order], F=raw["F"][:, order], E=raw["E"], z=raw["z"][order])
    compound = read_published(path)
    mol = Chem.AddHs(Chem.MolFromSmiles(compound.labels["mapped_smiles"], _with_hydrogens()))
    by_map = {atom.GetAtomMapNum() - 1: atom for atom in mol.GetAtoms()}
    assert [by_map[k].GetAtomicNum() for k in range(9)] == raw["z"][order].tolist()
    bonds = {frozenset(pair) for pair in compound.bonds.tolist()}
    assert bonds == {
        frozenset((b.GetBeginAtom().GetAtomMapNum() - 1, b.GetEndAtom().GetAtomMapNum() - 1)) for b in mol.GetBonds()
    }
    lengths = [np.linalg.norm(raw["R"][0][order][i] - raw["R"][0][order][j]) for i, j in compound.bonds]
    assert len(lengths) == 8 and max(lengths) < 1.7


def _with_hydrogens() -> Any:
    parameters: Any = Chem.SmilesParserParams()
    parameters.removeHs = False
    return parameters


def test_sgdml_set_is_unordered_and_its_fingerprint_is_compared(tmp_path: Path) -> None:
    compound = read_published(UNORDERED)
    (replica,) = compound.replicas
    assert replica.source["format"] == "sgdml" and not replica.consecutive and replica.velocities is None
    assert "md5 of sGDML (of z, R, E and F) does not fit" in _notes(compound)  # the tests have 200 frames of it
    raw = arrays(UNORDERED)
    digests = b"".join(hashlib.md5(raw[key].ravel()).digest() for key in ("z", "R", "E", "F"))
    whole = read_published(_npz(tmp_path, **(raw | {"md5": np.bytes_(hashlib.md5(digests).hexdigest())})))
    assert "fits" in _notes(whole) and whole.replicas[0].source["theory"] == "Psi4: CCSD(T), cc-pVTZ"


def test_rmd17_keys(tmp_path: Path) -> None:
    raw = arrays()
    values = {"coords": raw["R"], "nuclear_charges": raw["z"], "energies": raw["E"][:, 0], "forces": raw["F"]}
    path = _npz(tmp_path, "rmd17_ethanol.npz", **values, old_indices=np.arange(400))
    assert read_published(path).replicas[0].source["format"] == "rmd17"
    assert read_published(path).digest() == read_published(CONSECUTIVE).digest()


@pytest.mark.parametrize(
    ("name", "smiles"), [("chloroform", "ClC(Cl)Cl"), ("ethanethiol", "CCS"), ("tropane3", "CC1CO1")]
)
def test_tg80_zero_forces_and_charges_are_mended(tmp_path: Path, name: str, smiles: str) -> None:
    numbers, coords = _wobbling(smiles)
    stored = np.where(np.isin(numbers, (16, 17)), 0, numbers)
    values = {"coords": coords, "nuclear_charges": stored, "energy": np.full(len(coords), -3.0)}
    path = _npz(tmp_path, f"{name}.npz", **values, forces=np.zeros_like(coords))
    compound = read_published(path, interval=1.0)
    (replica,) = compound.replicas
    assert compound.id == Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))
    assert compound.atomic_numbers.tolist() == numbers.tolist()
    assert replica.forces is None and replica.energy is None and replica.consecutive
    assert "forces are all zero" in _notes(compound) and "energies were left out" in _notes(compound)
    assert ("atoms stored with charge 0" in _notes(compound)) == (0 in stored)
    with pytest.raises(InputError, match="--interval"):
        read_published(path)
    (tmp_path / "unknown.npz").write_bytes(path.read_bytes())
    if 0 in stored:
        with pytest.raises(InputError, match=r"an atom has no element.*--smiles"):
            read_published(tmp_path / "unknown.npz", interval=1.0)
        assert read_published(tmp_path / "unknown.npz", interval=1.0, smiles=smiles).id == compound.id


def _wobbling(smiles: str) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers, and 100 frames of a molecule whose coordinates oscillate, the atoms in a random order."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(mol, randomSeed=1)
    generator = np.random.default_rng(0)
    order = generator.permutation(mol.GetNumAtoms())
    start = mol.GetConformer().GetPositions()[order]
    frequency, phase = generator.uniform(0.05, 0.3, start.shape), generator.uniform(0, 6, start.shape)
    positions = start + 0.03 * np.sin(frequency * np.arange(100)[:, None, None] + phase)
    return np.array([atom.GetAtomicNum() for atom in mol.GetAtoms()])[order], positions


def test_tg80_energies_tell_their_unit(tmp_path: Path) -> None:
    raw = arrays()
    values = {"coords": raw["R"], "nuclear_charges": raw["z"], "forces": np.zeros_like(raw["F"])}
    path = _npz(tmp_path, "ethanol.npz", **values, energy=raw["E"][:, 0] / 627.5095)
    compound = read_published(path, interval=0.5)
    assert "energies are in Hartree" in _notes(compound)
    np.testing.assert_allclose(compound.replicas[0].energy, raw["E"][:, 0] / 23.0605, rtol=1e-5)


@pytest.mark.parametrize("columns", ["forces", "velocities", "momenta"])
def test_extended_xyz_agrees_with_npz(tmp_path: Path, columns: str) -> None:
    _, positions, velocities, forces, energy = in_ev()
    momenta = masses()[:, None] * velocities / FEMTOSECOND
    extra = {"forces": forces, "velocities": velocities, "momenta": momenta}
    comments = [
        f'energy={value!r} time={0.5 * k} smiles="OCC" name="spirit"' for k, value in enumerate(energy.tolist())
    ]
    text = xyz_text({"pos": positions, "forces": forces, columns: extra[columns]}, comments, SYMBOLS)
    (tmp_path / "a.xyz").write_text(text)
    compound = read_published(tmp_path / "a.xyz")
    (replica,) = compound.replicas
    assert compound.id == ETHANOL and compound.labels["name"] == "spirit"
    assert (replica.interval, replica.consecutive) == (0.5, True)
    np.testing.assert_allclose(replica.positions + replica.origin, positions, atol=1e-6)
    np.testing.assert_allclose(replica.forces, forces, atol=1e-6)
    np.testing.assert_allclose(replica.energy, energy)
    np.testing.assert_allclose(replica.velocities[1:-1], velocities[1:-1], atol=1e-6)
    assert replica.source["velocities"].startswith("central" if columns == "forces" else "published")


def test_extended_xyz_as_ase_reads_it(tmp_path: Path) -> None:
    _, positions, _, forces, energy = in_ev()
    comments = [f'energy={value!r} pbc="F F F"' for value in energy.tolist()[:50]]
    (tmp_path / "a.xyz").write_text(xyz_text({"pos": positions, "forces": forces}, comments, SYMBOLS))
    ase.io.write(tmp_path / "b.extxyz", ase.io.read(tmp_path / "a.xyz", ":"))
    first, second = (read_published(tmp_path / name, smiles="CCO").replicas[0] for name in ("a.xyz", "b.extxyz"))
    np.testing.assert_allclose(first.positions, second.positions, atol=1e-6)
    np.testing.assert_allclose(first.forces, second.forces, atol=1e-6)


def test_trajectories_of_the_package_lose_nothing(tmp_path: Path) -> None:
    trajectory = _trajectory({"passed": True, "reason": "", "drift": 0.01, "frames": 398})
    write_trajectory(tmp_path / "0.h5md", trajectory)
    compound = read_published(tmp_path / "0.h5md")
    (replica,) = compound.replicas
    assert compound.id == ETHANOL and compound.labels["mapped_smiles"] == MAPPED
    np.testing.assert_allclose(replica.velocities, trajectory.velocities, atol=1e-7)
    np.testing.assert_allclose(replica.positions + replica.origin, trajectory.positions, atol=1e-6)
    assert replica.figures["drift"] == 0.01 and replica.interval == 0.5
    assert replica.source["velocities"] == "published"
    write_trajectory(tmp_path / "1.h5md", _trajectory({"passed": False, "reason": "bond broken"}))
    with pytest.raises(InputError, match="bond broken"):
        read_published(tmp_path / "1.h5md")


def _trajectory(verdict: dict[str, Any]) -> Trajectory:
    numbers, positions, velocities, forces, energy = in_ev()
    frames = len(positions)
    return Trajectory(
        ETHANOL, MAPPED, 0, 1, numbers, masses(), np.array([[0, 1]]), np.arange(frames), 0.5 * np.arange(frames),
        positions, velocities, forces, energy, np.ones(frames), np.ones(frames), verdict, {"settings": {"replica": 0}},
    )  # fmt: skip


WRITERS = {
    "tg80.npz": write_tg80,
    "md17.npz": write_md17,
    "sgdml.npz": write_sgdml,
    "xyz": write_extxyz,
    "h5md": write_h5md,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_what_is_exported_comes_back(tmp_path: Path, ending: str) -> None:
    compound = read_published(CONSECUTIVE)
    (first,) = compound.replicas
    path = tmp_path / f"{compound.id}.{ending}"
    WRITERS[ending](path, Excerpt(compound, first, {}, 0, 400, 1))
    again = read_published(path)
    (second,) = again.replicas
    assert again.id == compound.id and (second.interval, second.consecutive) == (0.5, True)
    for name, tolerance in (("positions", 1e-7), ("forces", 1e-6), ("velocities", 1e-6), ("energy", 1e-6)):
        np.testing.assert_allclose(getattr(second, name), getattr(first, name), rtol=1e-6, atol=tolerance)


def test_mdanalysis_h5md_without_elements_needs_a_mapped_smiles(tmp_path: Path) -> None:
    analysis = pytest.importorskip("MDAnalysis")
    _, positions, velocities, forces, _ = in_ev()
    units = {"lengthunit": "Angstrom", "timeunit": "ps", "velocityunit": "Angstrom/ps"}
    units["forceunit"] = "kJ/(mol*Angstrom)"
    universe = analysis.Universe.empty(9, trajectory=True, velocities=True, forces=True)
    with analysis.Writer(
        str(tmp_path / "a.h5md"), 9, convert_units=False, velocities=True, forces=True, **units
    ) as writer:
        for k in range(100):
            stamp = universe.trajectory.ts
            stamp.positions, stamp.velocities, stamp.time = positions[k], velocities[k] * 1000, 0.0005 * k  # Å/ps, ps
            stamp.forces, stamp.data["dt"] = forces[k] * 96.48533, 0.0005  # kJ/(mol Å)
            stamp.frame, stamp.dimensions = k, [50, 50, 50, 90, 90, 90]
            writer.write(universe)
    with pytest.raises(InputError, match="no element"):
        read_published(tmp_path / "a.h5md")
    replica = read_published(tmp_path / "a.h5md", smiles=MAPPED).replicas[0]
    np.testing.assert_allclose(replica.positions + replica.origin, positions[:100], atol=1e-5)
    np.testing.assert_allclose(replica.forces, forces[:100], atol=1e-4)
    np.testing.assert_allclose(replica.velocities, velocities[:100], atol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("nm", 0.1), ("Angstrom", 1.0), ("Ang", 1.0), ("bohr", 1 / 0.529177)])
def test_foreign_h5md_units(tmp_path: Path, unit: str, factor: float) -> None:
    numbers, positions, *_ = in_ev()
    with h5py.File(tmp_path / "a.h5md", "w") as file:
        group = file.create_group("particles/all")
        group["species"] = numbers
        group["position/value"], group["position/time"] = positions * factor, 0.0005
        group["position/value"].attrs["unit"], group["position/time"].attrs["unit"] = unit, "ps"
    replica = read_published(tmp_path / "a.h5md").replicas[0]
    assert replica.interval == 0.5 and replica.consecutive
    np.testing.assert_allclose(replica.positions + replica.origin, positions, atol=1e-5)


def test_names_of_tg80_are_not_what_they_seem(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ethanol1\.npz: its geometry is not Cc1ncc"):  # pyridoxine
        read_published(_npz(tmp_path, "ethanol1.npz", **arrays()))


@pytest.mark.parametrize(
    ("name", "smiles", "shown"),
    [
        ("rmd17_aspirin", "CC(=O)Oc1ccccc1C(=O)O", "CC(=O)Oc1ccccc1C(=O)O"),
        ("md17_salicylic", "O=C(O)c1ccccc1O", "O=C(O)c1ccccc1O"),
        ("md17_malonaldehyde", "O=CCC=O", "O=CCC=O"),  # either tautomer, as the bonds have it
        ("md17_malonaldehyde", "O=C/C=C\\O", "O=C/C=C\\O"),
        ("md17_azobenzene", "c1ccc(/N=N/c2ccccc2)cc1", "c1ccc(/N=N/c2ccccc2)cc1"),
        ("md22_Ac-Ala3-NHMe", *["CNC(=O)[C@H](C)NC(=O)[C@H](C)NC(=O)[C@H](C)NC(C)=O"] * 2),
    ],
)
def test_names_of_md17_and_md22(tmp_path: Path, name: str, smiles: str, shown: str) -> None:
    numbers, coords = _wobbling(smiles)
    path = _npz(tmp_path, f"{name}.npz", R=coords[:8], z=numbers.astype(np.uint8))
    compound = read_published(path, interval=1.0)
    assert compound.labels["smiles"] == shown
    assert compound.id == Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))


def test_unnamed_geometry_is_perceived(tmp_path: Path) -> None:
    compound = read_published(_npz(tmp_path, "run.npz", **arrays()))
    assert compound.id == ETHANOL and "read off the geometry" in _notes(compound)


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        (
            "COC",
            r"not COC: bonded otherwise are C1 \(to C, H, H, O\), C2 \(to C, H, H, H\), O3 \(to C, H\), H9 \(to O\)",
        ),
        ("CCC", "the file has O1 C2 H6 and it is C3 H8"),
        ("C(", "not a valid SMILES"),
        ("C" * 301, "at most 300"),
    ],
)
def test_bonds_that_do_not_match_the_smiles(smiles: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_published(CONSECUTIVE, smiles=smiles)


def test_stereochemistry_must_be_that_of_the_geometry(tmp_path: Path) -> None:
    numbers, coords = _wobbling("C[C@H](O)F")
    path = _npz(tmp_path, "x.npz", R=coords, z=numbers.astype(np.uint8))
    right = read_published(path, smiles="C[C@H](O)F", interval=1.0)
    assert right.id == Chem.MolToInchiKey(Chem.MolFromSmiles("C[C@H](O)F"))
    assert read_published(path, interval=1.0).id == right.id  # perceived
    with pytest.raises(InputError, match="another stereoisomer"):
        read_published(path, smiles="C[C@@H](O)F", interval=1.0)


def test_corrupt_tail_is_cut_and_reported(tmp_path: Path) -> None:
    raw = picked(slice(0, 100))
    raw["R"] = raw["R"].copy()
    raw["R"][98:] = np.nan
    raw["R"][97] = 0
    raw["R"][96, 8] += 20  # a hydrogen that has flown away
    raw["R"][:2] = raw["R"][2]
    compound = read_published(_npz(tmp_path, **raw))
    assert len(compound.replicas[0].positions) == 94
    assert "the last 3 frames were cut off" in _notes(compound) and "the last 1 frames" in _notes(compound)
    assert "the first 2 frames were cut off (same geometry over and over)" in _notes(compound)
    raw["R"][50] = np.nan
    with pytest.raises(InputError, match=r"frame 50 of 100 is damaged \(not finite"):
        read_published(_npz(tmp_path, **raw))


def test_all_kcal_are_converted_alike(tmp_path: Path) -> None:
    raw = arrays()
    values = {"R": raw["R"], "z": raw["z"], "E": raw["E"] / KCAL_PER_MOL, "F": raw["F"] / KCAL_PER_MOL}
    path = _npz(tmp_path, **values, e_unit="eV", r_unit="Ang")
    first, second = (read_published(p).replicas[0] for p in (path, CONSECUTIVE))
    np.testing.assert_allclose(first.forces, second.forces, rtol=1e-6)
