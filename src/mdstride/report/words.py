"""Figures as text, and what they mean in words."""

import math

import numpy as np

from mdstride.report.material import Material
from mdstride.report.summary import Estimate

HEADLINE_LAG = 100.0
"""fs: the headline is told at the lag nearest to this."""
UNIT = 1e-2
"""Å²: errors are shown in units of 1e-2 Å², as in the literature."""


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands set apart, a true minus; a dash for NaN."""
    if math.isnan(value):
        return "–"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0) if value else 0
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "\u2212")


def whole(value: int) -> str:
    """A count with thousands set apart."""
    return f"{value:,}".replace(",", "\u202f")


def signed(value: float) -> str:
    """A skill or a drift: two decimals with a true minus; below -10 whole numbers."""
    return number(round(value)) if value < -10 else f"{value:.2f}".replace("-", "\u2212")


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def plural(count: int, noun: str) -> str:
    """`1 compound`, `4 compounds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def headline_lag(lags: np.ndarray) -> float:
    """The lag nearest to HEADLINE_LAG on a logarithmic scale."""
    return float(lags[np.argmin(np.abs(np.log(lags / HEADLINE_LAG)))])


def best_baseline(material: Material, lag: float) -> Estimate:
    """The zero-shot baseline with the smallest error at a lag."""
    return min((material.estimate(name, "mse", lag) for name in material.scores.baselines), key=lambda e: e.value)


def headline(material: Material, model: str) -> str:
    """How good the model is, in two or three sentences. Negative skill is called by its name."""
    scores = material.scores
    lag = headline_lag(scores.lags)
    best = best_baseline(material, lag)
    ratio = material.estimate(model, "mse", lag).value / best.value
    size = f"{number(ratio, 2)} times" if abs(ratio - 1) >= 0.005 else "as large as"
    first = (
        f"On {plural(len(scores.compounds), 'compound')} it never saw, {model}’s error is {size} "
        f"that of the best baseline ({best.model}) at {lag:g} fs."
    )
    return " ".join([first, verdict(material, model), *by_compound(material, model, lag)])


def by_compound(material: Material, model: str, lag: float) -> list[str]:
    """On how many compounds a model is ahead: an average can be one compound's. Nothing to say of a single one."""
    scores = material.scores
    count = len(scores.compounds)
    if count < 2:
        return []
    errors = scores.mse[:, :, list(scores.lags).index(lag)]
    ahead = int((errors[scores.forecasters.index(model)] < errors[: len(scores.baselines)].min(0)).sum())
    return [f"Taken one by one, at {lag:g} fs, it beats the best baseline on {ahead} of the {count}."]


def verdict(material: Material, model: str) -> str:
    """At which lags a model is of use: ahead with its whole interval, ahead within chance, or of no use."""
    groups: dict[str, list[int]] = {"clear": [], "chance": [], "useless": []}
    for k, lag in enumerate(material.scores.lags):
        estimate = material.estimate(model, "skill", lag)
        groups["useless" if estimate.value <= 0 else "clear" if estimate.low > 0 else "chance"].append(k)
    said = {kind: _span(material.scores.lags, lags) for kind, lags in groups.items() if lags}
    if said.keys() == {"clear"}:
        return "It beats the best baseline at every lag."
    if said.keys() == {"useless"}:
        return "It beats the best baseline at no lag: it is of no use as a forecaster yet."
    sentences = {
        "clear": "It beats the best baseline {}.",
        "chance": "It is ahead of the best baseline {}, but by no more than chance may explain.",
        "useless": "It does not beat it {}: there it is of no use.",
    }
    return " ".join(sentences[kind].format(lags) for kind, lags in said.items())


def _span(lags: np.ndarray, chosen: list[int]) -> str:
    """`from 10 to 200 fs` for neighbours in the list of lags, else `at 10 and 500 fs`."""
    first, last = chosen[0], chosen[-1]
    if len(chosen) > 2 and last - first == len(chosen) - 1:
        return f"from {lags[first]:g} to {lags[last]:g} fs"
    return f"at {listing([f'{lags[k]:g}' for k in chosen])} fs"


def limits(material: Material) -> list[str]:
    """What the result does not show, as sentences."""
    scores, config = material.scores, material.config
    count = len(scores.compounds)
    seeds = {model: len({run.seed for run in material.runs if run.model == model}) for model in scores.models}
    longest, trained = float(scores.lags[-1]), config["pretrain"]["lags"][1]
    said = [
        f"The compounds are the sample, not the {scores.windows} windows of each: with {plural(count, 'compound')} the "
        "95 % intervals (bootstrap over compounds) are "
        + ("themselves rough and tend to be too narrow." if count < 20 else "fair, as far as these compounds go.")
        if count > 1
        else "There is one held-out compound, so there are no intervals and nothing can be said of others."
    ]
    few = [f"{model} ({plural(number, 'seed')})" for model, number in seeds.items() if number < 3]
    if few:
        said.append(
            f"Fewer than three trainings of {listing(few)}: how much the result depends on the random seed is not "
            "known, and the intervals leave it out."
        )
    said.append(
        "The baselines are persistence (nothing moves), ballistic (no forces), rigid (the relaxed geometry put in "
        "place), and, where every tested compound has normal modes, harmonic (its modes oscillate while it turns; "
        "needs one Hessian per compound) and damped harmonic."
    )
    if longest > trained:
        said.append(f"Lags beyond {trained:g} fs are longer than any in training.")
    said.append(
        f"The truth here is {config['reference']['method']} in the gas phase, started at "
        f"{config['simulate']['temperature']:g} K: errors of that method against experiment come on top."
    )
    said.append(
        "Squared error rewards the mean of what may happen: a low one at long lags does not make a forecast a "
        "plausible geometry."
    )
    return said
