"""One compound's trajectories, as the earlier stages have left them on disk."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Replica
from mdstride.formats.h5md import Trajectory, read_trajectory
from mdstride.formats.hdf5 import stated_seal
from mdstride.formats.provenance import sha256, source_hash
from mdstride.formats.structure import Structure, read_structure

COLUMNS = ("id", "name", "replica", "passed", "reason", "frames", "drift", "fluctuation", "temperature", "max_force")
FIGURES = COLUMNS[5:]

FORCE_STEP = 1e-4
"""eV/Å at SCC accuracy 1: forces are rounded to the power of two below this times the accuracy. The wavefunction's
start shows in the forces at 2.5e-4 times the accuracy (docs/reliability.md), so nothing but noise is lost."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """Where a compound's files are."""

    structure: Path
    trajectories: Path
    """Folder with {replica}.h5md and {replica}.twin.h5md."""
    replicas: int
    twins: int

    def paths(self) -> Iterator[tuple[int, bool, Path]]:
        """Number, whether it is a twin, and path of every trajectory that was planned."""
        for number in range(self.replicas):
            yield number, False, self.trajectories / f"{number}.h5md"
        for number in range(self.twins):
            yield number, True, self.trajectories / f"{number}.twin.h5md"


class Collected:
    """A compound as found on disk: cheap to make, the frames are read by `compound`."""

    def __init__(self, row: Row, files: Files, reference: dict[str, Any]) -> None:
        """Read everything but frames. Raises InputError for a file that is missing, damaged or of another compound."""
        self._row, self._files, self._reference = row, files, reference
        self.id: str = row["id"]
        self.structure = read_structure(files.structure)
        if self.structure.id != self.id:
            raise InputError(
                f"{files.structure}: holds {self.structure.id} instead of {self.id}; make it again (mdstride relax)"
            )
        self._found: list[tuple[int, bool, Path, Trajectory | None]] = []
        for number, twin, path in files.paths():
            trajectory = None if self.structure.failure else read_trajectory(path, arrays=False)
            if trajectory:
                _check(self.structure, trajectory, number, twin, path)
            self._found.append((number, twin, path, trajectory))
        self.passed = [item for item in self._found if item[3] and item[3].verdict["passed"]]

    def rows(self) -> list[Row]:
        """trajectories.csv: one row for each replica."""
        failed = {"passed": False, "reason": f"relax: {self.structure.failure}"}
        rows = []
        for number, twin, _, trajectory in self._found:
            if twin:
                continue
            verdict = trajectory.verdict if trajectory else failed
            about = {"id": self.id, "name": self._row["name"], "replica": number}
            about |= {"passed": verdict["passed"], "reason": verdict["reason"]}
            rows.append(about | {name: verdict.get(name) for name in FIGURES})
        return rows

    def usable(self) -> bool:
        """Whether a replica has passed."""
        return any(not twin for _, twin, _, _ in self.passed)

    def settings(self) -> Iterator[dict[str, Any]]:
        """How each trajectory that passed was made. Raises InputError for one at another level of theory."""
        for _, _, path, trajectory in self.passed:
            assert trajectory
            if trajectory.parameters.get("reference") != self._reference:
                raise InputError(f"{path}: made at another level of theory than `reference`; simulate it again")
            made = trajectory.provenance
            yield {**trajectory.parameters, **{name: made[name] for name in ("source", "software") if name in made}}

    def made_from(self) -> str:
        """Digest of all that the compound's part of a data set depends on, this code included."""
        files = [self._files.structure, *(path for _, _, path, _ in self.passed)]
        content = {
            "row": self._row,
            "reference": self._reference,
            "files": [stated_seal(path) for path in files],  # compared with the content when they were opened
            "source": source_hash("dataset/collect.py", "formats"),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def inputs(self, compound: CompoundData | None) -> dict[str, str]:
        """SHA-256 of every file that was read, by its path in a run; `compound` is what the data set holds of it."""
        stored = compound and {False: compound.replicas, True: compound.twins}
        known = {(one.number, twin): one.source["sha256"] for twin, some in (stored or {}).items() for one in some}
        found = {f"structures/{self.id}.h5": sha256(self._files.structure)}
        for number, twin, path, trajectory in self._found:
            if trajectory:
                found[f"trajectories/{self.id}/{path.name}"] = known.get((number, twin)) or sha256(path)
        return found

    def compound(self) -> CompoundData:
        """Read the frames of what has passed."""
        read = [(twin, _replica(number, path, self._reference)) for number, twin, path, _ in self.passed]
        first = self.passed[0][3]
        assert first
        return CompoundData(
            id=self.id,
            labels={name: self._row[name] for name in ("name", "smiles", "cid", "formula")}
            | {"mapped_smiles": self.structure.mapped_smiles},
            atomic_numbers=self.structure.atomic_numbers,
            masses=first.masses,
            bonds=self.structure.bonds,
            reference=self.structure.positions,
            replicas=tuple(replica for twin, replica in read if not twin),
            charge=self.structure.charge,
            multiplicity=self.structure.multiplicity,
            frequencies=self.structure.frequencies,
            modes=self.structure.modes,
            minima=self.structure.minima,
            twins=tuple(replica for twin, replica in read if twin),
        )


def _check(structure: Structure, trajectory: Trajectory, number: int, twin: bool, path: Path) -> None:
    if trajectory.id != structure.id:
        raise InputError(f"{path}: holds {trajectory.id} instead of {structure.id}; simulate that replica again")
    if trajectory.parameters.get("replica") != number or bool(trajectory.parameters.get("twin")) != twin:
        kind = "twin of replica" if trajectory.parameters.get("twin") else "replica"
        raise InputError(f"{path}: holds {kind} {trajectory.parameters.get('replica')}; simulate it again")
    for name in ("atomic_numbers", "bonds"):
        if not np.array_equal(getattr(trajectory, name), getattr(structure, name)):
            raise InputError(f"{path}: {name} differ from those of the structure; simulate that replica again")


def _replica(number: int, path: Path, reference: dict[str, Any]) -> Replica:
    """A trajectory that passed, relative to the centre of mass of its first frame."""
    trajectory = read_trajectory(path)
    intervals = np.diff(trajectory.time)
    if len(intervals) < 1 or not np.allclose(intervals, intervals[0], rtol=1e-6):
        raise InputError(f"{path}: its frames are not at equal intervals; simulate that replica again")
    origin = trajectory.masses @ trajectory.positions[0] / trajectory.masses.sum()
    step = force_step(reference)
    return Replica(
        number=number,
        interval=round(float(intervals[0]), 6),
        positions=(trajectory.positions - origin).astype(np.float32),
        velocities=trajectory.velocities.astype(np.float32),
        forces=(np.round(trajectory.forces / step) * step).astype(np.float32) if step else trajectory.forces,
        energy=trajectory.potential_energy,
        origin=origin,
        figures=trajectory.verdict,
        source={"format": "mdstride", "sha256": sha256(path), "force_step": step, "notes": []},
    )


def force_step(reference: dict[str, Any]) -> float | None:
    """eV/Å to which forces are rounded; None where the engine's noise is not known."""
    if reference["engine"] == "ase":
        return None
    return 2.0 ** math.floor(math.log2(FORCE_STEP * reference["accuracy"]))
