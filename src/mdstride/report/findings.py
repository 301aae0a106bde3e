"""The findings on one split: the answer first, then error against lag, then each compound."""

import numpy as np

from mdstride.report.cells import interval, label, small, strong, structure
from mdstride.report.charts_error import ESTIMATE, LOWEST_SKILL, error_chart, row, similarity_chart, skill_chart
from mdstride.report.markup import bullets, download, facts, figure, section, table, text
from mdstride.report.material import PART_LABELS, Material, Outcome
from mdstride.report.numbers import error, number, percent, plural, signed
from mdstride.report.words import best_baseline, headline, headline_lag, limits, remarks
from mdstride.statistics import Estimate, slope
from mdstride.statistics.estimates import skill_by_compound

BAND = "Bands: 95 % bootstrap interval over compounds."


def lead(material: Material, outcome: Outcome) -> str:
    """The answer in words and in a few figures."""
    models = outcome.table.models
    sentences = "".join(f'<p class="lead">{text(headline(outcome, model))}</p>' for model in models)
    said = [remark for model in models for remark in remarks(outcome, model)]
    return sentences + (bullets(said, "remarks") if said else "") + _facts(material, outcome)


def _facts(material: Material, outcome: Outcome) -> str:
    lag = headline_lag(outcome.table.lags)
    s2t = {name: outcome.estimate(name, "s2t").value for name in outcome.table.models}
    best = min(s2t, key=lambda name: np.nan_to_num(s2t[name], nan=np.inf))
    parts = list(material.parts(outcome.split).values())
    others = f"{parts.count('train')} for training, {parts.count('validation')} for validation"
    known = [
        (signed(one.value), f"skill of {best} {where}", interval(one, signed))
        for metric, one_lag, where in (("skill", lag, f"at {lag:g} fs"), ("skill_s2t", None, "over all lags"))
        for one in [outcome.estimate(best, metric, one_lag)]
    ]
    if outcome.has("valid", best):
        one = outcome.estimate(best, "valid", lag)
        known.append((percent(one.value), f"valid geometries of {best} at {lag:g} fs", interval(one, percent)))
    count = len(outcome.table.compounds)
    known.append((str(count), "compounds held out" if outcome.split.unit == "compound" else "compounds", others))
    replicas = sum(len(compound.replicas) for compound in material.dataset.compounds.values())
    length = f"{material.config['reference']['method']}, {material.config['simulate']['production']:g} ps each"
    return facts([*known, (str(replicas), "reference trajectories", length)])


def results(material: Material, outcome: Outcome) -> str:
    """Error and skill against lag, in charts and in numbers."""
    scores, learned = outcome.table, outcome.table.models
    below = any(one.value < LOWEST_SKILL for model in learned for one in outcome.curve(model, "skill"))
    hidden = f" Skills below {number(LOWEST_SKILL, 1)} are off the chart." if below else ""
    said = BAND if len(scores.compounds) > 1 else ""
    floor = " Twin floor: how far two reference runs part from starts 1e-3 Å apart." if scores.floor is not None else ""
    return section(
        f"{outcome.name}-result",
        "Error against lag",
        '<div class="pair">',
        figure("How far the forecast is off", error_chart(outcome), f"Heavy atoms. {said}{floor}"),
        figure("What the model adds", skill_chart(outcome), f"Above zero it beats every baseline. {said}{hidden}"),
        "</div>",
        error_table(outcome, "mse", "Mean square error per coordinate of the heavy atoms, 10⁻² Å², with 95 % interval"),
        download(
            f"{outcome.name}-estimates.csv", ESTIMATE, [row(one) for one in outcome.estimates.values()], "all estimates"
        ),
    )


def error_table(outcome: Outcome, metric: str, caption: str) -> str:
    """One kind of error of all forecasters by lag, S2S and S2T; of the models the skill too."""
    prefix = "" if metric == "mse" else f"{metric}_"
    learned = [name for name in outcome.table.models if outcome.has(metric, name)]
    names = learned + [name for name in outcome.table.baselines if outcome.has(metric, name)]
    lags = outcome.table.lags.tolist()
    kinds = [(f"{lag:g} fs", metric, f"{prefix}skill", lag) for lag in lags]
    kinds.append(("S2S" + small("the last lag"), f"{prefix}s2s", f"{prefix}skill", lags[-1]))
    kinds.append(("S2T" + small("mean of all lags"), f"{prefix}s2t", f"{prefix}skill_s2t", None))
    rows = []
    for title, kind, skill, lag in kinds:
        errors = [outcome.estimate(name, kind, lag) for name in names]
        skills = [outcome.estimate(name, skill, lag) for name in learned]
        shown = [signed(one.value) + small(interval(one, signed)) for one in skills]
        rows.append([title, *shown, *_errors(errors)])
    header = ["lag", *(f"skill of {name}" for name in learned), *names]
    return table(f"{caption}; best in bold", header, rows, kind="scores")


def _errors(estimates: list[Estimate]) -> list[str]:
    best = min((one.value for one in estimates if np.isfinite(one.value)), default=np.nan)
    return [strong(error(one.value), one.value == best) + _spread(one) for one in estimates]


def _spread(one: Estimate) -> str:
    """How certain an error is: its interval and the standard deviation over seeds, or why there is none."""
    if one.missing:
        return small(f"{plural(one.missing, 'forecast')} not finite")
    seeds = f"seeds ±{error(one.spread, 2)}" if np.isfinite(one.spread) else ""
    return small(interval(one, lambda value: error(value, 2))) + small(seeds)


def compounds(material: Material, outcome: Outcome) -> str:
    """Each held-out compound with its scores, and whether likeness to training helps."""
    zero_shot = outcome.split.unit == "compound"
    title = "Compounds it never saw" if zero_shot else "Compound by compound"
    chart = figure("Does likeness to training help?", similarity_chart(outcome), slopes(outcome)) if zero_shot else ""
    return section(
        f"{outcome.name}-compounds",
        title,
        compound_table(material, outcome),
        f'<div class="pair">{chart}<div><h3>How far to trust this</h3>{bullets(limits(material, outcome))}</div></div>',
    )


def compound_table(material: Material, outcome: Outcome) -> str:
    """The sortable table of held-out compounds, and all errors by compound and lag to download."""
    scores = outcome.table
    lag = headline_lag(scores.lags)
    column = list(scores.lags).index(lag)
    cube = scores.cube("mse")
    best, best_there = best_baseline(outcome, "s2t"), best_baseline(outcome, "mse", lag)
    header = [
        "compound",
        "structure",
        "most similar in training",
        "new in it",
        "similarity",
        "S2T of its best baseline",
    ]
    header += [f"{what} {name}" for what in ("S2T", "skill") for name in scores.models]
    header += [f"skill {name}, {lag:g} fs" for name in scores.models if best_there]
    skills = [skill_by_compound(scores, name) for name in scores.models]
    at_lag = [
        1 - cube[f, :, column] / cube[scores.forecasters.index(best_there.model), :, column]
        for f in range(len(scores.baselines), len(cube))
        if best_there
    ]
    rows = []
    for k, key in enumerate(scores.compounds):
        s2t = dict(zip(scores.forecasters, cube[:, k].mean(-1).tolist(), strict=True))
        own = min(scores.baselines, key=lambda name: np.nan_to_num(s2t[name], nan=np.inf))
        least = min(s2t[name] for name in (own, *scores.models))
        errors = [strong(error(s2t[name]), s2t[name] == least) for name in (own, *scores.models)]
        errors[0] += small(text(own))
        about = [label(material, key), structure(material, key, outcome.split), *_novelty(material, outcome, key)]
        rows.append(
            [*about, *errors, *(signed(values[k]) for values in skills), *(signed(values[k]) for values in at_lag)]
        )
    against = f"skill: against {best.model}" if best else "skill: no baseline is complete"
    if best and best_there and best_there.model != best.model:
        against += f", at {lag:g} fs against {best_there.model}"
    data = [
        (key, material.name(key), name, cube[f, k].mean(), cube[f, k, column])
        for k, key in enumerate(scores.compounds)
        for f, name in enumerate(scores.forecasters)
    ]
    columns = ("compound", "name", "forecaster", "s2t", f"mse_{lag:g}_fs")
    return table(
        "Click a heading to sort. Similarity: ECFP4 Tanimoto; new: not in training or validation; S2T: "
        f"10⁻² Å², best in bold; {against}, the best on the mean of all compounds",
        header,
        rows,
        words=4,
        kind="compounds",
        sortable=True,
    ) + download(f"{outcome.name}-compounds.csv", columns, data, "errors by compound")


def _novelty(material: Material, outcome: Outcome, key: str) -> list[str]:
    """Most similar compound in training, what training has not, and the similarity."""
    about = outcome.novelty[key]
    new = [] if about.scaffold_seen or not about.scaffold else [f"scaffold {about.scaffold}"]
    new += [*about.groups, *about.elements]
    similarity = "" if about.similarity is None else f"{about.similarity:.2f}"
    nearest = text(material.name(about.nearest)) if about.nearest else ""
    return [nearest, text(", ".join(new)) or "nothing", similarity]


def slopes(outcome: Outcome) -> str:
    """The slope of skill against likeness of each model, in words."""
    likeness = np.array([outcome.novelty[key].similarity for key in outcome.table.compounds], float)
    said = ["Zero is the baseline that is best on all compounds."]
    for model in outcome.table.models:
        line = slope(likeness, skill_by_compound(outcome.table, model))
        if np.isnan(line.low):
            said.append(f"{model}: too few compounds for a slope.")
            continue
        span = f"95 % interval {signed(line.low * 0.1)} to {signed(line.high * 0.1)}, {plural(line.n, 'compound')}"
        seen = "" if line.low > 0 or line.high < 0 else ": no trend that could be told from chance"
        said.append(f"{model}: {signed(line.value * 0.1)} for each 0.1 of similarity ({span}){seen}.")
    return " ".join(said)


def origin(outcome: Outcome) -> str:
    """The heading of a split with its mark: zero-shot, within or leaky."""
    split = outcome.split
    zero_shot = split.unit == "compound"
    mark, said = ("zero-shot", "the tested compounds have no trajectory in training") if zero_shot else (
        "within", "other frames of the tested compounds are in training: this says nothing of new compounds"
    )  # fmt: skip
    if split.leaky:
        mark, said = "leaky", "a literature protocol whose test frames overlap with training: scores flatter"
    parts = ", ".join(f"{len(split.ids(part))} {name}" for part, name in PART_LABELS.items())
    return (
        f'<div class="origin"><h2>Split {text(outcome.name)} <span class="mark {mark}">{mark}</span></h2>'
        f"<p>{text(split.method)}: {text(said)}. Compounds: {parts}.</p></div>"
    )
