"""Whether a trajectory can be trusted: bonds watched while it runs, energies and forces judged when it is over."""

from typing import Any

import numpy as np

from mdstride.bonds import lengths, radii_sums

BLOCKS = 40
"""At most this many block means of the total energy are kept, for the report's plot."""

FEWEST_BLOCKS = 5
"""With fewer blocks the drift is not judged."""

SIGMAS = 3.0
"""Standard errors by which the drift must be beyond its limit."""

FEWEST_FRAMES = 10
"""With fewer frames the energy's drift and fluctuation are left out (null)."""


class BrokenBondError(Exception):
    """The molecule fell apart. The message is the reason that the tables show."""


class BondWatch:
    """Notices a bond that stays longer than `break_factor` times its covalent radii for `break_time` fs.

    A hot bond is that long now and then without breaking, so one excursion is not enough.
    """

    def __init__(self, atomic_numbers: np.ndarray, bonds: np.ndarray, limits: dict[str, Any], timestep: float) -> None:
        self._bonds, self._limits = bonds, limits
        self._first, self._second = bonds.T.copy()
        self._longest_squared = (limits["break_factor"] * radii_sums(atomic_numbers, bonds)) ** 2
        self._steps = max(1, round(limits["break_time"] / timestep))
        self._beyond = np.zeros(len(bonds), np.int64)  # steps that each bond has been too long for

    def check(self, positions: np.ndarray) -> None:
        """Look at the positions [N, 3] in Å of one step. Raises BrokenBondError."""
        between = positions[self._first] - positions[self._second]
        stretched = (between * between).sum(1) > self._longest_squared
        self._beyond = (self._beyond + 1) * stretched
        broken = self._beyond >= self._steps
        if broken.any():
            pairs = ", ".join(f"{i + 1}-{j + 1}" for i, j in self._bonds[broken])
            factor, time = self._limits["break_factor"], self._limits["break_time"]
            raise BrokenBondError(
                f"bond broken between atoms {pairs}: over {factor:g} x covalent radii for {time:g} fs"
            )


def figures(
    *,
    atomic_numbers: np.ndarray,
    bonds: np.ndarray,
    time: np.ndarray,
    total_energy: np.ndarray,
    temperature: np.ndarray,
    positions: np.ndarray,
    forces: np.ndarray,
) -> dict[str, Any]:
    """The figures of a trajectory of F frames of N atoms: those that its verdict rests on, and those for the report.

    Parameters
    ----------
    time [F] fs, total_energy [F] eV, temperature [F] K, positions [F, N, 3] Å, forces [F, N, 3] eV/Å.

    Returns
    -------
    frames; drift (meV/atom/ps, slope of the least-squares line through the total energy); fluctuation (meV/atom, rms
    about that line); temperature (K, mean); max_force (eV/Å on an atom); longest_bond (largest bond length over the
    sum of covalent radii); block_time (ps) and block_energy (meV/atom, less the first). None where frames are too few.
    """
    frames = len(time)
    result: dict[str, Any] = dict.fromkeys(("drift", "fluctuation", "temperature", "max_force", "longest_bond"))
    result |= {"frames": frames, "block_time": [], "block_energy": []}
    if frames == 0:
        return result
    result["temperature"] = float(temperature.mean())
    result["max_force"] = float(np.linalg.norm(forces, axis=2).max())
    if len(bonds):
        result["longest_bond"] = float((lengths(positions, bonds) / radii_sums(atomic_numbers, bonds)).max())
    if frames < FEWEST_FRAMES:
        return result
    picoseconds = time / 1000.0
    energy = 1000.0 * (total_energy - total_energy[0]) / len(atomic_numbers)
    slope, offset = np.polyfit(picoseconds, energy, 1)
    result["drift"] = float(slope)
    result["fluctuation"] = float(np.sqrt(np.mean((energy - offset - slope * picoseconds) ** 2)))
    blocks = np.array_split(np.arange(frames), min(BLOCKS, frames // FEWEST_FRAMES))
    means = np.array([energy[block].mean() for block in blocks])
    result["block_time"] = [float(picoseconds[block].mean()) for block in blocks]
    result["block_energy"] = (means - means[0]).tolist()
    return result


def judge(found: dict[str, Any], limits: dict[str, Any], stopped: str) -> dict[str, Any]:
    """The verdict: `found` (see figures) with `passed` and the `reason` (empty when passed).

    `stopped` is why the run ended early, or empty. Otherwise the reason is a force beyond its limit, or a drift that is
    beyond its limit by more than SIGMAS standard errors.
    """
    reason = stopped
    if not reason and found["max_force"] is not None and found["max_force"] > limits["max_force"]:
        reason = f"force of {found['max_force']:.3g} eV/Å on an atom, limit {limits['max_force']:g}"
    error = _slope_error(np.array(found["block_time"]), np.array(found["block_energy"]))
    if not reason and error is not None and abs(found["drift"]) - SIGMAS * error > limits["drift"]:
        reason = f"energy drift of {found['drift']:.3g} ± {error:.2g} meV/atom/ps, limit {limits['drift']:g}"
    return {"passed": not reason, "reason": reason, **found}


def _slope_error(x: np.ndarray, y: np.ndarray) -> float | None:
    """Standard error of the slope of the least-squares line through the block means y(x); None with fewer than 5.

    The total energy of velocity Verlet swings with the energy in the fast vibrations, by tenths of meV/atom at 1 fs, so
    that the slope over a short run is mostly chance.
    """
    if len(x) < FEWEST_BLOCKS:
        return None
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(np.sqrt(residual @ residual / (len(x) - 2) / np.sum((x - x.mean()) ** 2)))
