"""A small run on disk, with made-up scores of every metric."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mdstride.config import SCHEMA, SECTIONS
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.scores_file import FLOOR, METRICS, REFERENCE, Scores, write_scores
from mdstride.formats.split import Segment, Split, whole
from mdstride.formats.tables import write_table
from mdstride.report.material import Material, read_material
from mdstride.report.stage import build_report

ROOT = SCHEMA.parents[2]
CONFIG = {key: yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))[key] for key in SECTIONS}
SMILES = {"A": "CCO", "B": "c1ccccc1", "C": "CC(=O)N", "D": "C1CCOC1", "E": "O=CC=O", "F": "CCC"}
PARTS = {"train": ["B", "C"], "validation": ["D"], "test": ["A", "E"]}  # F never relaxed
LAGS = np.array([10.0, 100.0, 1000.0])
BASELINES = {"persistence": (1.0, 2.0, 4.0), "rigid": (2.0, 2.0, 3.0)}
FACTORS = {"A": 1.0, "E": 2.0}
"""Of the errors of a compound."""
SPACE = {"library": 9, "accepted": 4, "selected": 6, "seed": 5}
AXES = {
    "movie": np.linspace(0, 1000, 9),
    "spectrum": np.linspace(0, 4000, 7),
    "autocorrelation": np.linspace(0, 50, 6),
    "rollout": np.array([1000.0, 2000.0]),
}
WINDOWS = 2
HOSTILE = '<script>alert("x")</script>'
ENERGIES = [
    ("atom", "A", 0, 10.0, "energy", 0.002, ""),
    ("atom", "A", 1, 10.0, "energy", 0.004, ""),
    ("atom", "E", 0, 10.0, "energy", 0.013, ""),
    ("atom", "E", 0, 100.0, "energy", "", "did not converge"),
    ("atom", "A", "", "", "forecasts_per_second", 200.0, "1 thread"),
    ("atom", "E", "", "", "forecasts_per_second", 50.0, "1 thread"),
    ("atom", "A", "", "", "fs_per_second", 200000.0, "1 thread"),
    ("atom", "E", "", "", "fs_per_second", 50000.0, "1 thread"),
    ("reference", "A", "", "", "fs_per_second", 400.0, "1 thread"),
    ("reference", "E", "", "", "fs_per_second", 100.0, "1 thread"),
    ("rigid", "A", 0, 10.0, "energy", -0.03, ""),
    ("rigid", "A", "", "", "forecasts_per_second", "", "not timed"),
]
"""Made up: forecaster, compound, window, lag, quantity, value, reason."""


def table(path, columns, rows):
    write_table(path, columns, [dict(zip(columns, row, strict=True)) for row in rows])


def replica(number):
    figures = {"drift": 0.01 * number, "block_time": [0.1, 0.2, 0.3], "block_energy": [0.0, 0.01, -0.01]}
    frames = np.zeros((3, 2, 3), np.float32)
    return Replica(number, 2.0, frames, frames, frames, np.zeros(3), np.zeros(3), figures, {"sha256": "sha"})


def dataset(splits):
    compounds = {
        key: CompoundData(
            id=key,
            labels={"name": key, "smiles": SMILES[key], "mapped_smiles": SMILES[key], "cid": "", "formula": ""},
            atomic_numbers=np.array([6, 1]),
            masses=np.array([12.0, 1.0]),
            bonds=np.array([[0, 1]]),
            reference=np.zeros((2, 3)),
            replicas=(replica(1), replica(2)),
        )
        for key in "ABCDE"
    }
    return Dataset(compounds, splits, {"software": {"tblite": "0.8.0"}})


def made_up(about, errors, *, others=()):
    """Scores: the mse of the two windows is errors[name] * FACTORS[compound] * (0.5 and 1.5), superposed half of it."""
    generator = np.random.default_rng(1)
    sizes = {"lag": len(LAGS)} | {name: len(axis) for name, axis in AXES.items()}
    values, movies = {}, {}
    for name in (*errors, *others):
        for key, factor in FACTORS.items():
            movies[name, key] = np.cumsum(generator.normal(0, 0.1, (len(AXES["movie"]), 2, 3)), 0).astype(np.float32)
            for metric, meaning in METRICS.items():
                shape = tuple(sizes[axis] for axis in meaning.axes if axis != "window")
                if metric in ("mse", "superposed", "rotated") and name in errors:
                    curve = factor * np.array(errors[name]) / (2 if metric == "superposed" else 1)
                    values[name, key, metric] = np.array([[0.5], [1.5]]) * curve
                elif metric not in ("mse", "superposed", "rotated", "floor", "valid"):
                    values[name, key, metric] = generator.uniform(0.2, 0.9, shape)
            values[name, key, "valid"] = np.full(len(LAGS), 1.0 if name == REFERENCE else 0.75)
    if others:
        for key in FACTORS:
            values[FLOOR, key, "floor"] = np.array([1e-6, 1e-5, 1e-4])
    windows = {key: (np.ones(WINDOWS, int), np.arange(WINDOWS)) for key in FACTORS}
    return Scores(
        about | {"settings": {}, "software": {}, "failures": [], "notes": []}, LAGS, windows, values, AXES, {}, movies
    )


def write_run(folder, split, model, seed):
    run = folder / "runs" / model / split / str(seed)
    run.mkdir(parents=True)
    made = {"stage": "pretrain", "source": "0123456789abcdef", "software": {"torch": "2.13.0"}}
    (run / "run.json").write_text(json.dumps({"model": model, "seed": seed, "split": split} | made))
    log = [{"step": s, "train": 1.0 / (s + 1), "validation": 2.0 / (s + 1), "persistence": 1.0} for s in range(5)]
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, log)) + "\n")
    return run


def write_inputs(folder, *, factor=(0.5, 0.5, 0.5), name="ethanol", leaky=False, change=lambda scores: None):
    """A run on disk; the model's error is `factor` times that of the best baseline at each of LAGS.

    With `leaky` a second split of random frames; `change` is given the scores of the model before they are written.
    """
    names = {**{key: f"compound {key}" for key in SMILES}, "A": name}
    columns = ("id", "cid", "smiles", "name", "formula", "n_heavy", "n_atoms", "source")
    table(
        folder / "compounds.csv",
        columns,
        [(key, "", smiles, names[key], "CHO", 3, 9, "library") for key, smiles in SMILES.items()],
    )
    steps = [
        ("read", "records read", 1000),
        ("elements", "an element other than C, H", 900),
        ("elements", "an unheard-of element", 0),
        ("pick", "never happens", 0),
        ("pick", "not picked", 94),
    ]
    table(folder / "rejections.csv", ("step", "reason", "count"), steps)
    write_space(folder, seed=name)
    columns = (
        "id",
        "name",
        "replica",
        "passed",
        "reason",
        "frames",
        "drift",
        "fluctuation",
        "temperature",
        "max_force",
    )
    rows = [(key, names[key], n, True, "", 3, 0.01 * n, 0.1, 290 + 5 * n, 3.0) for key in "ABCDE" for n in (1, 2)]
    rows.append(("F", names["F"], 1, False, "no minimum & no excuse", 0, "", "", "", ""))
    table(folder / "trajectories.csv", columns, rows)
    splits = {"compound": Split({part: whole(ids) for part, ids in PARTS.items()}, "random")}
    if leaky:
        frames = {part: tuple(Segment(key, 1, k, k + 1) for key in "AE") for k, part in enumerate(PARTS)}
        splits["frames"] = Split(frames, "md17", "frames", leaky=True)
    data = dataset(splits)
    write_dataset(folder / "dataset.h5", data)
    errors = {"atom": tuple(f * min(pair) for f, *pair in zip(factor, *BASELINES.values(), strict=True))}
    for split in splits:
        about = {"split": split, "dataset": data.hash()}
        known = made_up(about | {"model": "baselines", "seed": None}, BASELINES, others=(REFERENCE,))
        scores = made_up(about | {"model": "atom", "seed": 1}, errors)
        if split == "frames":
            _errors_alone(known)
            _errors_alone(scores)
        write_scores(folder / f"scores/baselines/{split}.h5", known)
        change(scores)
        write_scores(folder / f"scores/atom/{split}/1.h5", scores)
        write_run(folder, split, "atom", 1)
    return folder


def _errors_alone(scores):
    """As an evaluation with nothing else would leave them."""
    for key in [key for key in scores.values if key[2] not in ("mse", "superposed", "rotated")]:
        del scores.values[key]


def write_space(folder, *, seed):
    """A map with compounds on a spiral and all seeds, named `seed`, in one place."""
    columns = ("kind", "id", "name", "x", "y", "x_share", "y_share")
    rows = [
        (kind, f"{kind}{k}", seed if kind == "seed" else "", *spiral, 0.0412, 0.0251)
        for kind, count in SPACE.items()
        for k, spiral in enumerate([(0.01 * k * np.cos(k), 0.01 * k * np.sin(k)) for k in range(count)])
    ]
    table(
        folder / "space.csv", columns, [(*row[:3], 0.03, 0.02, *row[5:]) if row[0] == "seed" else row for row in rows]
    )


def write_energies(folder, rows):
    """Rows of forecaster, compound, window, lag, quantity, value, reason; those of atom beside its scores."""
    columns = ("forecaster", "compound", "window", "lag", "quantity", "value", "reason")
    table(folder / "scores/atom/compound/1.energies.csv", columns, [row for row in rows if row[0] == "atom"])
    table(folder / "scores/baselines/compound.energies.csv", columns, [row for row in rows if row[0] != "atom"])


def inputs(folder: Path) -> dict[str, Any]:
    """What the report is made from."""
    tables = {name: folder / f"{name}.csv" for name in ("compounds", "rejections", "space", "trajectories")}
    return tables | {
        "dataset": folder / "dataset.h5",
        "runs": [path.parent for path in sorted(folder.glob("runs/*/*/*/run.json"))],
        "scores": sorted(folder.rglob("scores/**/*.h5")),
        "energies": sorted(folder.rglob("*.energies.csv")),
    }


def material(folder: Path) -> Material:
    """Read, without drawing."""
    return read_material(CONFIG, **inputs(folder))


def build(folder: Path, output: str = "report.html", title: str = "Report") -> str:
    """The page."""
    build_report(
        {"title": title},
        **inputs(folder),
        config=CONFIG,
        output=folder / output,
        summary=folder / "summary.csv",
        long=folder / "scores.csv.gz",
    )
    return (folder / output).read_text(encoding="utf-8")
