"""Whether frame t + 1 follows frame t, and by how much: told from the data, never assumed.

With forces. An integrator that stores each of its steps dt obeys, with mass-weighted positions x and forces f = F/m,

    x(t+1) - 2 x(t) + x(t-1) = dt² f(t) - g(t) (x(t+1) - x(t-1)),

where g is what a thermostat that scales velocities does (Nose-Hoover, Bussi, Berendsen; 0 without). What is parallel
to x(t+1) - x(t-1) is therefore projected out, frame by frame. When only every k-th step is stored, Δ = k dt, the
left-hand side is a weighted sum of the forces in between, and to the next order

    x(t+1) - 2 x(t) + x(t-1) = Δ² [f(t) + c (f(t+1) - 2 f(t) + f(t-1))],    c = (1 - 1/k²) / 12.

Both coefficients come out of one linear regression: Δ to better than 1 % up to 6 fs, and c to be one that an integrator
can give. If it is not, c is left out: the random forces of a Langevin thermostat enter the second term through f(t+1)
and spoil it, but not the first. (k = 1 is velocity Verlet: Swope et al., J. Chem. Phys. 76, 637 (1982); c = 1/12 is
Numerov's formula.)

Without forces, or where frames are too far apart for that: neighbours must be closer than frames at random, by steps
whose length changes little from one to the next.
"""

from dataclasses import dataclass

import numpy as np

from mdstride.constants import ACCELERATION

FEWEST = 6
"""Frames; of fewer it cannot be told."""

SAMPLE = 5000
"""Frames that are looked at, evenly spaced, where not all must be."""

EXPLAINED = 0.5
"""Share of the second differences' variance that the forces must explain. Deterministic dynamics: 0.99 and more; with
the random forces of a Langevin thermostat less. Frames in random order: below 0.1."""

STRIDE_TERM = (-0.1, 0.2)
"""c: 0 to 1/12 for close frames, up to 0.16 at 6 fs. Random subsets of a trajectory in their order: -1.3."""

CLOSE = 0.5
"""Root mean square displacement between neighbours over that between random pairs. MD17 ethanol: 0.03 at 0.5 fs, 0.4 at
10 fs; 1 in random order."""

STEADY = 0.25
"""Median change of the step's length over the median length: 0.03 to 0.16; random subsets 0.6."""

GAP, GAP_SIGMAS = 0.5, 8.0
"""Change of the step's length over the median length, at least and in robust standard deviations, at a missing frame
(about 1), a repeated one (1), or where another trajectory begins."""

FEW_GAPS = 0.01
"""Share of frames: with more gaps the frames are a selection, not a trajectory."""

RESOLVED = 1.0
"""Second over first differences, root mean square. Above it, positions do not tell velocities: the fastest vibrations
reverse from frame to frame. MD17 ethanol: 0.15 at 0.5 fs, 1 at 4 fs; random order: 1.7."""

BLOCKS = 10


@dataclass(frozen=True)
class Fit:
    """What forces say about the interval between frames."""

    interval: float
    """fs; 0 where the regression gives none."""
    error: float
    """fs, standard error over blocks of frames."""
    stride_term: float
    """c of the module's docstring."""
    explained: float
    """Share of the variance."""
    noisy: bool
    """Whether c had to be left out; then the frames may also be a selection of a trajectory's, in their order."""

    def holds(self) -> bool:
        """Whether the frames obey the equation of motion."""
        return self.interval > 0 and self.explained >= EXPLAINED


@dataclass(frozen=True)
class Steps:
    """What F frames in a row are to each other."""

    consecutive: bool
    reason: str
    """In words, how that was found."""
    fit: Fit | None
    """None without forces, or with too few frames."""
    closeness: float | None
    """See CLOSE."""
    curvature: float | None
    """See RESOLVED."""
    gaps: np.ndarray
    """[G] frames after which a gap is, where frames are consecutive but for few of them."""


def find_steps(positions: np.ndarray, forces: np.ndarray | None, masses: np.ndarray) -> Steps:
    """Look at positions [F, N, 3] in Å, forces [F, N, 3] in eV/Å and masses [N] in amu."""
    nothing = np.zeros(0, np.int64)
    if len(positions) < FEWEST or len(masses) < 2:
        return Steps(False, f"of {len(positions)} frames it cannot be told", None, None, None, nothing)
    middle = _sample(1, len(positions) - 1)
    close, curved = _closeness(positions, middle), _curvature(positions, middle)
    fit = None if forces is None else fit_interval(positions, forces, masses)
    change = _unevenness(positions, masses)
    typical = float(np.median(change))
    gaps = np.flatnonzero(change > max(GAP, GAP_SIGMAS * 1.4826 * typical))
    smooth = close < CLOSE and typical < STEADY
    obeys = fit is not None and fit.holds() and (smooth or not fit.noisy)
    if not (obeys or smooth):
        reason = f"neighbours are {close:.2f} times as far apart as random frames"
        if close < CLOSE:
            reason += f", by steps of unequal length (typically {typical:.0%} longer or shorter than the one before)"
        return Steps(False, reason, fit, close, curved, nothing)
    if len(gaps) > FEW_GAPS * len(positions):
        return Steps(False, f"the intervals differ: {len(gaps)} gaps", fit, close, curved, nothing)
    if fit is not None and obeys:
        reason = f"forces explain all but {1 - fit.explained:.1g} of the variance of the second differences"
    else:
        reason = f"neighbours are {close:.2g} times as far apart as random frames"
    separate = gaps[np.diff(gaps, prepend=-2) > 1]  # a missing frame changes two lengths
    return Steps(True, reason, fit, close, curved, separate + 1)


def fit_interval(positions: np.ndarray, forces: np.ndarray, masses: np.ndarray) -> Fit:
    """Regression of the module's docstring over at most SAMPLE frames."""
    t = _sample(1, len(positions) - 1)
    weight = np.sqrt(masses)[:, None]

    def flat(value: np.ndarray) -> np.ndarray:
        return np.reshape(value, (len(t), -1))

    before, here, after = (positions[t + k] * weight for k in (-1, 0, 1))
    f_before, f_here, f_after = (forces[t + k] * (ACCELERATION / weight) for k in (-1, 0, 1))
    motion = flat(after - before)
    length = np.linalg.norm(motion, axis=1, keepdims=True)
    along = np.divide(motion, length, out=np.zeros_like(motion), where=length > 0)
    values = flat(f_here), flat(f_after - 2 * f_here + f_before), flat(after - 2 * here + before)
    *terms, bent = (value - (value * along).sum(1, keepdims=True) * along for value in values)
    found, explained = _regress(bent, *terms)
    ratio = found[1] / found[0] if found[0] else np.inf
    noisy = not (explained >= EXPLAINED and STRIDE_TERM[0] <= ratio <= STRIDE_TERM[1])
    if noisy:
        ratio, terms = 0.0, terms[:1]
        found, explained = _regress(bent, *terms)
    blocks = np.array_split(np.arange(len(t)), min(BLOCKS, len(t)))
    parts = [_regress(bent[k], *(term[k] for term in terms))[0][0] for k in blocks]
    interval = float(np.sqrt(max(found[0], 0.0)))
    spread = float(np.std(parts, ddof=1) / np.sqrt(len(parts)))
    return Fit(interval, spread / (2 * interval) if interval else 0.0, float(ratio), explained, noisy)


def _regress(bent: np.ndarray, *terms: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients of the terms, and the share of the variance of `bent` that they explain."""
    design, target = np.stack([term.ravel() for term in terms], axis=1), bent.ravel()
    found, *_ = np.linalg.lstsq(design, target, rcond=None)
    rest, whole = target - design @ found, float(target @ target)
    return found, 1.0 - float(rest @ rest) / whole if whole else 0.0


def _sample(first: int, stop: int) -> np.ndarray:
    return np.unique(np.linspace(first, stop - 1, min(SAMPLE, stop - first)).astype(int))


def _closeness(positions: np.ndarray, middle: np.ndarray) -> float:
    other = np.random.default_rng(0).permutation(middle)
    near = np.square(positions[middle + 1] - positions[middle]).mean()
    far = np.square(positions[other] - positions[middle]).mean()
    return float(np.sqrt(near / far)) if far > 0 else 1.0


def _curvature(positions: np.ndarray, middle: np.ndarray) -> float:
    step = positions[middle + 1] - positions[middle]
    bent = step - (positions[middle] - positions[middle - 1])
    size = np.square(step).mean()
    return float(np.sqrt(np.square(bent).mean() / size)) if size > 0 else 2.0


def _unevenness(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """[F - 2] change of the mass-weighted length of the step from frame to frame, over the median length."""
    length = np.concatenate(
        [
            np.sqrt(np.einsum("n,fnd->f", masses, np.diff(positions[start : start + 10_001], axis=0) ** 2))
            for start in range(0, len(positions) - 1, 10_000)  # the differences of a million frames need not be at hand
        ]
    )
    typical = float(np.median(length))
    return np.abs(np.diff(length)) / typical if typical > 0 else np.full(len(length) - 1, np.inf)
