"""Stage dataset: every trajectory that passed, in one file, with splits and a card."""

import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py

from mdstride.dataset.card import card_text
from mdstride.dataset.collect import COLUMNS, Collected, Files, Row
from mdstride.dataset.splits.distance import distance_report
from mdstride.dataset.splits.leaks import refuse_leaks
from mdstride.dataset.splits.make import make_splits
from mdstride.errors import InputError
from mdstride.formats.atomic import keep_link, only_writer, write_text
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import DatasetWriter, dataset_writer, made_from, open_dataset, open_file
from mdstride.formats.provenance import Record, record, software, write_record
from mdstride.formats.split import Split
from mdstride.formats.tables import read_table, write_table
from mdstride.progress import Progress


def build_dataset(
    settings: dict[str, Any],
    reference: dict[str, Any],
    *,
    compounds: Path,
    structures: Path,
    trajectories: Path,
    replicas: int,
    twins: int,
    output: Path,
    table: Path,
    card: Path,
    previous: Path | None = None,
) -> None:
    """Write dataset.h5, trajectories.csv and card.md, and where they come from.

    Parameters
    ----------
    settings, reference
        The configuration's sections `dataset` and `reference`.
    compounds
        compounds.csv of `mdstride select`.
    structures, trajectories
        Folders with {id}.h5, and {id}/{replica}.h5md for replica 0 .. `replicas` - 1, of every compound, and
        {id}/{replica}.twin.h5md for the first `twins` of them.
    previous
        A data set made before, from which compounds that have not changed are copied; it becomes a link to the new
        one. Default: what `output` is now.

    Trajectories that failed are left out, with their reason in `table`. Raises InputError for a missing, damaged or
    foreign file, when more than settings["max_failed"] of the compounds are left without a trajectory, and for a split
    that cannot be made or that leaks.
    """
    labels = _labels(compounds)
    with only_writer(output, wait=True):
        collected, rows, shared = _collect(labels, reference, structures, trajectories, replicas, twins)
        found = [one for one in collected if one.usable()]
        _check_enough(labels, found, rows, settings["max_failed"])
        with _previous(previous or output) or nullcontext() as stored, dataset_writer(output) as writer:
            _fill(writer, found, stored)
            splits = splits_of(settings["splits"], writer.dataset())
            asked = settings | {"reference": reference, "replicas": replicas, "twins": twins, "trajectories": shared}
            made = _record(asked, compounds, collected, writer.dataset())
            writer.finish(splits, asked, made)
        if previous:
            keep_link(output, previous)
    write_table(table, COLUMNS, rows)
    with open_dataset(output) as dataset:
        write_text(card, card_text(dataset, rows, reports(dataset)))
    write_record(made, table, card)


def splits_of(settings: Mapping[str, dict[str, Any]], dataset: Dataset) -> dict[str, Split]:
    """All splits of the configuration's `dataset.splits`. Raises InputError for one that leaks and is not meant to."""
    splits: dict[str, Split] = {}
    for name, how in settings.items():
        splits |= make_splits(name, how, dataset.compounds)
    for name, split in splits.items():
        refuse_leaks(name, split, dataset.compounds)
    return splits


def reports(dataset: Dataset) -> dict[str, list[str]]:
    """By split, how far the test compounds are from those that a model has seen."""
    return {name: distance_report(split, dataset.compounds) for name, split in dataset.splits.items()}


def _labels(path: Path) -> dict[str, Row]:
    """Rows of compounds.csv by id."""
    rows = list(read_table(path, ("id", "cid", "smiles", "name", "formula")))
    labels = {row["id"]: row for row in rows}
    if len(labels) < len(rows):
        raise InputError(f"{path}: an id occurs twice; make the table again with `mdstride select`")
    return labels


def _collect(
    labels: dict[str, Row], reference: dict[str, Any], structures: Path, trajectories: Path, replicas: int, twins: int
) -> tuple[list[Collected], list[Row], dict[str, Any]]:
    """What is on disk, without frames: all compounds by id, rows of the table, settings that trajectories share."""
    collected: list[Collected] = []
    rows: list[Row] = []
    shared: dict[str, Any] | None = None
    progress = Progress("dataset: checking", len(labels), "compounds")
    for key, row in labels.items():
        files = Files(structures / f"{key}.h5", trajectories / key, replicas, twins)
        one = Collected(row, files, reference)
        rows += one.rows()
        for own in one.settings():
            shared = (
                own if shared is None else {name: value for name, value in shared.items() if own.get(name) == value}
            )
        collected.append(one)
        progress.update(note=row["name"])
    progress.close()
    return sorted(collected, key=lambda one: one.id), rows, shared or {}


def _record(asked: dict[str, Any], compounds: Path, collected: list[Collected], dataset: Dataset) -> Record:
    inputs = {"compounds.csv": compounds}
    inputs |= {f"dataset.splits.{name}.path": how["path"] for name, how in asked["splits"].items() if "path" in how}
    known: dict[str, str] = {}
    for one in collected:
        known |= one.inputs(dataset.compounds.get(one.id))
    return record("dataset", asked, inputs, software("h5py", "numpy", "rdkit"), known=known)


def _fill(writer: DatasetWriter, found: list[Collected], stored: h5py.File | None) -> None:
    """Copy from `stored` what has not changed, read the rest from its trajectories."""
    progress, kept = Progress("dataset: storing", len(found), "compounds"), 0
    known = made_from(stored) if stored else {}
    for one in found:
        inputs = one.made_from()
        if stored and known.get(one.id) == inputs:
            writer.keep(stored, one.id)
            kept += 1
        else:
            writer.add(one.compound(), inputs)
        progress.update()
    progress.close(f"{kept} unchanged" if kept else "")


def _previous(path: Path) -> h5py.File | None:
    """The data set made before; None if there is none that can be read."""
    if not path.exists():
        return None
    try:
        return open_file(path)
    except InputError as error:
        sys.stderr.write(f"dataset: building anew, since the one made before cannot be used: {error}\n")
        return None


def _check_enough(labels: dict[str, Row], found: list[Collected], rows: list[Row], max_failed: float) -> None:
    usable = {one.id for one in found}
    failed = [key for key in labels if key not in usable]
    if len(failed) > max_failed * len(labels):
        first = next(row for row in rows if row["id"] == failed[0])
        raise InputError(
            f"{len(failed)} of {len(labels)} compounds have no trajectory that passed, more than dataset.max_failed = "
            f"{max_failed:g} allows; the first is {failed[0]} ({first['reason']})"
        )
