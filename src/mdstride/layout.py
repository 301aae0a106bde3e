"""Where the files of a run lie: the jobs that its configuration plans, by stage. Knows names only, opens two files."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdstride.config import planned_splits
from mdstride.errors import InputError

STAGES = (
    "library",
    "screen",
    "select",
    "relax",
    "simulate",
    "twin",
    "dataset",
    "pretrain",
    "baselines",
    "evaluate",
    "energies",
    "report",
)
"""Rules of the workflow in the order in which they run."""

CLAIM = ".workflow.lock"
"""Held while a workflow is at work in the folder of a run; left there by one that was killed."""


@dataclass(frozen=True)
class Job:
    """One job. Paths are relative to the folder of the run."""

    name: str
    """Within its stage: an id, ID/REPLICA, MODEL/SPLIT/SEED; empty for the only one."""
    output: str
    """The file that is there when the job is done, of several the last one to be written."""
    log: str
    state: str = ""
    """From which it goes on after an interruption; empty where it starts anew."""
    lock: str = ""
    """Held while a process is at work, left there by one that was killed; empty where none is taken."""

    @property
    def benchmark(self) -> str:
        """Where Snakemake writes how long it took."""
        return "benchmarks" + self.log.removeprefix("logs").removesuffix(".log") + ".tsv"


def read_settings(run: Path) -> tuple[dict[str, Any], Path]:
    """The configuration that the workflow last noted in the folder of a run, and the file that holds it.

    The workflow writes it before the first job starts, anew under another name after each change.
    Raises InputError where there is none.
    """
    found = sorted((run / "config").glob("plan-*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not found:
        raise InputError(f"{run}: no run of mdstride (no config/plan-*.json); give the folder of one: results/NAME")
    try:
        settings = json.loads(found[-1].read_text(encoding="utf-8"))
        planned_splits(settings)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{found[-1]}: not a configuration of this version; run `snakemake -n` anew") from error
    return settings, found[-1]


def read_ids(run: Path) -> list[str] | None:
    """Ids of the selected compounds; None before there is a selection."""
    try:
        with (run / "compounds.csv").open(newline="", encoding="utf-8") as stream:
            return [row["id"] for row in csv.DictReader(stream)]
    except FileNotFoundError:
        return None


def planned_jobs(settings: dict[str, Any], ids: Sequence[str] | None) -> dict[str, list[Job] | None]:
    """The jobs of each stage; None for those that depend on a selection which is not there yet."""
    plan, shards = settings["plan"], settings["library"]["shards"]
    splits = planned_splits(settings)
    runs = [f"{model}/{split}/{seed}" for split in splits for model in plan["models"] for seed in plan["seeds"]]
    baselines = [f"baselines/{split}" for split in splits]
    lock = ".dataset.h5.lock"
    return {
        "library": [Job("", "select/counts.json", "logs/library.log")],
        "screen": [
            Job(name, f"select/{name}.h5", f"logs/screen/{name}.log")
            for name in (f"{k}-of-{shards}" for k in range(1, shards + 1))
        ],
        "select": [Job("", "compounds.csv", "logs/select.log")],
        "relax": None if ids is None else [Job(id, f"structures/{id}.h5", f"logs/relax/{id}.log") for id in ids],
        "simulate": _trajectories("simulate", ids, plan["replicas"], ""),
        "twin": _trajectories("twin", ids, plan["twins"], ".twin"),
        "dataset": [Job("", "dataset.h5", "logs/dataset.log", lock=lock)],
        "pretrain": [
            Job(name, f"runs/{name}/run.json", f"logs/pretrain/{name}.log", f"state/{name}", _lock(f"state/{name}"))
            for name in runs
        ],
        "baselines": [Job(name, f"scores/{name}.h5", f"logs/evaluate/{name}.log") for name in baselines],
        "evaluate": [Job(name, f"scores/{name}.h5", f"logs/evaluate/{name}.log") for name in runs],
        "energies": [
            Job(name, f"scores/{name}.energies.csv", f"logs/energies/{name}.log") for name in [*baselines, *runs]
        ],
        "report": [Job("", "report.html", "logs/report.log")],
    }


def _trajectories(stage: str, ids: Sequence[str] | None, replicas: int, suffix: str) -> list[Job] | None:
    if ids is None:
        return None
    names = [f"{id}/{replica}" for id in ids for replica in range(replicas)]
    states = (f"state/trajectories/{name}{suffix}" for name in names)
    return [
        Job(name, f"trajectories/{name}{suffix}.h5md", f"logs/{stage}/{name}.log", state, _lock(state))
        for name, state in zip(names, states, strict=True)
    ]


def _lock(path: str) -> str:
    """As `formats.atomic.only_writer` names it."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.{name}.lock"
