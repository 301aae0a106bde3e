"""The scores file: everything that one evaluation measured, of a trained model or of the baselines.

| path | shape | content |
|---|---|---|
| /about | text | JSON: see `Scores.about` |
| /lags | [P] | fs |
| /windows/COMPOUND/{replica,start} | [W] | the windows, in the order of the rows of all metrics |
| /values/FORECASTER/COMPOUND/METRIC | see METRICS | |
| /axes/NAME | [K] | what a curve is drawn against |
| /samples/FORECASTER/COMPOUND | [S, P, N, 3] | Å, forecast positions of the first S windows |
| /movies/FORECASTER/COMPOUND | [K, N, 3] | Å, the first window at the times /axes/movie |

The same evaluation gives the same arrays. The truth is there as forecaster `reference`, with what can be said of it.
Needs NumPy and h5py alone.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from mdstride.errors import InputError
from mdstride.formats.hdf5 import create, get_text, open_checked, put, put_text

SCHEMA = "mdstride-scores"
VERSION = "1"

REFERENCE = "reference"
"""Name of the truth among the forecasters."""
FLOOR = "twin floor"
"""Name under which the distance of twins is kept, metric `floor`."""


@dataclass(frozen=True)
class Metric:
    """What a metric is, for tables, captions and the check on reading."""

    unit: str
    axes: tuple[str, ...]
    """Of `window`, `lag`, or the name of an axis in /axes; empty for one number per compound."""
    meaning: str


METRICS = {
    "mse": Metric("Å²", ("window", "lag"), "mean square error per coordinate of the heavy atoms"),
    "superposed": Metric("Å²", ("window", "lag"), "the same after superposition on the target: the error of shape"),
    "rotated": Metric("Å²", ("window", "lag"), "mse when each molecule is turned at random before the forecast"),
    "floor": Metric("Å²", ("lag",), "mean square distance of two reference runs from starts 1e-3 Å apart"),
    "valid": Metric("", ("lag",), "share of forecasts in which bonds, angles, distances and chirality all are valid"),
    "bonds": Metric("", ("lag",), "share of bonds of valid length"),
    "angles": Metric("", ("lag",), "share of angles of valid size"),
    "clashes": Metric("", ("lag",), "share of pairs of atoms that do not clash"),
    "chirality": Metric("", ("lag",), "share of centres of chirality that are kept"),
    "torsions": Metric("bit", ("lag",), "Jensen-Shannon divergence of torsions from the reference, mean over torsions"),
    "pairs": Metric("bit", ("lag",), "the same of distances between heavy atoms that are not bonded"),
    "asked": Metric("Å²", ("lag",), "mse over the windows that are looked at closer, with the lags as given"),
    "alone": Metric("Å²", ("lag",), "the same when each lag is asked for alone"),
    "finer": Metric("Å²", ("lag",), "the same when a further lag lies between every two"),
    "equivariance": Metric("Å", (), "rms change of the forecast under random rotations and translations, turned back"),
    "drawn": Metric("Å²", (), "mse, mean over equally spaced times up to a lag that is drawn for each window"),
    "spectrum_overlap": Metric("", (), "share that the vibrational spectrum has in common with that of the reference"),
    "spectrum": Metric("", ("spectrum",), "share of the kinetic energy at each wavenumber (cm-1)"),
    "autocorrelation": Metric("", ("autocorrelation",), "velocity autocorrelation at each time (fs)"),
    "rollout": Metric("Å²", ("rollout",), "mse when the forecast is fed back, at each time (fs)"),
    "direct": Metric("Å²", ("rollout",), "mse of the same windows and times, forecast at once"),
}
"""Every metric that a scores file may hold. Only the first three have a value for each window."""


@dataclass(frozen=True)
class Scores:
    """One evaluation in memory. P lags, W windows of each compound."""

    about: dict[str, Any]
    """`model` (`baselines` for those) and `seed` (null for baselines), `split`, `dataset` (content hash), `failures`: a
    list of {forecaster, compound, windows, reason}, `notes`: what is left out for all forecasters, in words, and the
    keys of a record (formats/provenance.py), whose `settings` are the section evaluate."""
    lags: np.ndarray
    """[P] fs, ascending."""
    windows: dict[str, tuple[np.ndarray, np.ndarray]]
    """By compound: replica [W] and start frame [W]."""
    values: dict[tuple[str, str, str], np.ndarray]
    """By forecaster, compound and metric. NaN where a forecast was not finite; `about.failures` says so too."""
    axes: dict[str, np.ndarray] = field(default_factory=dict)
    samples: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By forecaster and compound: [S, P, N, 3] Å, float32."""
    movies: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """By forecaster and compound: [K, N, 3] Å, float32."""

    @property
    def forecasters(self) -> list[str]:
        """In the order in which they were measured."""
        return list(dict.fromkeys(name for name, _, _ in self.values))


def write_scores(path: Path | str, scores: Scores) -> None:
    """Write atomically. Raises ValueError for a value whose shape is not what METRICS says."""
    for (name, compound, metric), value in scores.values.items():
        if value.shape != (wanted := _shape(scores, compound, metric)):
            raise ValueError(f"{metric} of {name} for {compound} has shape {value.shape}, not {wanted}")
    with create(path) as file:
        file.attrs["schema"], file.attrs["version"] = SCHEMA, VERSION
        put_text(file, "about", json.dumps(scores.about | {"forecasters": scores.forecasters}, sort_keys=True))
        put(file, "lags", scores.lags, unit="fs", dtype=np.float64)
        for compound, (replica, start) in scores.windows.items():
            put(file, f"windows/{compound}/replica", replica, dtype=np.int64)
            put(file, f"windows/{compound}/start", start, dtype=np.int64)
        for key, value in scores.values.items():
            put(file, "/".join(("values", *key)), value, unit=METRICS[key[2]].unit, dtype=np.float64)
        for name, axis in scores.axes.items():
            put(file, f"axes/{name}", axis, dtype=np.float64)
        for kind, arrays in (("samples", scores.samples), ("movies", scores.movies)):
            for names, array in arrays.items():
                put(file, "/".join((kind, *names)), array, unit="Å", dtype=np.float32)


def read_scores_file(path: Path | str) -> Scores:
    """Read and check. Raises InputError for a file that is missing, damaged, of another kind or of another layout."""
    with open_checked(path) as file:
        if file.attrs.get("schema") != SCHEMA:
            raise InputError(f"{path}: holds no scores; give a file that `mdstride evaluate` wrote")
        if file.attrs["version"] != VERSION:
            raise InputError(f"{path}: layout {file.attrs['version']}, this version reads {VERSION}; evaluate it again")
        about = json.loads(get_text(file, "about"))
        order = {name: k for k, name in enumerate(about.pop("forecasters"))}
        values = _arrays(file, "values")
        return Scores(
            about=about,
            lags=file["lags"][:],
            windows={key: (one["replica"][:], one["start"][:]) for key, one in file["windows"].items()},
            values=dict(sorted(values.items(), key=lambda item: order[item[0][0]])),
            axes={name: axis[:] for name, axis in file["axes"].items()} if "axes" in file else {},
            samples=_arrays(file, "samples"),
            movies=_arrays(file, "movies"),
        )


def _shape(scores: Scores, compound: str, metric: str) -> tuple[int, ...]:
    sizes = {"window": len(scores.windows[compound][0]), "lag": len(scores.lags)}
    sizes |= {name: len(axis) for name, axis in scores.axes.items()}
    return tuple(sizes[axis] for axis in METRICS[metric].axes)


def _arrays(file: h5py.File, group: str) -> dict[Any, np.ndarray]:
    """All arrays below a group, by the names on the way to each."""
    found: dict[Any, np.ndarray] = {}
    if group in file:
        file[group].visititems(
            lambda name, item: (
                found.update({tuple(name.split("/")): item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return found
