"""Engines that cost nothing and whose minima and vibrations are known in closed form."""

import numpy as np

from mdstride.constants import ACCELERATION, LIGHT
from mdstride.rigid import rigid_motions

FLAT_AMMONIA = np.array([[0, 0, 0], [1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])


def curvature(frequency):
    """Eigenvalue of the mass-weighted Hessian in eV/Å²/amu at a frequency in cm-1; negative if that is."""
    return np.sign(frequency) * (2 * np.pi * LIGHT * frequency) ** 2 / ACCELERATION


def internal_modes(positions, masses, seed=0):
    """Orthonormal rows [M, 3N], drawn at random, that are orthogonal to translation and rotation."""
    rigid = rigid_motions(positions, masses)
    drawn = np.random.default_rng(seed).normal(size=(positions.size, positions.size - len(rigid)))
    drawn -= rigid.T @ (rigid @ drawn)
    return np.linalg.qr(drawn)[0].T


class Bonds:
    """Harmonic bonds between pairs of atoms, of one stiffness (eV/Å²) and with the lengths they have at `minimum`."""

    def __init__(self, minimum, pairs, stiffness):
        self.first, self.second = np.transpose(pairs)
        self.lengths = np.linalg.norm(minimum[self.first] - minimum[self.second], axis=1)
        self.stiffness = stiffness

    def compute(self, positions):
        between = positions[self.first] - positions[self.second]
        distance = np.linalg.norm(between, axis=1)
        stretch = distance - self.lengths
        pull = (self.stiffness * stretch / distance)[:, None] * between
        forces = np.zeros_like(positions)
        np.add.at(forces, self.first, -pull)
        np.add.at(forces, self.second, pull)
        return 0.5 * self.stiffness * float(stretch @ stretch), forces

    def forget(self):
        pass


class Wells:
    """Independent wells along given modes: V(q) = a q^2 / 2 + b q^4 / 4 + c q, b and c of the first mode only."""

    def __init__(self, centre, masses, modes, frequencies, quartic=0.0, tilt=0.0):
        self.centre, self.modes, self.quartic, self.tilt = centre, modes, quartic, tilt
        self.root = np.repeat(np.sqrt(masses), 3)
        self.curvature = curvature(np.array(frequencies))

    def amplitudes(self, positions):
        return self.modes @ (self.root * (positions - self.centre).ravel())

    def compute(self, positions):
        q = self.amplitudes(positions)
        energy = 0.5 * self.curvature @ q**2 + 0.25 * self.quartic * q[0] ** 4 + self.tilt * q[0]
        slope = self.curvature * q
        slope[0] += self.quartic * q[0] ** 3 + self.tilt
        return float(energy), -(self.root * (slope @ self.modes)).reshape(positions.shape)

    def forget(self):
        pass
