"""Stage evaluate: one trained model and the baselines on the held-out compounds, zero-shot.

Every forecaster meets the same seeded windows and lags and is given the same initial state of all atoms. The score is
the mean square error per coordinate over the heavy atoms, one row per forecaster, window and lag.
Needs torch, NumPy, h5py and safetensors alone.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.evaluate.metrics import mean_square_error
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.split import Segment, Split
from mdstride.formats.tables import write_table
from mdstride.models.baselines import make_baselines
from mdstride.models.harmonic import fit_damping
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster
from mdstride.models.within import fit_within
from mdstride.progress import Progress
from mdstride.windows import Windows

COLUMNS = ("model", "compound", "replica", "start", "lag", "mse")
BATCH = 64
"""Windows in one forecast: bounds the memory that a large compound takes."""

HARMONIC = ("harmonic", "damped harmonic")

Row = dict[str, Any]

Forecasters = Callable[[CompoundData], Mapping[str, Forecaster]]
"""Gives the forecasters of a compound, by name."""


def evaluate(settings: dict[str, Any], *, dataset: Path, split: str, run: Path, output: Path) -> None:
    """Write the scores of the model in folder `run` and of the baselines (columns COLUMNS: lag in fs, mse in Å²).

    Raises InputError when the model was trained on another data set, a lag does not fit, or a forecast is not finite.
    """
    data = read_dataset(dataset)
    if split not in data.splits:
        raise InputError(f"{dataset}: no split `{split}`; it has {', '.join(data.splits)}")
    weights = run / "weights.safetensors"
    metadata = read_metadata(weights)
    if metadata["dataset_hash"] != data.hash():
        raise InputError(f"{weights}: trained on another data set than {dataset}; pretrain again, or give that one")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    segments = data.splits[split].parts["test"]
    known = baselines(data, data.splits[split], settings["lags"])
    model = {metadata["model"]: load(weights, device)}
    write_table(output, COLUMNS, score(lambda compound: known(compound) | model, data, segments, settings, device))


def baselines(data: Dataset, split: Split, lags: list[float]) -> Callable[[CompoundData], dict[str, Forecaster]]:
    """The baselines of a compound: the zero-shot ones, and mean and linear where frames of it are trained on.

    Harmonic and damped harmonic only if every tested compound has normal modes, which imported ones lack: else
    forecasters would be compared on different compounds.
    """
    windows = Windows(data, split.parts["test"])
    exact = (lag_steps(lags, windows) * windows.interval).tolist()  # whole frames
    damping = None
    if all(data.compounds[key].modes is not None for key in split.ids("test")):
        damping = fit_damping(data, split.parts["train"], exact)
    else:
        sys.stderr.write("evaluate: no harmonic baseline, since not every tested compound has normal modes\n")

    def of(compound: CompoundData) -> dict[str, Forecaster]:
        names = HARMONIC if damping is None else ()
        found = {name: one for name, one in make_baselines(compound, damping).items() if name not in names}
        if split.unit == "frames":
            own = {
                part: [s for s in split.parts[part] if s.compound == compound.id] for part in ("train", "validation")
            }
            found |= fit_within(data, compound.id, own["train"], own["validation"], exact)
        return found

    return of


def score(
    forecasters: Forecasters,
    data: Dataset,
    segments: Sequence[Segment],
    settings: dict[str, Any],
    device: str,
) -> list[Row]:
    """Rows of COLUMNS for windows in `segments`, sorted by forecaster (in the order given), compound and window.

    `forecasters` gives those of one compound, the same names for each.
    """
    windows = Windows(data, segments, device)
    steps = lag_steps(settings["lags"], windows)
    rows: dict[str, list[Row]] = {}
    progress = Progress("evaluate", len(windows.ids), "compounds")
    for k, compound in enumerate(windows.ids):
        chosen = choose_windows(windows, k, max(steps), settings["windows"], settings["seed"])
        for name, forecaster in forecasters(data.compounds[compound]).items():
            rows.setdefault(name, []).extend(_score_one(name, forecaster, windows, chosen, steps))
        progress.update()
    progress.close()
    return [row for name in rows for row in rows[name]]


def _score_one(
    name: str,
    forecaster: Forecaster,
    windows: Windows,
    chosen: tuple[torch.Tensor, torch.Tensor],
    steps: torch.Tensor,
) -> Iterator[Row]:
    """Rows of one forecaster for the chosen windows of one compound."""
    replicas, first = windows.replica.tolist(), windows.first.tolist()
    compound = windows.ids[int(windows.compound[chosen[0][0]])]
    for segment, start in zip(chosen[0].split(BATCH), chosen[1].split(BATCH), strict=True):
        state, targets = windows.gather(segment, start, steps.expand(len(start), -1))
        with torch.inference_mode():
            forecast = forecaster.forecast(state, windows.lags(steps).expand(len(start), -1))
            errors = mean_square_error(forecast, targets, state)
        if not errors.isfinite().all():
            raise InputError(f"{name}: its forecast of {compound} is not finite; train it again, more slowly")
        for t, s, row in zip(segment.tolist(), start.tolist(), errors.tolist(), strict=True):
            for lag, error in zip(steps.tolist(), row, strict=True):
                values = (name, compound, replicas[t], first[t] + s, lag * windows.interval, error)
                yield dict(zip(COLUMNS, values, strict=True))


def lag_steps(lags: list[float], windows: Windows) -> torch.Tensor:
    """The lags (fs) in frames, rounded and sorted: [P]. Raises InputError for one that no trajectory has room for."""
    shortest = windows.shortest
    steps = [round(lag / windows.interval) for lag in sorted(lags)]
    for lag, step in zip(sorted(lags), steps, strict=True):
        if not 1 <= step < shortest or steps.count(step) > 1:
            raise InputError(
                f"evaluate.lags: {lag:g} fs is refused; lags must differ by a frame ({windows.interval:g} fs) and stay "
                f"below the shortest held-out trajectory ({(shortest - 1) * windows.interval:g} fs)"
            )
    return torch.tensor(steps)


def choose_windows(
    windows: Windows, compound: int, longest: int, count: int, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`count` different segments and start frames of one compound with room for `longest` frames: [count] each.

    Drawn from (seed, InChIKey), so a compound meets the same windows whichever others are held out with it.
    """
    mine = torch.nonzero(windows.compound == compound)[:, 0]
    room = windows.frames[mine] - longest
    ends = room.cumsum(0)
    if count > int(ends[-1]):
        raise InputError(f"evaluate.windows: {windows.ids[compound]} has only {int(ends[-1])} windows; ask for fewer")
    digest = hashlib.sha256(windows.ids[compound].encode()).digest()
    generator = np.random.default_rng([seed, int.from_bytes(digest[:8])])
    picked = torch.from_numpy(np.sort(generator.choice(int(ends[-1]), count, replace=False)))
    which = torch.searchsorted(ends, picked, right=True)
    start = picked - (ends - room)[which]
    return mine[which], start
