"""Windows: an initial state and what became of it, drawn from a data set that lives on the device.

All trajectories lie in flat arrays of atoms [sum of F*N, 3]; a window is index arithmetic on offsets, so a batch needs
no Python per sample, and only its indices are copied from the host. There they are drawn, so that a seed means the same
windows on every device, and the size of a batch is known without waiting for the device. A set that fits nowhere lies
in a file that the system maps to memory.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Segment
from mdstride.models.state import State


class Windows:
    """Windows within the segments of a part of a split.

    Parameters
    ----------
    dataset, segments
        The data set, in memory or open, and the frames that windows may touch.
    device
        Where the flat arrays and the windows lie.
    heavy
        Leave hydrogens out: for models that ignore them, in half the memory.
    scratch
        Folder for flat arrays in files instead of memory (CPU only); they are made once for each content of the set.
    """

    def __init__(
        self,
        dataset: Dataset,
        segments: Sequence[Segment],
        device: torch.device | str = "cpu",
        *,
        heavy: bool = False,
        scratch: Path | None = None,
    ) -> None:
        if not segments:
            raise InputError("no compound to draw windows from; the split has an empty part: lower its shares")
        found = [
            _Found(dataset.compounds[s.compound], replica, s) for s in segments for replica in _replicas(dataset, s)
        ]
        self.device = torch.device(device)
        self.interval = _interval(found)
        """fs between frames."""
        self.ids = list(dict.fromkeys(item.compound.id for item in found))
        """Compounds in the order of the segments."""
        compounds = [dataset.compounds[key] for key in self.ids]
        atoms = {compound.id: _atoms(compound, heavy) for compound in compounds}
        replicas = {(item.compound.id, item.replica.number): item for item in found}
        counts = [len(item.replica.positions) * len(atoms[key]) for (key, _), item in replicas.items()]
        first_row = dict(zip(replicas, np.cumsum([0, *counts[:-1]]).tolist(), strict=True))

        def numbers(values: Iterator[int]) -> torch.Tensor:
            return torch.tensor(list(values))

        self.compound = numbers(self.ids.index(item.compound.id) for item in found)
        """[S] index into `ids` of each segment's compound."""
        self.replica = numbers(item.replica.number for item in found)
        """[S] number of the trajectory that the segment belongs to."""
        self.first = numbers(item.segment.first for item in found)
        """[S] first frame of the segment; starts count from there."""
        self.frames = numbers(item.frames for item in found)
        """[S] frames in the segment."""
        self.shortest = min(item.frames for item in found)
        self._atoms = numbers(len(atoms[item.compound.id]) for item in found)
        self._offset = self.first * self._atoms + numbers(first_row[item.key] for item in found)
        self._order = torch.argsort(self.compound, stable=True)
        edges = torch.arange(len(self.ids) + 1)
        self._edges = torch.searchsorted(self.compound[self._order].contiguous(), edges)
        self._fixed = _pad(compounds, atoms, self.device)
        self._width = self._fixed["mask"].shape[1]
        heavy_atoms = [int((compound.atomic_numbers > 1).sum()) for compound in compounds]
        self.heavy = torch.tensor(heavy_atoms)[self.compound]
        """[S] heavy atoms of each segment's compound."""
        store = _Store(dataset, [item for item in replicas.values()], atoms, sum(counts) + self._width, scratch)
        self._positions, self._velocities = (store.flat(name).to(device) for name in ("positions", "velocities"))

    def gather(self, segment: torch.Tensor, start: torch.Tensor, steps: torch.Tensor) -> tuple[State, torch.Tensor]:
        """The state at frame `start` [B] of `segment` [B], and the positions [B, P, N, 3] `steps` [B, P] later.

        Indices are on the host, what is returned is on the device, as wide as the largest molecule among them. A window
        with negative steps runs backwards: its initial velocities are reversed (time reversal of NVE).
        """
        compound = self._there(self.compound[segment])
        width = int(self._atoms[segment].max())
        fixed: dict[str, Any] = {name: value[compound][:, :width] for name, value in self._fixed.items()}
        fixed["adjacency"] = fixed["adjacency"][:, :, :width]
        blank = ~fixed["mask"][..., None]
        count = self._atoms[segment]
        now = (self._offset[segment] + start * count)[:, None]
        then, now = self._there(now + steps * count[:, None]), self._there(now)
        targets = _rows(self._positions, then, blank)
        sign = self._there(torch.where(steps[:, 0] < 0, -1.0, 1.0))[:, None, None]
        state = State(
            positions=_rows(self._positions, now, blank)[:, 0],
            velocities=_rows(self._velocities, now, blank)[:, 0] * sign,
            most_heavy=int(self.heavy[segment].max()),
            **fixed,
        )
        return state, targets

    def draw(
        self,
        batch: int,
        times: int,
        lags: tuple[float, float],
        generator: torch.Generator,
        *,
        reverse: bool = False,
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        """Random windows on the device: (state, lags [B, P] fs, targets [B, P, N, 3]). See `choose`."""
        segment, start, steps = self.choose(batch, times, lags, generator, reverse=reverse)
        state, targets = self.gather(segment, start, steps)
        return state, self.lags(steps), targets

    def lags(self, steps: torch.Tensor) -> torch.Tensor:
        """Steps in frames, forwards or backwards, as lags in fs (float32) on the device."""
        return self._there((steps.abs() * self.interval).float())

    def _there(self, values: torch.Tensor) -> torch.Tensor:
        """From the host to the device, without waiting."""
        return values if self.device.type == "cpu" else values.pin_memory().to(self.device, non_blocking=True)

    def choose(
        self,
        batch: int,
        times: int,
        lags: tuple[float, float],
        generator: torch.Generator,
        *,
        reverse: bool = False,
        compound: int | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random windows by index, on the host: segment [B], start frame [B] and steps [B, P] in frames, for `gather`.

        A compound, then one of its segments, the longest lag log-uniform in `lags` (fs), the other P - 1 times equally
        spaced up to it, each by the same whole number of frames, and a start that leaves room. With `reverse`, half of
        the windows run backwards. All are of compound number `compound`, if it is given.
        """
        most = max(1, int(lags[1] / self.interval / times + 1e-9))
        if most * times >= self.shortest:
            raise InputError(f"a lag of {lags[1]:g} fs does not fit into the shortest trajectory")

        def uniform() -> torch.Tensor:
            return torch.rand(batch, generator=generator, dtype=torch.float64)

        picked = (uniform() * len(self.ids)).long()
        if compound is not None:
            picked = torch.full_like(picked, compound)
        first, last = self._edges[picked], self._edges[picked + 1]
        segment = self._order[first + (uniform() * (last - first)).long()]
        low, high = np.log(lags[0]), np.log(lags[1])
        longest = torch.exp(low + uniform() * (high - low)) / self.interval
        spacing = (longest / times).round().clamp(min=1, max=most).long()
        steps = spacing[:, None] * torch.arange(1, times + 1)
        start = (uniform() * (self.frames[segment] - steps[:, -1])).long()
        if reverse:
            backwards = uniform() < 0.5
            start = torch.where(backwards, start + steps[:, -1], start)
            steps = torch.where(backwards[:, None], -steps, steps)
        return segment, start, steps


class _Found:
    """A segment with the trajectory it lies in; refuses one in which nothing can be forecast."""

    def __init__(self, compound: CompoundData, replica: Replica, segment: Segment) -> None:
        self.compound, self.replica, self.segment = compound, replica, segment
        self.key = (compound.id, replica.number)
        stop = len(replica.positions) if segment.stop is None else segment.stop
        self.frames = stop - segment.first
        where = f"{compound.id}, trajectory {replica.number}"
        if not 0 <= segment.first < stop <= len(replica.positions):
            raise InputError(f"{where}: frames {segment.first} to {stop} are not in it; make the split again")
        if not replica.consecutive or replica.velocities is None:
            raise InputError(f"{where}: its frames do not follow each other in time, so there is nothing to forecast")


class _Store:
    """The arrays of some trajectories, one after the other, in memory or in files."""

    def __init__(
        self,
        dataset: Dataset,
        found: Sequence[_Found],
        atoms: dict[str, np.ndarray],
        rows: int,
        scratch: Path | None,
    ) -> None:
        self._dataset, self._found, self._atoms, self._rows, self._scratch = dataset, found, atoms, rows, scratch

    def flat(self, name: str) -> torch.Tensor:
        """Array `name` of all trajectories: [rows, 3], with rows of zero at the end that a wide window may touch."""
        if self._scratch is None:
            flat = torch.zeros(self._rows, 3)
            self._fill(flat.numpy(), name)
            return flat
        atoms = sum(len(self._atoms[key]) for key, _ in (item.key for item in self._found))
        path = self._scratch / f"{self._dataset.hash()[:16]}-{len(self._found)}-{atoms}-{self._rows}-{name}.f32"
        if not path.exists():
            with atomic_path(path) as part:
                with part.open("wb") as stream:  # a full disk says so here; in the map it would be a SIGBUS
                    os.posix_fallocate(stream.fileno(), 0, self._rows * 3 * np.dtype(np.float32).itemsize)
                self._fill(np.memmap(part, np.float32, "r+", shape=(self._rows, 3)), name)
        return torch.from_file(str(path), size=self._rows * 3, dtype=torch.float32).view(self._rows, 3)

    def _fill(self, flat: np.ndarray, name: str) -> None:
        row = 0
        for item in self._found:
            values = getattr(item.replica, name)[()][:, self._atoms[item.compound.id]].reshape(-1, 3)
            flat[row : row + len(values)] = values
            row += len(values)


def _rows(flat: torch.Tensor, first: torch.Tensor, blank: torch.Tensor) -> torch.Tensor:
    """As many rows as `blank` [B, N, 1] has, from each of `first` [B, P] on, zero where blank: [B, P, N, 3].

    The rows of a window overlap those of the next in one strided view, so each window is copied in one piece.
    """
    width = blank.shape[1]
    windows = flat.as_strided((len(flat) - width + 1, 3 * width), (3, 1))
    rows = windows.index_select(0, first.flatten()).view(*first.shape, width, 3)
    return rows.masked_fill_(blank[:, None], 0)


def _replicas(dataset: Dataset, segment: Segment) -> Sequence[Replica]:
    replicas = dataset.compounds[segment.compound].replicas
    return [replica for replica in replicas if segment.replica in (None, replica.number)]


def _interval(found: Sequence[_Found]) -> float:
    intervals = {item.replica.interval for item in found}
    if len(intervals) != 1:
        raise InputError(f"trajectories with different frame intervals ({sorted(intervals)} fs) cannot be mixed")
    return intervals.pop()


def _atoms(compound: CompoundData, heavy: bool) -> np.ndarray:
    """Indices of the atoms that count."""
    return np.flatnonzero(compound.atomic_numbers > 1) if heavy else np.arange(len(compound.atomic_numbers))


def _pad(
    compounds: Sequence[CompoundData], atoms: dict[str, np.ndarray], device: torch.device
) -> dict[str, torch.Tensor]:
    """What does not depend on time, padded to the largest compound: [C, N] or [C, N, ...]."""
    count, width = len(compounds), max(len(kept) for kept in atoms.values())
    fixed = {
        "atomic_numbers": torch.zeros(count, width, dtype=torch.int64),
        "masses": torch.zeros(count, width),
        "mask": torch.zeros(count, width, dtype=torch.bool),
        "adjacency": torch.zeros(count, width, width, dtype=torch.bool),
        "reference": torch.zeros(count, width, 3),
    }
    for k, compound in enumerate(compounds):
        kept = atoms[compound.id]
        size = len(kept)
        bonded = np.zeros((len(compound.atomic_numbers),) * 2, bool)
        bonded[tuple(compound.bonds.T)] = True
        for name in ("atomic_numbers", "masses", "reference"):
            fixed[name][k, :size] = torch.from_numpy(np.asarray(getattr(compound, name))[kept])
        fixed["mask"][k, :size] = True
        fixed["adjacency"][k, :size, :size] = torch.from_numpy((bonded | bonded.T)[np.ix_(kept, kept)])
    return {name: value.to(device) for name, value in fixed.items()}
