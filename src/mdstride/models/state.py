"""What a forecaster is given: the contract that all models and baselines share."""

from dataclasses import dataclass
from typing import Protocol

import torch


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
        )

    def heavy_index(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices [B, H] of the heavy atoms, in order, and a mask [B, H] of the entries that count."""
        heavy = self.mask & (self.atomic_numbers > 1)
        width = int(heavy.sum(1).max())
        index = torch.argsort(heavy.int(), dim=1, descending=True, stable=True)[:, :width]
        return index, heavy.gather(1, index)


class Forecaster(Protocol):
    """Anything that forecasts: a learned model or a baseline."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs after `state`, for any lags and all atoms."""
        ...
