"""A finished run on disk, of made-up molecules: every file that the workflow would leave, in milliseconds."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mdstride.config import SCHEMA, SECTIONS
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.h5md import Trajectory, write_trajectory
from mdstride.formats.hdf5 import create
from mdstride.formats.provenance import DATASET, sha256, software, write_record
from mdstride.formats.scores_file import Scores, write_scores
from mdstride.formats.split import Split, whole
from mdstride.formats.structure import Structure, write_structure
from mdstride.formats.tables import write_table

ROOT = SCHEMA.parents[2]
IDS = [f"{letter * 14}-UHFFFAOYSA-N" for letter in "ABCD"]
NUMBERS = np.array([8, 1, 1])
MASSES = np.array([15.999, 1.008, 1.008])
BONDS = np.array([[0, 1], [0, 2]])
FRAMES = 20
INTERVAL = 2.0
"""fs"""
VERSIONS = software("numpy") | {"tblite": "0.8.0"}


def settings() -> dict[str, Any]:
    """The default configuration, of the compounds above: two replicas, one twin, one model; with a single seed."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return {key: config[key] for key in SECTIONS} | {"plan": config["plan"] | {"seeds": [1]}}


def note(run: Path, config: dict[str, Any]) -> Path:
    """The configuration as the workflow notes it."""
    path = run / "config/plan-0123456789ab.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def make_run(run: Path, config: dict[str, Any] | None = None) -> Path:
    """Everything that the workflow would leave below results/NAME."""
    config = config or settings()
    note(run, config)
    generator = np.random.default_rng(1)
    _selection(run, config)
    rows = []
    for id in IDS:
        reference = generator.normal(size=(3, 3))
        minimum = run / f"structures/{id}.h5"
        write_structure(minimum, structure(id, reference))
        for replica in range(config["plan"]["replicas"]):
            one = trajectory(id, replica, reference + 0.1 * generator.normal(size=(FRAMES, 3, 3)), minimum)
            path = run / f"trajectories/{id}/{replica}.h5md"
            write_trajectory(path, one)
            if replica < config["plan"]["twins"]:
                twin = made("twin", {"replica": replica}, structure=minimum, original=path)
                write_trajectory(path.with_suffix(".twin.h5md"), replace(one, provenance=twin))
            figures = {"drift": 0.01, "fluctuation": 0.2, "temperature": 300 + generator.normal(), "max_force": 5.0}
            rows.append(
                {"id": id, "name": "", "replica": replica, "passed": True, "reason": "", "frames": 20} | figures
            )
    write_table(run / "trajectories.csv", list(rows[0]), rows)
    write_dataset(run / "dataset.h5", dataset(run, rows))
    write_record(made("dataset", compounds=run / "compounds.csv"), run / "trajectories.csv")
    known = {DATASET: read_dataset(run / "dataset.h5").hash()}
    weights = run / "runs/atom/compound/1/weights.safetensors"
    fill(weights, "weights")
    details = made("pretrain") | {"software": VERSIONS | {"torch": "2.13.0"}, "inputs": known, "validation": 0.016}
    fill(weights.with_name("run.json"), json.dumps(details))
    for name, seed, stage in (("baselines/compound", None, "baselines"), ("atom/compound/1", 1, "evaluate")):
        one = scores(name.partition("/")[0], seed, generator)
        about = made(stage) | {"inputs": known} if seed is None else made(stage, weights=weights)
        write_scores(run / f"scores/{name}.h5", replace(one, about=one.about | about))
        fill(run / f"scores/{name}.energies.csv", "made-up energies\n")
        write_record(made("energies", scores=run / f"scores/{name}.h5"), run / f"scores/{name}.energies.csv")
    fill(run / "summary.csv", "split,model,metric,lag,value,low,high\ncompound,atom,mse,10.0,0.01,0.008,0.012\n")
    for name in ("report.html", "state/dataset.h5", "logs/select.log", ".report.html.x.part"):
        fill(run / name, f"made-up {name}\n")
    write_record(made("report", compounds=run / "compounds.csv"), run / "report.html", run / "summary.csv")
    return run


def _selection(run: Path, config: dict[str, Any]) -> None:
    counts, tables = run / "select/counts.json", [run / f"{name}.csv" for name in ("compounds", "rejections", "space")]
    shards = [run / f"select/{k}-of-2.tsv.gz" for k in (1, 2)]
    for path in (*shards, *tables[1:]):
        fill(path, f"made-up {path.name}\n")
    seeds = {"screen.seeds": ROOT / config["screen"]["seeds"]}
    outputs = {path.name: sha256(path) for path in shards}
    fill(counts, json.dumps(made("library", **seeds) | {"outputs": outputs, "records": 9}))
    for path in shards:
        with create(path.with_suffix("").with_suffix(".h5")) as file:
            file.attrs["provenance"] = json.dumps(made("screen", shard=path))
    write_table(tables[0], ("id", "name"), [{"id": id, "name": f"compound {id[0]}"} for id in IDS])
    write_record(made("select", counts=counts), *tables)


def fill(path: Path, text: str) -> None:
    """Write a file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def made(stage: str, settings: dict[str, Any] | None = None, **inputs: Path) -> dict[str, Any]:
    """A record, of made-up code."""
    hashes = {name: sha256(path) for name, path in inputs.items()}
    made_of = {"source": "0123456789abcdef", "software": VERSIONS}
    return {"stage": stage, "settings": settings or {}, "inputs": hashes} | made_of


def structure(id: str, positions: np.ndarray, **changes: Any) -> Structure:
    modes = {"frequencies": np.array([1539.3, 3643.0, 3651.1]), "modes": np.zeros((3, 3, 3)), "masses": MASSES}
    fixed = {"atomic_numbers": NUMBERS, "bonds": BONDS, "positions": positions, "energy": -137.9}
    return Structure(**{"id": id, "smiles": "O", "provenance": made("relax")} | modes | fixed | changes)


def trajectory(id: str, replica: int, positions: np.ndarray, minimum: Path) -> Trajectory:
    frames = len(positions)
    series = {name: np.zeros(frames) for name in ("potential_energy", "kinetic_energy", "temperature")}
    return Trajectory(
        id=id,
        mapped_smiles="[O:1]([H:2])[H:3]",
        charge=0,
        multiplicity=1,
        atomic_numbers=NUMBERS,
        masses=MASSES,
        bonds=BONDS,
        step=np.arange(frames),
        time=INTERVAL * np.arange(frames),
        positions=positions,
        velocities=np.zeros_like(positions),
        forces=np.zeros_like(positions),
        **series,
        verdict={"passed": True, "reason": ""},
        provenance=made("simulate", {"replica": replica}, structure=minimum),
    )


def dataset(run: Path, rows: list[dict[str, Any]]) -> Dataset:
    from mdstride.formats.h5md import read_trajectory

    compounds = {}
    for id in IDS:
        replicas = []
        for row in (row for row in rows if row["id"] == id):
            one = read_trajectory(run / f"trajectories/{id}/{row['replica']}.h5md")
            arrays = {name: getattr(one, name).astype(np.float32) for name in ("positions", "velocities", "forces")}
            facts = {"figures": {"drift": 0.01, "temperature": 300.0}, "source": {"sha256": "0" * 64}}
            replicas.append(
                Replica(row["replica"], INTERVAL, **arrays, energy=np.zeros(FRAMES), origin=np.zeros(3), **facts)
            )
        labels = {"name": id[0], "smiles": "O", "mapped_smiles": "O", "cid": "", "formula": "H2O"}
        compounds[id] = CompoundData(id, labels, NUMBERS, MASSES, BONDS, np.zeros((3, 3)), tuple(replicas))
    parts = {"train": whole(IDS[2:]), "validation": whole(IDS[1:2]), "test": whole(IDS[:1])}
    about = made("dataset", {"trajectories": {"software": VERSIONS}}, compounds=run / "compounds.csv")
    return Dataset(compounds, {"compound": Split(parts, "random")}, about.pop("settings"), provenance=about)


def scores(model: str, seed: int | None, generator: np.random.Generator) -> Scores:
    about = {"model": model, "seed": seed, "split": "compound", "dataset": "d" * 64, "failures": []}
    names = ["persistence", "harmonic"] if model == "baselines" else [model]
    return Scores(
        about=about | {"settings": {}, "software": VERSIONS},
        lags=np.array([10.0, 100.0]),
        windows={IDS[0]: (np.zeros(5, int), np.arange(5))},
        values={(name, IDS[0], "mse"): generator.uniform(0.1, 1.0, (5, 2)) for name in names}
        | {(name, IDS[0], "valid"): np.array([1.0, 0.9]) for name in names},
    )


def edit_table(path: Path, change) -> None:
    """Write a CSV again after `change(rows)`, as if its stage had done so."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = list(rows[0])
    change(rows)
    write_table(path, columns, rows)
    record = next(
        one for one in path.parent.glob("*.provenance.json") if path.name in json.loads(one.read_text())["outputs"]
    )
    found = json.loads(record.read_text())
    found["outputs"][path.name] = sha256(path)
    record.write_text(json.dumps(found))
