"""The score files below some folders, as one table for each split, also across runs of the workflow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.scores_file import Scores, read_scores_file
from mdstride.statistics.table import BASELINES, Table, make_table

FOLDER = "scores"
"""Below which the score files of a run lie."""
ROUNDING = 1e-4
"""By which errors of the same forecast may differ from machine to machine."""


@dataclass(frozen=True)
class _File:
    path: Path
    scores: Scores
    run: Path
    """Folder of the run that it belongs to."""

    @property
    def split(self) -> str:
        return self.scores.about["split"]

    @property
    def model(self) -> str:
        return self.scores.about["model"]


def gather(runs: Sequence[Path]) -> dict[str, Table]:
    """Tables by split, of score files and of all below folders (results/NAME, or a part of it).

    The baselines that lie beside a model are added. A model of the same name in several runs is called RUN/MODEL. Data
    sets may differ in what is trained on: where persistence makes the same error in every tested window, those are the
    same, and the baselines of the first run stand for all. Raises InputError where they are not.
    """
    files = [_read(path) for path in dict.fromkeys(path for run in runs for path in _found(run))]
    files += _baselines_beside(files)
    tables = {}
    for split in dict.fromkeys(file.split for file in files):
        mine = _named_apart([file for file in files if file.split == split])
        tables[split] = make_table([(file.path, file.scores) for file in _on_one_data_set(mine)])
    return tables


def _found(run: Path) -> list[Path]:
    """The score files that an argument means."""
    if run.is_file():
        return [run.resolve()]
    if not run.is_dir():
        raise InputError(f"{run}: no such file or folder; give score files (.h5) or folders such as results/default")
    paths = sorted(path for path in run.resolve().rglob("*.h5") if _is_scores(path.parts))
    if not paths:
        raise InputError(f"{run}: no scores below it; give a folder such as results/default, or evaluate the run first")
    return paths


def _is_scores(parts: tuple[str, ...]) -> bool:
    """Whether a path ends in scores/baselines/SPLIT.h5 or scores/MODEL/SPLIT/SEED.h5."""
    return parts[-3:-1] == (FOLDER, BASELINES) or parts[-4:-3] == (FOLDER,)


def _read(path: Path) -> _File:
    above = [folder.parent for folder in path.parents if folder.name == FOLDER]
    return _File(path, read_scores_file(path), above[0] if above else path.parent)


def _baselines_beside(files: Sequence[_File]) -> list[_File]:
    """Those of the same run and split as a model, where they are not given."""
    known = {file.path for file in files}
    beside = dict.fromkeys(file.run / FOLDER / BASELINES / f"{file.split}.h5" for file in files)
    return [_read(path) for path in beside if path not in known and path.is_file()]


def _named_apart(files: Sequence[_File]) -> list[_File]:
    """Models that several runs have, named RUN/MODEL; RUN is the folder's name, or its path if two have that name."""
    runs = list(dict.fromkeys(file.run for file in files))
    short = len({run.name for run in runs}) == len(runs)
    named = []
    for file in files:
        shared = len({other.run for other in files if other.model == file.model}) > 1
        if shared and file.model != BASELINES:
            file = _renamed(file, f"{file.run.name if short else file.run}/{file.model}")
        named.append(file)
    return named


def _renamed(file: _File, name: str) -> _File:
    scores = replace(
        file.scores,
        about=file.scores.about | {"model": name},
        values={
            (name if forecaster == file.model else forecaster, key, metric): value
            for (forecaster, key, metric), value in file.scores.values.items()
        },
    )
    return replace(file, scores=scores)


def _on_one_data_set(files: Sequence[_File]) -> list[_File]:
    """Without the baselines of further runs that were tested on the frames of the first; their models say so too."""
    baselines = {file.run: file for file in reversed(files) if file.model == BASELINES}
    first = next((file for file in files if file.model == BASELINES), None)
    kept = []
    for file in files:
        own = baselines.get(file.run)
        if first and own and file.run != first.run and _same_frames(own.scores, first.scores):
            if file.model == BASELINES:
                continue
            if file.scores.about["dataset"] == own.scores.about["dataset"]:
                about = file.scores.about | {"dataset": first.scores.about["dataset"]}
                file = replace(file, scores=replace(file.scores, about=about))
        kept.append(file)
    return kept


def _same_frames(one: Scores, other: Scores) -> bool:
    """Whether two files of baselines were scored on the same frames: persistence knows nothing but these."""
    if one.about["dataset"] == other.about["dataset"]:
        return True
    errors = [
        {key: value for (name, key, metric), value in scores.values.items() if (name, metric) == ("persistence", "mse")}
        for scores in (one, other)
    ]
    return errors[0].keys() == errors[1].keys() and all(
        value.shape == errors[1][key].shape and np.allclose(value, errors[1][key], rtol=ROUNDING, atol=0)
        for key, value in errors[0].items()
    )
