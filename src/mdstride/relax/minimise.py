"""Relax a geometry on the energy surface of an engine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS

from mdstride.engines import Engine
from mdstride.progress import Progress
from mdstride.relax.embed import RelaxFailure

LONGEST_STEP = 0.1
"""Å that an atom may move in one optimiser step."""

STRAIGHT = 1e-2
"""Width over length below which a relaxed molecule is linear. What is left of a bend when the forces on it are within
the limit of convergence is narrower, what is bent at its minimum is wider."""


@dataclass(frozen=True)
class Relaxed:
    """A geometry without forces."""

    positions: np.ndarray
    """[N, 3] Å, centred on the mean."""
    energy: float
    """eV."""
    steps: int
    """Of the optimiser."""
    largest_force: float
    """eV/Å, on any atom."""


def minimise(
    engine: Engine,
    atomic_numbers: np.ndarray,
    positions: np.ndarray,
    *,
    max_force: float,
    max_steps: int,
    progress: Progress | None = None,
) -> Relaxed:
    """Relax `positions` [N, 3] in Å until no atom feels more than `max_force` (eV/Å).

    BFGS with the absolute eigenvalues of its Hessian, so that it also goes downhill where the surface curves down. A
    molecule that becomes linear but for rounding is made so exactly, since it has one vibration more than a bent one.

    Raises RelaxFailure when `max_steps` are not enough, EngineError when the engine has no result.
    """
    atoms = Atoms(atomic_numbers, positions)
    atoms.calc = EngineCalculator(engine)
    engine.forget()
    optimiser = BFGS(atoms, logfile=None, maxstep=LONGEST_STEP)  # None: no log
    if progress is not None:
        optimiser.attach(progress.update)
    converged = optimiser.run(fmax=max_force, steps=max_steps)
    final = straightened(atoms.positions - atoms.positions.mean(0))
    engine.forget()  # so that the stored energy depends on the stored positions alone
    energy, forces = engine.compute(final)
    largest = float(np.linalg.norm(forces, axis=1).max())
    if not converged:
        raise RelaxFailure(f"not converged in {max_steps} steps: largest force {largest:.3g} eV/Å, limit {max_force:g}")
    return Relaxed(final, energy, int(optimiser.nsteps), largest)


def straightened(positions: np.ndarray) -> np.ndarray:
    """Positions [N, 3], centred on their mean, put on one line if they are narrower than STRAIGHT; else unchanged."""
    _, extent, axes = np.linalg.svd(positions, full_matrices=False)
    if extent[1] > STRAIGHT * extent[0]:
        return positions
    return np.outer(positions @ axes[0], axes[0])


class EngineCalculator(Calculator):
    """Lets ASE's optimisers call an engine."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE's own convention

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        """Energy and forces in ASE's units, which are eV and eV/Å as well."""
        super().calculate(atoms, properties, system_changes)
        self.results["energy"], self.results["forces"] = self.engine.compute(atoms.positions)
