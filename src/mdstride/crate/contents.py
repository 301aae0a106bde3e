"""What goes into a crate: the results, the workflow and package that made them, and their inputs.

Files keep the places they have in the folder that the workflow is run in; results lie in results/NAME. So an unpacked
crate is such a folder, in which `snakemake -n` can be asked what is left to do.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from mdstride.errors import InputError
from mdstride.layout import Job, planned_jobs, read_ids, read_settings
from mdstride.select.sources import library_path

WORKFLOW = (
    "Snakefile",
    "workflow",
    "config.yaml",
    "config",
    "profiles",
    "envs",
    "resources",
    "src",
    "pyproject.toml",
    "README.md",
    "CITATION.cff",
    "LICENSE",
)
"""Files and folders of the workflow, as far as they are there; the first and the citation must be."""
NEEDED = ("Snakefile", "CITATION.cff")
LEFT_OUT = ("state", "logs", "benchmarks")
"""Folders of a run that are no results."""

RESULTS = (
    ("select/counts.json", "library", "How many records were read, and left out for their text, by reason"),
    ("select/*.tsv.gz", "library", "Records that their text does not rule out, one shard"),
    ("select/*.h5", "screen", "Candidates of one shard"),
    ("compounds.provenance.json", "select", "Where the tables of the selection come from"),
    ("compounds.csv", "select", "The chosen compounds"),
    ("rejections.csv", "select", "How many records were left out, by step and reason"),
    ("space.csv", "select", "Map of chemical space"),
    ("structures/*", "relax", "Relaxed minimum of a compound with normal modes, or why there is none"),
    ("trajectories/*.twin.h5md", "twin", "Trajectory from a start 1e-3 Å beside that of the replica, H5MD 1.1"),
    ("trajectories/*", "simulate", "Reference trajectory with its verdict, H5MD 1.1"),
    ("trajectories.provenance.json", "dataset", "Where the verdicts and the data card come from"),
    ("trajectories.csv", "dataset", "Verdict on every trajectory"),
    ("dataset.h5", "dataset", "All trajectories that passed, and the splits"),
    ("card.md", "dataset", "Data card"),
    ("runs/*.safetensors", "pretrain", "Weights of a model"),
    ("runs/*/log.jsonl", "pretrain", "Losses during training"),
    ("runs/*/run.json", "pretrain", "Settings, software and outcome of a training"),
    ("scores/baselines/*.h5", "baselines", "Scores of the baselines"),
    ("scores/*.energies.provenance.json", "energies", "Where the energies and costs come from"),
    ("scores/*.energies.csv", "energies", "Energies of forecast geometries, and costs"),
    ("scores/*.h5", "evaluate", "Scores of a model"),
    ("scores.csv.gz", "report", "All scores as one long table"),
    ("summary.csv", "report", "The figures of the report"),
    ("report.html", "report", "Report"),
    ("report.provenance.json", "report", "Where the report and its tables come from"),
    ("config/*.json", "", "Configuration, as checked"),
)
"""Pattern of the path in the folder of a run, the stage that writes it, and what it is."""


@dataclass(frozen=True)
class Item:
    """A file of the crate."""

    source: Path
    path: str
    """In the crate."""
    about: str = ""
    """What it is; empty for files of the workflow."""
    stage: str = ""
    """That wrote it; empty where none did."""
    benchmark: Path | None = None
    """Where Snakemake has noted how long the job took."""


@dataclass(frozen=True)
class Packed:
    """A file as it went into the crate."""

    item: Item
    sha256: str
    size: int


@dataclass(frozen=True)
class Contents:
    """All files of a crate, by where they come from; no path occurs twice."""

    name: str
    """Of the run."""
    settings: dict[str, Any]
    plan: str
    """Path of the whole configuration in the crate."""
    results: list[Item]
    inputs: list[Item]
    workflow: list[Item]
    planned: dict[str, str]
    """By its path in the crate, the stage of every result that the configuration asks for; there may be others."""

    @property
    def items(self) -> list[Item]:
        """All, by path."""
        return sorted([*self.results, *self.inputs, *self.workflow], key=lambda item: item.path)

    @property
    def folder(self) -> str:
        """Of the results in the crate."""
        return f"results/{self.name}"


def gather(run: Path, workflow: Path, *, logs: bool) -> Contents:
    """Find the files. Raises InputError for an unfinished run, and where the workflow or an input is missing."""
    settings, plan = read_settings(run)
    jobs = _finished(run, settings)
    for name in NEEDED:
        if not (workflow / name).is_file():
            raise InputError(f"{workflow / name}: no such file; give --workflow the folder that the run was made in")
    name = run.resolve().name
    inputs = [_input(workflow, path) for path in sorted(input_paths(settings))]
    taken = {item.path for item in inputs}
    parts = [Item(path, path.relative_to(workflow).as_posix()) for part in WORKFLOW for path in _below(workflow / part)]
    return Contents(
        name=name,
        settings=settings,
        plan=f"results/{name}/config/{plan.name}",
        results=list(_results(run, f"results/{name}", settings, jobs, logs=logs)),
        inputs=inputs,
        workflow=[item for item in parts if item.path not in taken],
        planned={f"results/{name}/{output}": stage for stage, output in _outputs(jobs)},
    )


def input_paths(settings: dict[str, Any]) -> set[str]:
    """Files that the configuration names, relative to the folder of the workflow or absolute."""
    paths = {library_path(settings["library"]), settings["screen"]["seeds"], settings["pretrain"]["start_from"]}
    paths |= {settings["select"][key] for key in ("names", "extra_compounds")}
    paths |= {split.get("path") for split in settings["dataset"]["splits"].values()}
    return {str(path) for path in paths if path is not None}


def _finished(run: Path, settings: dict[str, Any]) -> dict[str, list[Job]]:
    """The jobs of a run by stage; all are done."""
    found = {}
    for stage, jobs in planned_jobs(settings, read_ids(run)).items():
        missing = [job.output for job in jobs or () if not (run / job.output).is_file()]
        if jobs is None or missing:
            what = f"{stage} has still to write {missing[0]}" if missing else f"{stage} waits for the selection"
            raise InputError(f"{run}: not finished ({what}); `mdstride status {run}` tells how far it is")
        found[stage] = jobs
    return found


def _outputs(jobs: dict[str, list[Job]]) -> Iterator[tuple[str, str]]:
    """Stage and path of what carries a record, or has one beside it."""
    yield from ((stage, job.output) for stage, some in jobs.items() for job in some)
    yield "dataset", "trajectories.csv"


def _results(
    run: Path, folder: str, settings: dict[str, Any], jobs: dict[str, list[Job]], *, logs: bool
) -> Iterator[Item]:
    every = [job for some in jobs.values() for job in some]
    benchmarks = {job.output: run / job.benchmark for job in every if (run / job.benchmark).is_file()}
    for path in _below(run):
        inside = path.relative_to(run).as_posix()
        top = inside.partition("/")[0]
        if top in LEFT_OUT:
            if logs and top != "state":
                yield Item(path, f"{folder}/{inside}", "Output of a job" if top == "logs" else "Cost of a job")
        elif top != "config" or _current(path, settings):
            stage, what = next(((one[1], one[2]) for one in RESULTS if fnmatch(inside, one[0])), ("", ""))
            yield Item(path, f"{folder}/{inside}", what, stage, benchmarks.get(inside))


def _current(path: Path, settings: dict[str, Any]) -> bool:
    """Whether a file of configuration belongs to the last one, not to one that was changed since."""
    part = json.loads(path.read_text(encoding="utf-8"))
    return all(settings.get(name) == value for name, value in part.items())


def _input(workflow: Path, path: str) -> Item:
    source = workflow / path
    if not source.is_file():
        raise InputError(f"{source}: an input of the run is no longer there; put it back, or set it in --workflow")
    inside = Path(path).name if Path(path).is_absolute() or ".." in Path(path).parts else Path(path).as_posix()
    return Item(source, inside if inside == path else f"inputs/{inside}", "Input")


def _below(path: Path) -> Iterator[Path]:
    """A file, or the files below a folder, without what is hidden or compiled."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for inner in sorted(path.iterdir()):
            if not inner.name.startswith(".") and inner.name != "__pycache__" and inner.suffix != ".egg-info":
                yield from _below(inner)
