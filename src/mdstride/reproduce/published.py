"""Open what was published: a crate as archive or folder, or the plain folder of a run."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from mdstride.crate.check import Open, faults, read_metadata
from mdstride.crate.metadata import NAME
from mdstride.errors import InputError
from mdstride.reproduce.findings import Finding, Outcome, shortened

NOT_NEEDED = "/trajectories/"
"""Part of the paths of files that are checked, but not unpacked: the data set holds their content."""


@contextmanager
def opened(published: Path) -> Iterator[tuple[Path, list[Finding]]]:
    """The folder of the run, for as long as the block lasts, and what its hashes say; nothing for a plain folder.

    Raises InputError for what is neither a crate nor a run, and where an archive does not fit on the disk.
    """
    if published.is_dir():
        if not (published / NAME).is_file():
            yield published, []
            return
        found = _checked(published, lambda path: (published / path).open("rb"))
        yield _run(published), [found]
        return
    try:
        with ZipFile(published) as archive, tempfile.TemporaryDirectory(prefix="mdstride-") as folder:
            found = _checked(published, lambda path: archive.open(path))
            needed = [
                one
                for one in archive.infolist()
                if one.filename.startswith("results/") and NOT_NEEDED not in one.filename
            ]
            size, free = sum(one.file_size for one in needed), shutil.disk_usage(folder).free
            if size > free:
                raise InputError(
                    f"{published}: unpacks to {size:,} bytes, and {folder} has room for {free:,}; unpack it where "
                    "there is room, and give that folder"
                )
            for one in needed:
                archive.extract(one, folder)
            yield _run(Path(folder)), [found]
    except (BadZipFile, FileNotFoundError) as error:
        raise InputError(f"{published}: neither a crate nor the folder of a run ({error}); check the path") from error


def _checked(published: Path, open_file: Open) -> Finding:
    graph = read_metadata(open_file, published)
    wrong = list(faults(graph, open_file))
    if wrong:
        return Finding("crate", Outcome.DIFFERS, f"{shortened(wrong)}. It was changed since: get it again")
    count = sum("sha256" in entity for entity in graph)
    return Finding("crate", Outcome.EXACT, f"{count:,} files as published, by their SHA-256")


def _run(folder: Path) -> Path:
    found = sorted(path for path in (folder / "results").glob("*") if path.is_dir())
    if len(found) != 1:
        raise InputError(f"{folder}: holds {len(found)} runs below results/; give the folder of one")
    return found[0]
