"""The scores of all forecasters of one split, side by side.

A compound is the sampling unit: the windows of a compound are averaged first, then the seeds of a model. A value that
is not finite makes every mean NaN that it enters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.scores_file import FLOOR, METRICS, REFERENCE, Scores, read_scores_file

BASELINES = "baselines"
"""What `about.model` of the file of the baselines says."""


@dataclass(frozen=True)
class Table:
    """Scores of one split. F forecasters (`baselines + models`), C compounds, P lags, K seeds or points of a curve."""

    split: str
    dataset: str
    """Content hash."""
    scores: list[Scores]
    """The files: that of the baselines first, then by model and seed."""

    @property
    def lags(self) -> np.ndarray:
        """[P] fs, ascending."""
        return self.scores[0].lags

    @cached_property
    def compounds(self) -> list[str]:
        """Ids, sorted."""
        return sorted(self.scores[0].windows)

    @property
    def windows(self) -> int:
        """Of each compound."""
        return max(len(start) for _, start in self.scores[0].windows.values())

    @property
    def baselines(self) -> list[str]:
        """In the order in which they were measured; neither the truth nor the distance of twins is one."""
        return [name for name in self.scores[0].forecasters if name not in (REFERENCE, FLOOR)]

    @cached_property
    def seeds(self) -> dict[str, list[int]]:
        """Of each model, ascending."""
        names = dict.fromkeys(scores.about["model"] for scores in self.scores[1:])
        return {name: [one.about["seed"] for one in self.scores if one.about["model"] == name] for name in names}

    @property
    def models(self) -> list[str]:
        """The learned forecasters."""
        return list(self.seeds)

    @property
    def forecasters(self) -> list[str]:
        """Baselines, then models."""
        return self.baselines + self.models

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Forecasts that were not finite: forecaster, compound, windows, reason; `seed` is None for baselines."""
        return [
            {**failure, "seed": scores.about["seed"]} for scores in self.scores for failure in scores.about["failures"]
        ]

    def runs(self, forecaster: str) -> list[Scores]:
        """The files that a forecaster is in: one for each seed, or that of the baselines."""
        if forecaster in self.seeds:
            return [scores for scores in self.scores if scores.about["model"] == forecaster]
        return self.scores[:1]

    def has(self, forecaster: str, metric: str) -> bool:
        """Whether a forecaster was measured so on any compound."""
        return any((forecaster, key, metric) in one.values for one in self.runs(forecaster) for key in one.windows)

    @cached_property
    def _measured(self) -> set[tuple[str, str]]:
        """Compounds and metrics for which there is a value of anything."""
        return {(key, metric) for scores in self.scores for _, key, metric in scores.values}

    def applies(self, metric: str) -> np.ndarray:
        """[C], False for compounds that have no such thing, as the torsions of a rigid one: nobody has a value there.

        Where one forecaster has a value and another has none, the forecast of that one is missing.
        """
        return np.array([(key, metric) in self._measured for key in self.compounds])

    def by_seed(self, forecaster: str, metric: str) -> np.ndarray:
        """[K, C, ...], means over the windows, of any forecaster in the files and any metric; a baseline has K = 1."""
        axes = METRICS[metric].axes
        sizes = {"lag": len(self.lags)} | {name: len(axis) for name, axis in self.scores[0].axes.items()}
        shape = tuple(sizes[axis] for axis in axes if axis != "window")

        def mean(scores: Scores, key: str) -> np.ndarray:
            value = scores.values.get((forecaster, key, metric))
            if value is None:
                return np.full(shape, np.nan)
            return _finite(value.mean(0) if "window" in axes else value)

        return np.array([[mean(scores, key) for key in self.compounds] for scores in self.runs(forecaster)])

    def cube(self, metric: str) -> np.ndarray:
        """[F, C, P], means over windows and seeds; NaN where missing or not finite."""
        return np.stack([self.by_seed(name, metric).mean(0) for name in self.forecasters])

    def seed_cube(self, metric: str, model: str) -> np.ndarray:
        """[K, C, P], means over windows."""
        return self.by_seed(model, metric)

    @property
    def floor(self) -> np.ndarray | None:
        """[C, P] Å², the distance of twins; NaN for compounds without; None if no compound has twins."""
        return self.by_seed(FLOOR, "floor")[0] if self.has(FLOOR, "floor") else None

    def curve(self, forecaster: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """The axis [K] and the curve of each compound [C, K], mean over seeds."""
        (name,) = METRICS[metric].axes
        return self.scores[0].axes[name], self.by_seed(forecaster, metric).mean(0)

    def scalar(self, forecaster: str, metric: str) -> np.ndarray:
        """[C], mean over seeds."""
        return self.by_seed(forecaster, metric).mean(0)

    def missing(self, forecaster: str, metric: str) -> np.ndarray:
        """Windows without a finite value, over compounds and seeds: [P], [K] or [1], as the metric has lags."""
        axes = METRICS[metric].axes
        counts = np.zeros(self.by_seed(forecaster, metric).shape[2:] or (1,), int)
        for scores in self.runs(forecaster):
            for key in (key for key, there in zip(self.compounds, self.applies(metric), strict=True) if there):
                value = scores.values.get((forecaster, key, metric))
                failed = [one for one in scores.about["failures"] if _is_of(one, forecaster, key)]
                every = len(scores.windows[key][0])
                if value is None:
                    counts += every
                elif "window" in axes:
                    counts += (~np.isfinite(value)).sum(0)
                else:
                    counts += ~np.isfinite(value) * max((one["windows"] for one in failed), default=every)
        return counts


def _is_of(failure: dict[str, Any], forecaster: str, compound: str) -> bool:
    return (failure["forecaster"], failure["compound"]) == (forecaster, compound)


def _finite(values: np.ndarray) -> np.ndarray:
    """Infinite ones as NaN too: an overflow is no measurement."""
    return np.where(np.isfinite(values), values, np.nan)


def read_scores(paths: Sequence[Path]) -> dict[str, Table]:
    """Read score files, by split in the order given.

    Raises InputError for a file that is damaged or given twice, a split without its baselines, and evaluations that
    differ in data set, lags or windows.
    """
    files = [(path, read_scores_file(path)) for path in paths]
    splits = dict.fromkeys(scores.about["split"] for _, scores in files)
    return {name: make_table([(path, one) for path, one in files if one.about["split"] == name]) for name in splits}


def make_table(files: Sequence[tuple[Path, Scores]]) -> Table:
    """The table of files of one split, after the same checks."""
    split = files[0][1].about["split"]
    baselines = [file for file in files if file[1].about["model"] == BASELINES]
    if not baselines:
        raise InputError(
            f"{files[0][0]}: the baselines of split {split} are missing; add scores/baselines/{split}.h5, which "
            "`mdstride evaluate` writes without --run"
        )
    ordered = baselines + [file for file in files if file[1].about["model"] != BASELINES]
    place = list(dict.fromkeys(one.about["model"] for _, one in ordered))
    ordered.sort(key=lambda file: (place.index(file[1].about["model"]), file[1].about["seed"] or 0))
    seen: dict[tuple[str, int | None], Path] = {}
    for path, scores in ordered:
        _check_same(path, scores, *ordered[0])
        model, seed = scores.about["model"], scores.about["seed"]
        if (model, seed) in seen:
            what = model if seed is None else f"{model}, seed {seed}"
            raise InputError(f"{path}: {what} of split {split} is in {seen[model, seed]} too; give only one of the two")
        seen[model, seed] = path
        if model != BASELINES and model not in scores.forecasters:
            raise InputError(f"{path}: holds no forecast of {model}; evaluate it again")
    return Table(split, ordered[0][1].about["dataset"], [scores for _, scores in ordered])


def _check_same(path: Path, scores: Scores, first_path: Path, first: Scores) -> None:
    """Both must have met the same lags, windows and data."""
    if not np.array_equal(scores.lags, first.lags):
        raise InputError(f"{path}: other lags than {first_path}; evaluate both with the same evaluate.lags")
    if scores.windows.keys() != first.windows.keys():
        (key, *_) = sorted(scores.windows.keys() ^ first.windows.keys())
        raise InputError(f"{path}: other compounds than {first_path}, such as {key}; evaluate both on the same split")
    for key, window in scores.windows.items():
        if not all(map(np.array_equal, window, first.windows[key])):
            raise InputError(
                f"{path}: other windows of {key} than {first_path}; evaluate both with the same evaluate.seed and "
                "evaluate.windows"
            )
    if scores.about["dataset"] != first.about["dataset"]:
        raise InputError(f"{path}: scored on another data set than {first_path}; evaluate both on one data set")
