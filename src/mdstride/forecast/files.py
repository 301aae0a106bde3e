"""Forecasts on disk: extended XYZ that ASE reads, or H5MD 1.1 that MDAnalysis reads without a topology.

The first frame is the start, at time 0; in extended XYZ it has the momenta, and can be started from again.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.export.extxyz import momenta, write_frame
from mdstride.formats import hdf5
from mdstride.formats.atomic import atomic_path
from mdstride.formats.dataset import CompoundData
from mdstride.formats.h5md import start_h5md

XYZ = (".xyz", ".extxyz")
H5MD = (".h5md", ".h5")

UNITS = "positions Angstrom, time_fs fs, masses amu, momenta sqrt(eV amu)"


@dataclass(frozen=True)
class Forecast:
    """K starts of one molecule and what is forecast from each, at P lags."""

    compound: CompoundData
    forecaster: str
    lags: list[float]
    """[P] fs, ascending."""
    starts: np.ndarray
    """[K, N, 3] Å."""
    velocities: np.ndarray
    """[K, N, 3] Å/fs, of the starts."""
    positions: np.ndarray
    """[K, P, N, 3] Å."""
    settings: dict[str, Any]
    """What it takes to make it again."""


def check_output(path: Path, count: int) -> None:
    """Raise InputError for a format that is not known, or that cannot hold so many starts."""
    if path.suffix not in (*XYZ, *H5MD):
        raise InputError(f"{path}: `{path.suffix}` is not a format of forecasts; end it in .xyz, .extxyz or .h5md")
    if path.suffix in H5MD and count > 1:
        raise InputError(f"{path}: H5MD holds one trajectory; write the forecasts of {count} starts as .extxyz")


def write_forecast(path: Path, forecast: Forecast) -> None:
    """Write atomically, in the format that the suffix says; the same forecast gives the same bytes."""
    (_write_xyz if path.suffix in XYZ else _write_h5md)(path, forecast)


def _write_xyz(path: Path, forecast: Forecast) -> None:
    """Per frame: `time_fs`, `start` (from 0), `forecaster`, `smiles` (atom-mapped) and `units`."""
    compound = forecast.compound
    masses = np.asarray(compound.masses)
    about: dict[str, Any] = {"forecaster": forecast.forecaster, "units": UNITS}
    about |= {"smiles": text} if (text := compound.labels.get("mapped_smiles")) else {}
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as stream:
        for k, (start, velocities) in enumerate(zip(forecast.starts, forecast.velocities, strict=True)):
            columns = {"pos": start, "masses": masses, "momenta": momenta(masses, velocities)}
            write_frame(stream, compound.atomic_numbers, columns, {"time_fs": 0.0, "start": k} | about)
            for lag, place in zip(forecast.lags, forecast.positions[k], strict=True):
                columns = {"pos": place, "masses": masses}
                write_frame(stream, compound.atomic_numbers, columns, {"time_fs": lag, "start": k} | about)


def _write_h5md(path: Path, forecast: Forecast) -> None:
    """Laid out as the reference trajectories are (formats/h5md.py), in nm and ps, with the time of each frame."""
    compound = forecast.compound
    places = np.concatenate([forecast.starts, forecast.positions[0]])
    with hdf5.create(path) as file:
        file.attrs["kind"] = "mdstride forecast"
        particles = start_h5md(file, compound.atomic_numbers, np.asarray(compound.masses))
        hdf5.put(particles, "position/step", np.arange(len(places)), dtype=np.int64)
        hdf5.put(particles, "position/time", np.array([0.0, *forecast.lags]) / 1000, unit="ps")
        hdf5.put(particles, "position/value", places * 0.1, unit="nm", dtype=np.float32)
        hdf5.put(file, "connectivity/bonds", compound.bonds, dtype=np.int64)
        parameters = file.create_group("parameters")
        parameters.attrs["forecaster"] = forecast.forecaster
        parameters.attrs["mapped_smiles"] = compound.labels.get("mapped_smiles", "")
        parameters.attrs["settings"] = json.dumps(forecast.settings, sort_keys=True)
