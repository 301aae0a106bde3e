"""Interval, velocities and temperature of imported frames, each compared with the others."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdstride.constants import BOLTZMANN, FEMTOSECOND, KINETIC
from mdstride.dataset.published.consecutive import RESOLVED, Fit, Steps, find_steps
from mdstride.dataset.published.frames import Frames
from mdstride.dataset.published.plausible import check_forces, check_work
from mdstride.dataset.published.units import ENERGIES
from mdstride.errors import InputError

AGREE = 0.1
"""Relative difference between the interval that is declared and the one that the data show."""

ROUND = 0.05
"""fs, to which an interval that the data show is rounded if that changes it by at most 1 %."""

EVERY_STEP = 0.03
"""Of Fit.stride_term: below it each step of the integrator is stored (0; every second step gives 0.0625)."""

EQUAL_TIMES = 1e-3
"""Of the interval, by which the intervals between the times of a file may differ."""

TEMPERATURES = (30.0, 3000.0)
"""K: of a molecule that stays one. Units of energy differ by a factor of 23 (eV and kcal/mol), and temperatures with
them."""

DECLARED = 2.0
"""Factor by which the mean temperature may differ from the declared one: short runs of small molecules vary."""

VELOCITY_FIT = (0.9, 0.2)
"""Published velocities and central differences: least squared correlation, largest deviation of the slope from 1."""

SAMPLE = 20_000
"""Frames whose temperature is computed."""

BLOCKS = 40


@dataclass
class Motion:
    """What is known of how the frames follow each other."""

    steps: Steps
    interval: float = 0.0
    """fs; 0 where frames are not consecutive and none was declared."""
    velocities: np.ndarray | None = None
    """[F, N, 3] Å/fs; None where frames are not consecutive."""
    source: str = ""
    """Where velocities are from."""
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_motion(frames: Frames, masses: np.ndarray, *, interval: float | None, temperature: float | None) -> Motion:
    """Whether frames are consecutive, and if so their interval and velocities.

    Raises InputError where what is declared (interval in fs, temperature in K) and what the data show disagree, where
    a frame is missing in the middle, and where an interval is needed and neither declared nor found.
    """
    steps = find_steps(frames.positions, frames.forces, masses)
    if len(steps.gaps):
        raise InputError(
            f"{frames.path}: a frame is missing or repeated after frame {steps.gaps[0]}, or another trajectory begins "
            f"({len(steps.gaps)} such places); cut the file there and import the parts as replicas"
        )
    motion = Motion(steps, figures=_figures(steps))
    motion.figures["work"] = check_work(frames) if steps.consecutive else None
    check_forces(frames)
    timed = _timed(frames)
    declared = interval or timed
    if interval and timed and abs(interval - timed) > AGREE * interval:
        motion.notes.append(
            f"the file's times say {timed:.4g} fs between frames; {interval:g} fs was declared and taken"
        )
    if steps.consecutive and (steps.curvature or 0.0) >= RESOLVED and frames.velocities is None:
        what = "frames are too far apart to tell velocities, and the file has none, so they are no use for forecasting"
        return _unordered(motion, declared, frames, what)
    if not steps.consecutive:
        return _unordered(motion, declared, frames, steps.reason)
    motion.interval = _interval(frames, steps.fit, declared, motion.notes)
    motion.notes.append(f"consecutive frames, {motion.interval:g} fs apart: {steps.reason}")
    _add_velocities(motion, frames, masses)
    _check_temperature(motion, frames, masses, temperature)
    return motion


def kinetic_temperature(positions: np.ndarray, velocities: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """[F] K of the internal degrees of freedom, without translation and rotation as a whole, 3N - 6 (linear 3N - 5).

    From positions [F, N, 3] in Å, velocities [F, N, 3] in Å/fs and masses [N] in amu.
    """
    total = masses.sum()
    arms = positions - (np.einsum("n,fnd->fd", masses, positions) / total)[:, None]
    own = velocities - (np.einsum("n,fnd->fd", masses, velocities) / total)[:, None]
    spin = np.einsum("n,fnd->fd", masses, np.cross(arms, own))
    products = np.einsum("n,fni,fnj->fij", masses, arms, arms)
    inertia = np.trace(products, axis1=1, axis2=2)[:, None, None] * np.eye(3) - products
    inverse = np.linalg.pinv(inertia, rcond=1e-6, hermitian=True)
    rotation = np.einsum("fi,fij,fj->f", spin, inverse, spin)
    linear = np.linalg.matrix_rank(inertia[0], tol=1e-6 * np.trace(inertia[0]), hermitian=True) < 3
    degrees = 3 * len(masses) - (5 if linear else 6)
    return KINETIC * (np.einsum("n,fnd->f", masses, own**2) - rotation) / (BOLTZMANN * degrees)


def _unordered(motion: Motion, declared: float | None, frames: Frames, why: str) -> Motion:
    motion.steps = Steps(
        False, why, motion.steps.fit, motion.steps.closeness, motion.steps.curvature, motion.steps.gaps
    )
    motion.interval = declared or 0.0
    motion.notes.append(f"frames are not consecutive: {why}")
    if frames.velocities is not None:
        motion.notes.append("velocities were left out, since frames are not consecutive")
    return motion


def _figures(steps: Steps) -> dict[str, Any]:
    fit = steps.fit
    return {
        "interval_found": fit.interval if fit and fit.holds() else None,
        "interval_error": fit.error if fit and fit.holds() else None,
        "explained": fit.explained if fit else None,
        "closeness": steps.closeness,
        "curvature": steps.curvature,
    }


def _timed(frames: Frames) -> float | None:
    """fs between frames by the times of the file."""
    if frames.time is None or len(frames.time) < 2:
        return None
    steps = np.diff(frames.time)
    typical = float(np.median(steps))
    odd = np.flatnonzero(~(np.abs(steps - typical) <= EQUAL_TIMES * abs(typical)))
    if len(odd) or typical <= 0:
        raise InputError(
            f"{frames.path}: its times are not equally spaced after frame {odd[0] if len(odd) else 0}; cut the file "
            "there and import the parts as replicas"
        )
    return typical


def _interval(frames: Frames, fit: Fit | None, declared: float | None, notes: list[str]) -> float:
    found = fit.interval if fit and fit.holds() else None
    if found is None and declared is None:
        published = " (published as 1 for TG80, 0.5 for MD17)"
        raise InputError(
            f"{frames.path}: does not tell the time between frames; give it in fs with --interval{published}"
        )
    if found is None or fit is None:
        assert declared is not None
        notes.append("the interval is as declared: the data do not tell it closely")
        return declared
    if declared is None:
        near = round(round(found / ROUND) * ROUND, 10)
        return near if abs(near - found) <= 0.01 * found else float(f"{found:.3g}")
    if abs(declared - found) > AGREE * declared:
        raise InputError(
            f"{frames.path}: declared are {declared:g} fs between frames, and positions and forces in "
            f"{frames.force_unit}/Å show {found:.4g} ± {fit.error:.1g} fs{_other_units(frames, found, declared)}; "
            "correct --interval or the units"
        )
    if abs(declared - found) > 0.01 * declared:
        notes.append(f"the interval is {declared:g} fs as declared; the data show {found:.4g} ± {fit.error:.1g} fs")
    return declared


def _other_units(frames: Frames, found: float, declared: float) -> str:
    """Which unit of forces would give the declared interval."""
    for name, size in ENERGIES.items():
        if abs(found * (ENERGIES[frames.force_unit] / size) ** 0.5 - declared) < AGREE / 2 * declared:
            return f", but {declared:g} fs if forces are in {name}/Å"
    return ""


def _add_velocities(motion: Motion, frames: Frames, masses: np.ndarray) -> None:
    positions = frames.positions
    central = np.gradient(positions, motion.interval, axis=0)  # one-sided in the first and the last frame
    resolved = (motion.steps.curvature or 0.0) < RESOLVED
    if frames.velocities is None:
        fit = motion.steps.fit
        exact = fit is not None and fit.holds() and abs(fit.stride_term) < EVERY_STEP
        quality = (
            "exact for velocity Verlet, each of whose steps is stored" if exact else "low for the fastest vibrations"
        )
        motion.velocities = central
        motion.source = f"central differences of positions ({quality}); one-sided in the first and the last frame"
        return
    published, motion.source = frames.velocities, "published"
    if not frames.velocity_unit:
        sizes = {"Å/fs": 1.0, "ASE's unit": FEMTOSECOND}
        goal = _temperatures(positions, central, masses).mean() if resolved else 300.0
        warmth = _temperatures(positions, published, masses).mean()
        name = min(sizes, key=lambda key: abs(np.log(max(warmth * sizes[key] ** 2, 1e-30) / max(goal, 1e-30))))
        published = published * sizes[name]
        motion.source = f"published, read as {name}"
    if resolved:
        product, own, other = (
            float((a * b).sum()) for a, b in ((published, central), (central, central), (published,) * 2)
        )
        slope, agreement = product / own, product**2 / (own * other) if other else 0.0
        if agreement < VELOCITY_FIT[0] or abs(slope - 1.0) > VELOCITY_FIT[1]:
            raise InputError(
                f"{frames.path}: its velocities are {slope:.3g} times those by which positions change over "
                f"{motion.interval:g} fs (correlation squared {agreement:.2f}); correct the interval or the velocities"
            )
    motion.velocities = published


def _temperatures(positions: np.ndarray, velocities: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """K of at most SAMPLE frames; not of the first and the last, where differences are one-sided."""
    chosen = np.unique(np.linspace(1, len(positions) - 2, min(SAMPLE, len(positions) - 2)).astype(int))
    return kinetic_temperature(positions[chosen], velocities[chosen], masses)


def _check_temperature(motion: Motion, frames: Frames, masses: np.ndarray, declared: float | None) -> None:
    velocities = motion.velocities
    assert velocities is not None
    series = _temperatures(frames.positions, velocities, masses)
    mean = float(series.mean())
    motion.figures["temperature"] = mean
    motion.figures["block_temperature"] = [float(b.mean()) for b in np.array_split(series, min(BLOCKS, len(series)))]
    low, high = (declared / DECLARED, declared * DECLARED) if declared else TEMPERATURES
    if not low <= mean <= high:
        wanted = f"declared were {declared:g} K" if declared else f"molecules have {low:g} to {high:g} K"
        fits = [
            name
            for name, size in ENERGIES.items()
            if frames.forces is not None and low <= mean * size / ENERGIES[frames.force_unit] <= high
        ]
        units = f", or forces are in {' or '.join(fits)} instead of {frames.force_unit} per Å" if fits else ""
        raise InputError(
            f"{frames.path}: at {motion.interval:g} fs between frames its temperature is {mean:.3g} K, and {wanted}; "
            f"the interval is wrong{units}; correct --interval or the units"
        )
