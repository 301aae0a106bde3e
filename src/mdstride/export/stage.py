"""Stored trajectories as extended XYZ or as ASE's own trajectory, which `ase.io.read` reads in full.

| in the file | unit | read back by |
|---|---|---|
| positions | Å | `atoms.positions` |
| momenta, since ASE stores no velocities | sqrt(eV amu) | `atoms.get_velocities() * ase.units.fs` in Å/fs |
| forces, energy | eV/Å, eV | `atoms.get_forces()`, `atoms.get_potential_energy()` |
| masses | amu | `atoms.get_masses()` |
| time, step | fs, integrator steps | `atoms.info["time"]`, `atoms.info["step"]` |
| InChIKey, atom-mapped SMILES, verdict | | `atoms.info["id"]`, `["smiles"]`, `["passed"]` |

Data sets: dataset.py.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryWriter

from mdstride.errors import InputError
from mdstride.export.extxyz import momenta, write_frame
from mdstride.formats.atomic import atomic_path
from mdstride.formats.h5md import Trajectory, read_trajectory
from mdstride.progress import Progress

Write = Callable[[Trajectory, int], None]


def export_trajectory(trajectory: Path, output: Path, *, stride: int = 1) -> None:
    """Write every `stride`-th frame of a stored trajectory, the first included, in the format of output's suffix.

    A trajectory that failed its verdict is written up to its failure, and says so in each frame. Raises InputError
    for a suffix that is not known, a stride below 1, and a trajectory that cannot be read or has no frames.
    """
    _check(stride, output.suffix)
    stored = read_trajectory(trajectory)
    frames = range(0, len(stored.time), stride)
    if not frames:
        reason = stored.verdict["reason"] or "no reason recorded"
        raise InputError(f"{trajectory}: no frames to export ({reason}); choose a trajectory that passed")
    progress = Progress(f"export {output}", len(frames), "frames")
    with atomic_path(output) as part, WRITERS[output.suffix](part) as write:
        for frame in frames:
            write(stored, frame)
            progress.update()
    progress.close()


def export_folder(trajectories: Path, output: Path, *, suffix: str, stride: int = 1) -> None:
    """Write every trajectory below the folder `trajectories` that passed to the same place below `output`.

    Those that failed are named on standard error and left out, as they are from the data set. Raises InputError as
    `export_trajectory` does, and for a folder without trajectories.
    """
    _check(stride, suffix)
    paths = sorted(trajectories.rglob("*.h5md"))
    if not paths:
        raise InputError(f"{trajectories}: no trajectory (.h5md) below this folder; run `mdstride simulate` first")
    for path in paths:
        verdict = read_trajectory(path, arrays=False).verdict
        if verdict["passed"]:
            export_trajectory(path, (output / path.relative_to(trajectories)).with_suffix(suffix), stride=stride)
        else:
            sys.stderr.write(f"export: {path} left out: {verdict['reason']}\n")


def _check(stride: int, suffix: str) -> None:
    if suffix not in WRITERS:
        raise InputError(f"`{suffix or 'no suffix'}` is not a format of export; choose one of {', '.join(WRITERS)}")
    if stride < 1:
        raise InputError(f"stride {stride}: must be 1 (every stored frame) or more")


def _info(stored: Trajectory, frame: int) -> dict[str, Any]:
    return {
        "time": float(stored.time[frame]),
        "step": int(stored.step[frame]),
        "id": stored.id,
        "smiles": stored.mapped_smiles,
        "passed": bool(stored.verdict["passed"]),
    }


def _atoms(stored: Trajectory, frame: int) -> Atoms:
    """One frame in ASE's units."""
    atoms = Atoms(stored.atomic_numbers, stored.positions[frame], masses=stored.masses, info=_info(stored, frame))
    atoms.set_velocities(stored.velocities[frame] / units.fs)
    energy = float(stored.potential_energy[frame])
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=stored.forces[frame])
    return atoms


@contextmanager
def _extended_xyz(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as stream:

        def write(stored: Trajectory, frame: int) -> None:
            columns = {"pos": stored.positions[frame], "masses": stored.masses}
            columns |= {"momenta": momenta(stored.masses, stored.velocities[frame]), "forces": stored.forces[frame]}
            info = {"energy": float(stored.potential_energy[frame])} | _info(stored, frame)
            write_frame(stream, stored.atomic_numbers, columns, info)

        yield write


@contextmanager
def _ase_trajectory(path: Path) -> Iterator[Write]:
    with TrajectoryWriter(path) as writer:
        yield lambda stored, frame: writer.write(_atoms(stored, frame))


WRITERS = {".extxyz": _extended_xyz, ".xyz": _extended_xyz, ".traj": _ase_trajectory}
"""How to write, by suffix."""
