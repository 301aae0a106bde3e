"""Pairs of states for FlashMD: a frame, and the frame `lag` frames later.

metatrain reads them as extended XYZ with ASE. Per atom, in ASE's units:

| column | unit |
|---|---|
| pos, future_positions | Å |
| momenta, future_momenta | sqrt(eV amu), in metatrain's spelling (eV*u)^1/2 |
| masses | amu |

The time between the two, `time_lag` (fs), is what metatrain calls `timestep`. FlashMD has one mass per element.
Source: Bigi, Chong, Kristiadi and Ceriotti, arXiv 2505.19350 (2025); github.com/metatensor/metatrain, architecture
experimental.flashmd.
"""

from pathlib import Path

import numpy as np

from mdstride.export.excerpt import Excerpt
from mdstride.export.extxyz import momenta, write_frame
from mdstride.formats.atomic import atomic_path


def write_pairs(path: Path, excerpt: Excerpt, *, lag: int, every: int) -> None:
    """Pairs that begin at frames 0, `every`, 2 `every` ... of the excerpt, as many as have their future in it."""
    compound, replica = excerpt.compound, excerpt.replica
    velocities = excerpt.velocities
    assert velocities is not None  # export_dataset has checked it
    masses = np.asarray(compound.masses)
    positions, impulses = excerpt.positions, momenta(masses, velocities)
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as stream:
        for k in range(0, len(positions) - lag, every):
            columns = {"pos": positions[k], "masses": masses, "momenta": impulses[k]}
            columns |= {"future_positions": positions[k + lag], "future_momenta": impulses[k + lag]}
            info = {"time_lag": lag * replica.interval, "frame": excerpt.frames[k], "id": compound.id}
            write_frame(stream, compound.atomic_numbers, columns, info | {"replica": replica.number})
