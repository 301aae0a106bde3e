"""Whether a trajectory can be trusted: bonds watched while it runs, the rest judged when it is over."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from mdstride.bonds import lengths, radii_sums
from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.simulate.events import FORMED

BLOCKS = 40
"""At most this many block means of the total energy are kept, for the report's plot."""

FEWEST_BLOCKS = 5
"""With fewer blocks the drift is not judged."""

SIGMAS = 3.0
"""Standard errors by which the drift or the mean temperature must be beyond its limit."""

TEMPERATURE_BLOCKS = 10
"""Block means of the temperature that its standard error rests on: few, so that each is longer than its memory."""

CENTRE_SHIFT = 1e-3
"""Å that the centre of mass may move. tblite: 1e-14 in 1 ps."""

SPIN = 0.01
"""Largest angular momentum, as a share of a free rotor's at the same temperature. tblite: 3e-5 for water in 1 ps."""

FEWEST_FRAMES = 10
"""With fewer frames the energy's drift and fluctuation are left out (null)."""


class BrokenBondError(Exception):
    """The bond graph is not what it was. The message is the reason that the tables show."""


class BondWatch:
    """Notices that the bond graph changes for good: a bond breaks, a hydrogen moves to another atom, a bond forms.

    A bond is broken when it stays longer than `break_factor` times its covalent radii for `break_time` fs: a hot bond
    is that long now and then without breaking, so one excursion is not enough. Two heavy atoms have formed a bond when
    they stay closer than FORMED times their radii for as long.
    """

    def __init__(self, atomic_numbers: np.ndarray, bonds: np.ndarray, limits: dict[str, Any], timestep: float) -> None:
        self._numbers, self._limits = atomic_numbers, limits
        loose = _loose_pairs(atomic_numbers, bonds)
        self._pairs = np.concatenate([bonds, loose])
        self._first, self._second = self._pairs.T.copy()
        self._sign = np.repeat([1, -1], [len(bonds), len(loose)])  # a bond must not be longer, a pair not shorter
        factor = np.where(self._sign > 0, limits["break_factor"], FORMED)
        self._squared = (factor * radii_sums(atomic_numbers, self._pairs)) ** 2
        self._steps = max(1, round(limits["break_time"] / timestep))
        self.beyond = np.zeros(len(self._pairs), np.int64)
        """Steps that each bond has been too long for, and each other pair too close: all the memory that this has."""

    def check(self, positions: np.ndarray) -> None:
        """Look at the positions [N, 3] in Å of one step. Raises BrokenBondError."""
        between = positions[self._first] - positions[self._second]
        wrong = self._sign * ((between * between).sum(1) - self._squared) > 0
        self.beyond = (self.beyond + 1) * wrong
        if (self.beyond >= self._steps).any():
            raise BrokenBondError(self._reason(positions))

    def _reason(self, positions: np.ndarray) -> str:
        """What has become of the bond graph, in words; atoms are counted from 1."""
        changed = self.beyond >= self._steps
        broken, others = [], []
        for i, j in self._pairs[changed & (self._sign > 0)].tolist():
            move = _transfer(self._numbers, positions, (i, j), self._limits["break_factor"])
            if move is None:
                broken.append(f"{i + 1}-{j + 1}")
            else:
                others.append("proton transfer from {} to {}".format(*map(self._name, move)))
        for i, j in self._pairs[changed & (self._sign < 0)].tolist():
            others.append(f"bond formed between {self._name(i)} and {self._name(j)}")
        if broken:
            factor, time = self._limits["break_factor"], self._limits["break_time"]
            lost = f"bond broken between atoms {', '.join(broken)}: over {factor:g} x covalent radii for {time:g} fs"
            others.insert(0, lost)
        return "; ".join(others)

    def _name(self, atom: int) -> str:
        return f"{chemical_symbols[self._numbers[atom]]}{atom + 1}"


def _loose_pairs(numbers: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    """Pairs [P, 2] of heavy atoms that are not bonded."""
    pairs = np.column_stack(np.triu_indices(len(numbers), k=1))
    bonded = {tuple(sorted(bond)) for bond in bonds.tolist()}
    keep = [bool((numbers[pair] > 1).all()) and tuple(pair.tolist()) not in bonded for pair in pairs]
    return pairs[keep]


def _transfer(
    numbers: np.ndarray, positions: np.ndarray, bond: tuple[int, int], break_factor: float
) -> tuple[int, int] | None:
    """The heavy atoms that the hydrogen of a broken bond has left and gone to; None where it has none to go to."""
    proton, origin = sorted(bond, key=lambda atom: numbers[atom])
    targets = np.flatnonzero(numbers > 1)
    targets = targets[targets != origin]
    if numbers[proton] > 1 or numbers[origin] == 1 or not len(targets):
        return None
    pairs = np.column_stack([np.full(len(targets), proton), targets])
    reach = lengths(positions, pairs) / radii_sums(numbers, pairs)
    return (origin, int(targets[reach.argmin()])) if reach.min() < break_factor else None


def figures(
    *,
    atomic_numbers: np.ndarray,
    bonds: np.ndarray,
    time: np.ndarray,
    total_energy: np.ndarray,
    temperature: np.ndarray,
    positions: np.ndarray,
    forces: np.ndarray,
    target: float | None = None,
) -> dict[str, Any]:
    """The figures of a trajectory of F frames of N atoms: those that its verdict rests on, and those for the report.

    Parameters
    ----------
    time [F] fs, total_energy [F] eV, temperature [F] K, positions [F, N, 3] Å, forces [F, N, 3] eV/Å.
    target
        K, the temperature that NVT is to keep; None for NVE. The total energy of NVT is not conserved and not looked
        at. The temperature of NVE follows from the energy that the start happened to have (one of a molecule with f
        vibrations varies by T / sqrt(f), for ethanol 65 K), so only its mean over many replicas could be judged.

    Returns
    -------
    frames; drift (meV/atom/ps, slope of the least-squares line through the total energy); fluctuation (meV/atom, rms
    about that line); temperature (K, mean) and temperature_error (K, its standard error); target_temperature (K);
    max_force (eV/Å on an atom); longest_bond (largest bond length over the sum of covalent radii); block_time (ps) and
    block_energy (meV/atom, less the first). None where frames are too few, or not looked at.
    """
    frames = len(time)
    names = ("drift", "fluctuation", "temperature", "temperature_error", "max_force", "longest_bond")
    result: dict[str, Any] = dict.fromkeys(names)
    result |= {"target_temperature": target, "frames": frames, "block_time": [], "block_energy": []}
    if frames == 0:
        return result
    result["temperature"] = float(temperature.mean())
    if frames >= TEMPERATURE_BLOCKS * FEWEST_FRAMES:
        blocks = [block.mean() for block in np.array_split(temperature, TEMPERATURE_BLOCKS)]
        result["temperature_error"] = float(np.std(blocks, ddof=1) / np.sqrt(TEMPERATURE_BLOCKS))
    result["max_force"] = float(np.linalg.norm(forces, axis=2).max())
    if len(bonds):
        result["longest_bond"] = float((lengths(positions, bonds) / radii_sums(atomic_numbers, bonds)).max())
    if target is None and frames >= FEWEST_FRAMES:
        result |= _conservation(time / 1000.0, 1000.0 * (total_energy - total_energy[0]) / len(atomic_numbers))
    return result


def _conservation(picoseconds: np.ndarray, energy: np.ndarray) -> dict[str, Any]:
    """Drift, fluctuation and block means (see figures) of the total energy [F] in meV/atom."""
    slope, offset = np.polyfit(picoseconds, energy, 1)
    blocks = np.array_split(np.arange(len(energy)), min(BLOCKS, len(energy) // FEWEST_FRAMES))
    means = np.array([energy[block].mean() for block in blocks])
    return {
        "drift": float(slope),
        "fluctuation": float(np.sqrt(np.mean((energy - offset - slope * picoseconds) ** 2))),
        "block_time": [float(picoseconds[block].mean()) for block in blocks],
        "block_energy": (means - means[0]).tolist(),
    }


def net_motion(
    *, masses: np.ndarray, positions: np.ndarray, velocities: np.ndarray, temperature: float
) -> dict[str, float | None]:
    """What ought to stay zero, at its largest: `centre_shift` and `angular_momentum` over F frames, None without any.

    The first is the way of the centre of mass from where it started (Å); the second the angular momentum about it, as a
    share of sqrt(k T tr I), the rms value of a free rotor with the moments of inertia I at the temperature T.

    Parameters
    ----------
    masses [N] amu, positions [F, N, 3] Å, velocities [F, N, 3] Å/fs, temperature K.
    """
    if len(positions) == 0:
        return {"centre_shift": None, "angular_momentum": None}
    centre = np.einsum("n,fnd->fd", masses, positions) / masses.sum()
    arms = positions - centre[:, None]
    spin = np.linalg.norm(np.einsum("n,fnd->fd", masses, np.cross(arms, velocities)), axis=1)
    inertia = 2.0 * np.einsum("n,fnd->f", masses, arms**2)  # the trace of I
    thermal = np.sqrt(BOLTZMANN * temperature * inertia / KINETIC)
    return {
        "centre_shift": float(np.linalg.norm(centre - centre[0], axis=1).max()),
        "angular_momentum": float((spin / thermal).max()),
    }


def judge(found: dict[str, Any], limits: dict[str, Any], stopped: str) -> dict[str, Any]:
    """The verdict: `found` with `passed` and the `reason` (empty when passed).

    `found` holds what figures, net_motion and events give; a figure that is null or missing is not judged. `stopped` is
    why the run ended early, or empty: it comes first. Drift and temperature must be beyond their limits by more than
    SIGMAS standard errors.
    """
    reason = stopped or next(_complaints(found, limits), "")
    return {"passed": not reason, "reason": reason, **found}


def _complaints(found: dict[str, Any], limits: dict[str, Any]) -> Iterator[str]:
    """What is beyond its limit, the gravest first."""
    force, fluctuation = found["max_force"], found["fluctuation"]
    if force is not None and force > limits["max_force"]:
        yield f"force of {force:.3g} eV/Å on an atom, limit {limits['max_force']:g}"
    if fluctuation is not None and fluctuation > limits["fluctuation"]:
        yield f"energy fluctuation of {fluctuation:.3g} meV/atom, limit {limits['fluctuation']:g}"
    drift, error = found["drift"], _slope_error(np.array(found["block_time"]), np.array(found["block_energy"]))
    if error is not None and abs(drift) - SIGMAS * error > limits["drift"]:
        yield f"energy drift of {drift:.3g} ± {error:.2g} meV/atom/ps, limit {limits['drift']:g}"
    target, mean, error = found["target_temperature"], found["temperature"], found["temperature_error"]
    if target is not None and error is not None and abs(mean - target) - SIGMAS * error > limits["temperature"]:
        yield f"mean temperature of {mean:.0f} ± {error:.0f} K instead of {target:g} K, limit {limits['temperature']:g}"
    shift, spin = found.get("centre_shift"), found.get("angular_momentum")
    if shift is not None and shift > CENTRE_SHIFT:
        yield f"centre of mass moved by {shift:.2g} Å, limit {CENTRE_SHIFT:g}"
    if spin is not None and spin > SPIN:
        yield f"angular momentum of {spin:.2g} of its thermal value, limit {SPIN:g}"


def _slope_error(x: np.ndarray, y: np.ndarray) -> float | None:
    """Standard error of the slope of the least-squares line through the block means y(x); None with fewer than 5.

    The total energy of velocity Verlet swings with the energy in the fast vibrations, by tenths of meV/atom at 1 fs, so
    that the slope over a short run is mostly chance.
    """
    if len(x) < FEWEST_BLOCKS:
        return None
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(np.sqrt(residual @ residual / (len(x) - 2) / np.sum((x - x.mean()) ** 2)))
