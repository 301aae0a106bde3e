"""Charts of what forecasts look like: validity, distributions, spectra, autocorrelation."""

import numpy as np

from mdstride.formats.scores_file import METRICS, REFERENCE
from mdstride.report.charts_error import ESTIMATE, draw, looks, name_ends, row
from mdstride.report.material import Outcome
from mdstride.report.plotting import COLOURS, SIGNED, Chart, canvas, inline, log_lags


def lag_chart(outcome: Outcome, metric: str, title: str) -> Chart:
    """A metric of all forecasters and of the reference against lag; shares in per cent."""
    figure, axes = canvas("lag (fs)", title)
    share = METRICS[metric].unit == ""
    factor = 100.0 if share else 1.0
    names = [name for name in (*outcome.table.forecasters, REFERENCE) if outcome.has(metric, name)]
    curves = {name: draw(axes, outcome, name, metric, factor) for name in names}
    log_lags(axes, outcome.table.lags)
    top = max((one.value for curve in curves.values() for one in curve if np.isfinite(one.value)), default=1.0)
    axes.set_ylim(0, 103 if share else 1.1 * max(top, 0.05))
    name_ends(axes, outcome, curves, factor)
    rows = [row(one) for curve in curves.values() for one in curve]
    said = f"{METRICS[metric].meaning} of {', '.join(names)} against lag"
    return inline(figure, f"{outcome.name}-{metric}", said, ESTIMATE, rows)


def spectrum_chart(outcome: Outcome, key: str, name: str, forecasters: list[str]) -> Chart:
    """Vibrational spectra of one compound: the reference filled, forecasts as lines."""
    figure, axes = canvas("wavenumber (cm⁻¹)", "share of the kinetic energy (%)")
    column = outcome.table.compounds.index(key)
    rows = []
    for forecaster in (REFERENCE, *forecasters):
        axis, curves = outcome.table.curve(forecaster, "spectrum")
        colour, _, line = looks(outcome)[forecaster]
        values = 100 * curves[column]
        rows += [(forecaster, k, value) for k, value in zip(axis, values, strict=True)]
        if forecaster == REFERENCE:
            axes.fill_between(axis, values, color=COLOURS["muted"], alpha=0.28, lw=0, label=REFERENCE)
        else:
            axes.plot(axis, values, color=colour, ls=line, lw=1.8, label=forecaster)
    axes.set_xlim(0, axis[-1])
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", frameon=False)
    columns = ("forecaster", "wavenumber_per_cm", "share_percent")
    said = f"Vibrational spectrum of {name}: reference and {', '.join(forecasters)}"
    return inline(figure, f"{outcome.name}-spectrum-{key}", said, columns, rows)


def autocorrelation_chart(outcome: Outcome, key: str, name: str, forecasters: list[str]) -> Chart:
    """Velocity autocorrelation of one compound."""
    figure, axes = canvas("time (fs)", "velocity autocorrelation")
    column = outcome.table.compounds.index(key)
    rows = []
    for forecaster in (REFERENCE, *forecasters):
        axis, curves = outcome.table.curve(forecaster, "autocorrelation")
        colour, _, line = looks(outcome)[forecaster]
        width = 3.2 if forecaster == REFERENCE else 1.8
        axes.plot(axis, curves[column], color=colour, ls=line, lw=width, label=forecaster)
        rows += [(forecaster, t, value) for t, value in zip(axis, curves[column], strict=True)]
    axes.axhline(0, color=COLOURS["muted"], lw=0.8)
    axes.set_xlim(0, axis[-1])
    axes.yaxis.set_major_formatter(SIGNED)
    axes.legend(loc="upper right", frameon=False)
    said = f"Velocity autocorrelation of {name}: reference and {', '.join(forecasters)}"
    columns = ("forecaster", "time_fs", "autocorrelation")
    return inline(figure, f"{outcome.name}-autocorrelation-{key}", said, columns, rows)
