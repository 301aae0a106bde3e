"""`mdstride forecast`: from a SMILES, or a structure with velocities, to a file of forecasts."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read

from mdstride.errors import InputError
from mdstride.forecast.atoms import check_lags, molecule, report_doubts, state_of
from mdstride.forecast.files import Forecast, check_output, write_forecast
from mdstride.forecast.forecaster import Source, find_source, predict
from mdstride.forecast.molecule import from_smiles
from mdstride.formats.dataset import CompoundData
from mdstride.formats.provenance import sha256, software
from mdstride.simulate.stage import random_generator
from mdstride.simulate.velocities import thermal_velocities


@dataclass(frozen=True)
class Thermal:
    """Starts at the reference geometry with velocities of a temperature."""

    smiles: str
    temperature: float
    """K."""
    count: int
    seed: int
    """Of the velocities: start k draws from (seed, InChIKey, k), however many starts there are."""


@dataclass(frozen=True)
class File:
    """A start in a file that ASE reads: FILE, or FILE@INDEX for one of its frames."""

    name: str
    smiles: str | None
    """For the bonds."""


def forecast(
    settings: dict[str, Any],
    *,
    start: Thermal | File,
    lags: Sequence[float],
    model: str,
    relax: bool,
    output: Path,
) -> None:
    """Write the start and its forecasts at `lags` (fs, sorted, each once), as extended XYZ or H5MD.

    `settings` has the sections `relax` and `reference`; `model` as in forecast_atoms. Without `relax` the reference
    geometry is a conformer of a force field, or the start itself. Raises InputError for whatever cannot be used, before
    anything is computed where possible.
    """
    source = find_source(model)
    times = sorted(set(check_lags(lags)))
    check_output(output, start.count if isinstance(start, Thermal) else 1)
    if isinstance(start, Thermal):
        compound, positions, velocities = _thermal(start, source, settings, relax)
    else:
        compound, positions, velocities = _from_file(start, source, settings, relax)
    report_doubts(source, compound, times, positions[0], velocities[0])
    found = predict(source.forecaster(compound), compound, positions, velocities, times)
    about = _about(source, start, settings, relax)
    write_forecast(output, Forecast(compound, source.name, times, positions, velocities, found, about))
    sys.stdout.write(
        f"{output}: forecaster {source.name}, lags: {len(times)} ({times[0]:g} to {times[-1]:g} fs), "
        f"starts: {len(positions)}, frames: {len(positions) * (len(times) + 1)}\n"
    )


def parse_lags(texts: Sequence[str]) -> list[float]:
    """Lags in fs from numbers and ranges FIRST:LAST:STEP, which include LAST. Raises InputError."""
    lags: list[float] = []
    for text in texts:
        try:
            numbers = [float(part) for part in text.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 3) or not np.isfinite(numbers).all():
            raise InputError(
                f"--lags: `{text}` is neither a number of fs nor a range FIRST:LAST:STEP, such as 10:1000:20"
            )
        lags += numbers if len(numbers) == 1 else _range(text, *numbers)
    return check_lags(lags)


def _range(text: str, first: float, last: float, step: float) -> list[float]:
    if not 0 < step <= last - first or (last - first) / step > 1e6:
        raise InputError(f"--lags: `{text}` must go up from FIRST to LAST in steps of STEP fs")
    return [first + k * step for k in range(int((last - first) / step + 1e-9) + 1)]


def _thermal(
    start: Thermal, source: Source, settings: dict[str, Any], relax: bool
) -> tuple[CompoundData, np.ndarray, np.ndarray]:
    """The molecule, and positions [K, N, 3] and velocities [K, N, 3] of the starts."""
    if start.count < 1:
        raise InputError(f"--count {start.count}: must be 1 or more")
    if not 0 < start.temperature < np.inf:
        raise InputError(f"--temperature {start.temperature:g}: must be a positive number of K")
    if source.needs_modes and not relax:
        raise InputError(f"{source.name} needs a minimum; leave out --no-relax")
    compound = from_smiles(start.smiles, settings, relax=relax)
    velocities = [
        thermal_velocities(
            compound.reference,
            compound.masses,
            temperature=start.temperature,
            generator=random_generator(start.seed, compound.id, k),
        )
        for k in range(start.count)
    ]
    return compound, np.repeat(compound.reference[None], start.count, axis=0), np.array(velocities)


def _from_file(
    start: File, source: Source, settings: dict[str, Any], relax: bool
) -> tuple[CompoundData, np.ndarray, np.ndarray]:
    atoms = _read(start.name)
    positions, velocities = state_of(atoms, start.name, ", or choose a frame that has some, such as @0 for the first")
    compound = molecule(
        atoms, source, reference=None, smiles=start.smiles, relax=relax, settings=settings, where=start.name
    )
    return compound, positions[None], velocities[None]


def _read(name: str) -> Atoms:
    if not Path(name.rpartition("@")[0] or name).is_file() and not Path(name).is_file():
        raise InputError(f"{name}: no such file; give a structure with velocities, such as a frame of a trajectory")
    try:
        atoms = read(name)
    except MemoryError:  # the machine's fault, not the file's
        raise
    except Exception as error:  # ASE's readers of many formats may raise anything
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: ASE cannot read it ({reason}); give extended XYZ with momenta") from error
    if not isinstance(atoms, Atoms):
        raise InputError(f"{name}: {len(atoms)} frames; choose one, such as @0 for the first")
    return atoms


def _about(source: Source, start: Thermal | File, settings: dict[str, Any], relax: bool) -> dict[str, Any]:
    weights = None if source.weights is None else sha256(source.weights)
    given: dict[str, Any] = {"smiles": start.smiles}
    if isinstance(start, Thermal):
        given |= {"temperature": start.temperature, "seed": start.seed, "count": start.count}
    return {
        "weights_sha256": weights,
        "start": given,
        "relax": settings["relax"] if relax else None,
        "reference": settings["reference"],
        "software": software("ase", "numpy", "rdkit", "torch"),
    }
