"""Who forecasts: the baselines of a compound, or one trained model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import Split
from mdstride.models.baselines import make_baselines
from mdstride.models.harmonic import fit_damping
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster, State
from mdstride.models.within import fit_within

WITHIN = ("mean", "linear")
"""Baselines that are fitted to frames of the compound."""

Forecasters = Callable[[CompoundData], Mapping[str, Forecaster]]
"""Gives the forecasters of a compound, by name."""


def trained(run: Path, data: Dataset, split: str, device: str) -> tuple[Forecasters, dict[str, Any]]:
    """The model in a folder that `mdstride pretrain` wrote, the same for all compounds, and its metadata.

    Raises InputError for weights that are damaged, or that come from another data set or split: those may have been
    trained on what is held out here.
    """
    weights = run / "weights.safetensors"
    about = read_metadata(weights)
    if about["dataset_hash"] != data.hash():
        raise InputError(f"{weights}: trained on another data set; give the one it was trained on, or pretrain again")
    if about["split"] != split:
        raise InputError(f"{weights}: trained on split `{about['split']}`, not on `{split}`; give --split that one")
    model = {about["model"]: load(weights, device)}
    return lambda _: model, about


def baselines(data: Dataset, split: Split, lags: list[float]) -> tuple[Forecasters, list[str]]:
    """The baselines of a compound, and notes on those that are left out. `lags` in fs, whole frames.

    The zero-shot ones, and mean and linear where frames of the compound are trained on. Harmonic and damped harmonic
    only if every tested compound has normal modes, which imported ones lack: else forecasters would be compared on
    different compounds.
    """
    able, damping, notes = all(data.compounds[key].modes is not None for key in split.ids("test")), None, []
    if not able:
        notes.append("no harmonic baseline, since not every tested compound has normal modes")
    else:
        try:
            damping = fit_damping(data, split.parts["train"], lags)
        except InputError as error:
            notes.append(f"no damped harmonic baseline: {error}")

    def of(compound: CompoundData) -> dict[str, Forecaster]:
        found = make_baselines(compound, damping)
        if not able:
            found.pop("harmonic", None)
        if split.unit == "frames":
            try:
                found |= fit_within(data, compound.id, split.parts["train"], split.parts["validation"], lags)
            except InputError as error:
                found |= dict.fromkeys(WITHIN, Unable(str(error)))
        return found

    return of, notes


class Unable:
    """Stands for a forecaster that could not be made, so that each of its forecasts is recorded as failed."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Raises InputError with the reason."""
        raise InputError(self._reason)
