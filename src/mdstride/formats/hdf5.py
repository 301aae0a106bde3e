"""HDF5 with checksums on writing and suspicion on reading.

Every array is compressed, shuffled and carries a Fletcher-32 checksum. HDF5 has none for text attributes (one flipped
byte there can hang its reader), so the first bytes of a file, which HDF5 leaves to the user, hold a digest of the rest.
No file is trusted for that: links out of the file, external raw storage and sizes that the file cannot hold are refused
by name.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path

FRAMES_PER_CHUNK = 64
"""Frames in a chunk: 32 to 64 read fastest, 1 is a hundred times slower."""

USER_BLOCK = 512
"""Bytes before the HDF5 content, the fewest that HDF5 allows; other readers skip them."""

LARGEST_ARRAY = 64 * 2**30
"""Bytes that one array may declare: a few bytes of compressed file can claim any size."""

LARGEST_RATIO = 2000
"""Declared over stored bytes; real molecular dynamics compresses less than tenfold, constants a thousandfold."""


@contextmanager
def create(path: Path | str) -> Iterator[h5py.File]:
    """A new HDF5 file that appears at `path` when the block ends well."""
    with atomic_path(path) as part:
        with h5py.File(part, "w", libver=("v110", "v110"), userblock_size=USER_BLOCK) as file:
            yield file
        seal(part)


def seal(path: Path) -> None:
    """Write the digest of the content into the user block."""
    line = _seal_line(path)
    with path.open("r+b") as stream:
        stream.write(line)


def put(group: h5py.Group, name: str, data: Any, *, unit: str | None = None, dtype: Any = None) -> h5py.Dataset:
    """Store an array with checksum and, for time series, chunks of FRAMES_PER_CHUNK frames."""
    array = np.asarray(data, dtype=dtype)
    if array.ndim == 0 or array.size == 0:
        dataset = group.create_dataset(name, data=array)
    else:
        chunk = (min(len(array), FRAMES_PER_CHUNK if array.ndim > 1 else 4096), *array.shape[1:])
        dataset = group.create_dataset(
            name, data=array, chunks=chunk, compression="gzip", compression_opts=4, shuffle=True, fletcher32=True
        )
    if unit is not None:
        dataset.attrs["unit"] = unit
    return dataset


@contextmanager
def open_checked(path: Path | str) -> Iterator[h5py.File]:
    """Open for reading after checking that the file is self-contained and of a credible size."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        _refuse_unsealed(path)
        with h5py.File(path, "r") as file:
            _refuse_foreign(file, path)
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: damaged or not the expected HDF5 file ({reason}); make it again") from error


def _seal_line(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(USER_BLOCK)
        return f"mdstride sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode()


def _refuse_unsealed(path: Path) -> None:
    line = _seal_line(path)
    with path.open("rb") as stream:
        if stream.read(len(line)) != line:
            raise InputError(f"{path}: damaged, or not a file of mdstride (its checksum does not fit); make it again")


def _refuse_foreign(file: h5py.File, path: Path) -> None:
    pending, seen = [file["/"]], set()
    while pending:
        group = pending.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:  # a hard link may lead back to a group above
            continue
        seen.add(address)
        for name in group:
            link = group.get(name, getlink=True)
            where = f"{path}: {group.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                raise InputError(f"{where} is a link; only self-contained files are read")
            item = group[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            else:
                _refuse_array(item, where)


def _refuse_array(item: h5py.Dataset, where: str) -> None:
    if item.external or item.is_virtual:
        raise InputError(f"{where} keeps its data in another file; only self-contained files are read")
    declared = item.size * item.dtype.itemsize if item.shape is not None else 0
    stored = item.id.get_storage_size()
    if declared > LARGEST_ARRAY or declared > LARGEST_RATIO * max(stored, 4096):
        raise InputError(f"{where} declares {declared:,} bytes and stores {stored:,}; refused as damaged or hostile")
