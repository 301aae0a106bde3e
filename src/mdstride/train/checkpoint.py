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
    """Write the state after `step` steps atomically, then delete all but the newest KEPT."""
    write_tensors(_path(folder, step), tensors, {"fingerprint": fingerprint, "step": step, "values": values})
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def load_checkpoint(folder: Path, fingerprint: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Tensors and values of the newest whole checkpoint of the run `fingerprint`; None when there is none.

    One that is damaged, or belongs to other settings, data or code, is passed over with a message.
    """
    for path in _newest_first(folder):
        try:
            tensors, metadata = read_tensors(path)
        except InputError as error:
            sys.stderr.write(f"pretrain: passing over a checkpoint: {error}\n")
            continue
        if metadata.get("fingerprint") == fingerprint:
            sys.stderr.write(f"pretrain: resuming after step {metadata['step']}\n")
            return tensors, metadata["values"]
        sys.stderr.write(f"pretrain: passing over {path}: it belongs to other settings, data or code\n")
    return None


def delete_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a finished run, and the folder if nothing else is in it."""
    for path in (*_newest_first(folder), *folder.glob(".step-*.part")):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:09d}.safetensors"


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)
