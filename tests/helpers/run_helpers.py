"""A finished run on disk, of made-up molecules: every file that the workflow would leave, in milliseconds."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mdstride.config import SCHEMA, SECTIONS
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.h5md import Trajectory, write_trajectory
from mdstride.formats.provenance import software
from mdstride.formats.scores_file import Scores, write_scores
from mdstride.formats.split import Split, whole
from mdstride.formats.structure import Structure, write_structure
from mdstride.formats.tables import write_table
from mdstride.layout import planned_jobs

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
    write_table(run / "compounds.csv", ("id", "name"), [{"id": id, "name": f"compound {id[0]}"} for id in IDS])
    rows = []
    for id in IDS:
        reference = generator.normal(size=(3, 3))
        write_structure(run / f"structures/{id}.h5", structure(id, reference))
        for replica in range(config["plan"]["replicas"]):
            one = trajectory(id, replica, reference + 0.1 * generator.normal(size=(FRAMES, 3, 3)))
            write_trajectory(run / f"trajectories/{id}/{replica}.h5md", one)
            if replica < config["plan"]["twins"]:
                write_trajectory(run / f"trajectories/{id}/{replica}.twin.h5md", one)
            figures = {"drift": 0.01, "fluctuation": 0.2, "temperature": 300 + generator.normal(), "max_force": 5.0}
            rows.append(
                {"id": id, "name": "", "replica": replica, "passed": True, "reason": "", "frames": 20} | figures
            )
    write_table(run / "trajectories.csv", list(rows[0]), rows)
    write_dataset(run / "dataset.h5", dataset(run, rows))
    write_scores(run / "scores/baselines/compound.h5", scores("baselines", None, generator))
    write_scores(run / "scores/atom/compound/1.h5", scores("atom", 1, generator))
    details = {"software": VERSIONS | {"torch": "2.13.0"}, "source": "0123456789abcdef", "validation": 0.016}
    written = {
        "runs/atom/compound/1/run.json": json.dumps(details),
        "runs/atom/compound/1/weights.safetensors": "weights",
        "summary.csv": "split,model,metric,lag,value,low,high\ncompound,atom,mse,10.0,0.01,0.008,0.012\n",
    }
    jobs = [job.output for some in planned_jobs(config, IDS).values() for job in some or ()]
    for name in [*jobs, *written, "select/1-of-2.tsv.gz", "state/dataset.h5", "logs/select.log", ".report.html.x.part"]:
        path = run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in written or not path.exists():
            path.write_text(written.get(name, f"made-up {name}\n"), encoding="utf-8")
    return run


def structure(id: str, positions: np.ndarray, **changes: Any) -> Structure:
    modes = {"frequencies": np.array([1539.3, 3643.0, 3651.1]), "modes": np.zeros((3, 3, 3)), "masses": MASSES}
    fixed = {"atomic_numbers": NUMBERS, "bonds": BONDS, "positions": positions, "energy": -137.9}
    return Structure(**{"id": id, "smiles": "O", "software": VERSIONS} | modes | fixed | changes)


def trajectory(id: str, replica: int, positions: np.ndarray) -> Trajectory:
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
        parameters={"replica": replica},
        verdict={"passed": True, "reason": ""},
        software=VERSIONS,
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
    return Dataset(compounds, {"compound": Split(parts, "random")}, {"trajectories": {"software": VERSIONS}})


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
    """Write a CSV again after `change(rows)`."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    columns = list(rows[0])
    change(rows)
    write_table(path, columns, rows)
