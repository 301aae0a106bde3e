"""Which geometry to relax, and from there to a true minimum: one that has no imaginary mode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdstride.engines import Engine, EngineError
from mdstride.progress import Progress
from mdstride.relax.embed import RelaxFailure
from mdstride.relax.minimise import Relaxed, minimise
from mdstride.relax.modes import Vibrations, vibrations

SAME_ENERGY = 1e-4
"""eV. Geometries closer than this in energy, such as mirror images, are equal, and the first one is taken: rounding
must not choose between them."""

ESCAPE = 0.2
"""Å that the atom that moves most is displaced by along an imaginary mode."""


@dataclass(frozen=True)
class Found:
    """A relaxed geometry that its vibrations show to be a minimum."""

    relaxed: Relaxed
    vibrations: Vibrations
    escapes: int
    """Saddle points that were left on the way."""


def lowest(engine: Engine, geometries: Sequence[np.ndarray] | np.ndarray) -> int:
    """Index of the geometry lowest in the engine's energy, each from a clean start.

    One for which the engine has no energy is passed over. Raises EngineError when it has none at all.
    """
    return int(ranked(engine, geometries)[0])


def ranked(engine: Engine, geometries: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Indices of the geometries for which the engine has an energy: the one that `lowest` takes, the others ascending.

    Raises EngineError when it has none at all.
    """
    found, failures = [], []
    for positions in geometries:
        engine.forget()
        try:
            found.append(engine.compute(positions)[0])
        except EngineError as failure:
            found.append(np.inf)
            failures.append(failure)
    if len(failures) == len(found):
        raise failures[0]
    energies = np.array(found)
    order = np.argsort(energies, kind="stable")[: len(energies) - len(failures)]
    first = np.argmax(energies <= energies.min() + SAME_ENERGY)
    return np.array([first, *order[order != first]])


def find_minimum(
    engine: Engine,
    atomic_numbers: np.ndarray,
    masses: np.ndarray,
    start: np.ndarray,
    settings: dict[str, Any],
    *,
    check: Callable[[np.ndarray], None],
    label: str,
) -> Found:
    """Relax `start` [N, 3] in Å, leaving saddle points downhill along their lowest mode, until a minimum is reached.

    `settings` is the configuration's section `relax`; `check` raises RelaxFailure for a relaxed geometry [N, 3] that is
    not the compound; `label` names it in progress lines.

    Raises RelaxFailure when it does not converge, leaves the compound or is still at a saddle point after
    settings["max_escapes"] of them; EngineError.
    """
    for escapes in range(settings["max_escapes"] + 1):
        progress = Progress(f"relax {label}", settings["max_steps"], "steps at most")
        limits = {"max_force": settings["max_force"], "max_steps": settings["max_steps"]}
        relaxed = minimise(engine, atomic_numbers, start, **limits, progress=progress)
        check(relaxed.positions)
        progress = Progress(f"vibrations of {label}", 3 * len(masses), "coordinates")
        found = vibrations(engine, relaxed.positions, masses, step=settings["hessian_step"], progress=progress)
        if found.frequencies[0] >= -settings["max_imaginary"]:
            return Found(relaxed, found, escapes)
        start = downhill(engine, relaxed.positions, masses, found.modes[0])
    raise RelaxFailure(
        f"at a saddle point, after leaving {settings['max_escapes']} of them: imaginary mode of "
        f"{-found.frequencies[0]:.0f} cm-1, limit {settings['max_imaginary']:g}"
    )


def downhill(engine: Engine, positions: np.ndarray, masses: np.ndarray, mode: np.ndarray) -> np.ndarray:
    """The lower of the two geometries [N, 3] on either side of a saddle point, along its imaginary `mode` [N, 3]."""
    move = mode / np.sqrt(masses)[:, None]
    move *= ESCAPE / np.linalg.norm(move, axis=1).max()
    sides = (positions + move, positions - move)
    return sides[lowest(engine, sides)]
