"""dataset.h5: every trajectory that passed, the compounds they belong to, and the splits.

Layout: /compounds/{id} holds what is fixed (atomic numbers, masses, bonds, relaxed geometry), and one group per
replica with contiguous arrays [F, N, 3]; /splits/{name}/{part} lists ids. Positions are float32 relative to a
per-trajectory origin, so that precision does not depend on where a molecule sits.
Needs NumPy and h5py alone: training nodes have no chemistry installed.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.provenance import SCHEMA_VERSION, content_hash

KIND = "mdstride dataset"
PARTS = ("train", "validation", "test")
LABELS = ("name", "smiles", "mapped_smiles", "cid", "formula")


@dataclass(frozen=True)
class Replica:
    """One trajectory, frames at equal intervals."""

    number: int
    interval: float
    """fs between frames."""
    positions: np.ndarray
    """[F, N, 3] Å, float32, relative to `origin`."""
    velocities: np.ndarray
    """[F, N, 3] Å/fs, float32."""
    forces: np.ndarray
    """[F, N, 3] eV/Å, float32."""
    energy: np.ndarray
    """[F] eV, potential, float64."""
    origin: np.ndarray
    """[3] Å, float64: centre of mass of the first frame."""
    figures: dict[str, Any]
    """Drift, temperature and other figures of the stability verdict."""
    source: str
    """SHA-256 of the trajectory file."""


@dataclass(frozen=True)
class CompoundData:
    """One compound with its replicas."""

    id: str
    labels: dict[str, str]
    """LABELS, as text; empty where unknown."""
    atomic_numbers: np.ndarray
    """[N] int64."""
    masses: np.ndarray
    """[N] amu."""
    bonds: np.ndarray
    """[M, 2] indices."""
    reference: np.ndarray
    """[N, 3] Å, float64: the relaxed geometry."""
    replicas: tuple[Replica, ...]


@dataclass(frozen=True)
class Dataset:
    """A whole data set in memory."""

    compounds: dict[str, CompoundData]
    """By id, sorted."""
    splits: dict[str, dict[str, list[str]]]
    """Name of the split, then part (train, validation, test), then ids, sorted."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Level of theory, simulation settings, software."""

    def hash(self) -> str:
        """Digest of every array and split; it does not depend on how the file was written."""
        arrays: dict[str, Any] = {"splits": np.frombuffer(json.dumps(self.splits, sort_keys=True).encode(), np.uint8)}
        for compound in self.compounds.values():
            for name in ("atomic_numbers", "masses", "bonds", "reference"):
                arrays[f"{compound.id}/{name}"] = getattr(compound, name)
            for replica in compound.replicas:
                for name in ("positions", "velocities", "forces", "energy", "origin"):
                    arrays[f"{compound.id}/{replica.number}/{name}"] = getattr(replica, name)
        return content_hash(arrays)


def write_dataset(path: Path | str, dataset: Dataset) -> None:
    """Write the file atomically, with its content hash inside."""
    with hdf5.create(path) as file:
        file.attrs["kind"], file.attrs["schema_version"] = KIND, SCHEMA_VERSION
        file.attrs["content_hash"] = dataset.hash()
        file.attrs["settings"] = json.dumps(dataset.settings, sort_keys=True)
        for compound in dataset.compounds.values():
            _write_compound(file.create_group(f"compounds/{compound.id}"), compound)
        for name, parts in dataset.splits.items():
            for part in PARTS:
                file.create_dataset(f"splits/{name}/{part}", data=np.array(parts[part], dtype="S64"))


def read_dataset(path: Path | str) -> Dataset:
    """Read the whole file and compare it with its content hash."""
    with hdf5.open_checked(path) as file:
        if file.attrs.get("kind") != KIND or file.attrs.get("schema_version") != SCHEMA_VERSION:
            raise InputError(f"{path}: not a data set of this version; make it again with `mdstride dataset`")
        dataset = Dataset(
            compounds={name: _read_compound(group, path) for name, group in sorted(file["compounds"].items())},
            splits={
                name: {part: [text.decode() for text in group[part][()]] for part in PARTS}
                for name, group in sorted(file["splits"].items())
            },
            settings=json.loads(file.attrs["settings"]),
        )
        expected = file.attrs["content_hash"]
    if dataset.hash() != expected:
        raise InputError(f"{path}: content does not match its hash; the file was changed or damaged, make it again")
    return dataset


def _write_compound(group: h5py.Group, compound: CompoundData) -> None:
    for name in LABELS:
        group.attrs[name] = compound.labels.get(name, "")
    hdf5.put(group, "atomic_numbers", compound.atomic_numbers, dtype=np.int64)
    hdf5.put(group, "masses", compound.masses, unit="amu", dtype=np.float64)
    hdf5.put(group, "bonds", compound.bonds, dtype=np.int64)
    hdf5.put(group, "reference", compound.reference, unit="Å", dtype=np.float64)
    for replica in compound.replicas:
        sub = group.create_group(f"replicas/{replica.number}")
        sub.attrs["interval"], sub.attrs["interval_unit"] = replica.interval, "fs"
        sub.attrs["source_sha256"] = replica.source
        sub.attrs["figures"] = json.dumps(replica.figures, sort_keys=True)
        hdf5.put(sub, "positions", replica.positions, unit="Å", dtype=np.float32)
        hdf5.put(sub, "velocities", replica.velocities, unit="Å/fs", dtype=np.float32)
        hdf5.put(sub, "forces", replica.forces, unit="eV/Å", dtype=np.float32)
        hdf5.put(sub, "energy", replica.energy, unit="eV", dtype=np.float64)
        hdf5.put(sub, "origin", replica.origin, unit="Å", dtype=np.float64)


def _read_compound(group: h5py.Group, path: Path | str) -> CompoundData:
    def array(parent: h5py.Group, name: str, unit: str | None = None) -> np.ndarray:
        if unit is not None and parent[name].attrs.get("unit") != unit:
            raise InputError(f"{path}: {parent.name}/{name} must be in {unit}, not {parent[name].attrs.get('unit')}")
        return parent[name][()]

    replicas = []
    for number, sub in sorted(group["replicas"].items(), key=lambda item: int(item[0])):
        replicas.append(
            Replica(
                number=int(number),
                interval=float(sub.attrs["interval"]),
                positions=array(sub, "positions", "Å"),
                velocities=array(sub, "velocities", "Å/fs"),
                forces=array(sub, "forces", "eV/Å"),
                energy=array(sub, "energy", "eV"),
                origin=array(sub, "origin", "Å"),
                figures=json.loads(sub.attrs["figures"]),
                source=str(sub.attrs["source_sha256"]),
            )
        )
    return CompoundData(
        id=group.name.rsplit("/", 1)[-1],
        labels={name: str(group.attrs[name]) for name in LABELS},
        atomic_numbers=array(group, "atomic_numbers"),
        masses=array(group, "masses", "amu"),
        bonds=array(group, "bonds"),
        reference=array(group, "reference", "Å"),
        replicas=tuple(replicas),
    )
