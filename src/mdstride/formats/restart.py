"""state/trajectories/{id}/{replica}/: what an unfinished trajectory needs to go on as if it had never stopped.

`point.h5` holds the last point at which the run can go on, and `frames-N.h5` the frames that came with each point: the
frames are written once, not again with every point. A point names the frames that belong to it and is written after
them, so a kill at any moment leaves a whole one.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats import hdf5

FRAME = ("step", "positions", "velocities", "forces", "energy")
"""What a frame consists of: integrator step, [N, 3] Å, [N, 3] Å/fs, [N, 3] eV/Å, eV."""


@dataclass(frozen=True)
class Restart:
    """A point at which a run can go on."""

    values: dict[str, Any]
    """Counters and the state of the random generator, as JSON takes them."""
    arrays: dict[str, np.ndarray]
    """State of the molecule, float64."""
    frames: dict[str, np.ndarray]
    """All frames up to this point, one array for each name of FRAME; empty where there is none."""


class RestartFolder:
    """Reads and writes the restart of one trajectory."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        """`fingerprint` stands for all that the run depends on: settings, inputs, code."""
        self.folder, self.fingerprint = folder, fingerprint
        self._lengths: list[int] = []  # frames in each file

    @property
    def saved(self) -> int:
        """Frames in the folder."""
        return sum(self._lengths)

    def save(self, point: Restart) -> None:
        """Write the point, whose frames are those that have come since the last one, before it."""
        frames = point.frames
        if count := len(frames["step"]):
            with hdf5.create(self._frames(len(self._lengths))) as file:
                for name in FRAME:
                    hdf5.put(file, name, frames[name])
            self._lengths.append(count)
        with hdf5.create(self.folder / "point.h5") as file:
            file.attrs["fingerprint"] = self.fingerprint
            file.attrs["values"] = json.dumps(point.values)
            file.attrs["lengths"] = json.dumps(self._lengths)
            for name, array in point.arrays.items():
                hdf5.put(file, name, array)

    def load(self) -> Restart | None:
        """The last point; None, with a line on standard error, where it is damaged or belongs to another run."""
        path = self.folder / "point.h5"
        if not path.exists():
            return None
        try:
            with hdf5.open_checked(path) as file:
                if file.attrs["fingerprint"] != self.fingerprint:
                    sys.stderr.write(f"{self.folder}: belongs to other settings, inputs or code; starting anew\n")
                    return None
                values, lengths = json.loads(file.attrs["values"]), json.loads(file.attrs["lengths"])
                arrays = {name: file[name][()] for name in file}
            pieces = [self._read(index, length) for index, length in enumerate(lengths)]
        except InputError as error:
            sys.stderr.write(f"{error}; starting the trajectory anew\n")
            return None
        self._lengths = lengths
        frames = {name: np.concatenate([piece[name] for piece in pieces]) for name in FRAME} if pieces else {}
        return Restart(values, arrays, frames)

    def clear(self) -> None:
        """Remove everything: the run starts anew, or is finished."""
        self._lengths = []
        for path in (self.folder / "point.h5", *self.folder.glob("frames-*.h5"), *self.folder.glob(".*.part")):
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _frames(self, index: int) -> Path:
        return self.folder / f"frames-{index}.h5"

    def _read(self, index: int, length: int) -> dict[str, np.ndarray]:
        with hdf5.open_checked(self._frames(index)) as file:
            piece = {name: file[name][()] for name in FRAME}
        if any(len(array) != length for array in piece.values()):
            raise InputError(f"{self._frames(index)}: not the frames that its point names")
        return piece
