"""The comparison of runs, as text for a terminal and as tables."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import open_dataset
from mdstride.formats.scores_file import FLOOR, METRICS
from mdstride.formats.tables import write_table
from mdstride.novelty import novelty
from mdstride.statistics.bootstrap import FEWEST_SEEDS
from mdstride.statistics.estimates import ERRORS, Estimate, skill_by_compound, summarise
from mdstride.statistics.gather import gather
from mdstride.statistics.long import check_name, write_long_scores
from mdstride.statistics.significance import Comparison, compare_models
from mdstride.statistics.slope import slope
from mdstride.statistics.table import Table
from mdstride.statistics.words import columns, lags_of_difference, number, spanned, sufficiency, verdict, with_interval

COLUMNS = ("split", "metric", "one", "other", "lag", "ratio", "low", "high", "p", "p_corrected", "compounds", "verdict")
UNIT = 1e-2
"""Å²: errors are shown in 1e-2 Å², as in the literature."""
HOW = {
    "mse": "",
    "superposed": ", after superposition on the truth",
    "rotated": ", inputs turned and moved at random",
}

Lines = list[str]


def compare(
    runs: Sequence[Path],
    *,
    metric: str = "mse",
    output: Path | None = None,
    long: Path | None = None,
    dataset: Path | None = None,
) -> str:
    """What a reader needs to judge the models in `runs` against each other and the baselines, split by split.

    Writes the comparisons to `output` (columns COLUMNS: lag in fs, empty for S2T) and every value to `long`. With
    `dataset` the distance of the tested compounds to those in training is told, and whether a split leaks.
    Raises InputError where runs cannot be compared.
    """
    if long:
        check_name(long)
    tables = gather(runs)
    for table in tables.values():
        lacking = [name for name in table.forecasters if not table.has(name, metric)]
        if lacking:
            raise InputError(f"no {metric} of {lacking[0]} on split {table.split}; evaluate it again")
    compared = {name: compare_models(table, metric) for name, table in tables.items()}
    parts = [_tell(table, metric, compared[name]) for name, table in tables.items()]
    if dataset:
        with open_dataset(dataset) as data:
            parts = [
                [*part, *_distance(table, data, dataset)] for part, table in zip(parts, tables.values(), strict=True)
            ]
    if output:
        rows = [_row(name, metric, one) for name, found in compared.items() for one in found]
        write_table(output, COLUMNS, rows)
    if long:
        write_long_scores((scores for table in tables.values() for scores in table.scores), long)
    return "\n".join(line for part in parts for line in [*part, ""])


def _row(split: str, metric: str, one: Comparison) -> dict[str, object]:
    ratio, low, high = one.ratio
    names = ("one", "other", "p", "p_corrected", "compounds")
    return {name: getattr(one, name) for name in names} | {
        "split": split,
        "metric": metric,
        "lag": "" if one.lag is None else one.lag,
        "ratio": ratio,
        "low": low,
        "high": high,
        "verdict": verdict(one),
    }


def _tell(table: Table, metric: str, compared: list[Comparison]) -> Lines:
    estimates = {(one.model, one.metric, one.lag): one for one in summarise(table)}
    count, lags = len(table.compounds), table.lags
    over = "compounds"
    if any(len(seeds) >= FEWEST_SEEDS for seeds in table.seeds.values()):
        over += f", and over seeds of models with {FEWEST_SEEDS} or more"
    head = [
        f"Split {table.split}: {count} held-out compound{'s' * (count > 1)} x {table.windows} windows, "
        f"lags {lags[0]:g} to {lags[-1]:g} fs, data set {table.dataset[:12]}.",
        f"Error: {METRICS['mse'].meaning}{HOW[metric]}, in 1e-2 Å².",
        f"In brackets: 95 % intervals, bootstrapped over {over}.",
        "Skill: 1 - error / error of the best baseline; negative: worse than that.",
    ]
    lines = [*head, "", *_overall(table, estimates, metric), "", *_by_lag(table, estimates, metric)]
    if compared:
        lines += ["", *_pairs(compared), "", sufficiency(count, sum(one.lag is None for one in compared))]
    return [*lines, *_gaps(table)]


def _overall(table: Table, estimates: dict[tuple[str, str, float | None], Estimate], metric: str) -> Lines:
    """One line for each forecaster: S2T, S2S, skill, seeds."""
    rows = [("all lags", "S2T", "S2S", "skill of S2T", "seeds", "sd of S2T over seeds")]
    for name in table.forecasters:
        s2t = estimates[name, f"{ERRORS[metric]}s2t", None]
        s2s = estimates[name, f"{ERRORS[metric]}s2s", float(table.lags[-1])]
        skill = estimates[name, f"{ERRORS[metric]}skill_s2t", None]
        seeds = str(len(table.seeds[name])) if name in table.seeds else ""
        spread = number(s2t.spread / UNIT) if len(table.seeds.get(name, ())) > 1 else ""
        rows.append((name, spanned(s2t, UNIT), spanned(s2s, UNIT), spanned(skill), seeds, spread))
    return columns(rows)


def _by_lag(table: Table, estimates: dict[tuple[str, str, float | None], Estimate], metric: str) -> Lines:
    """One line for each lag: the best baseline, the floor, and error and skill of each model."""
    has_floor = table.has(FLOOR, "floor")
    header = ["lag, fs", "best baseline", "", *([FLOOR] if has_floor else [])]
    rows = [(*header, *(cell for name in table.models for cell in (name, "skill")))]
    for lag in table.lags.tolist():
        rivals = [estimates[name, metric, lag] for name in table.baselines]
        rivals = [one for one in rivals if np.isfinite(one.value)]
        best = min(rivals, key=lambda one: one.value, default=None)
        cells = [f"{lag:g}", *((best.model, spanned(best, UNIT)) if best else ("none", ""))]
        if has_floor:
            cells.append(number(estimates[FLOOR, "floor", lag].value / UNIT))
        for name in table.models:
            cells += [
                spanned(estimates[name, metric, lag], UNIT),
                spanned(estimates[name, f"{ERRORS[metric]}skill", lag]),
            ]
        rows.append(tuple(cells))
    return columns(rows)


def _pairs(compared: list[Comparison]) -> Lines:
    """One line for each pair."""
    rows = [("pair", "ratio of S2T", "p", "corrected", "verdict", "lag by lag")]
    for overall in (one for one in compared if one.lag is None):
        pair = overall.one, overall.other
        by_lag = [one for one in compared if (one.one, one.other) == pair and one.lag is not None]
        rows.append(
            (
                " / ".join(pair),
                with_interval(*overall.ratio),
                number(overall.p),
                number(overall.p_corrected),
                verdict(overall),
                lags_of_difference(by_lag),
            )
        )
    return columns(rows)


def _gaps(table: Table) -> Iterator[str]:
    """What is missing, and why."""
    for scores in table.scores:
        yield from (f"Note: {note}" for note in scores.about.get("notes", ()))
    for failure in table.failures:
        seed = "" if failure["seed"] is None else f", seed {failure['seed']}"
        yield (
            f"Not finite: {failure['forecaster']}{seed}, {failure['compound']}, {failure['windows']} windows: "
            f"{failure['reason']}. Its means are left empty, not taken over the rest."
        )


def _distance(table: Table, data: Dataset, path: Path) -> Lines:
    """How far the tested compounds are from training, and how skill changes with that."""
    if data.hash() != table.dataset:
        raise InputError(f"{path}: not the data set that split {table.split} was scored on; give that one")
    split = data.splits[table.split]
    lines = ["", "This split is leaky: tested frames were trained on, so its scores flatter."] if split.leaky else []
    if split.unit != "compound":
        return [*lines, "", "The tested compounds are trained on: other frames of them are held out."]
    found = novelty(split, data.compounds)
    skills = {name: skill_by_compound(table, name) for name in table.models}
    rows = [("compound", "distance to training", "nearest", *(f"skill of {name}" for name in skills))]
    distance = np.array([np.nan if one.similarity is None else 1 - one.similarity for one in found])
    for k in np.argsort(distance):
        one = found[k]
        named = [_called(data, key) for key in (one.compound, one.nearest)]
        rows.append((named[0], number(distance[k]), named[1], *(number(value[k]) for value in skills.values())))
    lines += ["", *columns(rows), ""]
    for name, value in skills.items():
        line = slope(distance, value)
        change = with_interval(line.value, line.low, line.high)
        lines.append(f"Skill of {name} changes by {change} per unit of Tanimoto distance.")
    return lines


def _called(data: Dataset, key: str) -> str:
    return (data.compounds[key].labels.get("name") or key) if key else ""
