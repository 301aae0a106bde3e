"""What a forecast costs, and what energy its geometries have."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter

from mdstride.formats.scores_file import REFERENCE
from mdstride.report.cells import small, strong
from mdstride.report.charts_error import looks
from mdstride.report.markup import figure, section, table, text
from mdstride.report.material import Material, Outcome
from mdstride.report.numbers import number, percent
from mdstride.report.plotting import COLOURS, Chart, canvas, end_labels, inline, log_lags

LINEAR = 1.0
"""meV/atom: the chart of energies is linear below this and logarithmic beyond."""


def costs(material: Material, outcome: Outcome) -> str:
    """Energies of forecasts and costs, side by side; empty when they were not asked for."""
    if not outcome.energies:
        return ""
    level = material.config["reference"]["method"]
    found = energies(outcome)
    parts = []
    if found:
        note = (
            f"{level} energy of the forecast geometry less that of the true frame, mean over windows, then over "
            "compounds. Above zero: strained. Below: too cold, as a forecast of the mean must be."
        )
        parts = [figure("Energy of the forecasts", energy_chart(outcome, found), note)]
        parts.append(f"<div>{failure_table(outcome)}</div>")
    return section(
        f"{outcome.name}-costs",
        "Energies and costs",
        f'<div class="pair">{"".join(parts)}</div>',
        cost_table(outcome, level),
    )


def energies(outcome: Outcome) -> dict[str, list[tuple[float, float, int]]]:
    """By forecaster: (lag in fs, mean over compounds in meV/atom, values that it is made of), lags ascending.

    Means over windows and seeds first, then over compounds. Forecasts for which the engine fails have no energy: they
    are counted in a table of their own.
    """
    values: dict[tuple[str, float], dict[str, list[float]]] = {}
    for row in outcome.energies:
        if row["quantity"] == "energy" and row["value"]:
            of = values.setdefault((row["forecaster"], float(row["lag"])), {})
            of.setdefault(row["compound"], []).append(1000 * float(row["value"]))
    found: dict[str, list[tuple[float, float, int]]] = {}
    for (name, lag), of in sorted(values.items(), key=lambda item: item[0][1]):
        mean = float(np.mean([np.mean(each) for each in of.values()]))
        found.setdefault(name, []).append((lag, mean, sum(map(len, of.values()))))
    return {name: found[name] for name in outcome.table.forecasters if name in found}


def energy_chart(outcome: Outcome, found: dict[str, list[tuple[float, float, int]]]) -> Chart:
    """Mean energy against lag; linear near zero, logarithmic beyond."""
    figure_, axes = canvas("lag (fs)", "energy above the true frame (meV/atom)")
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.margins(y=0.08)
    ends = []
    for name, curve in found.items():
        colour, marker, line = looks(outcome)[name]
        lags, means, _ = zip(*curve, strict=True)
        learned = name in outcome.table.models
        axes.plot(lags, means, color=colour, marker=marker, ls=line, ms=5, lw=2.6 if learned else 1.6)
        ends.append((name, means[-1], colour, learned))
    log_lags(axes, outcome.table.lags)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 1)))
    axes.axhline(0, color=COLOURS["ink"], lw=1.0)
    end_labels(axes, ends)
    rows = [(name, *one) for name, curve in found.items() for one in curve]
    said = f"Energy of the forecasts of {', '.join(found)} above the true frames against lag"
    columns = ("forecaster", "lag_fs", "energy_meV_per_atom", "values")
    return inline(figure_, f"{outcome.name}-energies", said, columns, rows)


def failure_table(outcome: Outcome) -> str:
    """For how many forecasts the engine gives no energy, and why."""
    rows = []
    for name in outcome.table.forecasters:
        own = [row for row in outcome.energies if row["forecaster"] == name and row["quantity"] == "energy"]
        without = [row["reason"] for row in own if not row["value"]]
        if without:
            share = percent(len(without) / len(own))
            counted = f"{len(without)} of {len(own)}" + small(share)
            rows.append([text(name), text(max(without, key=without.count)), counted])
    if not rows:
        return "<h3>Every forecast has an energy</h3><p>The engine converged for each geometry.</p>"
    return table("Forecasts without an energy", ["forecaster", "most frequent reason", "forecasts"], rows, words=2)


def cost_table(outcome: Outcome, level: str) -> str:
    """Forecasts and simulated time per second, beside the engine on the same machine.

    Geometric means over compounds, so that the ratio of two is the mean of the ratios.
    """
    speeds: dict[tuple[str, str], list[float]] = {}
    how: dict[str, str] = {}
    for row in outcome.energies:
        if row["quantity"] in ("forecasts_per_second", "fs_per_second"):
            how[row["forecaster"]] = row["reason"]
            of = speeds.setdefault((row["forecaster"], row["quantity"]), [])
            of += [float(row["value"])] if row["value"] else []
    engine = _mean(speeds.get((REFERENCE, "fs_per_second"), []))
    rows = []
    for name in (*outcome.table.models, *outcome.table.baselines, REFERENCE):
        forecasts, simulated = (_mean(speeds.get((name, key), [])) for key in ("forecasts_per_second", "fs_per_second"))
        if name in how:
            title = f"{level}, step by step" if name == REFERENCE else name
            cells = [number(forecasts), number(simulated), number(simulated / engine, 2), text(how[name])]
            rows.append([strong(text(title), name in outcome.table.models), *cells])
    header = ["forecaster", "forecasts/s", "simulated fs/s", "times the engine", "measured with"]
    return (
        table("What it costs, all on one machine; geometric mean over compounds", header, rows, sortable=True)
        if rows
        else ""
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values)))) if values else float("nan")
