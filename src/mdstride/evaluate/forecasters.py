"""Who forecasts: the baselines of a compound, or one trained model."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import Split
from mdstride.models.baselines import make_baselines
from mdstride.models.harmonic import fit_damping
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster
from mdstride.models.within import fit_within

HARMONIC = ("harmonic", "damped harmonic")

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


def baselines(data: Dataset, split: Split, lags: list[float]) -> Forecasters:
    """The baselines of a compound: the zero-shot ones, and mean and linear where frames of it are trained on.

    Harmonic and damped harmonic only if every tested compound has normal modes, which imported ones lack: else
    forecasters would be compared on different compounds. `lags` in fs, whole frames.
    """
    damping = None
    if all(data.compounds[key].modes is not None for key in split.ids("test")):
        damping = fit_damping(data, split.parts["train"], lags)
    else:
        sys.stderr.write("evaluate: no harmonic baseline, since not every tested compound has normal modes\n")

    def of(compound: CompoundData) -> dict[str, Forecaster]:
        names = HARMONIC if damping is None else ()
        found = {name: one for name, one in make_baselines(compound, damping).items() if name not in names}
        if split.unit == "frames":
            own = {
                part: [s for s in split.parts[part] if s.compound == compound.id] for part in ("train", "validation")
            }
            found |= fit_within(data, compound.id, own["train"], own["validation"], lags)
        return found

    return of
