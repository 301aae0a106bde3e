"""Molecules with made-up normal modes, and data sets of them."""

import numpy as np
import torch

from mdstride.constants import LIGHT
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.models.state import State
from mdstride.rigid import rigid_motions

METHANOL = np.array(
    [
        [-0.05, 0.66, 0.0],
        [-0.05, -0.76, 0.0],
        [-1.09, 0.98, 0.0],
        [0.44, 1.07, 0.89],
        [0.44, 1.07, -0.89],
        [0.87, -1.06, 0],
    ]
)
"""C, O, three hydrogens of the methyl group, and that of the hydroxyl group."""
METHANOL_NUMBERS = [6, 8, 1, 1, 1, 1]
METHANOL_BONDS = [[0, 1], [0, 2], [0, 3], [0, 4], [1, 5]]
MASS = {1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999, 9: 18.998}


def compound(positions=METHANOL, numbers=METHANOL_NUMBERS, bonds=METHANOL_BONDS, *, replicas=(), twins=(), low=200.0):
    """A compound whose modes are any basis of its vibrations, from `low` to 3500 cm-1."""
    masses = np.array([MASS[number] for number in numbers])
    rigid = rigid_motions(positions, masses)
    modes = np.linalg.svd(rigid)[2][len(rigid) :]
    modes = np.linalg.qr(np.random.default_rng(1).normal(size=(len(modes),) * 2))[0] @ modes
    return CompoundData(
        id="A",
        labels={},
        atomic_numbers=np.array(numbers),
        masses=masses,
        bonds=np.array(bonds).reshape(-1, 2),
        reference=np.array(positions),
        replicas=replicas,
        twins=twins,
        frequencies=np.linspace(low, 3500.0, len(modes)),
        modes=modes.reshape(-1, *np.shape(positions)),
    )


def angular(of):
    """Angular frequencies [K] in rad/fs."""
    return 2 * np.pi * LIGHT * of.frequencies


def displaced(of, amplitudes):
    """Displacements [..., N, 3] Å of amplitudes [..., K] in Å amu^1/2."""
    return np.einsum("...k, kni -> ...ni", amplitudes, of.modes) / np.sqrt(of.masses)[:, None]


def state(of, positions, velocities, *, padding=0, dtype=torch.float64):
    """Positions and velocities [B, N, 3] of a compound as a State."""
    batch, atoms, _ = np.shape(positions)

    def pad(values, dtype):
        values = torch.as_tensor(np.array(values), dtype=dtype)
        return torch.cat([values, values.new_zeros(batch, padding, *values.shape[2:])], dim=1)

    return State(
        atomic_numbers=pad([of.atomic_numbers] * batch, torch.int64),
        masses=pad([of.masses] * batch, dtype),
        positions=pad(positions, dtype),
        velocities=pad(velocities, dtype),
        mask=pad(np.ones((batch, atoms)), torch.bool),
        adjacency=torch.zeros(batch, atoms + padding, atoms + padding, dtype=torch.bool),
        reference=pad([of.reference] * batch, dtype),
    )


def replica(number, positions, velocities=None, interval=2.0, origin=0.0):
    return Replica(
        number=number,
        interval=interval,
        positions=np.asarray(positions, np.float32),
        velocities=None if velocities is None else np.asarray(velocities, np.float32),
        forces=None,
        energy=None,
        origin=np.full(3, origin),
        figures={},
        source={},
    )


def dataset(*compounds):
    return Dataset({one.id: one for one in compounds}, {})
