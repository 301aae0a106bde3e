"""H5MD: trajectories of mdstride, and those of others (H5MD 1.1, such as MDAnalysis writes).

Source of the layout: https://www.nongnu.org/h5md/h5md.html.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride.dataset.published.frames import Frames, atomic_numbers
from mdstride.dataset.published.units import factor
from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.h5md import KIND, read_trajectory

DAMAGE = (ValueError, TypeError, MemoryError, OverflowError, AttributeError, IndexError)
"""What h5py raises on content of another type than expected, besides what hdf5.open_checked turns into InputError."""

LARGEST_ARRAY = 8 * 2**30
"""Bytes."""


def read_h5md(path: Path) -> Frames:
    """Read the one particle group of a file. Raises InputError."""
    try:
        with hdf5.open_checked(path, sealed=False) as file:
            own = file.attrs.get("kind") == KIND
            if not own:
                return _foreign(file, path)
    except InputError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: damaged, or no H5MD file as expected ({reason}); get it again") from error
    return _own(path)


def _own(path: Path) -> Frames:
    trajectory = read_trajectory(path)
    if not trajectory.verdict.get("passed"):
        raise InputError(f"{path}: the trajectory failed ({trajectory.verdict.get('reason')}); import one that passed")
    return Frames(
        path=path,
        format="mdstride",
        atomic_numbers=atomic_numbers(trajectory.atomic_numbers, path),
        positions=trajectory.positions,
        energy=trajectory.potential_energy,
        forces=trajectory.forces,
        velocities=trajectory.velocities,
        time=trajectory.time,
        smiles=trajectory.mapped_smiles,
        figures=trajectory.verdict,
    )


def _foreign(file: h5py.File, path: Path) -> Frames:
    particles = file.get("particles")
    names = list(particles) if isinstance(particles, h5py.Group) else []
    if len(names) != 1:
        raise InputError(f"{path}: has {len(names)} groups under /particles; H5MD with exactly one is read")
    group = particles[names[0]]
    position = _element(group, "position", "length", path)
    if position is None:
        raise InputError(f"{path}: /particles/{names[0]} has no positions; H5MD with position/value is read")
    notes = []
    numbers = _species(group, path)
    if numbers is None:
        notes.append("the file has no elements; they were taken from the map numbers of the SMILES")
        numbers = np.zeros(position.shape[1] if position.ndim == 3 else 0, np.int64)
    observables = file.get("observables")
    series = observables if isinstance(observables, h5py.Group) else {}
    if isinstance(series.get(names[0]), h5py.Group):
        series = series[names[0]]
    return Frames(
        path=path,
        format="h5md",
        atomic_numbers=numbers,
        positions=position,
        energy=_element(series, "potential_energy", "energy", path),
        forces=_element(group, "force", "force", path),
        velocities=_element(group, "velocity", "velocity", path),
        time=_time(group["position"], len(position), path),
        notes=tuple(notes),
    )


def _element(group: Any, name: str, kind: str, path: Path) -> np.ndarray | None:
    """Values of one H5MD element in the package's units, or None where the group has none."""
    element = group.get(name)
    value = element.get("value") if isinstance(element, h5py.Group) else None
    return None if value is None else _values(value, kind, f"{path}: {value.name}")


def _values(dataset: Any, kind: str, where: str) -> np.ndarray:
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f" or dataset.shape is None:
        raise InputError(f"{where} is no array of floating-point numbers; correct the file")
    if dataset.size * 8 > LARGEST_ARRAY:
        raise InputError(f"{where} has {dataset.size:,} numbers, too many to import; cut the file into parts")
    unit = dataset.attrs.get("unit")
    if unit is None:
        raise InputError(f"{where} has no unit; add the attribute `unit`, such as `Angstrom`, `ps` or `kJ mol-1`")
    text = unit.decode() if isinstance(unit, bytes) else str(unit)
    size = factor(text, kind, where)
    with np.errstate(all="ignore"):  # numbers that are not finite are found later, with their frame
        return dataset[()].astype(np.float64) * size


def _species(group: h5py.Group, path: Path) -> np.ndarray | None:
    """[N] atomic numbers; None where the file has none, or numbers its types otherwise than by element."""
    species = group.get("species")
    value = species.get("value") if isinstance(species, h5py.Group) else species
    if not isinstance(value, h5py.Dataset) or value.dtype.kind not in "iu" or value.size * 8 > LARGEST_ARRAY:
        return None
    numbers = np.asarray(value[()])
    return atomic_numbers(numbers, path) if numbers.size and numbers.min() > 0 else None


def _time(element: h5py.Group, frames: int, path: Path) -> np.ndarray | None:
    """[F] fs; the file has all times, or the interval alone."""
    time = element.get("time")
    if time is None:
        return None
    value = _values(time, "time", f"{path}: {time.name}")
    return np.arange(frames) * float(value) if value.ndim == 0 else value
