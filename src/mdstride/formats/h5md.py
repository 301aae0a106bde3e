"""trajectories/{id}/{replica}.h5md: H5MD 1.1 that MDAnalysis reads without a topology.

On disk nm, ps and kJ/mol, which both H5MD and MDAnalysis know; in memory Å, fs and eV. The conversion is here alone.
A failed trajectory holds the frames up to its failure, and the verdict says why.
Source of the layout: https://www.nongnu.org/h5md/h5md.html, MDAnalysis.coordinates.H5MD.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride import __version__
from mdstride.constants import KJ_PER_MOL
from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.provenance import Record
from mdstride.formats.restart import Restart

KIND = "mdstride trajectory"
VERSION = "2"
"""Of this kind of file. 2: provenance."""
GROUP = "particles/trajectory"

# name in the file, attribute of Trajectory, unit in the file, factor from the package's units
FRAMES = (
    ("position", "positions", "nm", 0.1),
    ("velocity", "velocities", "nm ps-1", 100.0),
    ("force", "forces", "kJ mol-1 nm-1", 10.0 * KJ_PER_MOL),
)
SERIES = (
    ("potential_energy", "potential_energy", "kJ mol-1", KJ_PER_MOL),
    ("kinetic_energy", "kinetic_energy", "kJ mol-1", KJ_PER_MOL),
    ("temperature", "temperature", "K", 1.0),
)


@dataclass(frozen=True)
class End:
    """The last point of a trajectory at which a run can go on, as if it had never stopped."""

    fingerprint: str
    """Stands for all that the trajectory depends on but its length."""
    point: Restart
    """Of its frames, only the energies: the file has the others."""


@dataclass(frozen=True)
class Trajectory:
    """One replica of one compound: F frames of N atoms at equal intervals."""

    id: str
    """InChIKey."""
    mapped_smiles: str
    charge: int
    multiplicity: int
    atomic_numbers: np.ndarray
    """[N] int64"""
    masses: np.ndarray
    """[N] amu, float64"""
    bonds: np.ndarray
    """[M, 2] as in Structure"""
    step: np.ndarray
    """[F] int64, integrator step of each frame"""
    time: np.ndarray
    """[F] fs, float64"""
    positions: np.ndarray
    """[F, N, 3] Å, float32 on disk"""
    velocities: np.ndarray
    """[F, N, 3] Å/fs, float32 on disk"""
    forces: np.ndarray
    """[F, N, 3] eV/Å, float32 on disk"""
    potential_energy: np.ndarray
    """[F] eV, float64"""
    kinetic_energy: np.ndarray
    """[F] eV, float64"""
    temperature: np.ndarray
    """[F] K of the internal degrees of freedom, float64"""
    verdict: dict[str, Any]
    """`passed` (bool), `reason` (str, empty when passed) and the figures behind them."""
    provenance: Record
    """See formats/provenance.py."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Replica, time step, stride, thermostat, seeds, method, engine: what it takes to make it again."""
        return self.provenance["settings"]


def stored(name: str, values: np.ndarray) -> np.ndarray:
    """[F, N, 3] positions, velocities or forces as a file gives them back: rounded to single precision there."""
    factor = next(factor for _, attribute, _, factor in FRAMES if attribute == name)
    return (values * factor).astype(np.float32).astype(np.float64) / factor


def write_trajectory(path: Path | str, trajectory: Trajectory, end: End | None = None) -> None:
    """Write one H5MD file atomically, with the `end` that a longer one can go on from (`read_end`).

    Refuses values that are not finite: no NaN frame is ever written.
    """
    for _, attribute, _, _ in (*FRAMES, *SERIES):
        if not np.isfinite(getattr(trajectory, attribute)).all():
            raise ValueError(f"{path}: {attribute} holds values that are not finite")
    with hdf5.create(path) as file:
        file.attrs["kind"], file.attrs["schema_version"] = KIND, VERSION
        particles = start_h5md(file, trajectory.atomic_numbers, trajectory.masses)
        times = particles.create_group("position")
        hdf5.put(times, "step", trajectory.step, dtype=np.int64)
        hdf5.put(times, "time", np.asarray(trajectory.time, np.float64) / 1000.0, unit="ps")
        for name, attribute, unit, factor in FRAMES:
            value = np.asarray(getattr(trajectory, attribute), np.float64) * factor
            _write_element(particles, name, value, unit, times, np.float32)
        observables = file.create_group("observables")
        for name, attribute, unit, factor in SERIES:
            value = np.asarray(getattr(trajectory, attribute), np.float64) * factor
            _write_element(observables, name, value, unit, times, np.float64)
        hdf5.put(file, "connectivity/bonds", trajectory.bonds, dtype=np.int64)
        parameters = file.create_group("parameters")
        for name in ("id", "mapped_smiles", "charge", "multiplicity"):
            parameters.attrs[name] = getattr(trajectory, name)
        parameters.attrs["verdict"] = json.dumps(trajectory.verdict, sort_keys=True)
        file.attrs["provenance"] = json.dumps(trajectory.provenance, sort_keys=True)
        if end is not None:
            _write_end(file.create_group("end"), end)


def _write_end(group: h5py.Group, end: End) -> None:
    group.attrs["fingerprint"] = end.fingerprint
    group.attrs["values"] = json.dumps(end.point.values)
    hdf5.put(group, "energies", end.point.frames["energy"], unit="eV", dtype=np.float64)
    for name, array in end.point.arrays.items():
        hdf5.put(group, f"state/{name}", array)


def read_end(path: Path, fingerprint: str) -> Restart | None:
    """Where to go on from a trajectory; None if there is no such file, or it is of other settings, inputs or code."""
    if not path.exists():
        return None
    with hdf5.open_checked(path) as file:
        end = file.get("end")
        if end is None or end.attrs["fingerprint"] != fingerprint:
            return None
        energy = end["energies"][()]
        frames = {"step": file[GROUP]["position/step"][: len(energy)], "energy": energy}
        for name, attribute, unit, factor in FRAMES:
            frames[attribute] = _read_element(file[GROUP], name, unit, factor, path)[: len(energy)]
        return Restart(json.loads(end.attrs["values"]), {name: end["state"][name][()] for name in end["state"]}, frames)


def read_trajectory(path: Path | str, *, arrays: bool = True) -> Trajectory:
    """Read one H5MD file written by mdstride; without `arrays`, the [F, N, 3] arrays are left empty.

    Refuses another kind of file, other units, arrays that do not match each other and values that are not finite.
    """
    with hdf5.open_checked(path) as file:
        header = file.get("parameters")
        if header is None or file.attrs.get("kind") != KIND or file.attrs.get("schema_version") != VERSION:
            raise InputError(f"{path}: not a trajectory of this version; make it again with `mdstride simulate`")
        particles = file[GROUP]
        frames = {
            attribute: _read_element(particles, name, unit, factor, path) if arrays else np.zeros((0, 0, 3))
            for name, attribute, unit, factor in FRAMES
        }
        series = {
            attribute: _read_element(file["observables"], name, unit, factor, path)
            for name, attribute, unit, factor in SERIES
        }
        if particles["position/time"].attrs.get("unit") != "ps":
            raise InputError(f"{path}: time must be in ps")
        trajectory = Trajectory(
            id=str(header.attrs["id"]),
            mapped_smiles=str(header.attrs["mapped_smiles"]),
            charge=int(header.attrs["charge"]),
            multiplicity=int(header.attrs["multiplicity"]),
            atomic_numbers=particles["species"][()],
            masses=particles["mass"][()],
            bonds=file["connectivity/bonds"][()],
            step=particles["position/step"][()],
            time=particles["position/time"][()] * 1000.0,
            **frames,
            **series,
            verdict=json.loads(header.attrs["verdict"]),
            provenance=json.loads(file.attrs["provenance"]),
        )
    if arrays:
        _check_shapes(trajectory, path)
    return trajectory


def start_h5md(file: h5py.File, atomic_numbers: np.ndarray, masses: np.ndarray) -> h5py.Group:
    """Write what every H5MD file of a free molecule has besides its frames; returns the group that those go into."""
    h5md = file.create_group("h5md")
    h5md.attrs["version"] = np.array([1, 1])
    h5md.create_group("author").attrs["name"] = "mdstride"
    creator = h5md.create_group("creator")
    creator.attrs["name"], creator.attrs["version"] = "mdstride", __version__
    h5md.create_group("modules").create_group("units").attrs["version"] = np.array([1, 0])
    particles = file.create_group(GROUP)
    box = particles.create_group("box")
    box.attrs["dimension"], box.attrs["boundary"] = 3, np.array([b"none"] * 3)
    hdf5.put(particles, "species", atomic_numbers, dtype=np.int64)
    hdf5.put(particles, "mass", masses, unit="u", dtype=np.float64)
    return particles


def _write_element(group: h5py.Group, name: str, value: np.ndarray, unit: str, times: h5py.Group, dtype: type) -> None:
    """One H5MD element; its step and time are hard links to those of the positions, which MDAnalysis wants in full."""
    element = group.require_group(name)
    hdf5.put(element, "value", value, unit=unit, dtype=dtype)
    if element != times:
        element["step"], element["time"] = times["step"], times["time"]


def _read_element(group: h5py.Group, name: str, unit: str, factor: float, path: Path | str) -> np.ndarray:
    dataset = group[name]["value"]
    if dataset.attrs.get("unit") != unit:
        raise InputError(f"{path}: {name} must be in {unit}, not {dataset.attrs.get('unit')}")
    value = dataset[()].astype(np.float64) / factor
    if not np.isfinite(value).all():
        raise InputError(f"{path}: {name} holds values that are not finite; make the trajectory again")
    return value


def _check_shapes(trajectory: Trajectory, path: Path | str) -> None:
    frames, atoms = len(trajectory.time), len(trajectory.atomic_numbers)
    for _, attribute, _, _ in FRAMES:
        if getattr(trajectory, attribute).shape != (frames, atoms, 3):
            raise InputError(f"{path}: {attribute} does not have {frames} frames of {atoms} atoms; make it again")
