"""Everything a report is made from, read and checked once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.provenance import DATASET, by_name, read_record, record, record_path, software
from mdstride.formats.scores_file import read_scores_file
from mdstride.formats.split import PARTS, Split
from mdstride.formats.tables import read_table
from mdstride.novelty import Novelty, novelty
from mdstride.published import TABLE, Published, published
from mdstride.statistics import Comparison, Estimate, Table, compare_models, read_scores, summarise

COMPOUNDS = ("id", "name", "smiles", "formula", "n_heavy", "n_atoms", "source")
REJECTIONS = ("step", "reason", "count")
SPACE = ("kind", "name", "x", "y", "x_share", "y_share")
PART_LABELS = {"train": "training", "validation": "validation", "test": "held out"}
TRAJECTORIES = ("id", "name", "replica", "passed", "reason", "frames", "drift", "temperature")
ENERGIES = ("forecaster", "compound", "window", "lag", "quantity", "value", "reason")

Record = dict[str, str]


@dataclass(frozen=True)
class Run:
    """One training run."""

    model: str
    split: str
    seed: int
    details: dict[str, Any]
    """run.json"""
    log: list[dict[str, Any]]
    """log.jsonl, by step."""


@dataclass(frozen=True)
class Outcome:
    """What was found on one split."""

    split: Split
    table: Table
    estimates: dict[tuple[str, str, float | None], Estimate]
    """By forecaster, metric and lag."""
    comparisons: list[Comparison]
    """Of every two models, and of each model with each baseline."""
    novelty: dict[str, Novelty]
    """Of each tested compound."""
    energies: list[Record]
    """Rows of ENERGIES; empty where no energies were asked for."""
    published: list[Published]
    """What the literature prints for this split's protocol."""

    @property
    def name(self) -> str:
        """Of the split."""
        return self.table.split

    def has(self, metric: str, forecaster: str) -> bool:
        """Whether there are estimates of this metric."""
        return any(key[:2] == (forecaster, metric) for key in self.estimates)

    def estimate(self, forecaster: str, metric: str, lag: float | None = None) -> Estimate:
        """The one estimate of this forecaster, metric and lag; of NaN where there is none."""
        none = Estimate(forecaster, metric, lag, np.nan, np.nan, np.nan, 0, np.nan, 0)
        return self.estimates.get((forecaster, metric, lag), none)

    def curve(self, forecaster: str, metric: str) -> list[Estimate]:
        """The estimates at all lags, or times of a roll-out."""
        return [one for key, one in self.estimates.items() if key[:2] == (forecaster, metric)]


@dataclass(frozen=True)
class Material:
    """The inputs of the report and what follows from them."""

    config: dict[str, Any]
    compounds: dict[str, Record]
    """compounds.csv by id."""
    rejections: list[Record]
    space: list[Record]
    trajectories: list[Record]
    dataset: Dataset
    dataset_hash: str
    runs: list[Run]
    outcomes: list[Outcome]
    """One for each split, in the order of the score files."""
    made: dict[str, Any]
    """Of this report; see formats/provenance.py."""
    records: list[dict[str, Any]]
    """Of what it is made from, as far as there are any."""

    def name(self, key: str) -> str:
        """Label of a compound: its name, else its SMILES."""
        labels = self.compounds[key]
        return labels["name"] or labels["smiles"]

    def parts(self, split: Split) -> dict[str, str]:
        """The part that each compound is in; one with frames in several counts as the first of PARTS."""
        return {key: part for part in reversed(PARTS) for key in split.ids(part)}


def read_material(
    config: dict[str, Any],
    *,
    compounds: Path,
    rejections: Path,
    space: Path,
    trajectories: Path,
    dataset: Path,
    runs: Sequence[Path],
    scores: Sequence[Path],
    energies: Sequence[Path],
) -> Material:
    """Read all inputs; raises InputError where they do not belong together."""
    labels = {row["id"]: row for row in read_table(compounds, COMPOUNDS)}
    data = read_dataset(dataset)
    unknown = [key for key in data.compounds if key not in labels]
    if unknown:
        raise InputError(f"{dataset}: compound {unknown[0]} is not in {compounds}; make the data set again")
    tables = read_scores(scores)
    digest = data.hash()
    for split, table in tables.items():
        if table.dataset != digest:
            raise InputError(f"{dataset}: not the data set that the scores of split {split} come from; evaluate again")
    trained = [_read_run(folder) for folder in runs]
    known = {(run.model, run.split, run.seed) for run in trained}
    for split, table in tables.items():
        for model, seed in ((model, seed) for model, seeds in table.seeds.items() for seed in seeds):
            if (model, split, seed) not in known:
                raise InputError(f"scores of {model}, split {split}, seed {seed}, but no such run; give its folder too")
    measured = _read_energies(energies, scores)
    written = [folder / name for folder in runs for name in ("run.json", "log.jsonl")]
    files = [compounds, rejections, space, trajectories, *written, *scores, *energies]
    return Material(
        config=config,
        compounds=labels,
        rejections=list(read_table(rejections, REJECTIONS)),
        space=list(read_table(space, SPACE)),
        trajectories=list(read_table(trajectories, TRAJECTORIES)),
        dataset=data,
        dataset_hash=digest,
        runs=trained,
        outcomes=[_outcome(data, table, measured.get(split, [])) for split, table in tables.items()],
        made=_record(config, files, digest),
        records=_records(compounds, data, trained, scores, energies),
    )


def _record(config: dict[str, Any], files: Sequence[Path], dataset: str) -> dict[str, Any]:
    inputs = by_name(files) | ({TABLE.as_posix(): TABLE} if TABLE.exists() else {})
    versions = software("matplotlib", "numpy", "rdkit", "scipy")
    return record("report", config, inputs, versions, known={DATASET: dataset})


def _records(
    compounds: Path, data: Dataset, runs: Sequence[Run], scores: Sequence[Path], energies: Sequence[Path]
) -> list[dict[str, Any]]:
    """In the order of the stages."""
    beside = [record_path(path) for path in (compounds, *energies)]
    select, *costs = [read_record(path) if path.exists() else {} for path in beside]
    trajectories = {"stage": "simulate"} | data.settings.get("trajectories", {})
    found = [select, trajectories, data.provenance, *(run.details for run in runs)]
    found += [read_record(path, sealed=False) for path in scores]  # compared when the scores were read
    return [one for one in (*found, *costs) if "source" in one]


def _outcome(data: Dataset, table: Table, energies: list[Record]) -> Outcome:
    if not table.models:
        raise InputError(f"split {table.split}: scores of the baselines alone; give those of a trained model too")
    split = data.splits[table.split]
    interval = data.compounds[table.compounds[0]].replicas[0].interval
    return Outcome(
        split=split,
        table=table,
        estimates={(one.model, one.metric, one.lag): one for one in summarise(table)},
        comparisons=compare_models(table),
        novelty={one.compound: one for one in novelty(split, data.compounds)},
        energies=energies,
        published=published(split, (table.lags / interval).tolist()),
    )


def _read_energies(paths: Sequence[Path], scores: Sequence[Path]) -> dict[str, list[Record]]:
    """Rows by split: X.energies.csv belongs to the scores X.h5 in the same folder."""
    found: dict[str, list[Record]] = {}
    known = {path.resolve() for path in map(Path, scores)}
    for path in map(Path, paths):
        of = path.with_name(path.name.replace(".energies.csv", ".h5")).resolve()
        if of not in known:
            raise InputError(f"{path}: no scores {of.name} beside it were given; give the scores that it belongs to")
        found.setdefault(read_scores_file(of).about["split"], []).extend(read_table(path, ENERGIES))
    return found


def _read_run(folder: Path) -> Run:
    for name in ("run.json", "log.jsonl"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; give a folder that `mdstride pretrain` wrote")
    details = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return Run(details["model"], details["split"], details["seed"], details, [json.loads(line) for line in lines])
