"""Windows: an initial state and what became of it, drawn from a data set that lives on the device.

All trajectories lie in flat arrays of atoms [sum of F*N, 3]; a window is index arithmetic on offsets, so a batch needs
no Python per sample and no copy from the host.
"""

from collections.abc import Sequence

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.formats.dataset_file import CompoundData, Dataset
from mdstride.models.state import State


class Windows:
    """Windows over the trajectories of some compounds of a data set."""

    def __init__(self, dataset: Dataset, ids: Sequence[str], device: torch.device | str = "cpu") -> None:
        if not ids:
            raise InputError("no compound to draw windows from; the split has an empty part: lower its shares")
        compounds = [dataset.compounds[name] for name in ids]
        pairs = [(k, replica) for k, compound in enumerate(compounds) for replica in compound.replicas]
        intervals = {replica.interval for _, replica in pairs}
        if len(intervals) != 1:
            raise InputError(f"trajectories with different frame intervals ({sorted(intervals)} fs) cannot be mixed")
        self.ids = list(ids)
        self.interval: float = intervals.pop()
        self.device = torch.device(device)
        self._fixed = _pad(compounds, self.device)
        self.compound = torch.tensor([k for k, _ in pairs], device=device)  # [T] of each trajectory
        frames = [len(replica.positions) for _, replica in pairs]
        atoms = [replica.positions.shape[1] for _, replica in pairs]
        self.frames = torch.tensor(frames, device=device)  # [T]
        self._atoms = torch.tensor(atoms, device=device)  # [T]
        starts = np.concatenate([[0], np.cumsum(np.array(frames) * np.array(atoms))])
        self._offset = torch.tensor(starts[:-1], device=device)  # [T] first row of each trajectory
        self._positions = _flat([replica.positions for _, replica in pairs], self.device)
        self._velocities = _flat([replica.velocities for _, replica in pairs], self.device)

    def gather(self, trajectory: torch.Tensor, start: torch.Tensor, steps: torch.Tensor) -> tuple[State, torch.Tensor]:
        """The state at frame `start` [B] of `trajectory` [B], and the positions [B, P, N, 3] `steps` [B, P] later.

        A window with negative steps runs backwards: its initial velocities are reversed (time reversal of NVE).
        """
        compound = self.compound[trajectory]
        mask = self._fixed["mask"][compound]
        width = int(mask.sum(1).max())
        fixed = {name: value[compound][:, :width] for name, value in self._fixed.items()}
        fixed["adjacency"] = fixed["adjacency"][:, :, :width]
        mask = fixed["mask"]
        atom = torch.arange(width, device=self.device)
        count, base = self._atoms[trajectory], self._offset[trajectory]
        atom = torch.minimum(atom, count[:, None] - 1)  # padded entries read a real atom and are blanked below
        now = (base + start * count)[:, None] + atom
        then = (base[:, None] + (start[:, None] + steps) * count[:, None])[..., None] + atom[:, None]
        sign = torch.where(steps[:, 0] < 0, -1.0, 1.0)[:, None, None]
        blank = ~mask[..., None]
        state = State(
            positions=self._positions[now].masked_fill(blank, 0),
            velocities=(self._velocities[now] * sign).masked_fill(blank, 0),
            **fixed,
        )
        return state, self._positions[then].masked_fill(blank[:, None], 0)

    def draw(
        self,
        batch: int,
        times: int,
        lags: tuple[float, float],
        generator: torch.Generator,
        *,
        reverse: bool = False,
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        """Random windows: (state, lags [B, P] fs, targets [B, P, N, 3]). See `choose`."""
        trajectory, start, steps = self.choose(batch, times, lags, generator, reverse=reverse)
        state, targets = self.gather(trajectory, start, steps)
        return state, self.lags(steps), targets

    def lags(self, steps: torch.Tensor) -> torch.Tensor:
        """Steps in frames, forwards or backwards, as lags in fs (float32)."""
        return (steps.abs() * self.interval).float()

    def choose(
        self,
        batch: int,
        times: int,
        lags: tuple[float, float],
        generator: torch.Generator,
        *,
        reverse: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Random windows by index: trajectory [B], start frame [B] and steps [B, P] in frames, for `gather`.

        A compound, then one of its trajectories, the longest lag log-uniform in `lags` (fs, rounded to frames), the
        other P - 1 times equally spaced up to it, and a start that leaves room. With `reverse`, half of the windows
        run backwards.
        """

        def uniform() -> torch.Tensor:
            return torch.rand(batch, generator=generator, device=self.device, dtype=torch.float64)

        picked = (uniform() * len(self.ids)).long()
        order = torch.argsort(self.compound, stable=True)
        first = torch.searchsorted(self.compound[order], picked)
        last = torch.searchsorted(self.compound[order], picked, right=True)
        trajectory = order[first + (uniform() * (last - first)).long()]
        low, high = np.log(lags[0]), np.log(lags[1])
        longest = torch.exp(low + uniform() * (high - low)) / self.interval
        fractions = torch.arange(1, times + 1, device=self.device, dtype=torch.float64) / times
        steps = (longest[:, None] * fractions).round().clamp(min=1).long()
        room = self.frames[trajectory] - steps[:, -1]
        if int(room.min()) < 1:
            raise InputError(f"a lag of {lags[1]:g} fs does not fit into the shortest trajectory")
        start = (uniform() * room).long()
        if reverse:
            backwards = uniform() < 0.5
            start = torch.where(backwards, start + steps[:, -1], start)
            steps = torch.where(backwards[:, None], -steps, steps)
        return trajectory, start, steps


def _flat(arrays: list[np.ndarray], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([array.reshape(-1, 3) for array in arrays])).to(device)


def _pad(compounds: list[CompoundData], device: torch.device) -> dict[str, torch.Tensor]:
    """What does not depend on time, padded to the largest compound: [C, N] or [C, N, ...]."""
    count, width = len(compounds), max(len(compound.masses) for compound in compounds)
    fixed = {
        "atomic_numbers": torch.zeros(count, width, dtype=torch.int64),
        "masses": torch.zeros(count, width),
        "mask": torch.zeros(count, width, dtype=torch.bool),
        "adjacency": torch.zeros(count, width, width, dtype=torch.bool),
        "reference": torch.zeros(count, width, 3),
    }
    for k, compound in enumerate(compounds):
        atoms = len(compound.masses)
        fixed["atomic_numbers"][k, :atoms] = torch.from_numpy(compound.atomic_numbers)
        fixed["masses"][k, :atoms] = torch.from_numpy(compound.masses)
        fixed["mask"][k, :atoms] = True
        fixed["reference"][k, :atoms] = torch.from_numpy(compound.reference)
        for i, j in compound.bonds:
            fixed["adjacency"][k, i, j] = fixed["adjacency"][k, j, i] = True
    return {name: value.to(device) for name, value in fixed.items()}
