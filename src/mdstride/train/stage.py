"""Stage pretrain: one model, one seed, the training part of one split; from scratch or from weights that exist.

Needs torch, NumPy, h5py and safetensors alone.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer, write_json, write_text
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import open_dataset, read_dataset
from mdstride.formats.provenance import DATASET, record, sha256, software
from mdstride.formats.split import Segment
from mdstride.models.registry import build, load_into, save
from mdstride.train.checkpoint import keep_last
from mdstride.train.device import choose_device
from mdstride.train.parallel import Team, team
from mdstride.train.track import make_tracker
from mdstride.train.trainer import Trainer
from mdstride.windows import Windows


def pretrain(
    settings: dict[str, Any], *, model: str, seed: int, split: str, dataset: Path, output: Path, state: Path
) -> None:
    """Write weights.safetensors, last.safetensors, log.jsonl and run.json into `output`.

    Parameters
    ----------
    settings
        The configuration's section `pretrain`.
    model, seed
        Registered model; seed of initial weights, windows and augmentation.
    split
        Name of a split of the data set. Windows of its part validation choose the step whose weights are kept.
    state
        Folder for checkpoints. A run that was interrupted resumes from it; the last one stays.

    The log has one line per validation: step, train (mean loss since the last line), validation and persistence (on
    the same windows), all in Å² per coordinate of the heavy atoms; rate, a factor of the learning rates; and
    samples_per_second. Under torchrun the processes share each batch, and the first one writes.
    """
    device = choose_device(settings["device"])
    with ExitStack() as stack:
        members = stack.enter_context(team(device))
        data = stack.enter_context(open_dataset(dataset)) if settings["scratch"] else read_dataset(dataset)
        if split not in data.splits:
            raise InputError(f"{dataset}: no split `{split}`; it has {', '.join(data.splits) or 'none'}")
        details = _details(settings, model, seed, split, data)
        network = _network(settings, model, seed, members, device)
        train, validation = (
            _windows(data, data.splits[split].parts[part], device, settings, dataset)
            for part in ("train", "validation")
        )
        track = make_tracker(settings["track"] if members.rank == 0 else None, output / "track", details)
        trainer = Trainer(network, settings, train, validation, seed, members, track)
        count = sum(parameter.numel() for parameter in network.parameters())
        if members.rank == 0:
            stack.enter_context(only_writer(state, wait=True))
            several = f" x {members.size}" if members.size > 1 else ""
            sys.stderr.write(
                f"pretrain: {model}, {count:,} parameters, {len(train.ids)} compounds, on {device}{several}\n"
            )
        trainer.run(state, details)
        if members.rank == 0:
            machine = {"parameters": count, "device": device.type, "processes": members.size}
            _write(output, trainer, details, machine | _seen(data, train.ids))
            keep_last(state, details)


def _write(output: Path, trainer: Trainer, details: dict[str, Any], outcome: dict[str, Any]) -> None:
    reached, model = trainer.reached, details["model"]
    about = {name: details[name] for name in ("model", "seed", "split", "dataset_hash")}
    about["settings"] = details["settings"][model]
    save(output / "weights.safetensors", trainer.best, about | {"step": reached.best_step})
    save(output / "last.safetensors", trainer.average, about | {"step": reached.step})
    write_text(output / "log.jsonl", "".join(json.dumps(line, sort_keys=True) + "\n" for line in reached.log))
    outcome |= {"best_step": reached.best_step, "last_step": reached.step, "validation": reached.best_loss}
    # not of the log, which tells the speed
    outcome["outputs"] = {name: sha256(output / name) for name in ("weights.safetensors", "last.safetensors")}
    write_json(output / "run.json", details | outcome | {"persistence": trainer.persistence})


def _seen(data: Dataset, ids: Sequence[str]) -> dict[str, Any]:
    """Elements and size of the compounds trained on: beyond them a forecast is a guess."""
    numbers = [np.asarray(data.compounds[key].atomic_numbers) for key in ids]
    return {
        "elements": np.unique(np.concatenate(numbers)).tolist(),
        "most_heavy": max(int((one > 1).sum()) for one in numbers),
    }


def _network(settings: dict[str, Any], model: str, seed: int, members: Team, device: torch.device) -> nn.Module:
    """The model with initial weights: new ones, the same in every process, or those to start from."""
    torch.manual_seed(seed)
    network = build(model, settings[model])
    if settings["start_from"]:
        load_into(network, model, settings["start_from"])
    if members.rank:
        torch.manual_seed(seed + members.rank)  # dropout
    if settings["compile"] and _can_compile(device):
        network.compile()
    return network


def _can_compile(device: torch.device) -> bool:
    """Whether torch.compile works here: without a C++ compiler it fails, and only when a model is first called."""
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except Exception as error:  # noqa: BLE001 - the compiler's own exceptions have no common base
        sys.stderr.write(f"pretrain: not compiled, slower: {' '.join(str(error).split())[:200]}\n")
        return False
    return True


def _windows(
    data: Dataset, segments: Sequence[Segment], device: torch.device, settings: dict[str, Any], path: Path
) -> Windows:
    for segment in {segment.compound: segment for segment in segments}.values():
        for replica in data.compounds[segment.compound].replicas:
            if replica.velocities is None:
                continue  # Windows refuses it, if it is used
            bad = ~np.isfinite(replica.positions[()] + replica.velocities[()]).all((1, 2))
            if bad.any():
                where = f"{segment.compound}, replica {replica.number}, frame {int(bad.argmax())}"
                raise InputError(f"{path}: {where} is not finite; simulate that replica again")
    scratch = Path(settings["scratch"]) if settings["scratch"] else None
    return Windows(data, segments, device, scratch=scratch)


def _details(settings: dict[str, Any], model: str, seed: int, split: str, data: Dataset) -> dict[str, Any]:
    """What the weights depend on."""
    start = settings["start_from"]
    inputs = {"pretrain.start_from": start if start and Path(start).is_file() else None}
    versions = software("torch", "numpy", "h5py", "safetensors")
    made = record("pretrain", settings, inputs, versions, known={DATASET: data.hash()})
    return made | {"model": model, "seed": seed, "split": split, "dataset_hash": data.hash()}
