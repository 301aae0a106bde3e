"""Whether a forecast is a molecule at all: bond lengths, angles, clashes, chirality.

The checks are of the kind of PoseBusters (Buttenschoen et al., Chem. Sci. 15, 3130 (2024)), around the relaxed
geometry. GFN2-xTB dynamics of ethanol, uracil, naphthalene and aspirin at 300 K passes all of them.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mdstride.formats.dataset import CompoundData

TOLERANCE = 0.25
"""Relative deviation from the relaxed geometry up to which a bond, an angle or a distance is valid."""

RADII = {
    1: 1.10,
    5: 1.92,
    6: 1.70,
    7: 1.55,
    8: 1.52,
    9: 1.47,
    14: 2.10,
    15: 1.80,
    16: 1.80,
    17: 1.75,
    35: 1.83,
    53: 1.98,
}
"""Van der Waals radii in Å by atomic number: Bondi (1964) and Mantina et al., J. Phys. Chem. A 113, 5806 (2009)."""

OTHER_RADIUS = 2.0
"""Å, of every other element."""


@dataclass(frozen=True)
class Topology:
    """What is looked at in a compound, as indices of its atoms, and the relaxed geometry [N, 3] Å beside."""

    reference: np.ndarray
    bonds: np.ndarray
    """[M, 2]"""
    angles: np.ndarray
    """[A, 3], the vertex in the middle."""
    apart: np.ndarray
    """[F, 2]: pairs that are three or more bonds apart."""
    contact: np.ndarray
    """[F] Å: sums of their van der Waals radii."""
    centres: np.ndarray
    """[C, 4]: a neighbour and the three others of each atom with four, whose sense of rotation dynamics keeps; the
    atom itself takes the place of a neighbour that does not count."""
    torsions: np.ndarray
    """[T, 4]: one for each bond between atoms that both have other neighbours."""


def topology(compound: CompoundData, *, heavy: bool) -> Topology:
    """Of all atoms, or of the heavy atoms alone (for models that do not forecast hydrogens)."""
    numbers = np.asarray(compound.atomic_numbers)
    around: list[list[int]] = [[] for _ in numbers]
    for i, j in np.asarray(compound.bonds).tolist():
        around[i].append(j)
        around[j].append(i)
    kept = [[j for j in sorted(a) if not heavy or numbers[j] > 1] for a in around]
    atoms = [i for i in range(len(numbers)) if not heavy or numbers[i] > 1]
    bonds = [(i, j) for i in atoms for j in kept[i] if i < j]
    angles = [(i, centre, j) for centre in atoms for i, j in combinations(kept[centre], 2)]
    near = {*bonds, *((min(i, j), max(i, j)) for i, _, j in angles)}
    apart = np.array([pair for pair in combinations(atoms, 2) if pair not in near], np.int64).reshape(-1, 2)
    centres = [([i] + kept[i])[-4:] for i in atoms if len(around[i]) == 4 and len(kept[i]) >= 3]
    radii = np.array([RADII.get(int(z), OTHER_RADIUS) for z in numbers])
    return Topology(
        reference=np.asarray(compound.reference, np.float64),
        bonds=np.array(bonds, np.int64).reshape(-1, 2),
        angles=np.array(angles, np.int64).reshape(-1, 3),
        apart=apart,
        contact=radii[apart].sum(1),
        centres=np.array(centres, np.int64).reshape(-1, 4),
        torsions=np.array([t for i, j in bonds for t in _torsion(i, j, kept)], np.int64).reshape(-1, 4),
    )


def _torsion(i: int, j: int, around: list[list[int]]) -> list[tuple[int, int, int, int]]:
    """The torsion about a bond with the first other neighbour at either end; none in a triangle, or at a bare end."""
    before, after = ([k for k in around[a] if k != b] for a, b in ((i, j), (j, i)))
    return [(before[0], i, j, after[0])] if before and after and before[0] != after[0] else []


def validity(positions: np.ndarray, about: Topology) -> dict[str, np.ndarray]:
    """Shares [...] of bonds, angles, distances (`clashes`) and centres (`chirality`) that are valid in [..., N, 3] Å.

    `valid` is 1 where all of them are, else 0. What a molecule has none of is left out. A pair clashes that is nearer
    than 1 - TOLERANCE times the sum of its van der Waals radii, or of its distance in the relaxed geometry if that is
    less.
    """
    found: dict[str, np.ndarray] = {}
    for name, measure, atoms in (("bonds", distances, about.bonds), ("angles", bond_angles, about.angles)):
        wanted = measure(about.reference, atoms)
        found[name] = np.abs(measure(positions, atoms) - wanted) <= TOLERANCE * wanted
    nearest = (1 - TOLERANCE) * np.minimum(about.contact, distances(about.reference, about.apart))
    found["clashes"] = distances(positions, about.apart) >= nearest
    found["chirality"] = _volumes(positions, about.centres) * _volumes(about.reference, about.centres) > 0
    shares = {name: good.mean(-1) for name, good in found.items() if good.shape[-1]}
    return shares | {"valid": np.logical_and.reduce([good.all(-1) for good in found.values()]).astype(np.float64)}


def distances(positions: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """[..., M] Å between `pairs` [M, 2] of atoms at `positions` [..., N, 3]."""
    return np.linalg.norm(positions[..., pairs[:, 0], :] - positions[..., pairs[:, 1], :], axis=-1)


def bond_angles(positions: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """[..., A] rad at the middle one of `atoms` [A, 3]."""
    one, vertex, other = (positions[..., atoms[:, k], :] for k in range(3))
    a, b = one - vertex, other - vertex
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))


def torsion_angles(positions: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """[..., T] rad in (-pi, pi] along `atoms` [T, 4]; 0 is cis. IUPAC: clockwise is positive."""
    one, two, three, four = (positions[..., atoms[:, k], :] for k in range(4))
    a, axis, b = two - one, three - two, four - three
    first, second = np.cross(a, axis), np.cross(axis, b)
    sine = np.linalg.norm(axis, axis=-1) * (a * second).sum(-1)
    return np.arctan2(sine, (first * second).sum(-1))


def _volumes(positions: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Signed volumes [..., C] spanned by `atoms` [C, 4]."""
    edges = positions[..., atoms[:, 1:], :] - positions[..., atoms[:, :1], :]
    return (edges[..., 0, :] * np.cross(edges[..., 1, :], edges[..., 2, :])).sum(-1)
