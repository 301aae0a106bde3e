"""dataset.h5 on disk: written one compound after the other, read in memory or out of core.

/about, /splits, /trajectories (one row for each, a table for people), and /compounds/{id} with what is fixed (atomic
numbers, masses, bonds, relaxed geometry, normal modes, further minima) and one group per trajectory with contiguous
arrays [F, N, 3].
A compound's group depends on that compound alone, so adding one copies the others as they are, compressed.
Everything that a reader relies on has a checksum of its own; a digest of the whole file lies in front of it.
Needs NumPy and h5py alone: training nodes have no chemistry installed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.dataset import LABELS, CompoundData, Dataset, Replica, dataset_hash
from mdstride.formats.minima_file import read_minima, write_minima
from mdstride.formats.provenance import Record
from mdstride.formats.split import Split, split_from_json, split_to_json

KIND = "mdstride dataset"
VERSION = "3"
"""Of this file's layout; a reader refuses one it does not know. 3: further minima."""

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

FRAMES_PER_CHUNK = 256
"""Frames compressed together: 3 % smaller than 64, and training reads whole trajectories."""

FIXED = {"atomic_numbers": None, "masses": "amu", "bonds": None, "reference": "Å", "frequencies": "cm-1", "modes": None}
"""Arrays of a compound and their units."""
SERIES = {"positions": "Å", "velocities": "Å/fs", "forces": "eV/Å", "energy": "eV", "origin": "Å"}
"""Arrays of a trajectory and their units."""
TYPES = {"atomic_numbers": np.int64, "bonds": np.int64} | dict.fromkeys(
    ("positions", "velocities", "forces"), np.float32
)
"""All others are float64."""

COLUMNS = (
    "id",
    "name",
    "smiles",
    "cid",
    "formula",
    "replica",
    "frames",
    "interval_fs",
    "drift",
    "temperature",
    "source",
)
"""Of the table /trajectories: drift in meV/atom/ps, temperature in K, source is a SHA-256; NaN where unknown."""


class DatasetWriter:
    """Fills a new file: `add` or `keep` each compound, then `finish`. Holds no compound in memory."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._compounds = file.create_group("compounds")
        self._read: Dataset | None = None

    def add(self, compound: CompoundData, made_from: str = "") -> None:
        """Store a compound; `made_from` is any text by which to know later that it need not be made again."""
        if not ID.fullmatch(compound.id):
            raise InputError(
                f"compound id {compound.id!r}: letters, digits, - and _ only, at most 64; use the InChIKey"
            )
        self._read = None
        group = self._compounds.create_group(compound.id)
        for name, unit in FIXED.items():
            _put(group, name, getattr(compound, name), unit)
        write_minima(group, compound.minima)
        about = {name: getattr(compound, name) for name in ("charge", "multiplicity", "licence", "citation")}
        labels = {name: compound.labels.get(name, "") for name in LABELS}
        about |= {"labels": labels, "digest": compound.digest(), "made_from": made_from}
        hdf5.put_text(group, "about", json.dumps(about, sort_keys=True, indent=1))
        for kind in ("replicas", "twins"):
            for replica in getattr(compound, kind):
                _write_replica(group.create_group(f"{kind}/{replica.number}"), replica)

    def keep(self, stored: h5py.File, key: str) -> None:
        """Copy compound `key` from another data set's file, compressed as it is."""
        self._read, size = None, 0

        def add(_: str, item: Any) -> None:
            nonlocal size
            size += item.id.get_storage_size() if isinstance(item, h5py.Dataset) else 0

        stored[f"compounds/{key}"].visititems(add)
        hdf5.reserve(self._file, size)
        stored.copy(f"compounds/{key}", self._compounds)

    def dataset(self) -> Dataset:
        """What has been stored so far; its arrays are read when they are sliced."""
        if self._read is None:
            self._read = _read(self._file, _lazily)
        return self._read

    def finish(self, splits: Mapping[str, Split], settings: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Store splits, settings and where they come from, the table of trajectories and the content hash."""
        for name, split in splits.items():
            hdf5.put_text(self._file.require_group("splits"), name, json.dumps(split_to_json(split), sort_keys=True))
        dataset = self.dataset()
        _write_table(self._file, dataset)
        about = dict(provenance) | {
            "kind": KIND,
            "version": VERSION,
            "content_hash": dataset_hash(dataset.digests, dict(splits)),
            "settings": dict(settings),
        }
        hdf5.put_text(self._file, "about", json.dumps(about, sort_keys=True, indent=1))


@contextmanager
def dataset_writer(path: Path | str) -> Iterator[DatasetWriter]:
    """A writer whose file appears at `path`, whole, when the block ends well."""
    with hdf5.create(path) as file:
        yield DatasetWriter(file)


def write_dataset(path: Path | str, dataset: Dataset) -> None:
    """Write a data set that is in memory."""
    with dataset_writer(path) as writer:
        for compound in dataset.compounds.values():
            writer.add(compound)
        writer.finish(dataset.splits, dataset.settings, dataset.provenance)


def read_dataset(path: Path | str) -> Dataset:
    """The whole data set in memory, compared with its hashes."""
    with hdf5.open_checked(path) as file:
        dataset = _read(file, lambda array: array[()], path)
    for key, compound in dataset.compounds.items():
        if compound.digest() != dataset.digests[key]:
            raise InputError(f"{path}: {key} does not match its digest; the file was changed or damaged, make it again")
    return dataset


@contextmanager
def open_dataset(path: Path | str) -> Iterator[Dataset]:
    """The data set with arrays that are read from the file when they are sliced, for sets larger than the memory.

    Digests are not compared: each read is checked by the checksum of its chunk.
    """
    with hdf5.open_checked(path, sealed=False) as file:
        yield _read(file, _lazily, path)


def open_file(path: Path | str) -> h5py.File:
    """The HDF5 file of a data set, checked as a whole, from which `DatasetWriter.keep` copies. Close it after use."""
    with hdf5.open_checked(path) as file:
        read_about(file, path)
    return h5py.File(path, "r")  # not within the block above, which blames `path` for every error, a full disk too


def read_about(file: h5py.File, path: Path | str) -> dict[str, Any]:
    """Kind, version, content hash and settings. Raises InputError for another kind of file."""
    try:
        about = json.loads(hdf5.get_text(file, "about"))
    except (KeyError, ValueError, TypeError):
        about = {}
    if not isinstance(about, dict) or about.get("kind") != KIND or about.get("version") != VERSION:
        raise InputError(f"{path}: not a data set of this version; make it again with `mdstride dataset build`")
    return about


def made_from(file: h5py.File) -> dict[str, str]:
    """By id, the text that `DatasetWriter.add` was given."""
    return {key: json.loads(hdf5.get_text(group, "about"))["made_from"] for key, group in file["compounds"].items()}


def _lazily(array: h5py.Dataset) -> Any:
    return array if array.ndim > 1 and len(array) and array.dtype == np.float32 else array[()]


def _put(group: h5py.Group, name: str, value: Any, unit: str | None) -> None:
    if value is None:
        return
    dataset = hdf5.put(group, name, value, dtype=TYPES.get(name, np.float64), frames=FRAMES_PER_CHUNK)
    if unit is not None:
        dataset.attrs["unit"] = np.bytes_(unit.encode())  # of fixed length: HDF5 keeps it where it has a checksum


def _write_replica(group: h5py.Group, replica: Replica) -> None:
    for name, unit in SERIES.items():
        _put(group, name, getattr(replica, name), unit)
    about = {name: getattr(replica, name) for name in ("interval", "consecutive", "figures", "source")}
    hdf5.put_text(group, "about", json.dumps(about, sort_keys=True, indent=1))


def _write_table(file: h5py.File, dataset: Dataset) -> None:
    """/trajectories: for people and for pandas; nothing in the package reads it back."""
    rows = []
    for compound in dataset.compounds.values():
        labels = [compound.labels[name].encode() for name in ("name", "smiles", "cid", "formula")]
        for replica in compound.replicas:
            figures = [replica.figures.get(name) for name in ("drift", "temperature")]
            counts = (replica.number, len(replica.positions), replica.interval)
            known = [np.nan if figure is None else figure for figure in figures]
            rows.append((compound.id.encode(), *labels, *counts, *known, str(replica.source["sha256"]).encode()))
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    fields = [(name, _column_type(name, values)) for name, values in zip(COLUMNS, columns, strict=True)]
    hdf5.put(file, "trajectories", np.array(rows, dtype=fields), dtype=fields)


def _column_type(name: str, values: tuple[Any, ...]) -> str:
    if name in ("replica", "frames"):
        return "i8"
    if name in ("interval_fs", "drift", "temperature"):
        return "f8"
    return f"S{max([len(value) for value in values], default=0) or 1}"


def _read(file: h5py.File, load: Callable[[h5py.Dataset], Any], path: Path | str = "") -> Dataset:
    """Everything in `file`, arrays through `load`. A file that is being written has no /about yet."""
    about = read_about(file, path) if path else {"settings": {}}
    compounds, digests = {}, {}
    try:
        for key, group in sorted(file["compounds"].items()):
            compounds[key], digests[key] = _read_compound(key, group, load)
        texts = {name: hdf5.get_text(file["splits"], name) for name in sorted(file.get("splits", ()))}
        splits = {name: split_from_json(json.loads(text), f"{path}: split {name}") for name, text in texts.items()}
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged data set ({' '.join(str(error).split())}); make it again") from error
    if path and dataset_hash(digests, splits) != about["content_hash"]:
        raise InputError(f"{path}: content does not match its hash; the file was changed or damaged, make it again")
    provenance: Record = {name: about[name] for name in ("stage", "inputs", "source", "software") if name in about}
    return Dataset(compounds, splits, about["settings"], digests, provenance)


def _read_compound(key: str, group: h5py.Group, load: Callable[[h5py.Dataset], Any]) -> tuple[CompoundData, str]:
    about = json.loads(hdf5.get_text(group, "about"))
    arrays = {name: _array(group, name, unit, lambda array: array[()]) for name, unit in FIXED.items()}
    missing = [name for name in FIXED if arrays[name] is None and name not in ("frequencies", "modes")]
    if missing or not ID.fullmatch(key):
        raise ValueError(f"{group.name}: " + (f"no {missing[0]}" if missing else "not an id"))
    atoms = len(arrays["atomic_numbers"])
    trajectories: dict[str, Any] = {
        kind: tuple(
            _read_replica(int(number), sub, atoms, load)
            for number, sub in sorted(group.get(kind, {}).items(), key=lambda item: int(item[0]))
        )
        for kind in ("replicas", "twins")
    }
    facts = {name: about[name] for name in ("labels", "charge", "multiplicity", "licence", "citation")}
    minima = read_minima(group, atoms)
    return CompoundData(id=key, minima=minima, **facts, **arrays, **trajectories), about["digest"]


def _read_replica(number: int, group: h5py.Group, atoms: int, load: Callable[[h5py.Dataset], Any]) -> Replica:
    about = json.loads(hdf5.get_text(group, "about"))
    arrays = {name: _array(group, name, unit, load) for name, unit in SERIES.items()}
    frames = len(arrays["positions"])
    shapes = dict.fromkeys(("positions", "velocities", "forces"), (frames, atoms, 3)) | {"energy": (frames,)}
    for name, shape in shapes.items():
        if arrays[name] is not None and arrays[name].shape != shape:
            raise ValueError(f"{group.name}/{name} has shape {arrays[name].shape} instead of {shape}")
    facts = {name: about[name] for name in ("interval", "consecutive", "figures", "source")}
    return Replica(number=number, **facts, **arrays)


def _array(group: h5py.Group, name: str, unit: str | None, load: Callable[[h5py.Dataset], Any]) -> Any:
    """An array that may be missing, in the unit that it must have."""
    if name not in group:
        return None
    found = group[name].attrs.get("unit")
    if unit is not None and found != np.bytes_(unit.encode()):
        raise ValueError(f"{group.name}/{name} must be in {unit}, not {found!r}")
    return load(group[name])
