"""What the figures mean, in words."""

import numpy as np

from mdstride.formats.scores_file import REFERENCE
from mdstride.report.material import Material, Outcome
from mdstride.report.numbers import error, listing, number, percent, plural
from mdstride.statistics import Estimate, smallest_p

HEADLINE_LAG = 100.0
"""fs: the headline is told at the lag nearest to this."""
SIGNIFICANT = 0.05
TURNED = 1.02
"""Errors that grow by more than this factor when molecules are turned are called so."""
VIBRATING = 0.5
"""Spectra that share less than this times what two samples of the reference share are called so."""
INVALID = 0.95
"""Shares of valid forecasts below this times that of the reference are called so."""


def headline_lag(lags: np.ndarray) -> float:
    """The lag nearest to HEADLINE_LAG on a logarithmic scale."""
    return float(lags[np.argmin(np.abs(np.log(lags / HEADLINE_LAG)))])


def best_baseline(outcome: Outcome, metric: str = "mse", lag: float | None = None) -> Estimate | None:
    """The baseline with the smallest error; None when none has a finite forecast of every window."""
    known = [outcome.estimate(name, metric, lag) for name in outcome.table.baselines]
    return min((one for one in known if np.isfinite(one.value)), key=lambda one: one.value, default=None)


def held_out(outcome: Outcome) -> str:
    """What the tested windows are to the model, as the end of a sentence."""
    if outcome.split.unit == "compound":
        return "it never saw"
    return "whose other frames it was trained on"


def headline(outcome: Outcome, model: str) -> str:
    """How good the model is, in a few sentences. Negative skill is called by its name."""
    lag = headline_lag(outcome.table.lags)
    best, own = best_baseline(outcome, "mse", lag), outcome.estimate(model, "mse", lag)
    count = plural(len(outcome.table.compounds), "compound")
    if not np.isfinite(own.value):
        failed = int(outcome.table.missing(model, "mse").max())
        return f"{model} has no score on {count} {held_out(outcome)}: {plural(failed, 'forecast')} not finite."
    if best is None:
        return f"On {count} {held_out(outcome)}, {model}’s error at {lag:g} fs is {error(own.value)} 10⁻² Å²."
    ratio = own.value / best.value
    size = f"{number(ratio, 2)} times" if abs(ratio - 1) >= 0.005 else "as large as"
    first = (
        f"On {count} {held_out(outcome)}, {model}’s error is {size} that of the best baseline ({best.model}) "
        f"at {lag:g} fs."
    )
    return " ".join([first, verdict(outcome, model), *by_compound(outcome, model, lag)])


def by_compound(outcome: Outcome, model: str, lag: float) -> list[str]:
    """On how many compounds a model beats all baselines: an average can be one compound's. Not said of a single one."""
    table = outcome.table
    if len(table.compounds) < 2:
        return []
    errors = table.cube("mse")[:, :, list(table.lags).index(lag)]
    best = np.nan_to_num(errors[: len(table.baselines)], nan=np.inf).min(0)
    ahead = errors[table.forecasters.index(model)] < best
    return [f"Taken one by one, at {lag:g} fs, it beats every baseline on {ahead.sum()} of the {len(ahead)}."]


def verdict(outcome: Outcome, model: str) -> str:
    """At which lags a model is of use: ahead with its whole interval, ahead within chance, or of no use."""
    lags = outcome.table.lags
    groups: dict[str, list[int]] = {"clear": [], "chance": [], "useless": [], "unknown": []}
    for k, lag in enumerate(lags):
        skill = outcome.estimate(model, "skill", lag)
        kind = "unknown" if np.isnan(skill.value) else "useless" if skill.value <= 0 else "chance"
        groups["clear" if kind == "chance" and skill.low > 0 else kind].append(k)
    said = {kind: _span(lags, chosen) for kind, chosen in groups.items() if chosen}
    if said.keys() == {"clear"}:
        return "It beats the best baseline at every lag." + _untestable(outcome)
    if said.keys() == {"useless"}:
        return "It beats the best baseline at no lag: it is of no use as a forecaster yet."
    sentences = {
        "clear": "It beats the best baseline {}." + _untestable(outcome),
        "chance": "It is ahead of the best baseline {}, but by no more than chance may explain.",
        "useless": "It does not beat it {}: there it is of no use.",
        "unknown": "Not all of its forecasts are finite {}, so it has no score there.",
    }
    return " ".join(sentences[kind].format(lags) for kind, lags in said.items())


def _untestable(outcome: Outcome) -> str:
    count = len(outcome.table.compounds)
    if smallest_p(count) <= SIGNIFICANT:
        return ""
    return f" (With {plural(count, 'compound')} no test can rule out chance.)"


def _span(lags: np.ndarray, chosen: list[int]) -> str:
    """`from 10 to 200 fs` for neighbours in the list of lags, else `at 10 and 500 fs`."""
    first, last = chosen[0], chosen[-1]
    if len(chosen) > 2 and last - first == len(chosen) - 1:
        return f"from {lags[first]:g} to {lags[last]:g} fs"
    return f"at {listing([f'{lags[k]:g}' for k in chosen])} fs"


def remarks(outcome: Outcome, model: str) -> list[str]:
    """What the error alone does not tell: whether forecasts turn with the molecule, and whether they are molecules."""
    return [*_turned(outcome, model), *_invalid(outcome, model), *_silent(outcome, model)]


def _turned(outcome: Outcome, model: str) -> list[str]:
    if not outcome.has("rotated", model):
        return []
    lab, turned = (outcome.estimate(model, metric).value for metric in ("s2t", "rotated_s2t"))
    if not turned > TURNED * lab:
        return []
    return [
        f"{model} is not equivariant: when the molecules are turned at random first, its error (S2T) is "
        f"{number(turned / lab, 3)} times as large."
    ]


def _invalid(outcome: Outcome, model: str) -> list[str]:
    if not (outcome.has("valid", model) and outcome.has("valid", REFERENCE)):
        return []
    lag = headline_lag(outcome.table.lags)
    own, truth = (outcome.estimate(name, "valid", lag).value for name in (model, REFERENCE))
    if not own < INVALID * truth:
        return []
    share = "None" if own == 0 else f"Only {percent(own)}"
    return [
        f"{share} of {model}’s forecasts at {lag:g} fs are valid geometries (bonds, angles, distances, chirality); "
        f"{percent(truth)} of the reference frames are."
    ]


def _silent(outcome: Outcome, model: str) -> list[str]:
    """Whether the forecast vibrates at all like the reference."""
    if not (outcome.has("spectrum_overlap", model) and outcome.has("spectrum_overlap", REFERENCE)):
        return []
    own, truth = (outcome.estimate(name, "spectrum_overlap").value for name in (model, REFERENCE))
    if not own < VIBRATING * truth:
        return []
    return [
        f"{model}’s forecasts do not vibrate like the molecules: their spectrum has {percent(own)} in common with the "
        f"reference, which has {percent(truth)} in common with another sample of itself."
    ]


def significance(outcome: Outcome) -> str:
    """What so many compounds can show at all."""
    count = len(outcome.table.compounds)
    least = smallest_p(count)
    if count < 2:
        return "With one compound there is nothing to test: what holds for it need not hold for any other."
    said = (
        f"Whether a difference is more than chance is tested by swapping the two forecasters on each compound (paired "
        f"permutation test); p is corrected for the number of comparisons (Holm). With {plural(count, 'compound')} the "
        f"smallest p that the test can give is {number(least, 3)} before correction"
    )
    if least > SIGNIFICANT:
        return f"{said}: no difference, however large, can be told from chance. Six compounds are the least that can."
    pairs = sum(one.lag is None for one in outcome.comparisons)
    if least * pairs > SIGNIFICANT:
        return f"{said}, too much for {pairs} comparisons: hold out more compounds."
    return f"{said}."


def comparison_verdict(one: str, other: str, difference: float, p_corrected: float) -> str:
    """The outcome of one test."""
    if np.isnan(p_corrected):
        return "not all forecasts are finite"
    ahead = one if difference < 0 else other
    return f"{ahead} is better" if p_corrected <= SIGNIFICANT else "may be chance"


def limits(material: Material, outcome: Outcome) -> list[str]:
    """What the result does not show, as sentences."""
    table, config = outcome.table, material.config
    count = len(table.compounds)
    longest, trained = float(table.lags[-1]), config["pretrain"]["lags"][1]
    said = [
        f"The compounds are the sample, not the {table.windows} windows of each: with {plural(count, 'compound')} the "
        "95 % intervals (bootstrap over compounds) are "
        + ("rough." if count < 20 else "fair, as far as these compounds go.")
        if count > 1
        else "There is one held-out compound, so there are no intervals and nothing can be said of others."
    ]
    few = [f"{model} ({plural(len(seeds), 'seed')})" for model, seeds in table.seeds.items() if len(seeds) < 3]
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
    said += [note[:1].upper() + note[1:].rstrip(".") + "." for note in table.scores[0].about.get("notes", [])]
    said.append(
        "Squared error rewards the mean of what may happen: a low one at long lags does not make a forecast a "
        "plausible geometry."
    )
    return said
