"""Everything a report is made from, read and checked once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.split import PARTS
from mdstride.formats.tables import read_table
from mdstride.report.summary import Estimate, Scores, read_scores, summarise

COMPOUNDS = ("id", "name", "smiles", "formula", "n_heavy", "n_atoms", "source")
REJECTIONS = ("step", "reason", "count")
SPACE = ("kind", "name", "x", "y", "x_share", "y_share")
PART_LABELS = {"train": "training", "validation": "validation", "test": "held out"}
TRAJECTORIES = ("id", "name", "replica", "passed", "reason", "frames", "drift", "temperature")

Record = dict[str, str]


@dataclass(frozen=True)
class Run:
    """One training run."""

    model: str
    seed: int
    details: dict[str, Any]
    """run.json"""
    log: list[dict[str, Any]]
    """log.jsonl, by step."""


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
    split: str
    parts: dict[str, str]
    """Split part of each id in the data set."""
    nearest: dict[str, tuple[float, str]]
    """For each compound outside training: similarity to, and id of, the most similar training compound."""
    runs: list[Run]
    scores: Scores
    estimates: list[Estimate]

    def name(self, key: str) -> str:
        """Label of a compound: its name, else its SMILES."""
        labels = self.compounds[key]
        return labels["name"] or labels["smiles"]

    def estimate(self, model: str, metric: str, lag: float | None = None) -> Estimate:
        """The one estimate of this forecaster, metric and lag."""
        return next(e for e in self.estimates if (e.model, e.metric, e.lag) == (model, metric, lag))


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
) -> Material:
    """Read all inputs; raises InputError where they do not belong together."""
    if len(runs) != len(scores):
        raise InputError(f"{len(runs)} runs but {len(scores)} score tables; give one table for each run, in order")
    labels = {row["id"]: row for row in read_table(compounds, COMPOUNDS)}
    data = read_dataset(dataset)
    unknown = [key for key in data.compounds if key not in labels]
    if unknown:
        raise InputError(f"{dataset}: compound {unknown[0]} is not in {compounds}; make the data set again")
    trained = [_read_run(folder) for folder in runs]
    table = read_scores(scores, [run.model for run in trained])
    names = {run.details["split"] for run in trained}
    split = names.pop()
    if names or split not in data.splits or data.splits[split].ids("test") != table.compounds:
        raise InputError(f"{scores[0]}: not the held-out compounds of one split of {dataset}; evaluate again")
    parts = {key: part for part in PARTS for key in data.splits[split].ids(part)}
    return Material(
        config=config,
        compounds=labels,
        rejections=list(read_table(rejections, REJECTIONS)),
        space=list(read_table(space, SPACE)),
        trajectories=list(read_table(trajectories, TRAJECTORIES)),
        dataset=data,
        dataset_hash=data.hash(),
        split=split,
        parts=parts,
        nearest=nearest_training(labels, parts, config["screen"]["fingerprint"]),
        runs=trained,
        scores=table,
        estimates=summarise(table),
    )


def _read_run(folder: Path) -> Run:
    for name in ("run.json", "log.jsonl"):
        if not (folder / name).is_file():
            raise InputError(f"{folder / name}: no such file; give a folder that `mdstride pretrain` wrote")
    details = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return Run(details["model"], details["seed"], details, [json.loads(line) for line in lines])


def nearest_training(
    compounds: dict[str, Record], parts: dict[str, str], fingerprint: dict[str, int]
) -> dict[str, tuple[float, str]]:
    """Tanimoto similarity of each compound outside training to its nearest training compound, and that one's id."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=fingerprint["radius"], fpSize=fingerprint["bits"])
    prints = {key: generator.GetFingerprint(Chem.MolFromSmiles(compounds[key]["smiles"])) for key in parts}
    train = sorted(key for key, part in parts.items() if part == "train")
    nearest = {}
    for key, part in sorted(parts.items()):
        if part != "train":
            similarities = DataStructs.BulkTanimotoSimilarity(prints[key], [prints[other] for other in train])
            nearest[key] = max(zip(similarities, train, strict=True))
    return nearest
