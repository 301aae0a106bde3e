"""Learned models by name, and their weights on disk."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mdstride.errors import InputError
from mdstride.formats.tensors import read_tensors, write_tensors
from mdstride.models.atom import Atom
from mdstride.models.egno import Egno

MODELS: dict[str, type[nn.Module]] = {"atom": Atom, "egno": Egno}
"""Each is a Forecaster whose keyword arguments are the section pretrain.{name} of the configuration."""

METADATA = ("model", "settings", "dataset_hash", "split", "seed", "step")
"""What a weights file says of itself: the model, its settings, and the data and training that made it."""


def build(name: str, settings: dict[str, Any]) -> nn.Module:
    """A freshly initialised model. Raises InputError for a name that is not registered."""
    if name not in MODELS:
        raise InputError(f"no model `{name}`; registered: {', '.join(MODELS)}")
    return MODELS[name](**settings)


def save(path: Path | str, weights: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Write weights.safetensors with `metadata` (the keys METADATA) inside."""
    if sorted(metadata) != sorted(METADATA):
        raise ValueError(f"metadata needs {', '.join(METADATA)}, got {', '.join(metadata)}")
    write_tensors(path, weights, metadata)


def read_metadata(path: Path | str) -> dict[str, Any]:
    """The metadata of a weights file. Raises InputError when the file is damaged or holds something else."""
    return _read(path)[1]


def load(path: Path | str, device: torch.device | str) -> Any:
    """The trained model in evaluation mode: a Forecaster.

    Raises InputError for a damaged file, an unknown model, or weights that do not fit the model.
    """
    weights, metadata = _read(path)
    try:
        model = build(metadata["model"], metadata["settings"])
        model.load_state_dict(weights)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: does not fit model `{metadata['model']}`; train it again ({reason})") from error
    return model.to(device).eval()


def load_into(model: nn.Module, name: str, path: Path | str) -> None:
    """Give a freshly built model the trained weights in a file. Raises InputError where they do not fit it."""
    weights, metadata = _read(path)
    if metadata["model"] != name:
        raise InputError(f"{path}: holds a model `{metadata['model']}`; {name} cannot start from it")
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path}: was trained with {metadata['settings']}; give {name} the same settings ({reason})"
        ) from error


def _read(path: Path | str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    weights, metadata = read_tensors(path)
    if sorted(metadata) != sorted(METADATA):
        raise InputError(f"{path}: holds no trained model; give the file that `mdstride pretrain` wrote")
    return weights, metadata
