"""What forecasts: a trained model, or a baseline by name; and how far its training reaches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.models.baselines import BASELINES, make_baselines
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster, State
from mdstride.progress import Progress

WEIGHTS = "weights.safetensors"

NAMES = (*BASELINES, "harmonic")
"""Baselines that need no training."""

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

BATCH = 64
"""Molecules in one forecast."""

LAGS = 32
"""Lags in one forecast: memory and time of attention grow with their square. How they are grouped changes a forecast of
`atom` a little, and its mean error by less than 10 % (12 lags together, each alone, or among 112)."""


@dataclass(frozen=True)
class Source:
    """A forecaster before it is known which molecule it is for. A baseline has neither weights nor model."""

    name: str
    weights: Path | None = None
    model: Forecaster | None = None

    @property
    def needs_minimum(self) -> bool:
        """Whether it depends on the relaxed geometry at all."""
        return self.name not in ("persistence", "ballistic")

    @property
    def needs_modes(self) -> bool:
        """Whether it forecasts with the normal modes of the molecule."""
        return self.name == "harmonic"

    def forecaster(self, compound: CompoundData) -> Forecaster:
        """For this compound."""
        return self.model or make_baselines(compound)[self.name]


def find_source(model: str | Path) -> Source:
    """The baseline of that name, or the model whose run folder or weights file that is.

    Raises InputError for another name, and for weights that are damaged or do not fit their model.
    """
    if str(model) in NAMES:
        return Source(str(model))
    path = Path(model)
    weights = path / WEIGHTS if path.is_dir() else path
    if not weights.is_file():
        why = "needs a time constant fitted on trajectories" if str(model) == "damped harmonic" else "no such weights"
        raise InputError(
            f"{weights}: {why}; give the folder that `mdstride pretrain` wrote, its {WEIGHTS}, or a baseline: "
            f"{', '.join(NAMES)}"
        )
    return Source(read_metadata(weights)["model"], weights, load(weights, DEVICE))


def predict(
    forecaster: Forecaster,
    compound: CompoundData,
    positions: np.ndarray,
    velocities: np.ndarray,
    lags: Sequence[float],
) -> np.ndarray:
    """Positions [K, P, N, 3] in Å at `lags` [P] fs after each of K starts: [K, N, 3] in Å and Å/fs.

    The molecules are moved to the origin for it, as in training, and back. Raises InputError for a forecast that is not
    finite.
    """
    masses = np.asarray(compound.masses)
    centre = (masses @ positions / masses.sum())[:, None]
    found = np.empty((len(positions), len(lags), *positions.shape[1:]))
    progress = Progress("forecast", found[..., 0, 0].size, "geometries")
    for first in range(0, len(positions), BATCH):
        rows = slice(first, first + BATCH)
        state = _state(compound, (positions - centre)[rows], velocities[rows])
        for place in range(0, len(lags), LAGS):
            columns = slice(place, place + LAGS)
            times = torch.tensor(lags[columns], dtype=torch.float32, device=DEVICE).expand(len(state.mask), -1)
            with torch.inference_mode():
                found[rows, columns] = forecaster.forecast(state, times).cpu().numpy()
            progress.update(times.numel())
    found += centre[:, None]
    if not np.isfinite(found).all():
        raise InputError("the forecast is not finite; check the start, or train the model again, more slowly")
    return found


def _state(compound: CompoundData, positions: np.ndarray, velocities: np.ndarray) -> State:
    """A batch [B] of one molecule."""
    atoms = len(compound.atomic_numbers)
    bonded = np.zeros((atoms, atoms), bool)
    bonded[tuple(np.asarray(compound.bonds).T)] = True

    def tensor(value: Any, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        made = torch.as_tensor(np.asarray(value), dtype=dtype)
        return made.expand(len(positions), *made.shape).to(DEVICE)

    return State(
        atomic_numbers=tensor(compound.atomic_numbers, torch.int64),
        masses=tensor(compound.masses),
        positions=torch.as_tensor(positions, dtype=torch.float32, device=DEVICE),
        velocities=torch.as_tensor(velocities, dtype=torch.float32, device=DEVICE),
        mask=tensor(np.ones(atoms, bool), torch.bool),
        adjacency=tensor(bonded | bonded.T, torch.bool),
        reference=tensor(compound.reference),
    )


def doubts(source: Source, compound: CompoundData, lags: Sequence[float]) -> list[str]:
    """In words, where a trained model is asked for what it was not trained on; empty for a baseline.

    What it was trained on stands in run.json beside the weights.
    """
    if source.weights is None:
        return []
    if (about := _run(source.weights.parent)) is None:
        return [f"no run.json beside {source.weights}: what it was trained on is not known"]
    found = []
    low, high = about["settings"]["lags"]
    low /= about["settings"]["times"]  # the longest of so many equally spaced lags is at least `low`
    outside = [lag for lag in lags if not low <= lag <= high]
    if outside:
        found.append(f"{source.name} was trained on lags of {low:g} to {high:g} fs; beyond are {_some(outside)} fs")
    return found + _unlike_training(source.name, compound, about["elements"], about["most_heavy"])


def _unlike_training(name: str, compound: CompoundData, elements: list[int], most_heavy: int) -> list[str]:
    """Elements and size of the molecule against those of the training compounds."""
    found = []
    if new := sorted(set(compound.atomic_numbers.tolist()) - set(elements)):
        found.append(f"{name} has seen no {', '.join(chemical_symbols[z] for z in new)} in training")
    if (heavy := int((compound.atomic_numbers > 1).sum())) > most_heavy:
        found.append(f"{name} was trained on at most {most_heavy} heavy atoms; this molecule has {heavy}")
    return found


def _run(run: Path) -> dict[str, Any] | None:
    path = run / "run.json"
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); delete it, or train the model again") from error
    return about


def _some(lags: Sequence[float]) -> str:
    shown = ", ".join(f"{lag:g}" for lag in lags[:5])
    return f"{shown} and {len(lags) - 5} more" if len(lags) > 5 else shown
