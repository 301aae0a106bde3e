"""HDF5 with checksums on writing and suspicion on reading.

Every array is compressed, shuffled and carries a Fletcher-32 checksum. HDF5 has none for text attributes (one flipped
byte there can hang its reader), so the first bytes of a file, which HDF5 leaves to the user, hold a digest of the rest.
No file is trusted for that: links out of the file, external raw storage and sizes that the file cannot hold are refused
by name.
"""

import hashlib
import os
import struct
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

ROOM_TO_CLOSE = 8 * 2**20
"""Bytes that HDF5 may still have to write when a file is closed: indexes of chunks, names, attributes."""

LARGEST_RATIO = 2000
"""Declared over stored bytes; real molecular dynamics compresses less than tenfold, constants a thousandfold."""


@contextmanager
def create(path: Path | str) -> Iterator[h5py.File]:
    """A new HDF5 file that appears at `path` when the block ends well."""
    with atomic_path(path) as part:
        with h5py.File(part, "w", libver=("v110", "v110"), userblock_size=USER_BLOCK) as file:
            reserve(file, 0)
            yield file
        _cut(part)
        seal(part)


def reserve(group: h5py.Group, size: int) -> None:
    """Make sure that the disk has room for `size` more bytes, before HDF5 finds out that it has not.

    HDF5 tries again to write what has failed when it closes the file, and crashes the process when that fails too. So
    a full disk would end without a message. Raises OSError; room for closing the file is always left.
    """
    file = group.file
    handle, end = file.id.get_vfd_handle(), file.id.get_filesize()
    os.posix_fallocate(handle, end, size + ROOM_TO_CLOSE)


def _cut(path: Path) -> None:
    """Give back what `reserve` took in vain. Where the content ends stands in the superblock (version 2 or 3).

    Source: HDF5 File Format Specification 3.0, section II.A. HDF5 refuses a file that ends before that.
    """
    with path.open("r+b") as stream:
        stream.seek(USER_BLOCK)
        signature, version, end = struct.unpack("<8sB19xQ", stream.read(36))
        if signature != b"\x89HDF\r\n\x1a\n" or version not in (2, 3):
            raise ValueError(f"{path}: HDF5 has written a superblock of version {version}")
        stream.truncate(end)
    h5py.File(path, "r").close()


def seal(path: Path) -> None:
    """Write the digest of the content into the user block."""
    line = _seal_line(path)
    with path.open("r+b") as stream:
        stream.write(line)


def put(
    group: h5py.Group,
    name: str,
    data: Any,
    *,
    unit: str | None = None,
    dtype: Any = None,
    frames: int = FRAMES_PER_CHUNK,
) -> h5py.Dataset:
    """Store an array with checksum and, for time series, chunks of so many frames."""
    array = np.asarray(data, dtype=dtype)
    reserve(group, array.nbytes)
    if array.ndim == 0 or array.size == 0:
        dataset = group.create_dataset(name, data=array)
    else:
        chunk = (min(len(array), frames if array.ndim > 1 else 4096), *array.shape[1:])
        dataset = group.create_dataset(
            name, data=array, chunks=chunk, compression="gzip", compression_opts=4, shuffle=True, fletcher32=True
        )
    if unit is not None:
        dataset.attrs["unit"] = unit
    return dataset


def put_text(group: h5py.Group, name: str, text: str) -> None:
    """Store text with a checksum: one string of fixed length, since HDF5 keeps those of any length without one."""
    data = np.array([text.encode()])
    reserve(group, data.nbytes)
    group.create_dataset(name, data=data, chunks=(1,), compression="gzip", compression_opts=4, fletcher32=True)


def get_text(group: h5py.Group, name: str) -> str:
    """Text that `put_text` has stored."""
    return bytes(group[name][0]).decode()


@contextmanager
def open_checked(path: Path | str, *, sealed: bool = True) -> Iterator[h5py.File]:
    """Open for reading after checking that the file is self-contained and of a credible size.

    Comparing the seal reads the whole file. Without `sealed`, for foreign files and for sets too large for that, what
    is read later has the checksums of HDF5 alone.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if sealed:
            _refuse_unsealed(path)
        with h5py.File(path, "r") as file:
            _refuse_foreign(file, path)
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: damaged or not the expected HDF5 file ({reason}); make it again") from error


def stated_seal(path: Path) -> str:
    """The digest of the content as the file states it, which `open_checked` compares: to know a file again."""
    with path.open("rb") as stream:
        return stream.read(USER_BLOCK).partition(b"\n")[0].decode(errors="replace")


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
    """Look at every object, through the low-level interface: three times as fast, for files of thousands of arrays."""

    def look(name: bytes, link: Any) -> str | None:
        if link.type != h5py.h5l.TYPE_HARD:
            return f"{path}: /{name.decode(errors='replace')} is a link; only self-contained files are read"
        names.append(name)
        return None

    names: list[bytes] = []
    fault = file.id.links.visit(look, info=True)  # ends with what is returned; an exception would be lost
    if fault:
        raise InputError(fault)
    for name in names:
        item = h5py.h5o.open(file.id, name)
        if isinstance(item, h5py.h5d.DatasetID):
            _refuse_array(item, f"{path}: /{name.decode(errors='replace')}")


def _refuse_array(item: Any, where: str) -> None:
    settings = item.get_create_plist()
    if settings.get_external_count() or settings.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(f"{where} keeps its data in another file; only self-contained files are read")
    declared = item.get_space().get_simple_extent_npoints() * item.get_type().get_size()
    stored = item.get_storage_size()
    if declared > LARGEST_ARRAY or declared > LARGEST_RATIO * max(stored, 4096):
        raise InputError(f"{where} declares {declared:,} bytes and stores {stored:,}; refused as damaged or hostile")
