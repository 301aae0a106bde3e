"""Checkpoints to resume from: two are kept while a run trains, and the older is used when the newer is damaged."""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from mdstride.errors import InputError
from mdstride.formats.tensors import read_metadata, read_tensors, write_tensors

KEPT = 2


def save_checkpoint(
    folder: Path, step: int, details: dict[str, Any], tensors: dict[str, torch.Tensor], values: dict[str, Any]
) -> None:
    """Write the state after `step` steps atomically, then delete all but the newest KEPT of this run.

    `details` are all that the run depends on: settings, data, code.
    """
    path = folder / f"{_prefix(details)}{step:09d}.safetensors"
    write_tensors(path, tensors, {"details": details, "step": step, "values": values})
    for old in _newest_first(folder, details)[KEPT:]:
        old.unlink()


def load_checkpoint(folder: Path, details: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and values of the newest whole checkpoint of the run; None when there is none.

    Those that are damaged, or belong to other settings, data or code, are passed over, and a message says what differs.
    """
    own = _newest_first(folder, details)
    for path in sorted(set(folder.glob("*.safetensors")) - set(own)):
        sys.stderr.write(f"pretrain: {path} is not resumed from: {_difference(path, details)}\n")
    for path in own:
        try:
            tensors, metadata = read_tensors(path)
        except InputError as error:
            sys.stderr.write(f"pretrain: passing over a checkpoint: {error}\n")
            continue
        sys.stderr.write(f"pretrain: resuming after step {metadata['step']}\n")
        return tensors, metadata["values"]
    return None


def keep_last(folder: Path, details: dict[str, Any]) -> None:
    """Remove all but the newest checkpoint of a run that is finished.

    A workflow that was killed has not noted the end: started again it deletes what was written, and the job finds here
    that nothing is left to train.
    """
    last = _newest_first(folder, details)[:1]
    for pattern in ("*.safetensors", ".*.safetensors.*.part"):  # the latter are left by a SIGKILL while writing
        for path in set(folder.glob(pattern)) - set(last):
            path.unlink()


def _prefix(details: dict[str, Any]) -> str:
    return f"{hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()[:16]}-step-"


def _newest_first(folder: Path, details: dict[str, Any]) -> list[Path]:
    return sorted(folder.glob(f"{_prefix(details)}*.safetensors"), reverse=True)


def _difference(path: Path, details: dict[str, Any]) -> str:
    """Where the run of a checkpoint differs from this one, as `key then instead of key now`."""
    try:
        before = dict(_leaves(read_metadata(path)["details"]))
    except (InputError, KeyError, TypeError):
        return "it cannot be read"
    now = dict(_leaves(details))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    parts = [f"{key} was {before.get(key)} and is {now.get(key)}" for key in changed]
    return "; ".join(parts[:5]) + (f"; and {len(parts) - 5} more" if len(parts) > 5 else "")


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
