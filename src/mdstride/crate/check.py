"""Whether a crate is whole: what its metadata refers to is there, and every file has the hash that it states."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from mdstride.crate.metadata import NAME, SPECIFICATION
from mdstride.errors import InputError
from mdstride.progress import Progress

Open = Callable[[str], IO[bytes]]
"""Opens a file of the crate by its path; raises KeyError or FileNotFoundError where there is none."""


def read_metadata(open_file: Open, where: Path) -> list[dict[str, Any]]:
    """The entities of a crate. Raises InputError where there is none, or another version."""
    try:
        with open_file(NAME) as stream:
            graph = json.load(stream)["@graph"]
        described = next(entity for entity in graph if entity["@id"] == NAME)["conformsTo"]
        known = SPECIFICATION in [one["@id"] for one in (described if isinstance(described, list) else [described])]
    except (KeyError, FileNotFoundError):
        raise InputError(
            f"{where}: holds no {NAME}; give a crate of `mdstride crate`, or the folder of a run"
        ) from None
    except (ValueError, TypeError, StopIteration) as error:
        raise InputError(f"{where}: {NAME} is damaged; get the crate again") from error
    if not known:
        raise InputError(f"{where}: {NAME} does not follow {SPECIFICATION}; give a crate of `mdstride crate`")
    return list(graph)


def faults(graph: list[dict[str, Any]], open_file: Open) -> Iterator[str]:
    """One line for each thing that is wrong; files are read, and hashed."""
    ids = [entity["@id"] for entity in graph]
    yield from (f"{id} is described twice" for id, count in Counter(ids).items() if count > 1)
    known = set(ids)
    for entity in graph:
        for target in _references(entity):
            if target not in known and not target.startswith(("http://", "https://")):
                yield f"{entity['@id']} refers to {target}, which is not described"
    files = [entity for entity in graph if "File" in _types(entity)]
    progress = Progress("crate: checking", len(files), "files")
    for entity in files:
        if fault := _file_fault(entity, open_file):
            yield fault
        progress.update()


def _file_fault(entity: dict[str, Any], open_file: Open) -> str:
    path = unquote(entity["@id"])
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return f"{path} lies outside the crate"
    try:
        with open_file(path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    except (KeyError, FileNotFoundError):
        return f"{path} is missing"
    return "" if digest == entity.get("sha256") else f"{path} is not the file that was published"


def _types(entity: dict[str, Any]) -> list[str]:
    kind = entity["@type"]
    return kind if isinstance(kind, list) else [kind]


def _references(entity: dict[str, Any]) -> Iterator[str]:
    """Ids that the properties of an entity name."""
    for value in entity.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and "@id" in one:
                yield one["@id"]
