"""NumPy archives of MD17, rMD17, MD22, sGDML and TG80. No number in them is believed before it is compared.

| layout | told by | positions | atomic numbers | energies | forces | units |
|---|---|---|---|---|---|---|
| md17, md22 | R, z | R | z | E | F | Å, kcal/mol |
| sgdml | R, z, md5 | R | z | E | F | r_unit, e_unit, or else Å, kcal/mol |
| rmd17 | old_indices | coords | nuclear_charges | energies | forces | Å, kcal/mol |
| tg80 | energy | coords | nuclear_charges | energy | forces | Å, none said for the energy |
"""

import hashlib
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.dataset.published.frames import Frames, atomic_numbers, checked_shape
from mdstride.dataset.published.units import ENERGIES, factor
from mdstride.errors import InputError

LARGEST_ARRAY = 8 * 2**30
"""Bytes. The largest trajectory of MD17 has 0.2 GB."""

LARGEST_RATIO = 100
"""Declared over stored bytes of positions, which compress less than tenfold; a bomb of zeros does a thousandfold."""

LONGEST_TEXT = 1000
"""Characters."""

DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError, EOFError, OSError, ValueError,
    TypeError, SyntaxError, NotImplementedError, RuntimeError, MemoryError, OverflowError,
)  # fmt: skip
"""What zipfile and numpy.lib.format raise on bytes that are no archive of arrays."""

_NAMES = {
    "rmd17": ("coords", "nuclear_charges", "energies", "forces"),
    "tg80": ("coords", "nuclear_charges", "energy", "forces"),
} | dict.fromkeys(("md17", "md22", "sgdml"), ("R", "z", "E", "F"))


class _Archive:
    """Arrays of an npz file, each read only after its declared size is found credible."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self.keys = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}

    def array(self, key: str, kinds: str = "f", like: tuple[int, ...] | None = None) -> np.ndarray:
        """The array `key`, of one of the dtype kinds; `like` is the largest shape that it may have."""
        member, where = self._archive.getinfo(f"{key}.npy"), f"{self._path}: {key}"
        shape, dtype, header = self._header(member, where)
        if dtype.hasobject:
            raise InputError(f"{where} holds pickled objects, which could run any program; refused")
        if dtype.kind not in kinds:
            raise InputError(f"{where} is of type {dtype}, not numbers of the kind expected; correct the file")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size + header != member.file_size:
            raise InputError(
                f"{where} declares shape {shape} of {dtype} and has {member.file_size:,} bytes; get it again"
            )
        bound = math.prod(like) * 16 if like else LARGEST_RATIO * max(member.compress_size, 4096)
        if size > min(LARGEST_ARRAY, bound):
            raise InputError(f"{where} declares {size:,} bytes, which does not fit the file; refused as hostile")
        with self._archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    def text(self, key: str) -> str:
        """A string, empty where the key is missing."""
        if key not in self.keys:
            return ""
        value = self.array(key, "SU", like=(LONGEST_TEXT,))
        if value.size != 1:
            raise InputError(f"{self._path}: {key} is not one string; correct the file")
        item = value.ravel()[0]
        return item.decode() if isinstance(item, bytes) else str(item)

    def _header(self, member: zipfile.ZipInfo, where: str) -> tuple[tuple[int, ...], np.dtype, int]:
        with self._archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in readers:
                raise InputError(f"{where} is no plain array (npy version {version}); save it with numpy.savez")
            shape, _, dtype = readers[version](stream)
            return shape, dtype, stream.tell()


def read_npz(path: Path) -> Frames:
    """Read one archive in one of the layouts above. Raises InputError."""
    try:
        # numbers that are not finite, or become so, are found later, with their frame
        with zipfile.ZipFile(path) as archive, np.errstate(all="ignore"):
            return _read(path, _Archive(path, archive))
    except InputError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a sound npz file ({reason}); get it again") from error


def layout(keys: set[str], path: Path) -> str:
    """Which layout of the table above has these keys."""
    if {"R", "z"} <= keys:
        return "sgdml" if "md5" in keys else "md22" if "md22" in path.name.lower() else "md17"
    if {"coords", "nuclear_charges"} <= keys:
        return "tg80" if "energy" in keys or "energies" not in keys else "rmd17"
    raise InputError(
        f"{path}: has the keys {', '.join(sorted(keys))[:120]}, and neither R, z (MD17, sGDML) nor coords, "
        "nuclear_charges (rMD17, TG80); rename its arrays"
    )


def _read(path: Path, archive: _Archive) -> Frames:
    kind = layout(archive.keys, path)
    position, number, energy, force = _NAMES[kind]
    positions = archive.array(position)
    shape = checked_shape(positions.shape, path)
    energies = archive.array(energy, like=shape) if energy in archive.keys else None
    forces = archive.array(force, like=shape) if force in archive.keys else None
    numbers = archive.array(number, "iuf", like=(*shape, 1))
    notes = _notes(path, archive, {"z": numbers, "R": positions, "E": energies, "F": forces})
    if energies is not None and energies.ndim == 2 and energies.shape[1] == 1:
        energies = energies[:, 0]
    length = factor(archive.text("r_unit") or "Ang", "length", f"{path}: r_unit")
    default = "eV" if kind == "tg80" else "kcal/mol"
    unit = _energy_unit(archive.text("e_unit") or default, path)
    known = kind != "tg80" or "e_unit" in archive.keys
    return Frames(
        path=path,
        format=kind,
        atomic_numbers=atomic_numbers(numbers, path),
        positions=positions.astype(np.float64) * length,
        energy=None if energies is None else energies.astype(np.float64) * (ENERGIES[unit] if known else 1.0),
        forces=None if forces is None else forces.astype(np.float64) * (ENERGIES[unit] / length),
        energy_unit=unit if known else "",
        force_unit=unit,
        name=archive.text("name"),
        theory=archive.text("theory"),
        notes=notes,
    )


def _energy_unit(text: str, path: Path) -> str:
    size = factor(text, "energy", f"{path}: e_unit")
    for name, value in ENERGIES.items():
        if math.isclose(size, value, rel_tol=1e-4):
            return name
    raise InputError(f"{path}: e_unit {text!r} is not one of {', '.join(ENERGIES)}; convert the energies and forces")


def _notes(path: Path, archive: _Archive, arrays: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    if "md5" in archive.keys:
        stored = [hashlib.md5(value.tobytes()).digest() for value in arrays.values() if value is not None]
        fits = hashlib.md5(b"".join(stored)).hexdigest() == archive.text("md5")
        said = "fits" if fits else "does not fit: the file was cut or changed, or made by another version of sGDML"
        notes.append(f"the md5 of sGDML (of z, R, E and F) {said}")
    return tuple(notes)
