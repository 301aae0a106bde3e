"""Whether energies and forces can be in the units that a file declares: MD17 is kcal/mol, and often taken for eV."""

import numpy as np

from mdstride.constants import HARTREE
from mdstride.dataset.published.frames import Frames
from mdstride.dataset.published.units import ENERGIES
from mdstride.errors import InputError

_FREE_ATOMS = {1: 0.5, 5: 24.6, 6: 37.8, 7: 54.6, 8: 75.0, 9: 99.7, 14: 289.3, 15: 341.2, 16: 398.0, 17: 460.1}
"""Hartree by which all electrons are bound to a free atom; methods differ by less than 0.5 %."""

TOTAL_ENERGY = 0.02
"""Relative deviation of an all-electron energy from the sum of the free atoms: bonds make up less than 1 %."""

SAME_WORK = 0.1
"""Relative deviation of the energy's change from the work of the forces."""

FORCE_RANGE = (0.1, 10.0)
"""eV/Å: root mean square force of a molecule between 10 K and thousands of K. At temperature T it is sqrt(k T s) with
the mean stiffness s, some 30 to 60 eV/Å²."""


FOLLOWED = 0.9
"""Squared correlation of work and change of energy, below which frames are too far apart for that comparison."""


def settle_energy(frames: Frames) -> Frames:
    """Energy in eV: compared with the energy of free atoms, which also tells a unit that the file does not.

    An energy whose unit is neither declared nor found is left out, unless there are forces to compare it with; then it
    is taken for eV.
    """
    if frames.energy is None:
        return frames
    declared = frames.energy_unit
    as_stored = frames.energy / ENERGIES[declared] if declared else frames.energy
    found = unit_of_total(frames.atomic_numbers, as_stored)
    if declared:
        if found and found != declared:
            raise InputError(
                f"{frames.path}: energies should be in {declared}, and as total energies of the atoms they are in "
                f"{found}; convert them, or add e_unit = {found!r} to an npz file"
            )
        return frames
    if found:
        note = f"energies are in {found}: the file does not say, the total energy of the atoms does"
        return frames.noting(note, energy=frames.energy * ENERGIES[found], energy_unit=found)
    if frames.forces is not None:
        return frames.noting("energies were taken for eV: the file does not say", energy_unit="eV")
    return frames.noting("energies were left out: the file does not say their unit, nor do the data", energy=None)


def check_forces(frames: Frames) -> None:
    """Raise InputError where forces are too large or too small for any molecule."""
    if frames.forces is None:
        return
    size = float(np.sqrt(np.square(frames.forces).mean()))
    if FORCE_RANGE[0] <= size <= FORCE_RANGE[1]:
        return
    fits = [
        f"{name}/Å"
        for name, unit in ENERGIES.items()
        if FORCE_RANGE[0] <= size * unit / ENERGIES[frames.force_unit] <= FORCE_RANGE[1]
    ]
    raise InputError(
        f"{frames.path}: forces, taken for {frames.force_unit}/Å, are {size:.3g} eV/Å (root mean square), and those of "
        f"molecules {FORCE_RANGE[0]:g} to {FORCE_RANGE[1]:g}; they may be in {' or '.join(fits) or 'no known unit'}: "
        "convert them, or add e_unit to an npz file"
    )


def check_work(frames: Frames) -> float | None:
    """Slope of `work_slope` of consecutive frames, None where it cannot be told. Raises InputError if it is not 1."""
    if frames.energy is None or frames.forces is None:
        return None
    slope, agreement = work_slope(frames.positions, frames.energy, frames.forces)
    if agreement < FOLLOWED:
        return None
    if abs(slope - 1.0) > SAME_WORK:
        why = mixed_units(slope, frames.energy_unit, frames.force_unit)
        raise InputError(f"{frames.path}: {why}; convert them to the same unit")
    return slope


def unit_of_total(atomic_numbers: np.ndarray, energy: np.ndarray) -> str:
    """Name of the unit in ENERGIES in which `energy` [F], as it stands in a file, is the energy of all electrons.

    It compares the mean with the sum of the free atoms, which no density functional or wavefunction method misses by
    more than TOTAL_ENERGY. Empty where none fits: methods for valence electrons and energies counted from
    another zero cannot be told.
    """
    if not set(atomic_numbers.tolist()) <= _FREE_ATOMS.keys():
        return ""
    free = -sum(_FREE_ATOMS[number] for number in atomic_numbers.tolist()) * HARTREE
    mean = float(np.mean(energy))
    return next((name for name, size in ENERGIES.items() if abs(mean * size / free - 1.0) < TOTAL_ENERGY), "")


def work_slope(positions: np.ndarray, energy: np.ndarray, forces: np.ndarray) -> tuple[float, float]:
    """Slope of the change of energy against the work of the forces from frame to frame, and their correlation squared.

    E(t+1) - E(t) = -1/2 sum (F(t) + F(t+1)) (x(t+1) - x(t)), which holds for close frames, whatever moves the atoms.
    """
    work = -0.5 * np.einsum("fnd,fnd->f", forces[1:] + forces[:-1], np.diff(positions, axis=0))
    change = np.diff(energy)
    product = float(work @ change)
    scale = float(work @ work) * float(change @ change)
    return (product / float(work @ work), product**2 / scale) if scale > 0 else (np.nan, 0.0)


def mixed_units(slope: float, energy_unit: str, force_unit: str) -> str:
    """What to say of a `work_slope` that is not 1: which pair of units would give it."""
    fits = [
        f"energies in {ours} and forces in {theirs}/Å"
        for ours in ENERGIES
        for theirs in ENERGIES
        if abs(slope * ENERGIES[ours] / ENERGIES[energy_unit] / ENERGIES[theirs] * ENERGIES[force_unit] - 1.0)
        < SAME_WORK
    ]
    guess = f", as with {fits[0]}" if fits else ""
    return f"its energies change by {slope:.3g} times the work of its forces{guess}"
