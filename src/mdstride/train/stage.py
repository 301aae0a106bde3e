"""Stage pretrain: one model, one seed, the training compounds of one split.

Needs torch, NumPy, h5py and safetensors alone.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.formats.atomic import write_json, write_text
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.provenance import software, source_hash
from mdstride.models.registry import build, save
from mdstride.train.checkpoint import delete_checkpoints
from mdstride.train.trainer import Trainer
from mdstride.windows import Windows


def pretrain(
    settings: dict[str, Any], *, model: str, seed: int, split: str, dataset: Path, output: Path, state: Path
) -> None:
    """Write weights.safetensors, log.jsonl and run.json into `output`.

    Parameters
    ----------
    settings
        The configuration's section `pretrain`.
    model, seed
        Registered model; seed of initial weights, windows and augmentation.
    split
        Name of a split of the data set. Validation compounds choose the step whose weights are kept.
    state
        Folder for checkpoints. A run that was interrupted resumes from it; it is removed at the end.

    The log has one line per validation: step, train (mean loss since the last line), validation and persistence (on
    the same windows), all in Å² per coordinate of the heavy atoms; rate, a factor of the learning rates; and
    samples_per_second.
    """
    data = read_dataset(dataset)
    if split not in data.splits:
        raise InputError(f"{dataset}: no split `{split}`; it has {', '.join(data.splits)}")
    _check_finite(data, dataset)
    parts, device = data.splits[split].parts, _device(settings["device"])
    torch.manual_seed(seed)
    network = build(model, settings[model])
    trainer = Trainer(
        network, settings, Windows(data, parts["train"], device), Windows(data, parts["validation"], device), seed
    )
    count = sum(parameter.numel() for parameter in network.parameters())
    sys.stderr.write(f"pretrain: {model}, {count:,} parameters, {len(trainer.windows.ids)} compounds, on {device}\n")
    details = _details(settings, model, seed, split, data)
    fingerprint = hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()
    trainer.run(state, fingerprint)
    reached = trainer.reached
    about = {"model": model, "settings": settings[model], "seed": seed, "split": split, "step": reached.best_step}
    save(output / "weights.safetensors", trainer.best, about | {"dataset_hash": details["dataset_hash"]})
    write_text(output / "log.jsonl", "".join(json.dumps(line) + "\n" for line in reached.log))
    outcome = {"parameters": count, "best_step": reached.best_step, "validation": reached.best_loss}
    write_json(output / "run.json", details | outcome | {"persistence": trainer.persistence, "device": device.type})
    delete_checkpoints(state)


def _check_finite(data: Dataset, path: Path) -> None:
    for compound in data.compounds.values():
        for replica in compound.replicas:
            bad = ~np.isfinite(replica.positions + replica.velocities).all((1, 2))
            if bad.any():
                where = f"{compound.id}, replica {replica.number}, frame {int(bad.argmax())}"
                raise InputError(f"{path}: {where} is not finite; simulate that replica again")


def _details(settings: dict[str, Any], model: str, seed: int, split: str, data: Dataset) -> dict[str, Any]:
    """What the weights depend on."""
    return {
        "model": model,
        "seed": seed,
        "split": split,
        "settings": settings,
        "dataset_hash": data.hash(),
        "source": source_hash("train", "models", "windows.py"),
        "software": software("torch", "numpy", "h5py", "safetensors"),
    }


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("pretrain.device: cuda, but torch sees no GPU here; set it to auto or cpu")
    return torch.device(name)
