"""What happened in a trajectory without making it wrong: conformer changes, inversions, proton transfers.

A conformer change or an inversion counts when the molecule stays: the mean over STAY fs of the torsion's direction in
the plane, exp(i k phi), or of the centre's height must be settled (longer than SETTLED, HIGH) and lie elsewhere than
the last settled one. A hot torsion that swings over and back is none, and what settles is compared with where the
molecule was last, so nothing is counted twice. Turning within rings is not looked at.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdstride.bonds import lengths, radii_sums

MOST = 50
"""At most this many events are kept, the first ones; all are counted."""

STAY = 200.0
"""fs that a torsion or a pyramid must stay for to be somewhere else."""

SETTLED = 0.8
"""Length of the mean direction of a torsion that is in one basin: swings of less than 38 degrees rms."""

MOVED = np.radians(60.0)
"""Angle between two basins of a torsion, at least."""

HIGH = 0.3
"""Height of a pyramid (triple product of its unit bond vectors, 0.8 at sp3, 0 when flat) that has a side."""

FORMED = 1.2
"""Atoms closer than this times the sum of their covalent radii have formed a bond."""

STRAIGHT = np.radians(150.0)
"""No torsion is defined beyond this bond angle."""


def events(
    *, atomic_numbers: np.ndarray, bonds: np.ndarray, time: np.ndarray, positions: np.ndarray, break_factor: float
) -> dict[str, Any]:
    """The events of a trajectory of F frames of N atoms at equal intervals: `events` and `event_count`.

    Each of the first MOST events is {time_fs, kind, atoms} with atoms counted from 0:
    `conformer` (a, b, c, d: the torsion about b-c), `inversion` (the centre), `proton transfer` (hydrogen, from, to).

    Parameters
    ----------
    bonds
        [M, 2], the bond graph at the start.
    time, positions
        [F] fs, [F, N, 3] Å.
    break_factor
        A hydrogen has left its atom when further away than this times the sum of the covalent radii.
    """
    found: list[tuple[int, str, list[int]]] = []
    if len(time) > 1:
        neighbours = _neighbours(len(atomic_numbers), bonds)
        window = max(1, round(STAY / (time[1] - time[0])))
        for torsion, fold in _torsions(atomic_numbers, neighbours, positions[0]):
            directions = np.exp(1j * fold * _angles(positions[:, torsion]))
            found += [(frame, "conformer", torsion) for frame in _moves(directions, window, SETTLED)]
        for centre in (atom for atom, others in enumerate(neighbours) if len(others) == 3):
            heights = _heights(positions[:, centre], positions[:, sorted(neighbours[centre])])
            found += [(frame, "inversion", [centre]) for frame in _moves(heights + 0j, window, HIGH)]
        for proton in np.flatnonzero(atomic_numbers == 1).tolist():
            found += _transfers(atomic_numbers, neighbours, positions, proton, break_factor)
    found.sort()
    kept = [{"time_fs": float(time[frame]), "kind": kind, "atoms": atoms} for frame, kind, atoms in found[:MOST]]
    return {"events": kept, "event_count": len(found)}


def _moves(signal: np.ndarray, window: int, settled: float) -> list[int]:
    """First frames of the windows in which the mean of `signal` [F] (complex) has settled in another direction."""
    if len(signal) < window:
        return []
    total = np.concatenate([[0.0], np.cumsum(signal)])
    mean = (total[window:] - total[:-window]) / window
    frames = np.flatnonzero(np.abs(mean) > settled)
    moves: list[int] = []
    while len(frames):
        turned = np.abs(np.angle(mean[frames] * mean[frames[0]].conjugate())) > MOVED
        frames = frames[turned.argmax() :] if turned.any() else frames[:0]
        moves += frames[:1].tolist()
    return moves


def _transfers(
    numbers: np.ndarray, neighbours: list[set[int]], positions: np.ndarray, proton: int, break_factor: float
) -> Iterator[tuple[int, str, list[int]]]:
    """A hydrogen has moved when it has left its heavy atom and formed a bond with another; in between it stays put."""
    heavy = np.flatnonzero(numbers > 1)
    bonded = [atom for atom in heavy if atom in neighbours[proton]]
    if not bonded:
        return
    pairs = np.column_stack([np.full(len(heavy), proton), heavy])
    reach = lengths(positions, pairs) / radii_sums(numbers, pairs)
    nearest, formed = reach.argmin(1), reach.min(1) < FORMED
    holder, frame = int(np.searchsorted(heavy, bonded[0])), 0
    while (moved := formed[frame:] & (reach[frame:, holder] > break_factor)).any():
        frame += int(moved.argmax())
        yield frame, "proton transfer", [proton, int(heavy[holder]), int(heavy[nearest[frame]])]
        holder = int(nearest[frame])


def _neighbours(atoms: int, bonds: np.ndarray) -> list[set[int]]:
    neighbours: list[set[int]] = [set() for _ in range(atoms)]
    for i, j in bonds.tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    return neighbours


def _torsions(
    numbers: np.ndarray, neighbours: list[set[int]], positions: np.ndarray
) -> Iterator[tuple[list[int], int]]:
    """For each bond b-c between rings and chains: atoms a, b, c, d and by what part of a turn it repeats itself.

    A flat end with two equal substituents (phenyl, nitro) is the same after half a turn. A top of three equal ones
    (methyl) is left out: its turning changes no conformer.
    """
    kinds = _kinds(numbers, neighbours)
    for b in range(len(numbers)):
        for c in (atom for atom in sorted(neighbours[b]) if atom > b and not _in_ring(neighbours, b, atom)):
            ends = [_marker(kinds, neighbours[x] - {y}, numbers) for x, y in ((b, c), (c, b))]
            (a, first), (d, second) = ends
            if a is None or d is None or max(first, second) > 2:
                continue
            if all(_bend(positions, *triple) < STRAIGHT for triple in ((a, b, c), (b, c, d))):
                yield [a, b, c, d], max(first, second)


def _marker(kinds: list[int], others: set[int], numbers: np.ndarray) -> tuple[int | None, int]:
    """The substituent by which one end of a bond is read, unlike the others if possible, and how many are like it."""
    order = sorted(others, key=lambda atom: (sum(kinds[x] == kinds[atom] for x in others), -numbers[atom], atom))
    return (order[0], sum(kinds[x] == kinds[order[0]] for x in others)) if order else (None, 0)


def _kinds(numbers: np.ndarray, neighbours: list[set[int]]) -> list[int]:
    """A number per atom, equal for atoms that the bond graph cannot tell apart (Morgan's refinement)."""
    kinds = numbers.tolist()
    for _ in numbers:
        signs = [(kinds[atom], *sorted(kinds[x] for x in others)) for atom, others in enumerate(neighbours)]
        order = {sign: k for k, sign in enumerate(sorted(set(signs)))}
        kinds = [order[sign] for sign in signs]
    return kinds


def _in_ring(neighbours: list[set[int]], b: int, c: int) -> bool:
    """Whether c can be reached from b without the bond between them."""
    seen, ahead = {b}, neighbours[b] - {c}
    while ahead:
        seen |= ahead
        ahead = set().union(*(neighbours[atom] for atom in ahead)) - seen
    return c in seen


def _bend(positions: np.ndarray, a: int, b: int, c: int) -> float:
    """Angle a-b-c in radians at `positions` [N, 3]."""
    first, second = positions[a] - positions[b], positions[c] - positions[b]
    return float(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second))


def _angles(chain: np.ndarray) -> np.ndarray:
    """Torsion angles [F] in radians of chains [F, 4, 3]."""
    first, axis, last = np.moveaxis(np.diff(chain, axis=1), 1, 0)
    left, right = np.cross(first, axis), np.cross(axis, last)
    along = (np.cross(left, right) * axis).sum(1) / np.linalg.norm(axis, axis=1)
    return np.arctan2(along, (left * right).sum(1))


def _heights(centre: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Triple products [F] of the unit vectors from `centre` [F, 3] to its `others` [F, 3, 3]; the sign is the side."""
    between = others - centre[:, None]
    return np.linalg.det(between / np.linalg.norm(between, axis=2, keepdims=True))
