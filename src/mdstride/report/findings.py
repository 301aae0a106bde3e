"""The findings: how good the models are, over all held-out compounds and for each."""

from mdstride.report import charts
from mdstride.report.cells import atoms, drift, interval, label, small, strong, structure
from mdstride.report.charts import LOWEST_SKILL
from mdstride.report.markup import bullets, facts, figure, section, table, text
from mdstride.report.material import PART_LABELS, Material
from mdstride.report.summary import Estimate
from mdstride.report.words import UNIT, headline, headline_lag, limits, number, signed


def lead(material: Material) -> str:
    """The answer in words and in four figures."""
    scores = material.scores
    lag = headline_lag(scores.lags)
    best = min(scores.models, key=lambda name: material.estimate(name, "s2t").value)
    skill, at_lag = material.estimate(best, "skill_s2t"), material.estimate(best, "skill", lag)
    counts = {part: list(material.parts.values()).count(part) for part in PART_LABELS}
    sentences = "".join(f'<p class="lead">{text(headline(material, model))}</p>' for model in scores.models)
    return sentences + facts(
        [
            (signed(at_lag.value), f"skill of {best} at {lag:g} fs", interval(at_lag, signed)),
            (signed(skill.value), f"skill of {best} over all lags", interval(skill, signed)),
            (
                str(counts["test"]),
                "compounds held out",
                f"{counts['train']} for training, {counts['validation']} for validation",
            ),
            (
                str(sum(len(c.replicas) for c in material.dataset.compounds.values())),
                "reference trajectories",
                f"{material.config['reference']['method']}, {material.config['simulate']['production']:g} ps each",
            ),
        ]
    )


def results(material: Material) -> str:
    """Error and skill against lag, in charts and in numbers."""
    scores = material.scores
    learned = scores.models
    header = ["lag", *scores.forecasters, *(f"skill of {name}" for name in learned)]
    rows = []
    for lag in scores.lags:
        errors = [material.estimate(name, "mse", lag) for name in scores.forecasters]
        skills = [material.estimate(name, "skill", lag) for name in learned]
        rows.append([f"{lag:g} fs", *_errors(errors), *map(_skill, skills)])
    last = float(scores.lags[-1])
    s2s = [material.estimate(name, "s2s", last) for name in scores.forecasters]
    s2t = [material.estimate(name, "s2t") for name in scores.forecasters]
    rows.append(
        ["S2S" + small("the last lag"), *_errors(s2s), *(_skill(material.estimate(m, "skill", last)) for m in learned)]
    )
    rows.append(
        [
            "S2T" + small("mean of all lags"),
            *_errors(s2t),
            *(_skill(material.estimate(m, "skill_s2t")) for m in learned),
        ]
    )
    below = any(material.estimate(name, "skill", lag).value < LOWEST_SKILL for name in learned for lag in scores.lags)
    hidden = f" Skills below {number(LOWEST_SKILL, 1)} are off the chart." if below else ""
    band = "Bands: 95 % bootstrap interval over compounds." if len(scores.compounds) > 1 else ""
    return section(
        "result",
        "Error against lag",
        '<div class="pair">',
        figure("How far the forecast is off", charts.error_chart(material), f"Heavy atoms. {band}"),
        figure(
            "What the model adds", charts.skill_chart(material), f"Above zero it beats every baseline. {band}{hidden}"
        ),
        "</div>",
        table(
            "Mean square error per coordinate of the heavy atoms, 10⁻² Å², with 95 % interval; best in bold",
            header,
            rows,
            kind="scores",
        ),
    )


def held_out(material: Material) -> str:
    """Each held-out compound with its scores."""
    scores = material.scores
    lag = headline_lag(scores.lags)
    column = list(scores.lags).index(lag)
    count = len(scores.baselines)
    s2t = scores.mse.mean(2)
    header = [
        "compound", "structure", "most similar in training", "similarity", "atoms", "drift",
        *(f"S2T {name}" for name in scores.forecasters), *(f"skill {m}" for m in scores.models),
    ]  # fmt: skip
    rows = []
    for k, key in enumerate(scores.compounds):
        similarity, nearest = material.nearest[key]
        best = s2t[:, k].min()
        errors = [strong(number(value / UNIT), value == best) for value in s2t[:, k]]
        at_lag = scores.mse[:, k, column]
        skills = [signed(1 - value / at_lag[:count].min()) for value in at_lag[count:]]
        row = [label(material, key), structure(material, key), text(material.name(nearest)), f"{similarity:.2f}"]
        rows.append([*row, atoms(material, key), drift(material, key), *errors, *skills])
    radius = material.config["screen"]["fingerprint"]["radius"]
    return section(
        "held-out",
        "Compounds it never saw",
        table(
            f"Held-out compounds. Similarity: ECFP{2 * radius} Tanimoto; drift: largest of the replicas, meV/atom/ps; "
            f"S2T: 10⁻² Å², best in bold; skill: at {lag:g} fs, against the best baseline for that compound",
            header,
            rows,
            words=3,
            kind="compounds",
        ),
        '<div class="pair">',
        figure(
            "Does likeness to training help?",
            charts.similarity_chart(material),
            f"ECFP{2 * radius} Tanimoto similarity; zero is the best baseline for that compound.",
        ),
        f"<div><h3>How far to trust this</h3>{bullets(limits(material))}</div>",
        "</div>",
    )


def _errors(estimates: list[Estimate]) -> list[str]:
    best = min(e.value for e in estimates)
    return [
        strong(number(e.value / UNIT), e.value == best) + small(interval(e, lambda v: number(v / UNIT, 2)))
        for e in estimates
    ]


def _skill(estimate: Estimate) -> str:
    return signed(estimate.value) + small(interval(estimate, signed))
