"""Where a result comes from: settings, input hashes, code and software versions. Never times, hosts or the environment.

Each result has a record, a JSON object with the keys of `record`. HDF5 files carry it: as attribute `provenance`, data
sets and scores among what is in /about. So do JSON files, among their own keys. For text tables and the report it lies
beside them, with the hashes of the outputs too: compounds.csv has compounds.provenance.json.
"""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mdstride.formats.atomic import write_json

PACKAGE = Path(__file__).resolve().parent.parent

Record = dict[str, Any]
KEYS = ("stage", "settings", "inputs", "source", "software", "outputs")
"""Of a record; `outputs` only where the files cannot carry it themselves."""

DATASET = "content of dataset.h5"
"""Name, among inputs, of the content hash of a data set, which is known without reading the file once more."""

_DYNAMICS = ("simulate", "engines", "bonds.py", "constants.py", "rigid.py")
_EVALUATION = ("evaluate", "models", "windows.py")
SOURCES = {
    "library": ("select",),
    "screen": ("select",),
    "select": ("select",),
    "relax": ("relax", "engines", "bonds.py", "constants.py", "rigid.py"),
    "simulate": _DYNAMICS,
    "twin": _DYNAMICS,
    "dataset": ("dataset",),
    "pretrain": ("train", "models", "windows.py"),
    "baselines": _EVALUATION,
    "evaluate": _EVALUATION,
    "energies": ("energies", "engines", "models", "bonds.py", "windows.py"),
    "report": ("report", "statistics", "chemistry.py", "novelty.py", "published.py"),
}
"""The parts of the package behind the numbers of each stage, relative to it."""


def record(
    stage: str,
    settings: Any,
    inputs: Mapping[str, Path | str | None],
    versions: Mapping[str, str],
    *,
    known: Mapping[str, str] | None = None,
) -> Record:
    """Where the outputs of a job come from: the same for the same inputs, wherever and whenever it runs.

    Parameters
    ----------
    settings
        All that the job was asked for.
    inputs
        Files by name, to be hashed; None for what there is none of.
    versions
        Of `software`, and of an engine.
    known
        Digests of further inputs, by name.
    """
    hashes = {name: sha256(path) for name, path in inputs.items() if path is not None}
    return {
        "stage": stage,
        "settings": settings,
        "inputs": hashes | dict(known or {}),
        "source": source_hash(*SOURCES[stage]),
        "software": dict(versions),
    }


def write_record(made: Record, *outputs: Path) -> None:
    """Write the record of text files beside the first of them, when all are there."""
    write_json(record_path(outputs[0]), made | {"outputs": {path.name: sha256(path) for path in outputs}})


def read_record(path: Path, *, sealed: bool = True) -> Record:
    """The record that an HDF5 or JSON file carries; empty where it carries none.

    HDF5 files are read whole to compare their checksum, unless not `sealed`. Raises InputError for a damaged one.
    """
    if path.suffix == ".json":
        found = json.loads(path.read_text(encoding="utf-8"))
    else:
        from mdstride.formats import hdf5  # not for the workflow itself, which wants `source_hash` alone

        with hdf5.open_checked(path, sealed=sealed) as file:
            text = hdf5.get_text(file, "about") if "about" in file else file.attrs.get("provenance", "{}")
        found = json.loads(text)
    return {name: found[name] for name in KEYS if name in found}


def record_path(output: Path) -> Path:
    """Where the record of a text file lies, if it is the first of its job."""
    return output.with_suffix(".provenance.json")


def by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their path in the deepest folder that holds all of them."""
    found = [path.absolute() for path in paths]
    root = next(one for one in found[0].parents if all(path.is_relative_to(one) for path in found))
    return {path.relative_to(root).as_posix(): path for path in found}


def software(*packages: str) -> dict[str, str]:
    """Versions of Python, mdstride and the named packages."""
    versions = {name: importlib.metadata.version(name) for name in ("mdstride", *packages)}
    return {"python": platform.python_version(), **versions}


def sha256(path: Path | str) -> str:
    """Hex digest of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_hash(*parts: str) -> str:
    """Digest of the package's sources under `parts` (folders or files relative to the package).

    The workflow gives it to a rule as a parameter: a stage is run again when the code behind its numbers changed, and
    not after each commit.
    """
    digest = hashlib.sha256()
    for part in parts:
        root = PACKAGE / part
        for path in [root] if root.is_file() else _sources(root):
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".css", ".js"))


def content_hash(arrays: dict[str, Any]) -> str:
    """Digest of named NumPy arrays (name, type, shape, bytes), whatever file layout holds them."""
    import numpy as np

    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)  # no copy: a trajectory may fill half the memory
    return digest.hexdigest()
