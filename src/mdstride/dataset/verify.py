"""Checking a data set from its bytes to its splits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.dataset.splits.leaks import check_split, faults
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.dataset_file import open_dataset, open_file
from mdstride.formats.provenance import sha256
from mdstride.progress import Progress

CHECKS = "bytes, units, shapes, digests, finite values, masses, bonds, splits"


def verify_dataset(path: Path, trajectories: Path | None = None) -> list[str]:
    """What is wrong with a data set, one line for each fault; empty when all is well.

    With `trajectories`, the folder of {id}/{replica}.h5md, the file that each trajectory was made from is compared too.
    Reads one trajectory at a time. Raises InputError when the file cannot be read at all.
    """
    open_file(path).close()  # compares the digest of all bytes, then kind and version
    found: list[str] = []
    with open_dataset(path) as dataset:  # units, shapes, content hash
        progress = Progress("dataset: verifying", len(dataset.compounds), "compounds")
        for key, compound in dataset.compounds.items():
            if compound.digest() != dataset.digests[key]:
                found.append(f"{key}: does not match its digest; make it again")
            found += _compound(compound)
            if trajectories:
                found += _sources(compound, trajectories)
            progress.update()
        progress.close()
        found += _splits(dataset)
    return [f"{path}: {fault}" for fault in found]


def _compound(compound: CompoundData) -> Iterator[str]:
    atoms = len(compound.atomic_numbers)
    if (np.asarray(compound.masses) <= 0).any() or (np.asarray(compound.atomic_numbers) < 1).any():
        yield f"{compound.id}: an atom without element or mass; make it again"
    if len(compound.bonds) and not (compound.bonds.min() >= 0 and compound.bonds.max() < atoms):
        yield f"{compound.id}: a bond of an atom that it does not have; make it again"
    numbers = [replica.number for replica in compound.replicas]
    if len(set(numbers)) < len(numbers) or not numbers:
        yield f"{compound.id}: no trajectory, or one number twice; make it again"
    for kind in (compound.replicas, compound.twins):
        for replica in kind:
            yield from _replica(compound.id, replica)


def _replica(key: str, replica: Replica) -> Iterator[str]:
    where = f"{key}, trajectory {replica.number}"
    if replica.consecutive and not replica.interval > 0:
        yield f"{where}: interval of {replica.interval:g} fs; make it again"
    for name in ("positions", "velocities", "forces", "energy"):
        array: Any = getattr(replica, name)
        if array is None:
            continue
        values = np.asarray(array[()])
        bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
        if bad.any():
            yield f"{where}: {name} of frame {int(bad.argmax())} are not finite; leave the trajectory out"


def _sources(compound: CompoundData, trajectories: Path) -> Iterator[str]:
    for replica in compound.replicas:
        if replica.source["format"] != "mdstride":
            continue
        path = trajectories / compound.id / f"{replica.number}.h5md"
        if not path.is_file():
            yield f"{compound.id}: its source {path} is missing"
        elif sha256(path) != replica.source["sha256"]:
            yield f"{compound.id}: its source {path} has changed since; build the data set again"


def _splits(dataset: Dataset) -> Iterator[str]:
    for name, split in dataset.splits.items():
        check = faults if split.leaky else check_split
        yield from (f"split {name}: {violation}" for violation in check(split, dataset.compounds))
