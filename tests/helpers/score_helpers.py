"""Scores made up of known errors, as files or in memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.formats.scores_file import FLOOR, METRICS, REFERENCE, Scores, write_scores
from mdstride.statistics.table import Table, make_table

LAGS = np.array([10.0, 100.0])
"""fs."""


def scores(
    errors: Mapping[str, Any],
    *,
    model: str = "baselines",
    seed: int | None = None,
    split: str = "compound",
    dataset: str = "1234abcd" * 8,
    windows: int = 3,
    lags: np.ndarray = LAGS,
    failures: list[dict[str, Any]] | None = None,
) -> Scores:
    """One evaluation. `errors`: by forecaster, mse [C, P] of compounds C0, C1, .. whose windows scatter about it."""
    arrays = {name: np.asarray(value, float) for name, value in errors.items()}
    names = [f"C{k}" for k in range(len(next(iter(arrays.values()))))]
    scatter = np.linspace(0.5, 1.5, windows)[:, None]
    return Scores(
        about={
            "model": model,
            "seed": seed,
            "split": split,
            "dataset": dataset,
            "settings": {},
            "software": {},
            "failures": failures or [],
        },
        lags=np.asarray(lags, float),
        windows={key: (np.zeros(windows, int), 10 * np.arange(windows)) for key in names},
        values={
            (name, key, "mse"): scatter * array[k] for name, array in arrays.items() for k, key in enumerate(names)
        },
    )


def table(baselines: Mapping[str, Any], models: Mapping[str, Any], **options: Any) -> Table:
    """Mse [C, P] of baselines, and [C, P] or for several seeds [K, C, P] of models."""
    made = [(Path("baselines.h5"), scores(baselines, **options))]
    for name, errors in models.items():
        errors = np.asarray(errors, float)
        for seed, one in enumerate(errors if errors.ndim == 3 else errors[None], start=1):
            made.append((Path(f"{name}-{seed}.h5"), scores({name: one}, model=name, seed=seed, **options)))
    return make_table(made)


def write_run(folder: Path, baselines: Mapping[str, Any], models: Mapping[str, Any], **options: Any) -> list[Path]:
    """The same as files below `folder`/scores, baselines first."""
    paths = []
    for one in table(baselines, models, **options).scores:
        about = one.about
        name = about["split"] if about["seed"] is None else f"{about['split']}/{about['seed']}"
        paths.append(folder / "scores" / about["model"] / f"{name}.h5")
        write_scores(paths[-1], one)
    return paths


def full_scores(count: int = 3, seed: int = 1, model: str = "atom") -> tuple[Scores, Scores]:
    """Baselines (with truth and floor) and one model, with every metric there is."""
    generator = np.random.default_rng(seed)
    axes = {
        "spectrum": np.linspace(0, 4000, 7),
        "autocorrelation": np.linspace(0, 50, 6),
        "rollout": np.array([1e3, 2e3]),
    }
    sizes = {"window": 3, "lag": len(LAGS)} | {name: len(axis) for name, axis in axes.items()}
    made = []
    for name, others in (("baselines", ["persistence", "rigid", "harmonic"]), (model, [model])):
        one = scores({other: generator.uniform(0.1, 1, (count, 2)) for other in others}, model=name, seed=None)
        one.about["seed"] = None if name == "baselines" else 1
        for metric, about in METRICS.items():
            for other in others:
                for key in one.windows:
                    if metric not in ("mse", "floor"):
                        shape = tuple(sizes[axis] for axis in about.axes)
                        one.values[other, key, metric] = generator.uniform(0.1, 1, shape)
        one.axes.update(axes)
        made.append(one)
    for key in made[0].windows:
        made[0].values[FLOOR, key, "floor"] = np.array([1e-6, 1e-4])
        made[0].values[REFERENCE, key, "spectrum"] = generator.uniform(0.1, 1, 7)
        made[0].values[REFERENCE, key, "valid"] = np.ones(2)
    return made[0], made[1]
