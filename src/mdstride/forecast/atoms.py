"""Forecasts from Python, for molecules of ASE.

| here | ASE |
|---|---|
| positions, Å | `atoms.positions` |
| velocities, Å/fs | `atoms.get_velocities() * ase.units.fs`; ASE stores momenta, in sqrt(eV amu) |
| masses, amu | `atoms.get_masses()` |
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units

from mdstride.errors import InputError
from mdstride.forecast.forecaster import Source, doubts, find_source, predict
from mdstride.forecast.molecule import from_geometry, with_minimum, with_modes
from mdstride.forecast.settings import DEFAULTS
from mdstride.formats.dataset import CompoundData
from mdstride.simulate.velocities import without_rigid_motion

MOST_LAGS = 10_000
"""In one call."""

RIGID_SHARE = 0.01
"""Share of the kinetic energy in the motion of the whole molecule, above which it is mentioned."""


def forecast_atoms(
    atoms: Atoms,
    lags: Sequence[float],
    model: str | Path,
    *,
    reference: Atoms | np.ndarray | None = None,
    smiles: str | None = None,
    relax: bool = True,
    settings: dict[str, Any] = DEFAULTS,
) -> list[Atoms]:
    """The molecule at each of `lags` (fs) after `atoms`, in the same order.

    Parameters
    ----------
    atoms
        One neutral closed-shell molecule with velocities, such as `thermalize_momenta` gives it. Training
        molecules neither drift nor turn: `Stationary` and `ZeroRotation` see to that.
    model
        Folder or weights.safetensors of a run of `mdstride pretrain`, or `persistence`, `ballistic`, `rigid` or
        `harmonic`.
    reference
        Relaxed geometry [N, 3] in Å, the atoms in the same order, turned as it may be. None: the GFN2-xTB minimum
        downhill of `atoms` is computed, or without `relax` `atoms` itself stands in for it.
    smiles
        To check the bonds, which are told from distances, or to tell them, if its atoms (map numbers) are in the same
        order.
    settings
        Sections `relax` and `reference` of a configuration; by default those of the default run.

    Each result has the positions (Å) and in `info` `time_fs`, `forecaster` and, if known, `smiles`. It has no
    velocities: they are not forecast. What a model was not trained for is said on standard error.

    Raises InputError for everything that cannot be used: no velocities, charges, no minimum, damaged weights.
    """
    source = find_source(model)
    times = check_lags(lags)
    where = f"molecule {atoms.get_chemical_formula()}"
    positions, velocities = state_of(atoms, where)
    compound = molecule(atoms, source, reference=reference, smiles=smiles, relax=relax, settings=settings, where=where)
    report_doubts(source, compound, times, positions, velocities)
    found = predict(source.forecaster(compound), compound, positions[None], velocities[None], times)[0]
    about = {"forecaster": source.name} | {k: v for k, v in compound.labels.items() if k == "smiles"}
    return [
        Atoms(atoms.numbers, place, masses=atoms.get_masses(), info={"time_fs": time} | about)
        for time, place in zip(times, found, strict=True)
    ]


def check_lags(lags: Sequence[float]) -> list[float]:
    """The lags as numbers. Raises InputError for one that is not a positive number of fs, or too many."""
    times = [float(lag) for lag in lags]
    if not 1 <= len(times) <= MOST_LAGS:
        raise InputError(f"{len(times)} lags; give 1 to {MOST_LAGS:,}, in fs")
    for lag in times:
        if not 0 < lag < np.inf:
            raise InputError(f"lag {lag:g}: lags are positive numbers of fs")
    return times


def state_of(atoms: Atoms, where: str, hint: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Positions [N, 3] in Å and velocities [N, 3] in Å/fs. Raises InputError, with a `hint`, where there are none."""
    if not atoms.has("momenta"):
        raise InputError(f"{where}: has no velocities; give it some, such as with `thermalize_momenta` of ASE{hint}")
    positions, velocities = atoms.get_positions(), atoms.get_velocities() * units.fs
    if not np.isfinite(positions + velocities).all():
        raise InputError(f"{where}: positions or velocities are not finite; correct them")
    return positions, velocities


def molecule(
    atoms: Atoms,
    source: Source,
    *,
    reference: Atoms | np.ndarray | None,
    smiles: str | None,
    relax: bool,
    settings: dict[str, Any],
    where: str,
) -> CompoundData:
    """The compound of `atoms` as `source` needs it; see forecast_atoms. Errors name `where`."""
    charge = atoms.info.get("charge", 0) or round(float(atoms.get_initial_charges().sum()))
    if charge:
        raise InputError(f"{where}: has the charge {charge:+d}; only neutral closed-shell molecules are forecast")
    if int(atoms.numbers.sum()) % 2:
        raise InputError(f"{where}: has an unpaired electron; only neutral closed-shell molecules are forecast")
    factor, masses = settings["relax"]["bond_factor"], atoms.get_masses()
    found = from_geometry(atoms.numbers, atoms.positions, masses, smiles=smiles, factor=factor, where=where)
    if not source.needs_minimum:
        return found
    if reference is None and relax:
        return with_minimum(found, settings, where)
    if reference is not None:
        place = reference.positions if isinstance(reference, Atoms) else np.asarray(reference, float)
        if place.shape != atoms.positions.shape or not np.isfinite(place).all():
            raise InputError(f"{where}: the reference geometry must have its {len(atoms)} atoms, in Å")
        found = replace(found, reference=place)
    elif source.needs_modes:
        raise InputError(f"{where}: {source.name} needs a minimum; let it relax, or give its relaxed geometry")
    return with_modes(found, settings, where) if source.needs_modes else found


def report_doubts(
    source: Source, compound: CompoundData, lags: Sequence[float], positions: np.ndarray, velocities: np.ndarray
) -> None:
    """Say on standard error what a trained model was not trained for."""
    found = doubts(source, compound, lags)
    if source.weights is not None:
        weights = np.asarray(compound.masses)[:, None]
        inner = without_rigid_motion(velocities, positions, weights[:, 0])
        total = (weights * velocities**2).sum()
        share = 1 - (weights * inner**2).sum() / total if total else 0.0
        if share > RIGID_SHARE:
            found.append(
                f"{share:.0%} of the kinetic energy is drift and rotation, of which training molecules have none"
            )
    sys.stderr.write("".join(f"forecast: warning: {line}\n" for line in found))
