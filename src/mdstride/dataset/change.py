"""Changing a data set that exists: a published trajectory or a split more. What is in it is copied as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.dataset.splits.leaks import refuse_leaks
from mdstride.dataset.splits.make import make_splits
from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import dataset_writer, open_dataset, open_file
from mdstride.formats.split import Split


def add_compound(path: Path, compound: CompoundData) -> int:
    """Add an imported compound, or its trajectory to the same compound, to the data set `path`, made where missing.

    Returns the number of the trajectory. Splits stay as they are, so what is new is in none of them until they are
    made again. Raises InputError when the set holds the same file already, or the compound with other atoms or bonds.
    """
    with only_writer(path):
        if not path.exists():
            with dataset_writer(path) as writer:
                writer.add(compound)
                writer.finish({}, {}, {})
            return compound.replicas[0].number
        with open_dataset(path) as dataset:
            _refuse_twice(path, dataset, compound)
            if compound.id in dataset.compounds:
                compound = _merged(path, dataset.compounds[compound.id], compound)
        _rewrite(path, dataset, dataset.splits, compound)
    return compound.replicas[-1].number


def add_splits(path: Path, name: str, settings: dict[str, Any]) -> dict[str, Split]:
    """Make a split of the data set `path` (see `make_splits`) and store it under `name`, or NAME-1 .. with folds.

    Raises InputError when it leaks and is not meant to.
    """
    with only_writer(path):
        with open_dataset(path) as dataset:
            made = make_splits(name, settings, dataset.compounds)
            for key, split in made.items():
                refuse_leaks(key, split, dataset.compounds)
        _rewrite(path, dataset, dataset.splits | made)
    return made


def _rewrite(path: Path, dataset: Dataset, splits: dict[str, Split], added: CompoundData | None = None) -> None:
    """Write the set anew beside itself: `added`, and all other compounds as they are."""
    with open_file(path) as stored, dataset_writer(path) as writer:
        for key in dataset.compounds:
            if added is None or key != added.id:
                writer.keep(stored, key)
        if added is not None:
            writer.add(added)
        writer.finish(splits, dataset.settings, dataset.provenance)


def _refuse_twice(path: Path, dataset: Dataset, compound: CompoundData) -> None:
    source = compound.replicas[0].source["sha256"]
    for other in dataset.compounds.values():
        for replica in other.replicas:
            if replica.source["sha256"] == source:
                raise InputError(f"{path}: holds this file already, as trajectory {replica.number} of {other.id}")


def _merged(path: Path, stored: CompoundData, added: CompoundData) -> CompoundData:
    """`stored`, read whole, with the trajectory of `added` under the next number."""
    for name in ("atomic_numbers", "bonds"):
        first, second = (np.asarray(getattr(one, name)) for one in (stored, added))
        if name == "bonds":
            first, second = (np.unique(np.sort(bonds, axis=1), axis=0) for bonds in (first, second))
        if not np.array_equal(first, second):
            raise InputError(
                f"{path}: {added.id} is in it with other {name.replace('_', ' ')}, or its atoms in another order; "
                "reorder those of the new file"
            )
    number = max((replica.number for replica in stored.replicas), default=-1) + 1
    new = replace(added.replicas[0], number=number)
    stored = _in_memory(stored)
    return replace(stored, replicas=(*stored.replicas, new))


def _in_memory(compound: CompoundData) -> CompoundData:
    """A compound of an open file, read."""
    arrays = ("positions", "velocities", "forces")

    def read(replica: Replica) -> Replica:
        return replace(replica, **{name: array[()] for name in arrays if (array := getattr(replica, name)) is not None})

    trajectories: dict[str, Any] = {kind: tuple(map(read, getattr(compound, kind))) for kind in ("replicas", "twins")}
    return replace(compound, **trajectories)
