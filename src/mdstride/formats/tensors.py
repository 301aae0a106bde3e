"""safetensors files that know their own digest: weights and checkpoints.

safetensors reads flipped bytes silently, so the header carries a SHA-256 of the tensors and of the metadata, which is
compared on reading.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path

HEADER = "mdstride"
"""Our entry of the header: JSON with the metadata (JSON text) and the digest."""


def write_tensors(path: Path | str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and JSON metadata atomically; the same content gives the same bytes."""
    stored = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(metadata, sort_keys=True)
    # one entry only: safetensors writes the entries of its header in random order
    header = {HEADER: json.dumps({"metadata": text, "sha256": _digest(stored, text)}, sort_keys=True)}
    with atomic_path(path) as part:
        part.write_bytes(save(stored, header))  # save_file has no errno for a full disk


def read_tensors(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and the metadata. Raises InputError for a missing, foreign or damaged file."""
    tensors, header = _open(path)
    if _digest(tensors, header["metadata"]) != header["sha256"]:
        raise InputError(f"{path}: content does not match its SHA-256; the file was changed or damaged, make it again")
    return tensors, json.loads(header["metadata"])


def read_metadata(path: Path | str) -> dict[str, Any]:
    """The metadata alone; not compared with the digest. Raises InputError for a missing or foreign file."""
    return json.loads(_open(path)[1]["metadata"])


def _open(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and our entry of the header; anything that is not a file of ours is an InputError."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        with safetensors.safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        own = json.loads(header.get(HEADER, "{}"))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged or not a safetensors file ({' '.join(str(error).split())})") from error
    if sorted(own) != ["metadata", "sha256"]:
        raise InputError(f"{path}: a safetensors file, but not one of mdstride's; make it again")
    return tensors, own


def _digest(tensors: Mapping[str, torch.Tensor], metadata: str) -> str:
    digest = hashlib.sha256(metadata.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"|{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
