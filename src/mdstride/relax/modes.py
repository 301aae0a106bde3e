"""Normal modes of a molecule at a stationary point.

With y = sqrt(m) (x - x0) the mass-weighted displacement, H the Hessian of the energy and D = m^-1/2 H m^-1/2, the
vibrations are the eigenvectors of D on the space orthogonal to the translations and rotations:

    D L_k = w_k^2 L_k,    x_i(t) = x0_i + sum_k L_ki q_k(t) / sqrt(m_i),    E = E0 + sum_k w_k^2 q_k^2 / 2

Wilson, Decius, Cross, Molecular Vibrations (1955), chapters 2 and 11. The rigid motions are not taken out of D
afterwards: D is written in a basis that does not contain them, so there are exactly 3N - 6 modes (3N - 5 if linear).

| symbol | variable | shape | unit |
|---|---|---|---|
| H | hessian | [3N, 3N] | eV/Å² |
| m | masses | [N] | amu |
| w / 2 pi c | frequencies | [M] | cm-1, negative where w^2 is negative (imaginary) |
| L | modes | [M, N, 3] | 1, orthonormal: sum over atoms and directions of L_k L_l = 1 if k = l, else 0 |
| q | | | Å amu^1/2 |
"""

from dataclasses import dataclass

import numpy as np

from mdstride.constants import ACCELERATION, LIGHT
from mdstride.engines import Engine
from mdstride.progress import Progress
from mdstride.rigid import rigid_motions


@dataclass(frozen=True)
class Vibrations:
    """Normal modes, in ascending order of frequency."""

    frequencies: np.ndarray
    """[M] cm-1, imaginary ones as negative numbers."""
    modes: np.ndarray
    """[M, N, 3], see the module; the largest component of each mode is positive."""
    asymmetry: float
    """eV/Å², largest difference between H_ij and H_ji: the error of the finite differences, elementwise."""


def vibrations(
    engine: Engine, positions: np.ndarray, masses: np.ndarray, *, step: float, progress: Progress | None = None
) -> Vibrations:
    """Normal modes at `positions` [N, 3] in Å, from 6N calls of `engine`. Raises EngineError."""
    raw = hessian(engine, positions, step=step, progress=progress)
    frequencies, modes = normal_modes(0.5 * (raw + raw.T), positions, masses)
    return Vibrations(frequencies, modes, float(np.abs(raw - raw.T).max()))


def hessian(engine: Engine, positions: np.ndarray, *, step: float, progress: Progress | None = None) -> np.ndarray:
    """Second derivatives [3N, 3N] in eV/Å² of the energy, by central differences of forces over +-`step` (Å).

    Each force is computed from a clean start. It then depends on the geometry alone, and what an unconverged
    wavefunction adds to it is nearly the same on both sides. Errors of the frequencies of GFN2-xTB, against tight SCC
    and extrapolation to no step: at SCC accuracy 0.1 noise is at most 0.03 cm-1 at 0.005 Å (0.15 if each call started
    from the one before, for the same time); truncation is 0.2 to 0.4 cm-1 at 0.005 Å, of second order, and all together
    is below 0.1 cm-1 at 0.002 Å (water, CO2, ethanol, imidazole, 4-hydroxybutan-2-one). Nitromethane's rotor, at
    32 cm-1, is off by 1.4 and 0.2 cm-1.
    """
    rows = []
    for index in np.ndindex(positions.shape):
        shift = np.zeros_like(positions)
        shift[index] = step
        forces = []
        for displaced in (positions + shift, positions - shift):
            engine.forget()
            forces.append(engine.compute(displaced)[1].ravel())
        rows.append((forces[1] - forces[0]) / (2 * step))
        if progress is not None:
            progress.update()
    return np.array(rows)


def normal_modes(hessian: np.ndarray, positions: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [M] in cm-1 and modes [M, N, 3] of a symmetric `hessian` [3N, 3N] in eV/Å², see the module."""
    weights = np.repeat(masses**-0.5, 3)
    rigid = rigid_motions(positions, masses)
    internal = np.linalg.svd(rigid)[2][len(rigid) :]
    curvature, vectors = np.linalg.eigh(internal @ (hessian * np.outer(weights, weights)) @ internal.T)
    modes = vectors.T @ internal
    largest = np.take_along_axis(modes, np.abs(modes).argmax(1)[:, None], axis=1)
    frequencies = np.sign(curvature) * np.sqrt(np.abs(curvature) * ACCELERATION) / (2 * np.pi * LIGHT)
    return frequencies, (modes * np.sign(largest)).reshape(-1, *positions.shape)
