"""Trackers: the figures of the log, followed while a training runs. Off unless asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mdstride.errors import InputError

Track = Callable[[dict[str, Any]], None]
"""Takes a line of the log: `step`, and figures."""


def make_tracker(kind: str | None, folder: Path, about: dict[str, Any]) -> Track:
    """A function that hands lines of the log on to TensorBoard (files in `folder`) or to Weights & Biases.

    `about` (model, split, seed, settings) goes with a run of Weights & Biases. Raises InputError when the tracker is
    not installed.
    """
    if kind is None:
        return lambda line: None
    try:
        return TRACKERS[kind](folder, about)
    except ImportError as error:
        raise InputError(f"pretrain.track: {kind} is not installed; pip install {kind}, or set it to null") from error


def _tensorboard(folder: Path, about: dict[str, Any]) -> Track:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def track(line: dict[str, Any]) -> None:
        for name, value in line.items():
            if name != "step":
                writer.add_scalar(name, value, line["step"])
        writer.flush()

    return track


def _wandb(folder: Path, about: dict[str, Any]) -> Track:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(project="mdstride", dir=str(folder), config=about)
    return lambda line: run.log({name: value for name, value in line.items() if name != "step"}, step=line["step"])


TRACKERS: dict[str, Callable[[Path, dict[str, Any]], Track]] = {"tensorboard": _tensorboard, "wandb": _wandb}
