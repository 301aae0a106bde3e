"""Minima besides the first: what other conformers of the same molecule relax to.

A trajectory stays with the atoms as they are labelled, so a further minimum must be one that it can reach without
breaking bonds. An embedding labels the hydrogens of each CH2 group at will and, where the SMILES leaves it open, takes
either hand; the mirror image and another order of the hydrogens are the same conformer and mend that.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mdstride.engines import Engine, EngineError
from mdstride.formats.dataset import Minimum
from mdstride.relax.embed import RelaxFailure
from mdstride.relax.search import find_minimum

SAME_SHAPE = 0.1
"""Å by which no interatomic distance differs between two copies of one conformer. Conformers that ended in the same
minimum differed by 0.02 at most, those in different ones by 0.4 at least (14 molecules of up to 16 atoms)."""

TRIES = 2
"""Conformers that are relaxed at most, the first included, for each minimum to keep."""


def further_minima(
    engine: Engine,
    atomic_numbers: np.ndarray,
    masses: np.ndarray,
    bonds: np.ndarray,
    first: np.ndarray,
    conformers: np.ndarray,
    settings: dict[str, Any],
    *,
    check: Callable[[np.ndarray], None],
    label: str,
) -> tuple[Minimum, ...]:
    """At most settings["minima"] - 1 minima other than `first` [N, 3] in Å, ascending in energy.

    `conformers` [C, N, 3] in Å are tried in their order, the first of which led to `first`; `bonds` [M, 2] are those of
    the molecule. See `find_minimum` for the others. A conformer without a minimum of its own is passed over.
    """
    known, found = [shape(atomic_numbers, first)], []

    def check_new(positions: np.ndarray) -> None:
        check(positions)
        if _is_among(shape(atomic_numbers, positions), known):
            raise RelaxFailure("relaxes to a minimum that is known")

    starts = _distinct(conformers, first, atomic_numbers, bonds)
    for number, start in zip(range(2, TRIES * settings["minima"] + 1), starts, strict=False):
        if len(known) == settings["minima"]:
            break
        try:
            one = find_minimum(
                engine, atomic_numbers, masses, start, settings, check=check_new, label=f"{label}, conformer {number}"
            )
        except (RelaxFailure, EngineError):  # the compound has its minimum; a forecast does without this one
            continue
        known.append(shape(atomic_numbers, one.relaxed.positions))
        seen = one.vibrations
        found.append(Minimum(one.relaxed.energy, one.relaxed.positions, seen.frequencies, seen.modes))
    return tuple(sorted(found, key=lambda one: one.energy))


def shape(atomic_numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Interatomic distances (Å), sorted for each pair of elements: the same for all copies of a conformer."""
    i, j = np.triu_indices(len(atomic_numbers), 1)
    distances = np.linalg.norm(positions[i] - positions[j], axis=1)
    light, heavy = np.sort([atomic_numbers[i], atomic_numbers[j]], axis=0)
    return distances[np.lexsort((distances, light, heavy))]


def _is_among(one: np.ndarray, others: list[np.ndarray]) -> bool:
    return any(np.abs(one - other).max() < SAME_SHAPE for other in others)


def _distinct(
    conformers: np.ndarray, like: np.ndarray, atomic_numbers: np.ndarray, bonds: np.ndarray
) -> Iterator[np.ndarray]:
    """Conformers, but for the first of them and copies, labelled as `like` [N, 3]."""
    tried = [shape(atomic_numbers, conformers[0])]
    for positions in conformers[1:]:
        found = shape(atomic_numbers, positions)
        labelled = None if _is_among(found, tried) else relabelled(positions, like, atomic_numbers, bonds)
        if labelled is not None:
            tried.append(found)
            yield labelled


def relabelled(
    positions: np.ndarray, like: np.ndarray, atomic_numbers: np.ndarray, bonds: np.ndarray
) -> np.ndarray | None:
    """The copy of `positions` [N, 3] in which each atom with four neighbours has them in the same sense as in `like`.

    Hydrogens on one atom are exchanged and the mirror image is taken as needed; None where that does not do, such as
    for another diastereomer.
    """
    around = [_neighbours(atom, atomic_numbers, bonds) for atom in range(len(atomic_numbers))]
    centres = [(atom, others) for atom, others in enumerate(around) if _is_rigid(atomic_numbers[atom], len(others))]
    for hand in (1, -1):
        copy, fits = hand * positions, True
        for atom, others in centres:
            corners = [*others, atom][:4]
            if _sense(copy[corners]) != _sense(like[corners]):
                last = others[-2:]
                fits &= bool((atomic_numbers[last] == 1).all())
                copy[last] = copy[last[::-1]]
        if fits:
            return copy
    return None


def _neighbours(atom: int, atomic_numbers: np.ndarray, bonds: np.ndarray) -> list[int]:
    """Atoms bonded to `atom`, hydrogens last."""
    others = [j if i == atom else i for i, j in bonds.tolist() if atom in (i, j)]
    return sorted(others, key=lambda other: atomic_numbers[other] == 1)


def _is_rigid(number: int, neighbours: int) -> bool:
    """Whether an atom keeps its neighbours in their sense of rotation; a pyramid of nitrogen turns inside out."""
    return neighbours == 4 or (neighbours == 3 and number > 10)


def _sense(corners: np.ndarray) -> float:
    """Sign of the volume of a tetrahedron [4, 3]."""
    return float(np.sign(np.linalg.det(corners[1:] - corners[0])))
