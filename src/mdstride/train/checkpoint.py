"""Checkpoints to resume from: the two newest are kept, and the older is used when the newer is damaged."""

import sys
from pathlib import Path
from typing import Any

import torch

from mdstride.errors import InputError
from mdstride.formats.tensors import read_tensors, write_tensors

KEPT = 2


def save_checkpoint(
    folder: Path, step: int, fingerprint: str, tensors: dict[str, torch.Tensor], values: dict[str, Any]
) -> None:
    """Write the state after `step` steps atomically, then delete all but the newest KEPT of this run.

    `fingerprint` (hexadecimal) stands for all that the run depends on: settings, data, code.
    """
    path = folder / f"{_prefix(fingerprint)}{step:09d}.safetensors"
    write_tensors(path, tensors, {"fingerprint": fingerprint, "step": step, "values": values})
    for old in _newest_first(folder, fingerprint)[KEPT:]:
        old.unlink()


def load_checkpoint(folder: Path, fingerprint: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and values of the newest whole checkpoint of the run `fingerprint`; None when there is none.

    Those that are damaged, or belong to other settings, data or code, are passed over with a message.
    """
    own = _newest_first(folder, fingerprint)
    if len(list(folder.glob("*.safetensors"))) > len(own):
        sys.stderr.write(
            f"pretrain: passing over checkpoints in {folder} that belong to other settings, data or code\n"
        )
    for path in own:
        try:
            tensors, metadata = read_tensors(path)
        except InputError as error:
            sys.stderr.write(f"pretrain: passing over a checkpoint: {error}\n")
            continue
        if metadata["fingerprint"] == fingerprint:
            sys.stderr.write(f"pretrain: resuming after step {metadata['step']}\n")
            return tensors, metadata["values"]
    return None


def delete_checkpoints(folder: Path) -> None:
    """Remove all checkpoints when a run is finished, and the folder if nothing else is in it."""
    for pattern in ("*.safetensors", ".*.safetensors.*.part"):  # the latter are left by a SIGKILL while writing
        for path in folder.glob(pattern):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _prefix(fingerprint: str) -> str:
    return f"{fingerprint[:16]}-step-"


def _newest_first(folder: Path, fingerprint: str) -> list[Path]:
    return sorted(folder.glob(f"{_prefix(fingerprint)}*.safetensors"), reverse=True)
