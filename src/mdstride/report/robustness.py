"""Whether a forecast depends on what it should not: the frame of reference, which other lags are asked for, the way."""

import numpy as np

from mdstride.report.cells import interval, small, strong
from mdstride.report.charts_error import asked_chart, error_chart, rollout_chart
from mdstride.report.findings import error_table
from mdstride.report.markup import details, figure, section, table, text
from mdstride.report.material import Material, Outcome
from mdstride.report.numbers import error, number
from mdstride.report.words import TURNED
from mdstride.statistics import Estimate

KINDS = (("s2t", "lab frame"), ("superposed_s2t", "superposed"), ("rotated_s2t", "turned first"))


def frames(outcome: Outcome) -> str:
    """Errors in the laboratory frame, of shape alone, and of molecules that are turned first; equivariance."""
    names = [name for name in outcome.table.forecasters if outcome.has("rotated", name)]
    if not names:
        return ""
    return section(
        f"{outcome.name}-frames",
        "Which way the molecule lies",
        f"<p>{text(_said(outcome))}</p>",
        '<div class="pair">',
        figure(
            "Error of shape",
            error_chart(outcome, "superposed"),
            "The same forecasts, superposed on the target: what is left is the error of shape alone.",
        ),
        figure(
            "Molecules turned at random first",
            error_chart(outcome, "rotated"),
            "The same windows, each molecule turned before the forecast: to be compared with the first chart.",
        ),
        "</div>",
        frame_table(outcome, names),
        details("Error of shape by lag", error_table(outcome, "superposed", "After superposition, 10⁻² Å²")),
        details("Molecules turned first, by lag", error_table(outcome, "rotated", "Turned at random, 10⁻² Å²")),
    )


def _said(outcome: Outcome) -> str:
    said = ["A forecast must turn with the molecule: turning it first may change nothing."]
    for model in outcome.table.models:
        lab, turned = (outcome.estimate(model, metric).value for metric in ("s2t", "rotated_s2t"))
        if np.isnan(turned):
            continue
        ratio = f"{number(turned / lab, 3)} times"
        verdict = f"larger, {ratio}: it is not equivariant" if turned > TURNED * lab else f"about the same ({ratio})"
        said.append(f"When molecules are turned at random, the error of {model} is {verdict}.")
    return " ".join(said)


def frame_table(outcome: Outcome, names: list[str]) -> str:
    """S2T of each kind side by side, with the equivariance error."""
    rows = []
    for name in names:
        values = [outcome.estimate(name, metric) for metric, _ in KINDS]
        moved = ""
        if outcome.has("equivariance", name):
            one = outcome.estimate(name, "equivariance")
            moved = f"{number(one.value, 2)}" + small(interval(one, lambda value: number(value, 2)))
        cells = [error(one.value) + small(interval(one, lambda value: error(value, 2))) for one in values]
        rows.append([strong(text(name), name in outcome.table.models), *cells, moved])
    return table(
        "S2T, 10⁻² Å², and equivariance error: rms change of the forecast when molecules are turned and moved, Å",
        ["forecaster", *(title for _, title in KINDS), "equivariance"],
        rows,
    )


def times(material: Material, outcome: Outcome) -> str:
    """Discretisation and roll-out; empty when neither was measured."""
    asked = [
        figure(
            f"{model}: other lags asked for",
            asked_chart(outcome, model),
            "A forecast of one time should not depend on the other times that are asked for with it.",
        )
        for model in outcome.table.models
        if outcome.has("asked", model) and (outcome.has("alone", model) or outcome.has("finer", model))
    ]
    parts = [*asked, *_rollout(material, outcome)]
    if not parts:
        return ""
    return section(
        f"{outcome.name}-times", "Other lags, and beyond the horizon", f'<div class="pair">{"".join(parts)}</div>'
    )


def _rollout(material: Material, outcome: Outcome) -> list[str]:
    """The chart of forecasts that are fed back, with what it shows in words."""
    names = [name for name in outcome.table.forecasters if outcome.has("rollout", name)]
    models = [name for name in names if name in outcome.table.models]
    if not models:
        return []
    trained = material.config["pretrain"]["lags"][1]
    step = material.config["evaluate"]["rollout"][0]
    said = [f"The forecast after {step:g} fs is fed back (full lines); dotted: the same times forecast at once."]
    for model in models:
        last = outcome.curve(model, "rollout")[-1]
        end = [one for one in outcome.curve(model, "direct") if one.lag == last.lag]
        said.append(f"After {last.lag:g} fs {model}’s error is {error(last.value)} 10⁻² Å²{_beside(last, end)}.")
    return [figure("Fed back", rollout_chart(outcome, names, trained), " ".join(said))]


def _beside(last: Estimate, direct: list[Estimate]) -> str:
    return f", forecast at once {error(direct[0].value)}" if direct else ""
