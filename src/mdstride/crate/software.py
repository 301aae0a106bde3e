"""Which software each stage says it was run with."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from mdstride.crate.contents import Item
from mdstride.formats.hdf5 import get_text, open_checked
from mdstride.progress import Progress

Versions = set[tuple[str, str]]


def recorded_software(items: Iterable[Item]) -> dict[str, Versions]:
    """Names and versions by stage, of every file that records them.

    Reads them with the check that every reader makes, so a damaged file is found before it is published: InputError.
    """
    found: dict[str, Versions] = {}
    chosen = [(item, READERS[item.stage]) for item in items if item.stage in READERS and _records(item)]
    progress = Progress("crate: reading", len(chosen), "files")
    for item, read in chosen:
        found.setdefault(item.stage, set()).update(read(item.source).items())
        progress.update()
    return found


def _records(item: Item) -> bool:
    return item.source.suffix in (".h5", ".h5md") or item.source.name == "run.json"


def _structure(path: Path) -> dict[str, str]:
    with open_checked(path) as file:
        return dict(json.loads(file.attrs["software"]))


def _trajectory(path: Path) -> dict[str, str]:
    with open_checked(path) as file:
        return dict(json.loads(file["parameters"].attrs["software"]))


def _scores(path: Path) -> dict[str, str]:
    with open_checked(path) as file:
        return dict(json.loads(get_text(file, "about"))["software"])


def _run(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text(encoding="utf-8"))["software"])


READERS: dict[str, Callable[[Path], dict[str, str]]] = {
    "relax": _structure,
    "simulate": _trajectory,
    "twin": _trajectory,
    "pretrain": _run,
    "baselines": _scores,
    "evaluate": _scores,
}
"""By stage; the others record none in their outputs."""
