"""Stage evaluate: one trained model, or all baselines, on the held-out windows of a split.

Every forecaster meets the same seeded windows and lags and is given the same initial state of all atoms. What is
measured: METRICS in formats/scores_file.py. Needs torch, NumPy, h5py and safetensors alone.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.evaluate.case import Case, Plan, make_case, make_plan
from mdstride.evaluate.floor import twin_floor
from mdstride.evaluate.forecasters import Forecasters, baselines, trained
from mdstride.evaluate.measures import PARTS, Values, truth
from mdstride.evaluate.sheet import Sheet, bind, enter
from mdstride.evaluate.threads import side_by_side, single_threaded
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.provenance import DATASET, Record, record, software
from mdstride.formats.scores_file import FLOOR, REFERENCE, Scores, write_scores
from mdstride.progress import Progress


def evaluate(settings: dict[str, Any], *, dataset: Path, split: str, run: Path | None, output: Path) -> None:
    """Write the scores of the model in folder `run`, or without one those of the baselines, the truth and the floor.

    Raises InputError when the model was trained on another data set or split, nothing is held out, or a lag does not
    fit. A forecast that fails or is not finite is recorded, and does not stop the others.
    """
    data = read_dataset(dataset)
    if split not in data.splits:
        raise InputError(f"{dataset}: no split `{split}`; it has {', '.join(data.splits) or 'none'}")
    parts = data.splits[split].parts
    if not parts["test"]:
        raise InputError(f"{dataset}: split `{split}` holds out nothing to test on; raise its share `test`")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    about: dict[str, Any] = {"model": "baselines", "seed": None, "split": split, "dataset": data.hash()}
    notes: list[str] = []
    if run is not None:
        known, metadata = trained(run, data, split, device)
        about |= {key: metadata[key] for key in ("model", "seed")}
    about |= _record(settings, data, run)
    plan = make_plan(data, parts["test"], settings, device)
    with single_threaded() as cores:
        if run is None:
            known, notes = baselines(data, data.splits[split], plan.times(plan.steps).tolist())
        about["notes"] = notes + plan.notes()
        sys.stderr.writelines(f"evaluate: {note}\n" for note in about["notes"])
        at_once = cores if device == "cpu" else 1
        write_scores(output, measure(plan, known, about, reference=run is None, at_once=at_once))


def _record(settings: dict[str, Any], data: Dataset, run: Path | None) -> Record:
    inputs = {} if run is None else {"weights.safetensors": run / "weights.safetensors"}
    versions = software("torch", "numpy", "h5py", "safetensors")
    return record("evaluate" if run else "baselines", settings, inputs, versions, known={DATASET: data.hash()})


def measure(plan: Plan, known: Forecasters, about: dict[str, Any], *, reference: bool, at_once: int) -> Scores:
    """Everything about every forecaster that `known` gives, so many compounds at once.

    With `reference`, about the truth and the floor too.
    """
    scores, keys = bind(plan, about), plan.windows.ids
    progress = Progress("evaluate", len(keys), "compounds")
    work = partial(_one, plan, known, reference)
    for key, sheet in zip(keys, side_by_side(work, range(len(keys)), at_once), strict=True):
        enter(scores, key, sheet)
        progress.update()
    progress.close()
    return scores


def _one(plan: Plan, known: Forecasters, reference: bool, number: int) -> Sheet:
    """Of compound `number`."""
    case = make_case(plan, number)
    sheet = Sheet(case)
    if reference:
        sheet.add(REFERENCE, "valid", partial(truth, case))
        if case.compound.twins:
            sheet.add(FLOOR, "floor", partial(_floor, case, plan.times(plan.steps)))
    for name, forecaster in known(case.compound).items():
        for what, part in PARTS.items():
            sheet.add(name, what, partial(part, forecaster, case))
    return sheet


def _floor(case: Case, lags: np.ndarray) -> Values:
    return {"floor": twin_floor(case.compound, lags.tolist()).mean(0)}
