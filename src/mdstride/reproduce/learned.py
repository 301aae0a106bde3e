"""Weights, scores and summary of two runs.

Equal weights and data give equal scores up to rounding, on any machine. A training that differs in a last bit ends with
other weights, as another seed would; so what must agree then is the summary, within its own intervals.
"""

import csv
import json
from pathlib import Path

import numpy as np

from mdstride.formats.provenance import sha256
from mdstride.formats.scores_file import METRICS, Scores, read_scores_file
from mdstride.reproduce.findings import Finding, Outcome, shortened

ROUNDING = 1e-3
"""Largest relative difference of scores that follow from the same weights and data: single precision, on a GPU."""
NOTHING = 1e-6
"""Differences below this, in the unit of a metric, are rounding whatever they are relative to."""
SLACK = 0.05
"""Relative difference of a figure of the summary that needs no interval to be called equal."""


def compare_weights(published: Path, other: Path) -> list[Finding]:
    """weights.safetensors and the best validation loss, one row for each training."""
    found = []
    for path in sorted(published.glob("runs/*/*/*/weights.safetensors")):
        name = path.parent.relative_to(published / "runs").as_posix()
        twin = other / "runs" / name / "weights.safetensors"
        if not twin.is_file():
            found.append(Finding(f"weights {name}", Outcome.DIFFERS, "missing there"))
            continue
        one, two = sha256(path), sha256(twin)
        if one == two:
            found.append(Finding(f"weights {name}", Outcome.EXACT, f"SHA-256 {one[:16]}…"))
            continue
        losses = [
            json.loads(side.with_name("run.json").read_text(encoding="utf-8"))["validation"] for side in (path, twin)
        ]
        detail = f"best validation loss {losses[0]:.4g}, there {losses[1]:.4g} Å²: other data, or other hardware"
        found.append(Finding(f"weights {name}", Outcome.MAY, detail))
    return found


def compare_scores(published: Path, other: Path) -> list[Finding]:
    """Every scores file, one row for each, with its metric that differs most."""
    found = []
    for path in sorted((published / "scores").rglob("*.h5")):
        name = path.relative_to(published / "scores").with_suffix("").as_posix()
        twin = other / "scores" / f"{name}.h5"
        if not twin.is_file():
            found.append(Finding(f"scores {name}", Outcome.DIFFERS, "missing there"))
            continue
        weights = [run / "runs" / name / "weights.safetensors" for run in (published, other)]
        trained_alike = not weights[0].is_file() or (weights[1].is_file() and sha256(weights[0]) == sha256(weights[1]))
        found.append(_scores(f"scores {name}", read_scores_file(path), read_scores_file(twin), trained_alike))
    return found


def _scores(what: str, one: Scores, two: Scores, trained_alike: bool) -> Finding:
    follows = trained_alike and one.about["dataset"] == two.about["dataset"]
    missing = [key for key in one.values if key not in two.values or two.values[key].shape != one.values[key].shape]
    if missing:
        return Finding(
            what, Outcome.DIFFERS, f"no {shortened(' '.join(key) for key in missing)} there, or of another shape"
        )
    largest = {metric: 0.0 for metric in METRICS}
    for key, value in one.values.items():
        largest[key[2]] = max(largest[key[2]], _difference(value, two.values[key], key[2]))
    ordered = sorted(((gap, metric) for metric, gap in largest.items() if gap), reverse=True)
    if not ordered:
        return Finding(what, Outcome.EXACT, f"{sum(value.size for value in one.values.values()):,} values")
    text = "largest relative differences: " + ", ".join(f"{metric} {gap:.2g}" for gap, metric in ordered)
    if ordered[0][0] <= ROUNDING:
        return Finding(what, Outcome.WITHIN, text)
    if follows:
        return Finding(what, Outcome.DIFFERS, f"{text}; though weights and data are the same")
    return Finding(what, Outcome.MAY, f"{text} (means over windows): other {'data' if trained_alike else 'weights'}")


def _difference(one: np.ndarray, two: np.ndarray, metric: str) -> float:
    """Largest relative difference, lag by lag, of the means over the windows; of two missing values none."""
    if np.array_equal(one, two, equal_nan=True):
        return 0.0
    if "window" in METRICS[metric].axes:
        one, two = one.mean(axis=0), two.mean(axis=0)
    gap, size = np.abs(one - two), np.maximum(np.abs(one), np.abs(two))
    gap = np.where(np.isnan(one) & np.isnan(two), 0.0, np.where(np.isnan(gap), np.inf, gap))
    relative = np.where(gap <= NOTHING, 0.0, gap / np.where(size > 0, size, 1.0))
    return float(relative.max(initial=0.0))


def compare_summary(published: Path, other: Path) -> Finding:
    """summary.csv: whether the figures made again lie within the published intervals."""
    ours, theirs = _figures(published / "summary.csv"), _figures(other / "summary.csv")
    exact, within, unjudged, outside = 0, 0, 0, []
    for key, row in ours.items():
        name = " ".join(part for part in key if part)
        if key not in theirs:
            outside.append(f"{name} is missing there")
            continue
        one, two = row["value"], theirs[key]["value"]
        if one == two:
            exact += 1
        elif not one or not two:
            outside.append(f"{name} is {one or 'not defined'}, there {two or 'not defined'}")
        elif abs(float(one) - float(two)) <= max(SLACK * abs(float(one)), NOTHING):
            within += 1
        elif not row["low"]:
            unjudged += 1
        elif float(row["low"]) <= float(two) <= float(row["high"]):
            within += 1
        else:
            published_as = f"{float(one):.3g} [{float(row['low']):.3g}, {float(row['high']):.3g}]"
            outside.append(f"{name} is {published_as}, there {float(two):.3g}")
    if outside:
        return Finding("summary", Outcome.DIFFERS, f"{len(outside):,} of {len(ours):,} figures: {shortened(outside)}")
    if exact == len(ours):
        return Finding("summary", Outcome.EXACT, f"{len(ours):,} figures")
    counts = f"{exact:,} figures equal, {within:,} within {SLACK:.0%} or their interval"
    if unjudged:
        return Finding("summary", Outcome.MAY, f"{counts}, {unjudged:,} have no interval to be judged by")
    return Finding("summary", Outcome.WITHIN, counts)


def _figures(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return {tuple(row[name] for name in ("split", "model", "metric", "lag")): row for row in csv.DictReader(stream)}
