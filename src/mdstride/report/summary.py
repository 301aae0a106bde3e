"""What the scores come to: error, S2S, S2T and skill, with intervals over compounds.

A compound is the sampling unit: its windows are averaged first, then the compounds. Model seeds are averaged too.

| metric | definition |
|---|---|
| mse | mean square error per coordinate at one lag, Å² |
| s2s | mse at the last lag |
| s2t | mean of mse over the lags |
| skill | 1 - mse / mse of the best zero-shot baseline at that lag; negative means useless there |
| skill_s2t | the same for s2t |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mdstride.errors import InputError
from mdstride.formats.tables import read_table

COLUMNS = ("model", "metric", "lag", "value", "low", "high", "compounds")
WINDOW = ["compound", "replica", "start", "lag"]
RESAMPLES = 10_000
SEED = 1
"""Of the bootstrap."""
LEVEL = 95.0
"""Per cent that the interval covers."""


@dataclass(frozen=True)
class Scores:
    """Errors of all forecasters on the same windows."""

    baselines: list[str]
    models: list[str]
    """Learned."""
    compounds: list[str]
    """Ids, sorted."""
    lags: np.ndarray
    """[L] fs, ascending."""
    mse: np.ndarray
    """[F, C, L] Å², mean over windows and seeds; forecasters are `baselines + models`."""
    windows: int
    """Per compound."""

    @property
    def forecasters(self) -> list[str]:
        """In the order of `mse`."""
        return self.baselines + self.models


@dataclass(frozen=True)
class Estimate:
    """One metric of one forecaster with its bootstrap interval (NaN for a single compound)."""

    model: str
    metric: str
    lag: float | None
    value: float
    low: float
    high: float
    compounds: int


def read_scores(paths: Sequence[Path], models: Sequence[str]) -> Scores:
    """Read score tables, `models` naming the learned forecaster of each; all others in them are baselines.

    Raises InputError when the forecasters did not all meet the same windows.
    """
    tables = []
    for path, model in zip(paths, models, strict=True):
        table = pd.DataFrame(read_table(path, ["model", *WINDOW, "mse"]))
        if model not in set(table.get("model", ())):
            raise InputError(f"{path}: no scores of {model}; evaluate it again")
        tables.append(table.astype({"replica": int, "start": int, "lag": float, "mse": float}))
        _check_windows(tables[-1], tables[0], path)
    learned = list(dict.fromkeys(models))
    baselines = [name for name in tables[0]["model"].unique() if name not in learned]
    every = pd.concat(tables)
    cube = every.groupby(["model", "compound", "lag"])["mse"].mean().unstack("lag")
    compounds = sorted(every["compound"].unique())
    return Scores(
        baselines=baselines,
        models=learned,
        compounds=compounds,
        lags=cube.columns.to_numpy(),
        mse=np.stack([cube.loc[name].loc[compounds].to_numpy() for name in baselines + learned]),
        windows=len(tables[0]) // (tables[0]["model"].nunique() * len(compounds) * cube.shape[1]),
    )


def _check_windows(table: pd.DataFrame, first: pd.DataFrame, path: Path) -> None:
    """All forecasters of `table` must have the windows of the first forecaster of `first`."""
    expected = first.loc[first["model"] == first["model"].iloc[0], WINDOW].to_numpy()
    for name, rows in table.groupby("model"):
        if not np.array_equal(rows[WINDOW].to_numpy(), expected):
            raise InputError(
                f"{path}: {name} met other windows than the rest; evaluate all runs with one configuration"
            )


def summarise(scores: Scores) -> list[Estimate]:
    """Every metric of every forecaster, in the order of the forecasters.

    Intervals: percentile bootstrap over compounds (Efron 1979), seeded; forecasters share the resamples, so skill is
    paired, and the best baseline is found anew in each resample.
    """
    count = len(scores.compounds)
    generator = np.random.default_rng(SEED)
    shares = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count  # [R, C]
    resampled = np.einsum("rc,fcl->rfl", shares, scores.mse)
    point = _metrics(scores.mse.mean(1), len(scores.baselines))
    spread = _metrics(resampled, len(scores.baselines))
    tail = (100 - LEVEL) / 2
    estimates = []
    for f, name in enumerate(scores.forecasters):
        for metric, values in point.items():
            low, high = np.percentile(spread[metric][:, f], [tail, 100 - tail], axis=0)
            for k, value in enumerate(values[f]):
                lag = scores.lags[-1 if metric == "s2s" else k] if metric in ("mse", "skill", "s2s") else None
                spanned = low[k] if count > 1 else np.nan, high[k] if count > 1 else np.nan
                estimates.append(Estimate(name, metric, lag, value, spanned[0], spanned[1], count))
    return estimates


def _metrics(mse: np.ndarray, baselines: int) -> dict[str, np.ndarray]:
    """Each metric [..., F, L or 1] from mean errors [..., F, L] whose first `baselines` forecasters are baselines."""
    s2t = mse.mean(-1, keepdims=True)
    return {
        "mse": mse,
        "s2s": mse[..., -1:],
        "s2t": s2t,
        "skill": skill(mse, baselines),
        "skill_s2t": skill(s2t, baselines),
    }


def skill(mse: np.ndarray, baselines: int) -> np.ndarray:
    """1 - mse / mse of the best of the first `baselines` forecasters: [..., F, L] from [..., F, L]."""
    return 1 - mse / mse[..., :baselines, :].min(-2, keepdims=True)
