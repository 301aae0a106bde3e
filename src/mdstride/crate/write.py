"""Write a crate: one pass over all files, which are hashed as they are copied."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from mdstride.crate.contents import Item, Packed, gather
from mdstride.crate.metadata import NAME, crate_metadata
from mdstride.crate.records import compare, read_records
from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path
from mdstride.progress import Progress

CHUNK = 1 << 20
"""Bytes copied at a time."""
COMPRESSED = (".h5", ".h5md", ".gz", ".safetensors")
"""Suffixes of files that do not get smaller."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first date that an archive can state."""

Create = Callable[[str, float], IO[bytes]]
"""Opens a new file of the crate, by path and time of the last change."""


def write_crate(run: Path, output: Path, *, workflow: Path, logs: bool = False) -> None:
    """Write a finished run as an RO-Crate: an archive where `output` ends in .zip, else a folder.

    Raises InputError, and leaves nothing behind, for a run that is not finished, for files that are damaged or not what
    the results were made from, and where there is such a folder already.
    """
    contents = gather(run, workflow, logs=logs)
    records = read_records(contents)
    with _archive(output) if output.suffix == ".zip" else _folder(output) as create:
        progress = Progress(f"crate {output}", sum(item.source.stat().st_size for item in contents.items), "bytes")
        packed = [_pack(item, create, progress) for item in contents.items]
        recorded = compare(contents, packed, records)
        metadata = crate_metadata(contents, packed, recorded, workflow / "CITATION.cff")
        with create(NAME, max(item.source.stat().st_mtime for item in contents.items)) as target:
            target.write(json.dumps(metadata, indent=1, ensure_ascii=False).encode() + b"\n")
        progress.close()


def _pack(item: Item, create: Create, progress: Progress) -> Packed:
    digest, size = hashlib.sha256(), 0
    with item.source.open("rb") as source, create(item.path, item.source.stat().st_mtime) as target:
        while piece := source.read(CHUNK):
            digest.update(piece)
            target.write(piece)
            size += len(piece)
            progress.update(len(piece))
    return Packed(item, digest.hexdigest(), size)


@contextmanager
def _archive(output: Path) -> Iterator[Create]:
    with atomic_path(output) as part, ZipFile(part, "w") as archive:

        def create(path: str, stamp: float) -> IO[bytes]:
            info = ZipInfo(path, max(time.gmtime(stamp)[:6], EARLIEST))
            info.compress_type = ZIP_STORED if path.endswith(COMPRESSED) else ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            return archive.open(info, "w", force_zip64=True)

        yield create


@contextmanager
def _folder(output: Path) -> Iterator[Create]:
    if output.exists():
        raise InputError(f"{output}: is there already; remove it, or choose another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent))

    def create(path: str, stamp: float) -> IO[bytes]:
        (part / path).parent.mkdir(parents=True, exist_ok=True)
        return (part / path).open("wb")

    try:
        yield create
        part.chmod(0o755)  # mkdtemp makes private folders
        part.rename(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
