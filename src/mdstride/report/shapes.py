"""Whether forecasts are molecules that move like the reference: validity, distributions, spectra."""

import numpy as np

from mdstride.formats.scores_file import METRICS, REFERENCE
from mdstride.report.cells import interval, small, strong
from mdstride.report.charts_shape import autocorrelation_chart, lag_chart, spectrum_chart
from mdstride.report.markup import details, figure, section, table, text
from mdstride.report.material import Material, Outcome
from mdstride.report.numbers import number, percent
from mdstride.report.words import headline_lag
from mdstride.statistics.estimates import skill_by_compound

VALIDITY = ("valid", "bonds", "angles", "clashes", "chirality")
READING = """<div><h3>How to read the divergences</h3>
<p>The Jensen-Shannon divergence tells how different the distribution of a torsion or a distance over all forecasts is
from that over the true frames: 0 is the same, 1 is nothing in common. It does not ask whether each forecast is right.
</p>
<p>The line of the reference is another sample of the truth, of the same size: no forecast that lies on it can be told
from the truth. A forecast of the mean (rigid) may have a low error and a distribution that is far too narrow.</p></div>
"""
DISTRIBUTIONS = {"torsions": "divergence of torsions (bit)", "pairs": "divergence of distances (bit)"}


def shapes(outcome: Outcome) -> str:
    """Validity and distributions; empty when neither was measured."""
    known = [metric for metric in VALIDITY if any(outcome.has(metric, name) for name in outcome.table.forecasters)]
    drawn = [name for name in DISTRIBUTIONS if any(outcome.has(name, model) for model in outcome.table.forecasters)]
    if not known:
        return ""
    note = "All of bonds, angles, distances and chirality valid. The line of the reference is what real frames reach."
    charts = [figure("Forecasts that are valid geometries", lag_chart(outcome, "valid", "valid geometries (%)"), note)]
    for metric in drawn:
        title = "Torsions" if metric == "torsions" else "Distances of atoms that are not bonded"
        charts.append(figure(title, lag_chart(outcome, metric, DISTRIBUTIONS[metric])))
    if drawn:
        charts.append(READING)
    lag = headline_lag(outcome.table.lags)
    return section(
        f"{outcome.name}-shapes",
        "Are the forecasts molecules?",
        f'<div class="pair">{"".join(charts)}</div>',
        share_table(outcome, known, drawn, lag),
    )


def share_table(outcome: Outcome, shares: list[str], divergences: list[str], lag: float) -> str:
    """Validity in its parts and divergences of every forecaster at one lag."""
    rows = []
    for name in (*outcome.table.forecasters, REFERENCE):
        cells = [strong(text(name), name in outcome.table.models)]
        for metric in (*shares, *divergences):
            if not outcome.has(metric, name):
                cells.append("–")
                continue
            one = outcome.estimate(name, metric, lag)
            form = percent if metric in shares else _short
            cells.append(form(one.value) + small(interval(one, form)))
        rows.append(cells)
    header = ["forecaster", *shares, *(f"{metric}, bit" for metric in divergences)]
    caption = f"At {lag:g} fs, mean over compounds with 95 % interval. Shares: "
    caption += "; ".join(f"{metric}: {METRICS[metric].meaning.removeprefix('share of ')}" for metric in shares)
    return table(caption, header, rows, sortable=True)


def _short(value: float) -> str:
    return number(value, 2)


def motion(material: Material, outcome: Outcome) -> str:
    """Vibrational spectra and velocity autocorrelation of each compound; empty when they were not measured."""
    scores = outcome.table
    names = [name for name in scores.models if scores.has(name, "spectrum")]
    overlaps = {name: scores.scalar(name, "spectrum_overlap").mean() for name in scores.baselines}
    names += [max(overlaps, key=lambda name: np.nan_to_num(overlaps[name]))]
    if not names or not scores.has(REFERENCE, "spectrum"):
        return ""
    skills = np.nan_to_num(skill_by_compound(scores, scores.models[0]), nan=-np.inf)
    keys = [scores.compounds[k] for k in np.argsort(-skills, kind="stable")]
    middle = keys[(len(keys) - 1) // 2]
    others = [key for key in keys if key != middle][:SPECTRA]
    more = [f'<div class="pair">{_pair(material, outcome, key, names)}</div>' for key in others]
    rest = [details(f"Spectra of {len(others)} more compounds", "".join(more))] if others else []
    return section(
        f"{outcome.name}-motion",
        "Do they vibrate like the reference?",
        "<p>Share of the kinetic energy at each wavenumber, and how long the velocities remember, from forecasts at "
        "equally spaced lags; the reference is seen at the same times. The baseline is the one with the best "
        "spectra, the compound the one of middle skill.</p>",
        f'<div class="pair">{_pair(material, outcome, middle, names)}</div>',
        overlap_table(material, outcome),
        *rest,
    )


SPECTRA = 5
"""Further compounds whose spectra are drawn at most, to keep the page small."""


def _pair(material: Material, outcome: Outcome, key: str, names: list[str]) -> str:
    title = material.name(key)
    return figure(f"Vibrations: {title}", spectrum_chart(outcome, key, title, names)) + figure(
        f"Memory: {title}", autocorrelation_chart(outcome, key, title, names)
    )


def overlap_table(material: Material, outcome: Outcome) -> str:
    """What the spectrum of each forecaster has in common with that of the reference, for each compound."""
    scores = outcome.table
    names = [name for name in (*scores.forecasters, REFERENCE) if scores.has(name, "spectrum_overlap")]
    columns = [scores.scalar(name, "spectrum_overlap") for name in names]
    rows = [
        [text(material.name(key)), *(percent(column[k]) for column in columns)]
        for k, key in enumerate(scores.compounds)
    ]
    means = [outcome.estimate(name, "spectrum_overlap") for name in names]
    rows.append(["all" + small("mean"), *(percent(one.value) + small(interval(one, percent)) for one in means)])
    caption = "Share that the vibrational spectrum has in common with that of the reference; reference: another sample"
    return table(caption, ["compound", *names], rows)
