"""The 3D overlay: forecasts and the reference of a few compounds as data that overlay.js draws."""

import base64
import json
from typing import Any

import numpy as np

from mdstride.formats.scores_file import REFERENCE
from mdstride.report.markup import section, text
from mdstride.report.material import Material, Outcome
from mdstride.report.words import best_baseline, headline_lag
from mdstride.statistics.estimates import skill_by_compound

SHOWN = 6
"""Compounds in the overlay at most, to keep the page small."""
UNKNOWN = -32768
"""In place of a coordinate that is not finite, or farther than 32 Å from the molecule."""


def overlay(material: Material, outcome: Outcome) -> str:
    """The section; empty when the scores hold no movies."""
    keys = chosen(outcome)
    if not keys:
        return ""
    compounds = [movie(material, outcome, key) for key in keys]
    times = outcome.table.scores[0].axes["movie"].round(3).tolist()
    data = json.dumps({"times": times, "compounds": compounds}, separators=(",", ":")).replace("<", "\\u003c")
    more = len(outcome.table.compounds) - len(keys)
    rest = (
        f" {more} more are left out to keep the page small: the best, the worst and those between are shown."
        if more
        else ""
    )
    return section(
        f"{outcome.name}-overlay",
        "See it move",
        f"<p>The forecast, in the colours of the elements, and the reference, in green, from the same start. Drag to "
        f"turn.{rest}</p>",
        VIEWER.format(name=text(outcome.name), data=data),
        "<noscript><p>This part needs JavaScript; nothing else on the page does.</p></noscript>",
    )


VIEWER = """<div class="overlay" hidden>
<div class="controls">
<label>compound <select data-role="compound"></select></label>
<label>forecast by <select data-role="forecaster"></select></label>
</div>
<canvas tabindex="0" role="img" aria-label="Forecast and reference; arrow keys turn the molecule"></canvas>
<div class="controls">
<button type="button" data-role="play">Play</button>
<input type="range" data-role="time" min="0" value="0" aria-label="time">
<output data-role="said"></output>
</div>
<p class="key"><span class="forecast">forecast</span> <span class="reference">reference</span></p>
<a class="data" href="#{name}-overlay" data-role="save">data (XYZ)</a>
<script type="application/json">{data}</script>
</div>"""


def chosen(outcome: Outcome) -> list[str]:
    """At most SHOWN compounds with movies, evenly spread from the best skill of the first model to the worst."""
    movies = outcome.table.scores[0].movies
    keys = [key for key in outcome.table.compounds if (REFERENCE, key) in movies]
    models = outcome.table.models
    skills = dict(zip(outcome.table.compounds, skill_by_compound(outcome.table, models[0]), strict=True))
    keys.sort(key=lambda key: -np.nan_to_num(skills[key], nan=-np.inf))
    if len(keys) <= SHOWN:
        return keys
    return [keys[round(k * (len(keys) - 1) / (SHOWN - 1))] for k in range(SHOWN)]


def movie(material: Material, outcome: Outcome, key: str) -> dict[str, Any]:
    """Atoms, bonds, and the frames of the reference, of every model (its first seed) and of the best baseline."""
    table, compound = outcome.table, material.dataset.compounds[key]
    best = best_baseline(outcome, "mse", headline_lag(table.lags))
    truth = table.scores[0].movies[REFERENCE, key]
    centre = truth[0].mean(0)
    forecasts = {}
    for name in [*table.models, *([best.model] if best else [])]:
        frames = table.runs(name)[0].movies.get((name, key))
        if frames is not None:
            forecasts[name] = packed(frames - centre)
    return {
        "id": key,
        "name": material.name(key),
        "numbers": compound.atomic_numbers.tolist(),
        "bonds": compound.bonds.tolist(),
        "reference": packed(truth - centre),
        "forecasts": forecasts,
    }


def packed(frames: np.ndarray) -> str:
    """Base64 of positions [K, N, 3] as little-endian int16, thousandths of an Å; UNKNOWN where they do not fit in."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.round(1000 * frames.astype(np.float64))
        held = np.abs(scaled) < -UNKNOWN
    return base64.b64encode(np.where(held, scaled, UNKNOWN).astype("<i2").tobytes()).decode()
