"""Stage evaluate: one trained model and the baselines on the held-out compounds, zero-shot.

Every forecaster meets the same seeded windows and lags and is given the same initial state of all atoms. The score is
the mean square error per coordinate over the heavy atoms, one row per forecaster, window and lag.
Needs torch, NumPy, h5py and safetensors alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.split import Segment
from mdstride.formats.tables import write_table
from mdstride.models.baselines import BASELINES
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster, State
from mdstride.progress import Progress
from mdstride.windows import Windows

COLUMNS = ("model", "compound", "replica", "start", "lag", "mse")
BATCH = 64
"""Windows in one forecast: bounds the memory that a large compound takes."""

Row = dict[str, Any]


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
    forecasters = {**BASELINES, metadata["model"]: load(weights, device)}
    write_table(output, COLUMNS, score(forecasters, data, data.splits[split].parts["test"], settings, device))


def score(
    forecasters: Mapping[str, Forecaster],
    data: Dataset,
    segments: Sequence[Segment],
    settings: dict[str, Any],
    device: str,
) -> list[Row]:
    """Rows of COLUMNS for windows in `segments`, sorted by forecaster (in the order given), compound and window."""
    windows = Windows(data, segments, device)
    ids, steps = windows.ids, lag_steps(settings["lags"], windows)
    replicas, first = windows.replica.tolist(), windows.first.tolist()
    rows: dict[str, list[Row]] = {name: [] for name in forecasters}
    progress = Progress("evaluate", len(ids) * settings["windows"] * len(forecasters), "forecasts")
    for k, compound in enumerate(ids):
        chosen = choose_windows(windows, k, max(steps), settings["windows"], settings["seed"])
        for trajectory, start in zip(chosen[0].split(BATCH), chosen[1].split(BATCH), strict=True):
            state, targets = windows.gather(trajectory, start, steps.expand(len(start), -1))
            lags = windows.lags(steps).expand(len(start), -1)
            for name, forecaster in forecasters.items():
                with torch.inference_mode():
                    errors = mean_square_error(forecaster.forecast(state, lags), targets, state)
                if not errors.isfinite().all():
                    raise InputError(f"{name}: its forecast of {compound} is not finite; train it again, more slowly")
                rows[name] += [
                    dict(
                        zip(
                            COLUMNS,
                            (name, compound, replicas[t], first[t] + s, lag * windows.interval, error),
                            strict=True,
                        )
                    )
                    for t, s, row in zip(trajectory.tolist(), start.tolist(), errors.tolist(), strict=True)
                    for lag, error in zip(steps.tolist(), row, strict=True)
                ]
                progress.update(len(start), name)
    progress.close()
    return [row for name in forecasters for row in rows[name]]


def mean_square_error(forecast: torch.Tensor, targets: torch.Tensor, state: State) -> torch.Tensor:
    """Mean of (forecast - target)² over the coordinates of the heavy atoms, Å², float64: [B, P] from [B, P, N, 3]."""
    heavy = (state.mask & (state.atomic_numbers > 1))[:, None, :, None]
    squares = (forecast.double() - targets.double()).square().masked_fill(~heavy, 0)
    return squares.sum((2, 3)) / (3 * heavy.sum((2, 3)))


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
