"""Where a result comes from: software versions, source and content hashes. Never the environment or host names."""

import hashlib
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent

SCHEMA_VERSION = "1"
"""Version of the files this package writes; a reader refuses one it does not know."""


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
