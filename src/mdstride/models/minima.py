"""Which known minimum a molecule is near to, when atoms that cannot be told apart may have changed places.

A methyl group that has turned by 120 degrees and ethanol's hydroxyl group on the other side are the relaxed geometry
again, with hydrogens renamed or seen in a mirror. So the nearest copy of each minimum is looked for, by mass-weighted
superposition, over

- the orders of hydrogens on the same atom, and
- the mirror image, if no centre of chirality forbids it,

such that every atom with four neighbours keeps the sense of rotation of its labelled neighbours: only copies that can
be reached without breaking bonds. Heavy atoms keep their names, so the mirror image of a molecule with, say, an
isopropyl group is not found, nor are hydrogens on different atoms exchanged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from mdstride.formats.dataset import CompoundData
from mdstride.models.superposition import superpose

SWEEPS = 2
"""Times that each group of hydrogens is ordered anew while the others stay."""

Orders = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Match:
    """For each of B molecules the copy of a minimum that is nearest."""

    minimum: torch.Tensor
    """[B] its number."""
    hand: torch.Tensor
    """[B] 1, or -1 for the mirror image."""
    order: torch.Tensor
    """[B, N]: the molecule's atom order[i] takes the place of atom i of the minimum."""

    def there(self, vectors: torch.Tensor) -> torch.Tensor:
        """Positions or velocities [B, N, 3] with the atoms and the hand of the minimum."""
        rows = torch.arange(len(self.order), device=self.order.device)[:, None]
        return self.hand[:, None, None] * vectors[rows, self.order]

    def back(self, vectors: torch.Tensor) -> torch.Tensor:
        """The inverse of `there`, for [B, P, N, 3]."""
        rows = torch.arange(len(self.order), device=self.order.device)[:, None]
        return self.hand[:, None, None, None] * vectors[rows, :, torch.argsort(self.order, dim=1)].transpose(1, 2)


class Minima:
    """The known minima of one compound: its reference geometry and the further ones."""

    def __init__(self, compound: CompoundData) -> None:
        self.masses = torch.from_numpy(np.asarray(compound.masses, np.float64))
        self.hands = _hands(compound)
        known = [compound.reference, *(one.positions for one in compound.minima)]
        self.positions = torch.from_numpy(np.array(known, np.float64))
        """[C, N, 3] Å of all minima, as given."""
        self.vibrations = [(compound.frequencies, compound.modes)]
        """Frequencies [K] cm-1 and normal modes [K, N, 3] of each; None where they are not known."""
        self.vibrations += [(one.frequencies, one.modes) for one in compound.minima]

    def nearest(self, positions: torch.Tensor) -> Match:
        """The nearest copy for each of `positions` [B, N, 3] in Å, float64. The first wins where several are equal."""
        batch, atoms, _ = positions.shape
        best = positions.new_full((batch,), torch.inf)
        number = torch.zeros(batch, dtype=torch.int64, device=positions.device)
        hand = torch.ones(batch, dtype=positions.dtype, device=positions.device)
        order = torch.arange(atoms, device=positions.device).repeat(batch, 1)
        for k, reference in enumerate(self.positions.to(positions)):
            for sign, groups in self.hands.items():
                found, distance = self._ordered(sign * positions, reference, groups)
                nearer = distance < best * (1 - 1e-9)  # rounding must not choose between equal copies
                best = torch.where(nearer, distance, best)
                number[nearer], hand[nearer], order[nearer] = k, float(sign), found[nearer]
        return Match(number, hand, order)

    def _ordered(
        self, positions: torch.Tensor, reference: torch.Tensor, groups: Sequence[Orders]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The best order [B, N] of the atoms, and how far [B] the molecule then is from `reference` (amu Å²)."""
        batch, atoms, _ = positions.shape
        rows = torch.arange(batch, device=positions.device)
        order = torch.arange(atoms, device=positions.device).repeat(batch, 1)
        for orders in groups:
            order[:, list(sorted(orders[0]))] = order.new_tensor(orders[0])
        distance = self._distance(positions, reference, order)
        free = [orders for orders in groups if len(orders) > 1]
        for orders in free * (SWEEPS if len(free) > 1 else 1):
            trials = order.repeat(len(orders), 1, 1)
            trials[:, :, sorted(orders[0])] = order.new_tensor(orders)[:, None]
            distances = torch.stack([self._distance(positions, reference, trial) for trial in trials])
            distance, chosen = distances.min(0)
            order = trials[chosen, rows]
        return order, distance

    def _distance(self, positions: torch.Tensor, reference: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        target = positions[torch.arange(len(order), device=order.device)[:, None], order]
        masses = self.masses.to(positions).expand(len(order), -1)
        placed = superpose(reference.expand_as(target), target, masses)
        return (masses[..., None] * (placed - target).square()).sum((1, 2))


def _hands(compound: CompoundData) -> dict[int, list[Orders]]:
    """For the minimum (1) and its mirror image (-1), if allowed, the orders in which each group of hydrogens may be."""
    numbers = np.asarray(compound.atomic_numbers)
    bonded: list[list[int]] = [[] for _ in numbers]
    for i, j in np.asarray(compound.bonds).tolist():
        bonded[i].append(j)
        bonded[j].append(i)
    hands: dict[int, list[Orders]] = {1: [], -1: []}
    for atom, around in enumerate(bonded):
        hydrogens = tuple(sorted(other for other in around if numbers[other] == 1 and len(bonded[other]) == 1))
        keeps_sense = len(around) >= 4 or (len(around) == 3 and numbers[atom] > 10)
        for hand in list(hands):
            orders = tuple(p for p in permutations(hydrogens) if not keeps_sense or _sense(p) == hand)
            if not orders:
                del hands[hand]
            elif hydrogens and numbers[atom] > 1:
                hands[hand].append(orders)
    return hands


def _sense(order: tuple[int, ...]) -> int:
    """1 for an even permutation of a sorted tuple, -1 for an odd one."""
    inversions = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
    return -1 if inversions % 2 else 1
