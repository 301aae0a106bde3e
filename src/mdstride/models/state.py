"""What a forecaster is given: the contract that all models and baselines share."""

from dataclasses import dataclass, fields, replace
from typing import Protocol

import torch
from torch.nn import functional


@dataclass(frozen=True)
class State:
    """A batch of B molecules, padded to N atoms. Padded atoms never change a molecule's forecast.

    Units: Å, Å/fs, amu.
    """

    atomic_numbers: torch.Tensor
    """[B, N] int64, 0 where padded."""
    masses: torch.Tensor
    """[B, N], 0 where padded."""
    positions: torch.Tensor
    """[B, N, 3] Å."""
    velocities: torch.Tensor
    """[B, N, 3] Å/fs."""
    mask: torch.Tensor
    """[B, N] bool, True for real atoms."""
    adjacency: torch.Tensor
    """[B, N, N] bool: bonded, from the molecule's SMILES."""
    reference: torch.Tensor
    """[B, N, 3] Å: the relaxed geometry, in its own frame."""
    most_heavy: int | None = None
    """Heavy atoms of the molecule that has most of them. Who knows it spares a GPU the wait for its answer."""

    def heavy(self) -> "State":
        """The same molecules without their hydrogens, padded to the largest number of heavy atoms left.

        Which atoms were kept: `heavy_index`.
        """
        index, kept = self.heavy_index()
        rows = torch.arange(len(index), device=index.device)[:, None]
        blank = ~kept[..., None]
        adjacency = self.adjacency[rows[..., None], index[:, :, None], index[:, None, :]]
        return State(
            atomic_numbers=self.atomic_numbers.gather(1, index).masked_fill(~kept, 0),
            masses=self.masses.gather(1, index).masked_fill(~kept, 0),
            positions=self.positions[rows, index].masked_fill(blank, 0),
            velocities=self.velocities[rows, index].masked_fill(blank, 0),
            mask=kept,
            adjacency=adjacency & kept[:, :, None] & kept[:, None, :],
            reference=self.reference[rows, index].masked_fill(blank, 0),
            most_heavy=kept.shape[1],
        )

    def heavy_index(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices [B, H] of the heavy atoms, in order, and a mask [B, H] of the entries that count."""
        heavy = self.mask & (self.atomic_numbers > 1)
        width = int(heavy.sum(1).max()) if self.most_heavy is None else self.most_heavy
        index = torch.argsort(heavy.int(), dim=1, descending=True, stable=True)[:, :width]
        return index, heavy.gather(1, index)

    def select(self, rows: torch.Tensor, atoms: int, most_heavy: int | None = None) -> "State":
        """Some molecules of the batch, `rows` [b], cut to `atoms` places: all of theirs must lie within."""
        parts = {one.name: getattr(self, one.name)[rows][:, :atoms] for one in fields(State)[:-1]}
        parts["adjacency"] = parts["adjacency"][..., :atoms]
        return State(**parts, most_heavy=most_heavy)

    def carry(self, moved: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å of all atoms when the heavy ones are displaced by `moved` [B, P, H, 3] Å.

        A hydrogen moves with the heavy atom that it is bonded to (with the mean of them, if with several), or stays.
        """
        index, kept = self.heavy_index()
        own = functional.one_hot(index, self.mask.shape[1]).to(self.positions.dtype).mT * kept[:, None]  # [B, N, H]
        hydrogen = (self.mask & (self.atomic_numbers == 1))[..., None]
        riding = hydrogen * (self.adjacency.to(own.dtype) @ own)
        carriers = own + riding / riding.sum(-1, keepdim=True).clamp(min=1)
        return self.positions[:, None] + torch.einsum("bnh, bphx -> bpnx", carriers, moved)

    def turned(self, matrix: torch.Tensor, shift: torch.Tensor | float = 0.0) -> "State":
        """The molecules turned or mirrored by `matrix` [3, 3] (row vectors times matrix), then shifted.

        The relaxed geometry keeps its own frame, but is mirrored with its molecule.
        """
        return replace(
            self,
            positions=self.positions @ matrix + shift,
            velocities=self.velocities @ matrix,
            reference=self.reference * torch.linalg.det(matrix).sign(),
        )


class Forecaster(Protocol):
    """Anything that forecasts: a learned model or a baseline."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs after `state`, for any lags and all atoms."""
        ...
