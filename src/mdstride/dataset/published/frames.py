"""What a reader of published files hands over: one molecule's frames as the file has them, in Å, fs and eV."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError

LARGEST_NAME = 200
"""Characters."""

FARTHEST = 1e5
"""Å from the origin, and largest energy (eV per atom) and force (eV/Å): beyond it a number is damage."""


@dataclass(frozen=True)
class Frames:
    """F frames of N atoms."""

    path: Path
    format: str
    atomic_numbers: np.ndarray
    """[N] int64; 0 where the file does not say."""
    positions: np.ndarray
    """[F, N, 3] Å, float64."""
    energy: np.ndarray | None = None
    """[F] eV; as it stands in the file where `energy_unit` is empty."""
    forces: np.ndarray | None = None
    """[F, N, 3] eV/Å."""
    velocities: np.ndarray | None = None
    """[F, N, 3] Å/fs; their scale is open where `velocity_unit` is empty."""
    time: np.ndarray | None = None
    """[F] fs."""
    energy_unit: str = "eV"
    """Of the file: a name in units.ENERGIES, or empty where the file does not say."""
    force_unit: str = "eV"
    """Of the file, times Å."""
    velocity_unit: str = "Å/fs"
    name: str = ""
    """Of the molecule, as the file says."""
    smiles: str = ""
    """As the file says."""
    theory: str = ""
    """Level of theory, as the file says."""
    notes: tuple[str, ...] = ()
    """What the reader had to mend or leave out."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Those that a file of mdstride brings along."""

    def keep(self, first: int, stop: int) -> "Frames":
        """Frames first .. stop - 1."""
        names = ("positions", "energy", "forces", "velocities", "time")
        cut: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[first:stop] for name in names
        }
        return replace(self, **cut)

    def noting(self, note: str, **changes: Any) -> "Frames":
        """With another note, and other values."""
        return replace(self, notes=(*self.notes, note), **changes)


def atomic_numbers(value: np.ndarray, path: Path) -> np.ndarray:
    """[N] int64 from what a file says for each atom, or for each atom of each frame. Raises InputError."""
    if value.ndim == 2 and len(value) and (value == value[0]).all():
        value = value[0]
    if value.ndim == 2:
        raise InputError(f"{path}: its frames are of different molecules; import one file for each molecule")
    whole = (
        value.astype(np.int64) if value.ndim == 1 and value.dtype.kind in "iuf" and np.isfinite(value).all() else None
    )
    if whole is None or not len(whole) or (whole != value).any() or whole.min() < 0 or whole.max() > 118:
        raise InputError(f"{path}: atomic numbers must be whole numbers up to 118, one for each atom; correct the file")
    return whole


def check(frames: Frames) -> Frames:
    """The frames, all float64, with arrays that fit each other; zero forces are left out. Raises InputError."""
    path, shape = frames.path, checked_shape(frames.positions.shape, frames.path)
    if len(frames.atomic_numbers) != shape[1]:
        raise InputError(
            f"{path}: {len(frames.atomic_numbers)} atomic numbers for positions of {shape[1]} atoms; correct the file"
        )
    arrays: dict[str, Any] = {"positions": frames.positions.astype(np.float64)}
    for name in ("forces", "velocities", "energy", "time"):
        value = getattr(frames, name)
        if value is None:
            continue
        needed = shape if name in ("forces", "velocities") else shape[:1]
        if value.shape != needed:
            raise InputError(
                f"{path}: {name} of shape {value.shape} for {shape[0]} frames of {shape[1]} atoms; correct it"
            )
        arrays[name] = value.astype(np.float64)
    frames = replace(frames, name=checked_name(frames.name, path), **arrays)
    if frames.forces is not None and not frames.forces.any():
        frames = frames.noting("forces are all zero, so they were left out", forces=None)
    return frames


def checked_shape(shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """A shape of positions, [F, N, 3]. Raises InputError."""
    if len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise InputError(f"{path}: positions of shape {shape} are not those of frames x atoms x 3; correct the file")
    return shape


def checked_name(name: str, path: Path) -> str:
    """A name that is a mere label: neither a path nor unprintable. Raises InputError."""
    bad = len(name) > LARGEST_NAME or not name.isprintable() or "/" in name or "\\" in name or name.startswith(".")
    if name and bad:
        raise InputError(f"{path}: {name[:40]!r} cannot be the name of a compound; give another with --name")
    return name
