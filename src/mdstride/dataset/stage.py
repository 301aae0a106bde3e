"""Stage dataset: every trajectory that passed, in one file, with splits and a card."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.dataset.card import card_text
from mdstride.dataset.split import split_compounds
from mdstride.errors import InputError
from mdstride.formats.atomic import write_text
from mdstride.formats.dataset_file import CompoundData, Dataset, Replica, write_dataset
from mdstride.formats.h5md import Trajectory, read_trajectory
from mdstride.formats.provenance import sha256
from mdstride.formats.structure import Structure, read_structure
from mdstride.formats.tables import read_table, write_table
from mdstride.progress import Progress

COLUMNS = ("id", "name", "replica", "passed", "reason", "frames", "drift", "fluctuation", "temperature", "max_force")
FIGURES = COLUMNS[5:]

Row = dict[str, Any]


@dataclass
class Collected:
    """What was found on disk."""

    compounds: dict[str, CompoundData] = field(default_factory=dict)
    """Those with a replica that passed, by id."""
    rows: list[Row] = field(default_factory=list)
    """trajectories.csv: one for each replica of each compound."""
    shared: dict[str, Any] | None = None
    """How the trajectories were made, as far as all of them say the same; None before the first one."""


def build_dataset(
    settings: dict[str, Any],
    reference: dict[str, Any],
    *,
    compounds: Path,
    structures: Path,
    trajectories: Path,
    replicas: int,
    output: Path,
    table: Path,
    card: Path,
) -> None:
    """Write dataset.h5, trajectories.csv and card.md.

    Parameters
    ----------
    settings, reference
        The configuration's sections `dataset` and `reference`.
    compounds
        compounds.csv of `mdstride select`.
    structures, trajectories
        Folders with {id}.h5, and {id}/{replica}.h5md for replica 0 .. `replicas` - 1, of every compound.

    Trajectories that failed are left out, with their reason in `table`. Raises InputError for a missing, damaged or
    foreign file, when more than settings["max_failed"] of the compounds are left without a trajectory, and when too
    few remain to be split.
    """
    labels = _labels(compounds)
    found = _collect(labels, reference, structures, trajectories, replicas)
    _check_enough(labels, found, settings["max_failed"])
    split = split_compounds(found.compounds, **settings["split"])
    made = {"reference": reference, "split": settings["split"], "trajectories": found.shared}
    dataset = Dataset(dict(sorted(found.compounds.items())), {"compound": split}, made)
    write_dataset(output, dataset)
    write_table(table, COLUMNS, found.rows)
    write_text(card, card_text(dataset, found.rows))


def _labels(path: Path) -> dict[str, Row]:
    """Rows of compounds.csv by id."""
    rows = list(read_table(path, ("id", "cid", "smiles", "name", "formula")))
    labels = {row["id"]: row for row in rows}
    if len(labels) < len(rows):
        raise InputError(f"{path}: an id occurs twice; make the table again with `mdstride select`")
    return labels


def _collect(
    labels: dict[str, Row], reference: dict[str, Any], structures: Path, trajectories: Path, replicas: int
) -> Collected:
    """Read everything, one trajectory at a time; the arrays that are kept are float32."""
    found = Collected()
    progress = Progress("dataset", len(labels) * replicas, "trajectories")
    for key, row in labels.items():
        path = structures / f"{key}.h5"
        structure = read_structure(path)
        if structure.id != key:
            raise InputError(f"{path}: holds {structure.id} instead of {key}; make it again with `mdstride relax`")
        passed: list[Replica] = []
        masses = np.zeros(0)
        for number, trajectory, source in _replicas(structure, trajectories / key, replicas):
            verdict = trajectory.verdict if trajectory else {"passed": False, "reason": f"relax: {structure.failure}"}
            found.rows.append(_verdict_row(row, number, verdict))
            if trajectory and verdict["passed"]:
                if trajectory.parameters.get("reference") != reference:
                    raise InputError(f"{source}: made at another level of theory than `reference`; simulate it again")
                _share(found, trajectory)
                passed.append(_replica(number, trajectory, source))
                masses = trajectory.masses
            progress.update(note=row["name"])
        if passed:
            text = {name: row[name] for name in ("name", "smiles", "cid", "formula")}
            found.compounds[key] = CompoundData(
                id=key,
                labels=text | {"mapped_smiles": structure.mapped_smiles},
                atomic_numbers=structure.atomic_numbers,
                masses=masses,
                bonds=structure.bonds,
                reference=structure.positions,
                replicas=tuple(passed),
            )
    progress.close()
    return found


def _replicas(structure: Structure, folder: Path, replicas: int) -> Iterator[tuple[int, Trajectory | None, Path]]:
    """Number, trajectory and its path; no trajectory when the relaxation has failed. Checks that they belong."""
    for number in range(replicas):
        path = folder / f"{number}.h5md"
        if structure.failure:
            yield number, None, path
            continue
        trajectory = read_trajectory(path)
        if trajectory.id != structure.id:
            raise InputError(f"{path}: holds {trajectory.id} instead of {structure.id}; simulate that replica again")
        if trajectory.parameters.get("replica") != number:
            raise InputError(f"{path}: holds replica {trajectory.parameters.get('replica')}; simulate it again")
        for name in ("atomic_numbers", "bonds"):
            if not np.array_equal(getattr(trajectory, name), getattr(structure, name)):
                raise InputError(f"{path}: {name} differ from those of the structure; simulate that replica again")
        yield number, trajectory, path


def _replica(number: int, trajectory: Trajectory, path: Path) -> Replica:
    """A trajectory that passed, relative to the centre of mass of its first frame."""
    intervals = np.diff(trajectory.time)
    if len(intervals) < 1 or not np.allclose(intervals, intervals[0], rtol=1e-6):
        raise InputError(f"{path}: its frames are not at equal intervals; simulate that replica again")
    origin = trajectory.masses @ trajectory.positions[0] / trajectory.masses.sum()
    return Replica(
        number=number,
        interval=round(float(intervals[0]), 6),
        positions=(trajectory.positions - origin).astype(np.float32),
        velocities=trajectory.velocities.astype(np.float32),
        forces=trajectory.forces.astype(np.float32),
        energy=trajectory.potential_energy,
        origin=origin,
        figures=trajectory.verdict,
        source=sha256(path),
    )


def _share(found: Collected, trajectory: Trajectory) -> None:
    own = {**trajectory.parameters, "software": trajectory.software}
    before = own if found.shared is None else found.shared
    found.shared = {name: value for name, value in before.items() if own.get(name) == value}


def _verdict_row(row: Row, number: int, verdict: dict[str, Any]) -> Row:
    figures = {name: verdict.get(name) for name in FIGURES}
    about = {"id": row["id"], "name": row["name"], "replica": number}
    return about | {"passed": verdict["passed"], "reason": verdict["reason"]} | figures


def _check_enough(labels: dict[str, Row], found: Collected, max_failed: float) -> None:
    failed = [key for key in labels if key not in found.compounds]
    if len(failed) > max_failed * len(labels):
        first = next(row for row in found.rows if row["id"] == failed[0])
        raise InputError(
            f"{len(failed)} of {len(labels)} compounds have no trajectory that passed, more than dataset.max_failed = "
            f"{max_failed:g} allows; the first is {failed[0]} ({first['reason']})"
        )
