"""Extended XYZ that `ase.io.read` reads without losing a bit.

ASE's own writer rounds to eight decimals and drops the backslashes of a SMILES. Here float64 values are written in the
fewest digits that give the same number back (17 at most), float32 values in nine digits, which do the same.

| in the file | unit | read back by |
|---|---|---|
| positions | Å | `atoms.positions` |
| momenta, since ASE stores no velocities | sqrt(eV amu) | `atoms.get_velocities() * ase.units.fs` in Å/fs |
| forces, energy | eV/Å, eV | `atoms.get_forces()`, `atoms.get_potential_energy()` |
| masses | amu | `atoms.get_masses()` |
"""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from ase import units
from ase.data import chemical_symbols

from mdstride.export.excerpt import Excerpt
from mdstride.formats.atomic import atomic_path


def write_frame(
    stream: TextIO, atomic_numbers: np.ndarray, columns: Mapping[str, np.ndarray], info: Mapping[str, Any]
) -> None:
    """One frame of an isolated molecule.

    `columns` are floats [N] or [N, 3] by ASE's names (`pos` first), `info` numbers, booleans and text.
    """
    properties = "".join(f":{name}:R:{value[0].size}" for name, value in columns.items())
    about = " ".join(f"{name}={_text(value)}" for name, value in info.items())
    stream.write(f'{len(atomic_numbers)}\nProperties=species:S:1{properties} {about} pbc="F F F"\n')
    digits = [("%.9g" if value.dtype == np.float32 else "%r",) * value[0].size for value in columns.values()]
    row = f"%-2s {' '.join(chain(*digits))}\n"
    table = np.hstack([np.reshape(value, (len(value), -1)) for value in columns.values()]).tolist()
    stream.writelines(row % (chemical_symbols[z], *line) for z, line in zip(atomic_numbers, table, strict=True))


def write_extxyz(path: Path, excerpt: Excerpt) -> None:
    """All frames of an excerpt; what the data set does not have is left out.

    Beside the table above: `time` (fs, where frames are consecutive), `frame` and `replica` (from 0), `id`, `name`,
    `smiles` (atom-mapped where known), `charge`, `multiplicity`.
    """
    compound, replica = excerpt.compound, excerpt.replica
    labels = compound.labels
    texts = {"name": labels.get("name"), "smiles": labels.get("mapped_smiles") or labels.get("smiles")}
    fixed: dict[str, Any] = {"id": compound.id} | {key: text for key, text in texts.items() if text}
    fixed |= {"charge": compound.charge, "multiplicity": compound.multiplicity, "replica": replica.number}
    masses = np.asarray(compound.masses)
    columns = {"pos": excerpt.positions}
    columns |= {"masses": np.broadcast_to(masses, columns["pos"].shape[:2])}
    velocities, forces, energy = excerpt.velocities, excerpt.forces, excerpt.energy
    columns |= {} if velocities is None else {"momenta": momenta(masses, velocities)}
    columns |= {} if forces is None else {"forces": forces}
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as stream:
        for k, frame in enumerate(excerpt.frames):
            info: dict[str, Any] = {} if energy is None else {"energy": energy[k]}
            info |= {"time": frame * replica.interval} if replica.consecutive else {}
            info |= {"frame": frame} | fixed
            write_frame(stream, compound.atomic_numbers, {name: value[k] for name, value in columns.items()}, info)


def momenta(masses: np.ndarray, velocities: np.ndarray) -> np.ndarray:
    """Momenta in ASE's unit sqrt(eV amu), float64, of velocities [..., N, 3] in Å/fs and masses [N] in amu."""
    return masses[:, None] * velocities.astype(np.float64) / units.fs


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, str):
        value = " ".join(value.split())  # the comment is one line
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value.item() if isinstance(value, np.generic) else value)
