"""Errors, S2S, S2T, skill and everything else that was measured, with intervals over compounds.

| metric | definition |
|---|---|
| every metric of formats.scores_file with a lag, a roll-out time or one number per compound | mean over compounds |
| s2s, superposed_s2s, rotated_s2s | mse, superposed, rotated at the last lag |
| s2t, superposed_s2t, rotated_s2t | their mean over the lags |
| skill, superposed_skill, rotated_skill | 1 - error / error of the best baseline at that lag; negative: useless there |
| skill_s2t, superposed_skill_s2t, rotated_skill_s2t | the same for S2T |

The best baseline is the one with the smallest mean over compounds, and is found anew in each resample. A baseline
without a finite forecast of every window is no candidate; its own estimates are NaN and tell how many are missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mdstride.formats.scores_file import METRICS
from mdstride.statistics.bootstrap import Resamples, interval
from mdstride.statistics.table import Table

ERRORS = {"mse": "", "superposed": "superposed_", "rotated": "rotated_"}
"""Metrics of which there are S2S, S2T and skill, with what stands before those names."""


@dataclass(frozen=True)
class Estimate:
    """One metric of one forecaster, mean over compounds and seeds, with its 95 % bootstrap interval."""

    model: str
    """Forecaster; the truth and the distance of twins have estimates too, of what was measured of them."""
    metric: str
    lag: float | None
    """fs; the time for metrics of a roll-out, the last lag for S2S; None for what has none."""
    value: float
    """NaN if a window has no finite forecast."""
    low: float
    high: float
    """NaN for one compound."""
    compounds: int
    """Those that the metric applies to: a rigid molecule has no torsions."""
    spread: float
    """Standard deviation over seeds; NaN for one seed."""
    missing: int
    """Windows without a finite forecast at that lag (at any lag for S2T), over all compounds and seeds."""


def summarise(table: Table) -> list[Estimate]:
    """Every metric of every forecaster, in the order of the forecasters; lags ascend within a metric."""
    resamples = Resamples(len(table.compounds), {name: len(seeds) for name, seeds in table.seeds.items()})
    found = [estimate for name in _measured(table) for estimate in _plain(table, resamples, name)]
    for metric, prefix in ERRORS.items():
        found += _errors(table, resamples, metric, prefix)
    order = {name: k for k, name in enumerate(_measured(table))}
    return sorted(found, key=lambda estimate: order[estimate.model])


def _measured(table: Table) -> list[str]:
    """All forecasters, then what else was measured: the truth, the distance of twins."""
    return list(dict.fromkeys([*table.forecasters, *table.scores[0].forecasters]))


def _plain(table: Table, resamples: Resamples, name: str) -> Iterator[Estimate]:
    """Means over compounds of everything but the curves of spectra."""
    for metric, about in METRICS.items():
        axes = [axis for axis in about.axes if axis != "window"]
        chosen = table.applies(metric)
        if axes not in ([], ["lag"], ["rollout"]) or not table.has(name, metric):
            continue
        lags: list[float | None] = [None]
        if axes:
            lags = (table.lags if axes == ["lag"] else table.scores[0].axes["rollout"]).tolist()
        values = table.by_seed(name, metric).reshape(-1, len(chosen), len(lags))
        yield from _rows(
            name,
            metric,
            lags,
            by_seed=values[:, chosen].mean(1),
            resampled=resamples.means(values, name, chosen),
            compounds=int(chosen.sum()),
            missing=table.missing(name, metric),
        )


def _errors(table: Table, resamples: Resamples, metric: str, prefix: str) -> Iterator[Estimate]:
    """S2S, S2T and skill of one kind of error."""
    names = [name for name in table.forecasters if table.has(name, metric)]
    baselines = [name for name in names if name in table.baselines]
    values = {name: with_s2t(table.by_seed(name, metric)) for name in names}
    means = {name: value.mean(1) for name, value in values.items()}
    resampled = {name: resamples.means(value, name) for name, value in values.items()}
    lags, end = [*table.lags, None], len(table.lags)
    for name in names:
        kinds = [("s2s", [end - 1], means[name], resampled[name]), ("s2t", [end], means[name], resampled[name])]
        if baselines:
            skill = 1 - means[name] / best(np.stack([means[one].mean(0) for one in baselines]))
            drawn = 1 - resampled[name] / best(np.stack([resampled[one] for one in baselines]))
            kinds += [("skill", list(range(end)), skill, drawn), ("skill_s2t", [end], skill, drawn)]
        missing = table.missing(name, metric)
        missing = np.append(missing, missing.max())
        for kind, columns, by_seed, drawn in kinds:
            yield from _rows(
                name,
                prefix + kind,
                [lags[k] for k in columns],
                by_seed=by_seed[:, columns],
                resampled=drawn[:, columns],
                compounds=len(table.compounds),
                missing=missing[columns],
            )


def _rows(
    name: str,
    metric: str,
    lags: Sequence[float | None],
    *,
    by_seed: np.ndarray,
    resampled: np.ndarray,
    compounds: int,
    missing: np.ndarray,
) -> Iterator[Estimate]:
    """From the values of each seed [K, n] and of each resample [R, n] at n lags."""
    low, high = interval(resampled, compounds)
    spread = by_seed.std(0, ddof=1) if len(by_seed) > 1 else np.full(len(lags), np.nan)
    for k, lag in enumerate(lags):
        yield Estimate(
            model=name,
            metric=metric,
            lag=None if lag is None else float(lag),
            value=float(by_seed[:, k].mean()),
            low=float(low[k]),
            high=float(high[k]),
            compounds=compounds,
            spread=float(spread[k]),
            missing=int(missing[k]),
        )


def with_s2t(errors: np.ndarray) -> np.ndarray:
    """[..., P + 1] from errors [..., P]: their mean over the lags behind them."""
    return np.concatenate([errors, errors.mean(-1, keepdims=True)], -1)


def best(errors: np.ndarray) -> np.ndarray:
    """[...] the smallest of errors [B, ...] of baselines; one that is NaN is no candidate, NaN if none is."""
    lowest = np.where(np.isnan(errors), np.inf, errors).min(0)
    return np.where(np.isinf(lowest), np.nan, lowest)


def skill_by_compound(table: Table, model: str, metric: str = "mse") -> np.ndarray:
    """[C], 1 - S2T of each compound / S2T there of the baseline that is best on all compounds. For plots and slopes."""
    means = {name: table.by_seed(name, metric).mean((0, 2)) for name in [*table.baselines, model]}
    complete = [name for name in table.baselines if np.isfinite(means[name]).all()]
    if not complete:
        return np.full(len(table.compounds), np.nan)
    chosen = min(complete, key=lambda name: means[name].mean())
    return 1 - means[model] / means[chosen]
