"""Charts of errors: against lag, of skill, by likeness to training, by lags as asked, fed back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mdstride.formats.scores_file import FLOOR
from mdstride.report.material import Outcome
from mdstride.report.numbers import UNIT
from mdstride.report.plotting import (
    COLOURS,
    SIGNED,
    Chart,
    band,
    canvas,
    end_labels,
    inline,
    log_lags,
    log_scale,
    styles,
)
from mdstride.statistics import Estimate
from mdstride.statistics.estimates import skill_by_compound

ESTIMATE = ("forecaster", "metric", "lag_fs", "value", "low", "high", "compounds")
"""Columns of downloads that hold estimates."""
TALL = (5.3, 4.5)
"""Inches: errors span many decades."""
LOWEST_SKILL = -2.0
"""The skill chart ends here: how useless a useless forecast is does not matter."""


def row(estimate: Estimate) -> tuple[Any, ...]:
    """An estimate as a row of ESTIMATE."""
    return (
        *(getattr(estimate, name) for name in ("model", "metric", "lag", "value", "low", "high")),
        estimate.compounds,
    )


def looks(outcome: Outcome) -> dict[str, tuple[str, str, Any]]:
    """Colour, marker and line of each forecaster."""
    return styles(outcome.table.baselines, outcome.table.models)


def draw(
    axes: Axes,
    outcome: Outcome,
    name: str,
    metric: str,
    factor: float = 1.0,
    *,
    shade: float | None = None,
    **look: Any,
) -> list[Estimate]:
    """One curve with its band; models are drawn stronger than baselines. `shade`: opacity of the band."""
    learned = name in outcome.table.models
    colour, marker, line = looks(outcome)[name]
    curve = outcome.curve(name, metric)
    lags = [one.lag or 0.0 for one in curve]
    low, high = ([getattr(one, end) * factor for one in curve] for end in ("low", "high"))
    band(axes, lags, low, high, colour, (0.2 if learned else 0.06) if shade is None else shade)
    style: dict[str, Any] = {"color": colour, "marker": marker, "ls": line, "ms": 5}
    style |= {"lw": 2.6, "zorder": 3} if learned else {"lw": 1.6}
    axes.plot(lags, [one.value * factor for one in curve], **style | look)
    return curve


def name_ends(axes: Axes, outcome: Outcome, curves: Mapping[str, Sequence[Estimate]], factor: float = 1.0) -> None:
    """The name of each forecaster beside the last point of its curve."""
    finite = {name: [one.value for one in curve if np.isfinite(one.value)] for name, curve in curves.items()}
    models = outcome.table.models
    ends = [
        (name, factor * known[-1], looks(outcome)[name][0], name in models) for name, known in finite.items() if known
    ]
    end_labels(axes, ends)


def error_chart(outcome: Outcome, metric: str = "mse") -> Chart:
    """Error against lag, both logarithmic, with the interval over compounds as a band, down to the twin floor."""
    figure, axes = canvas("lag (fs)", "mean square error per coordinate (10⁻² Å²)", TALL)
    curves = {name: draw(axes, outcome, name, metric, 1 / UNIT) for name in outcome.table.forecasters}
    if metric != "superposed" and outcome.has("floor", FLOOR):
        curves[FLOOR] = draw(axes, outcome, FLOOR, "floor", 1 / UNIT, shade=0.13)
    log_lags(axes, outcome.table.lags)
    log_scale(axes)
    name_ends(axes, outcome, curves, 1 / UNIT)
    said = f"Mean square error ({metric}) of {', '.join(curves)} against lag; the numbers are in a table below"
    rows = [row(one) for curve in curves.values() for one in curve]
    return inline(figure, f"{outcome.name}-error-{metric}", said, ESTIMATE, rows)


def skill_chart(outcome: Outcome) -> Chart:
    """Skill of the learned models against lag; the zero line is the best baseline."""
    figure, axes = canvas("lag (fs)", "skill = 1 − error / error of the best baseline", TALL)
    estimates = []
    for name in outcome.table.models:
        estimates += draw(axes, outcome, name, "skill", label=name)
    known = [value for one in estimates for value in (one.value, one.low) if np.isfinite(value)]
    bottom = max(min([1.1 * value for value in known] + [-0.25]), LOWEST_SKILL)
    axes.set_ylim(bottom, 1.0)
    axes.axhline(0, color=COLOURS["ink"], lw=1.2)
    axes.axhspan(bottom, 0, color=COLOURS["muted"], alpha=0.09, lw=0)
    place: dict[str, Any] = {"transform": axes.transAxes, "color": COLOURS["muted"]}
    axes.text(0.015, 0.97, "better than the best baseline", va="top", **place)
    axes.text(0.015, 0.02, "of no use", va="bottom", **place)
    axes.legend(loc="upper right", frameon=False)
    axes.yaxis.set_major_formatter(SIGNED)
    log_lags(axes, outcome.table.lags)
    said = "Skill of the learned models against lag; the numbers are in the table below"
    return inline(figure, f"{outcome.name}-skill", said, ESTIMATE, [row(one) for one in estimates])


def similarity_chart(outcome: Outcome) -> Chart:
    """Skill over all lags of each held-out compound against its likeness to the training set, with the line through."""
    figure, axes = canvas("similarity to the nearest training compound", "skill (S2T) of each held-out compound")
    keys = [key for key in outcome.table.compounds if outcome.novelty[key].similarity is not None]
    likeness = np.array([outcome.novelty[key].similarity for key in keys], float)
    rows = []
    for name in outcome.table.models:
        colour, marker, _ = looks(outcome)[name]
        skills = skill_by_compound(outcome.table, name)[[outcome.table.compounds.index(key) for key in keys]]
        rows += list(zip([name] * len(keys), keys, likeness, skills, strict=True))
        axes.plot(likeness, skills, marker, color=colour, ms=8, label=name)
        known = np.isfinite(skills)
        if len(set(likeness[known])) > 2:
            line = np.polynomial.Polynomial.fit(likeness[known], skills[known], 1)
            ends = np.array([likeness[known].min(), likeness[known].max()])
            axes.plot(ends, line(ends), color=colour, lw=1.4, ls="--")
    axes.axhline(0, color=COLOURS["ink"], lw=1.2)
    axes.set_xlim(0, max([0.5, *(1.1 * likeness)]))
    axes.legend(loc="best", frameon=False)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(SIGNED)
    said = "Skill of each held-out compound against its similarity to the training set"
    return inline(figure, f"{outcome.name}-similarity", said, ("model", "compound", "similarity", "skill"), rows)


def asked_chart(outcome: Outcome, model: str) -> Chart:
    """The error of one model when its lags are asked for together, each alone, or with further ones between."""
    figure, axes = canvas("lag (fs)", "mean square error per coordinate (10⁻² Å²)")
    kinds = (("asked", "as given", "-", "D", 2.6), ("alone", "each alone", "--", "o", 1.6))
    estimates = []
    for metric, label, line, marker, width in (*kinds, ("finer", "twice as many", ":", "^", 1.6)):
        if outcome.has(metric, model):
            look = {"ls": line, "marker": marker, "lw": width, "label": label}
            colour = {} if metric == "asked" else {"color": COLOURS["blue" if metric == "alone" else "green"]}
            shade = 0.15 if metric == "asked" else 0.0
            estimates += draw(axes, outcome, model, metric, 1 / UNIT, shade=shade, **look, **colour)
    log_lags(axes, outcome.table.lags)
    log_scale(axes)
    axes.legend(loc="best", frameon=False)
    said = f"Error of {model} for lags as given, alone and with further lags between"
    return inline(figure, f"{outcome.name}-asked-{model}", said, ESTIMATE, [row(one) for one in estimates])


def rollout_chart(outcome: Outcome, names: Sequence[str], trained: float) -> Chart:
    """Error of forecasts that are fed back, beside those made at once; `trained` is the longest lag in training."""
    figure, axes = canvas("time (fs)", "mean square error per coordinate (10⁻² Å²)")
    estimates, curves = [], {}
    for name in names:
        curve = draw(axes, outcome, name, "rollout", 1 / UNIT, ls="-")
        estimates += curve
        curves[name] = curve
        if name in outcome.table.models:
            estimates += draw(axes, outcome, name, "direct", 1 / UNIT, shade=0.0, marker="", ls=":")
    axes.axvline(trained, color=COLOURS["muted"], lw=1.0, ls="--")
    log_scale(axes)
    axes.text(trained, axes.get_ylim()[1], " longest lag in training", va="top", color=COLOURS["muted"])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    name_ends(axes, outcome, curves, 1 / UNIT)
    said = f"Error of {', '.join(names)} against time when the forecast is fed back"
    return inline(figure, f"{outcome.name}-rollout", said, ESTIMATE, [row(one) for one in estimates])
