"""The background: choice of compounds, quality of the reference, training, provenance."""

import json
import math
from typing import Any

from mdstride.report import charts_reference as charts
from mdstride.report.cells import atoms, drift, label, structure
from mdstride.report.markup import details, figure, section, table, text
from mdstride.report.material import PART_LABELS, Material, Run
from mdstride.report.numbers import plural, whole
from mdstride.report.space import shares, space_chart


def selection(material: Material) -> str:
    """How the compounds were chosen, and which they are."""
    parts = {outcome.name: material.parts(outcome.split) for outcome in material.outcomes}
    rows = [
        [label(material, key), structure(material, key), *(PART_LABELS[of[key]] if key in of else "" for of in
         parts.values()), atoms(material, key), drift(material, key)]
        for key in sorted(material.dataset.compounds, key=material.name)
    ]  # fmt: skip
    header = ["compound", "structure", *(f"part, split {name}" for name in parts), "atoms", "drift"]
    extra = sum(row["source"] == "extra" for row in material.compounds.values())
    said = f"{plural(len(material.compounds), 'compound')} went into the run"
    said += f", {extra} of them from the extra list." if extra else "."
    return section(
        "selection",
        "How the compounds were chosen",
        f"<p>{text(said)}</p>",
        funnel(material),
        space(material),
        details(
            f"All {len(rows)} compounds of the data set",
            table(
                "Compounds of the data set; drift in meV/atom/ps",
                header,
                rows,
                words=2 + len(parts),
                kind="compounds",
                sortable=True,
            ),
        ),
    )


def funnel(material: Material) -> str:
    """What each step of the selection left over: a table with bars of logarithmic length."""
    total = int(material.rejections[0]["count"])
    left, rows, unused = total, [], 0
    for k, row in enumerate(material.rejections):
        count = int(row["count"])
        if k and not count:
            unused += 1
            continue
        left -= count if k else 0
        share = math.log10(1 + left) / math.log10(1 + total) if total else 0.0
        bar = f'<span class="bar" style="--share:{100 * share:.1f}%">{text(row["reason"])}'
        bar += f"<small>{text(row['step'])}</small></span>"
        rows.append([bar, "" if k == 0 else f"\u2212{whole(count)}", whole(left)])
    header = ["reason; the bar is what is left, on a logarithmic scale", "left out", "left"]
    caption = "Selection, step by step"
    if unused:
        caption += f"; {plural(unused, 'other reason')} left nothing out"
    return table(caption, header, rows, kind="funnel")


def space(material: Material) -> str:
    """The map of chemical space, and how to read it."""
    carried = f"{100 * sum(shares(material)):.1f}\u00a0%"
    return (
        '<div class="pair">'
        + figure("Chemical space", space_chart(material))
        + "<div><h3>How to read the map</h3><p>Each point is a compound. Compounds that share many substructures "
        "(Tanimoto similarity of ECFP) tend to lie near each other.</p>"
        f"<p>The two axes (kernel principal components) carry {carried} of the variance. So the map tells families of "
        "compounds apart; within a family, neighbours may still differ much.</p>"
        "<p>What to check: the selected compounds should spread over the whole area of the accepted ones. Where "
        "accepted ones are alone, there is chemistry that this run leaves out.</p></div></div>"
    )


def reference(material: Material) -> str:
    """Quality of the reference trajectories, and what was left out of the data set."""
    failed = [row for row in material.trajectories if row["passed"] != "True"]
    target = material.config["simulate"]["temperature"]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in failed:
        reasons.setdefault((row["id"], row["reason"]), []).append(row["replica"])
    rows = [[text(material.name(key)), text(", ".join(which)), text(why)] for (key, why), which in reasons.items()]
    outcome = f"{len(material.trajectories) - len(failed)} of {len(material.trajectories)} trajectories passed."
    gone = sorted({row["id"] for row in material.trajectories} - material.dataset.compounds.keys())
    if gone:
        outcome += f" {plural(len(gone), 'compound')} left out altogether: {', '.join(map(material.name, gone))}."
    return section(
        "reference",
        "Reference trajectories",
        f"<p>{text(outcome)}</p>",
        '<div class="pair">',
        figure("Energy is conserved", charts.energy_chart(material), "One line for each trajectory in the data set."),
        figure("Drift against the limit", charts.drift_chart(material), "A trajectory above the limit is left out."),
        figure(
            "Temperature",
            charts.temperature_chart(material),
            f"Constant-energy runs keep the energy they start with. Band: {target:g} K (1 ± 2/√(3N−6)), which 95 % of "
            "harmonic molecules fall into.",
        ),
        "<div><h3>What was left out</h3>",
        table("Trajectories that are not in the data set", ["compound", "replica", "reason"], rows, words=3)
        if rows
        else "<p>Nothing was left out.</p>",
        "</div></div>",
    )


def training(material: Material) -> str:
    """One curve for each model and split, its seeds together."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in material.runs:
        groups.setdefault((run.split, run.model), []).append(run)
    curves = [
        figure(
            f"Training of {model}" + (f", split {split}" if len(material.outcomes) > 1 else ""),
            charts.training_chart(runs, f"{split}-training-{model}"),
            f"Seeds: {', '.join(str(run.seed) for run in runs)}. Validation compounds are not trained on.",
        )
        for (split, model), runs in groups.items()
    ]
    models = dict.fromkeys(run.model for run in material.runs)
    return section("training", "Training", '<div class="pair">', *curves, _recipe(material, list(models)), "</div>")


def _recipe(material: Material, models: list[str]) -> str:
    """The settings of the training, those of the models after those that all share."""
    settings = material.config["pretrain"]
    shared = {key: value for key, value in settings.items() if not isinstance(value, dict)}
    rows = [[text(key), text(_plain(value))] for key, value in shared.items()]
    for model in models:
        rows += [[text(f"{model}: {key}"), text(_plain(value))] for key, value in settings.get(model, {}).items()]
    return f"<div>{table('Settings', ['key', 'value'], rows, kind='recipe')}</div>"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "null" if value is None else str(value)


def provenance(material: Material) -> str:
    """What it takes to make this again."""
    level = material.config["reference"]
    simulate = material.config["simulate"]
    facts_of = {
        "level of theory": f"{level['method']} by {level['engine']}, SCC accuracy {level['accuracy']:g}, gas phase",
        "dynamics": f"NVE, {simulate['timestep']:g} fs steps, every {simulate['stride']} stored, started at "
        f"{simulate['temperature']:g} K",
        "splits": ", ".join(f"{outcome.name} ({outcome.split.method})" for outcome in material.outcomes),
        "windows": f"{material.outcomes[0].table.windows} for each tested compound, seed "
        f"{material.config['evaluate']['seed']}",
        "data set, SHA-256 of the content": material.dataset_hash,
    }
    rows = [[text(name), _wrapped(value)] for name, value in facts_of.items()]
    inputs = [[text(name), _wrapped(digest)] for name, digest in sorted(material.made["inputs"].items())]
    return section(
        "provenance",
        "Where this comes from",
        table("Provenance", ["what", "value"], rows, words=2, kind="facts-table"),
        _versions(material),
        details(
            f"The {len(inputs)} inputs of this report",
            table("SHA-256 of each input", ["input", "SHA-256"], inputs, words=2, kind="facts-table"),
        ),
        details("Configuration", _json(material.config)),
        details("Settings recorded in the data set", _json(material.dataset.settings)),
        *(
            details(f"Training run: {run.model}, {run.split}, seed {run.seed}", _json(run.details))
            for run in material.runs
        ),
    )


def _versions(material: Material) -> str:
    """Code and software of each stage; more than one row where its jobs differ."""
    rows = []
    for one in (*material.records, material.made):
        versions = ", ".join(f"{name} {version}" for name, version in sorted(one["software"].items()))
        rows.append((one["stage"], one["source"], versions))
    cells = [
        [text(stage), f"<code>{text(source)}</code>", _wrapped(made)] for stage, source, made in dict.fromkeys(rows)
    ]
    header = ["stage", "digest of the code", "software"]
    return table("What each stage was run with", header, cells, words=3, kind="facts-table")


def _wrapped(value: str) -> str:
    return f'<span class="wrap">{text(value)}</span>'


def _json(value: Any) -> str:
    return f'<pre tabindex="0">{text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))}</pre>'
