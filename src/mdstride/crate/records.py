"""What the results themselves say of where they come from, and whether the run still is what they come from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mdstride.crate.contents import Contents, Item, Packed
from mdstride.errors import InputError
from mdstride.formats.hdf5 import get_text, open_checked
from mdstride.formats.provenance import Record, read_record, record_path
from mdstride.progress import Progress

Versions = set[tuple[str, str]]

CARRIERS = (".h5", ".h5md", "counts.json", "run.json", ".provenance.json")
"""Ends of the names of files with a record."""


@dataclass(frozen=True)
class Recorded:
    """Of one stage, all its jobs together."""

    software: Versions
    """Names and versions."""
    sources: set[str]
    """Digests of its code."""
    inputs: set[str]
    """Paths in the crate."""


def read_records(contents: Contents) -> dict[str, Record]:
    """The records of all results, by their path in the crate.

    HDF5 files are read with the check that every reader makes, so a damaged one is found before it is published.
    Raises InputError for that, and where a job of the run left none.
    """
    chosen = [item for item in contents.results if item.stage and item.path.endswith(CARRIERS)]
    progress = Progress("crate: reading", len(chosen), "files")
    records = {}
    for item in chosen:
        records[item.path] = read_record(item.source)
        progress.update()
    for path in contents.planned:
        if "source" not in records.get(carrier(path), {}):
            raise InputError(
                f"{path}: nothing says where it comes from; delete it, and run `snakemake` again with this version"
            )
    return records


def carrier(path: str) -> str:
    """The file with the record of a result."""
    return path if path.endswith(CARRIERS) else record_path(Path(path)).as_posix()


def compare(contents: Contents, packed: Iterable[Packed], records: Mapping[str, Record]) -> dict[str, Recorded]:
    """What each stage was run with and given, if the files that are packed are those that the records name.

    Raises InputError for the first result that has been changed since, or is of an input that has been.
    """
    digests = {one.item.path: one.sha256 for one in packed}
    paths = {digest: path for path, digest in digests.items()}
    for item in contents.results:
        if item.path == f"{contents.folder}/dataset.h5":
            paths[_content_hash(item)] = item.path
    found: dict[str, Recorded] = {}
    for path, stage in contents.planned.items():
        record = records[carrier(path)]
        inputs = record["inputs"]
        for name, digest in record.get("outputs", {}).items():
            output = PurePosixPath(path).with_name(name).as_posix()
            if digests.get(output) != digest:
                raise InputError(f"{output}: not as it was written; delete it, and run `snakemake` again")
        for name, digest in inputs.items():
            if digest not in paths:
                raise InputError(
                    f"{path}: made from another `{name}` than there is now; put that back, or delete {path} and run "
                    "`snakemake` again"
                )
        one = found.setdefault(stage, Recorded(set(), set(), set()))
        one.software.update(record["software"].items())
        one.sources.add(record["source"])
        one.inputs.update(paths[digest] for digest in inputs.values())
    return found


def _content_hash(item: Item) -> str:
    with open_checked(item.source, sealed=False) as file:
        return str(json.loads(get_text(file, "about"))["content_hash"])
