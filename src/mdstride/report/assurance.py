"""What can be concluded: tests of significance, forecasts that failed, and what the literature prints."""

import numpy as np

from mdstride.published import Published
from mdstride.report.cells import small, strong
from mdstride.report.markup import details, section, table, text
from mdstride.report.material import Material, Outcome
from mdstride.report.numbers import error, number, plural
from mdstride.report.words import comparison_verdict, significance
from mdstride.statistics import Comparison


def tests(outcome: Outcome) -> str:
    """Every model against each baseline and the other models: S2T, and folded in, each lag."""
    overall = [one for one in outcome.comparisons if one.lag is None]
    lagged = [one for one in outcome.comparisons if one.lag is not None]
    body = table("Ratio of errors over all lags (S2T)", HEADER, [_row(one) for one in overall]) if overall else ""
    if lagged:
        rows = [[*_row(one)[:1], f"{one.lag:g} fs", *_row(one)[1:]] for one in lagged]
        header = [HEADER[0], "lag", *HEADER[1:]]
        body += details("Lag by lag", table("Ratio of errors at each lag", header, rows, kind="tests", sortable=True))
    return section(f"{outcome.name}-tests", "What can be concluded", f"<p>{text(significance(outcome))}</p>", body)


HEADER = ["pair", "error ratio", "p", "p corrected", "verdict"]


def _row(one: Comparison) -> list[str]:
    ratio, low, high = one.ratio
    span = "" if np.isnan(low) else small(f"{number(low, 2)} to {number(high, 2)}")
    verdict = comparison_verdict(one.one, one.other, one.difference, one.p_corrected)
    p = [f"{value:.3f}" if np.isfinite(value) else "–" for value in (one.p, one.p_corrected)]
    return [
        f"{text(one.one)} / {text(one.other)}",
        number(ratio, 2) + span,
        *p,
        strong(text(verdict), verdict.endswith("better")),
    ]


def failures(material: Material, outcome: Outcome) -> str:
    """Forecasts that were not finite, each compound in a row; empty when there are none."""
    failed = outcome.table.failures
    if not failed:
        return ""
    rows = [
        [
            text(one["forecaster"]),
            "" if one["seed"] is None else str(one["seed"]),
            text(material.name(one["compound"])),
            str(one["windows"]),
            text(one["reason"]),
        ]
        for one in failed
    ]
    said = (
        f"{plural(len(rows), 'row')}: wherever one of these windows enters a mean, the page shows a dash instead of a "
        "figure. Nothing is averaged without them."
    )
    return section(
        f"{outcome.name}-failures",
        "Forecasts that failed",
        f"<p>{text(said)}</p>",
        table("Forecasts that are not finite", ["forecaster", "seed", "compound", "windows", "reason"], rows, words=5),
    )


def literature(material: Material, outcome: Outcome) -> str:
    """What the literature prints for this protocol, in the column beside ours; empty for other protocols."""
    if not outcome.published:
        return ""
    models, rows = outcome.table.models, []
    for one in outcome.published:
        name = material.name(one.compound) if one.compound else one.name
        said = f"{one.model}{f', {one.version}' if one.version else ''}"
        values = [_own(outcome, model, one) for model in models]
        cells = [text(name), one.metric, *(error(value) for value in values), text(one.value), text(said)]
        rows.append([*cells, text("; ".join(filter(None, (one.source, one.note))))])
    mark = " Its test frames overlap with training (leaky): neither column shows how a model does on new frames."
    return section(
        f"{outcome.name}-literature",
        "Beside the literature",
        "<p>The same protocol; where the trajectories are other ones, by another level of theory or of other lengths, "
        f"the columns may differ for that alone.{mark if outcome.split.leaky else ''}</p>",
        table(
            f"Ours in 10⁻² Å²; published as printed, {outcome.published[0].unit}",
            ["case", "metric", *(f"{model}, here" for model in models), "published", "by", "source and note"],
            rows,
            kind="literature",
        ),
    )


def _own(outcome: Outcome, model: str, one: Published) -> float:
    """The same score of ours (Å²), of one compound or of all; NaN where it was not measured (`evaluate.drawn`)."""
    if one.protocol == "tg80":  # lags drawn for each window: not those of the tables above
        return float(outcome.table.by_seed(model, "drawn").mean())
    errors = outcome.table.by_seed(model, "mse").mean(0)
    if one.compound:
        errors = errors[[outcome.table.compounds.index(one.compound)]]
    return float(errors[:, -1].mean() if one.metric == "S2S" else errors.mean())
