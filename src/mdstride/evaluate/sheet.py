"""Where what is measured on one compound is written down; and what cannot be measured, with its reason."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.evaluate.case import Case, Plan
from mdstride.evaluate.measures import EVERY, MOVIE, SAMPLES, Values
from mdstride.evaluate.spectra import wavenumbers
from mdstride.formats.scores_file import METRICS, Scores
from mdstride.models.within import NotFittedError


class Sheet:
    """Everything about one compound."""

    def __init__(self, case: Case) -> None:
        self._key, self._few = case.compound.id, len(case.closer.targets)
        self.windows = case.replica, case.start
        self.values: dict[tuple[str, str, str], np.ndarray] = {}
        self.samples: dict[tuple[str, str], np.ndarray] = {}
        self.movies: dict[tuple[str, str], np.ndarray] = {}
        self.failures: list[dict[str, Any]] = []

    def add(self, name: str, what: str, part: Callable[[], Values]) -> None:
        """What `part` gives of forecaster `name`, `what` and more. What it cannot do is a failure of that one alone."""
        try:
            values = part()
        except NotFittedError:  # defined at the lags of the evaluation alone: no failure
            return
        except (InputError, torch.linalg.LinAlgError) as error:
            self._fail(name, len(self.windows[0]), f"no {what}: {' '.join(str(error).split())}")
            return
        for kind, kept in ((SAMPLES, self.samples), (MOVIE, self.movies)):
            if kind in values and len(positions := values.pop(kind)):
                kept[name, self._key] = positions
        broken = {metric: ~np.isfinite(value) for metric, value in values.items()}
        for metric, value in values.items():
            self.values[name, self._key, metric] = np.where(broken[metric], np.nan, value)
        wrong = [metric for metric in values if broken[metric].any() and metric != "floor"]  # twins may be short
        if wrong:
            rows = [broken[metric].any(1).sum() for metric in wrong if METRICS[metric].axes[:1] == ("window",)]
            self._fail(name, int(max(rows, default=self._few)), f"not finite: {', '.join(wrong)}")

    def _fail(self, name: str, windows: int, reason: str) -> None:
        self.failures.append({"forecaster": name, "compound": self._key, "windows": windows, "reason": reason})


def bind(plan: Plan, about: dict[str, Any]) -> Scores:
    """Scores to which compounds are added with `enter`."""
    axes = {"rollout": plan.times(plan.rollout)} if len(plan.rollout) else {}
    if len(plan.spectrum):
        times = plan.times(plan.spectrum)
        axes["movie"] = np.concatenate([[0.0], times])[::EVERY]
        axes["spectrum"] = wavenumbers(len(times), times[0])
        axes["autocorrelation"] = times[:-1] - times[0]
    return Scores(about | {"failures": []}, plan.times(plan.steps), {}, {}, axes)


def enter(scores: Scores, key: str, sheet: Sheet) -> None:
    """Add compound `key`, and say on standard error what failed."""
    scores.windows[key] = sheet.windows
    scores.values.update(sheet.values)
    scores.samples.update(sheet.samples)
    scores.movies.update(sheet.movies)
    scores.about["failures"].extend(sheet.failures)
    for one in sheet.failures:
        sys.stderr.write("evaluate: {forecaster}, {compound}, {windows} windows: {reason}\n".format(**one))
