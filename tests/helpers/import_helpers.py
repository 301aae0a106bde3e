"""Published data that the import is tested with."""

from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses

from mdstride.dataset.published.units import KCAL_PER_MOL

DATA = Path(__file__).parents[1] / "data" / "md17"
CONSECUTIVE = DATA / "ethanol_frames300-699.npz"
UNORDERED = DATA / "ethanol_ccsd_t.npz"

MAPPED = "[C:1]([C:2]([H:6])([H:7])[H:8])([O:3][H:9])([H:4])[H:5]"
"""Ethanol in the atom order of MD17."""


def arrays(path: Path = CONSECUTIVE) -> dict[str, Any]:
    """R, F, E, z and what else the file has."""
    with np.load(path) as file:
        return {key: file[key] for key in file}


def picked(frames: Any, **changes: Any) -> dict[str, Any]:
    """The consecutive frames that an index picks, with other arrays replaced."""
    found = arrays()
    return {key: value if key == "z" else value[frames] for key, value in found.items()} | changes


def in_ev() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """z, positions, velocities (Å/fs, of all but the ends), forces and energies of the consecutive frames."""
    found = arrays()
    velocities = (found["R"][2:] - found["R"][:-2]) / 1.0
    inner = slice(1, -1)
    forces, energy = found["F"][inner] / KCAL_PER_MOL, found["E"][inner, 0] / KCAL_PER_MOL
    return found["z"].astype(np.int64), found["R"][inner], velocities, forces, energy


def masses() -> np.ndarray:
    return atomic_masses[arrays()["z"]]


def xyz_text(columns: dict[str, np.ndarray], comments: list[str], symbols: list[str]) -> str:
    """Extended XYZ of [F, N, 3] arrays, with a comment for each frame."""
    properties = "species:S:1" + "".join(f":{name}:R:3" for name in columns)
    lines = []
    for k, comment in enumerate(comments):
        lines += [f"{len(symbols)}", f"Properties={properties} {comment}"]
        rows = np.concatenate([value[k] for value in columns.values()], axis=1).tolist()
        lines += [f"{symbol} " + " ".join(map(repr, row)) for symbol, row in zip(symbols, rows, strict=True)]
    return "\n".join(lines) + "\n"
