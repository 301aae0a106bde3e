"""Further minima of a compound in a structure file and in a data set: one group minima/NUMBER each, from 1."""

import h5py
import numpy as np

from mdstride.formats import hdf5
from mdstride.formats.dataset import Minimum

UNITS = {"energy": "eV", "positions": "Å", "frequencies": "cm-1", "modes": "1"}


def write_minima(group: h5py.Group, minima: tuple[Minimum, ...]) -> None:
    """Store `minima` below the group of the compound; nothing where there are none."""
    for number, one in enumerate(minima, 1):
        below = group.create_group(f"minima/{number}")
        for name, unit in UNITS.items():
            array = hdf5.put(below, name, getattr(one, name), dtype=np.float64)
            array.attrs["unit"] = np.bytes_(unit.encode())  # of fixed length: HDF5 keeps it where it has a checksum


def read_minima(group: h5py.Group, atoms: int) -> tuple[Minimum, ...]:
    """What `write_minima` has stored, for a compound of so many atoms.

    Raises ValueError for other units and for arrays that do not fit the molecule, KeyError for one that is missing.
    """
    below = group.get("minima", {})
    numbers = [str(number) for number in range(1, len(below) + 1)]
    if set(below) != set(numbers):
        raise ValueError(f"minima are numbered {', '.join(below)} instead of 1 to {len(below)}")
    return tuple(_read_minimum(below[number], atoms) for number in numbers)


def _read_minimum(group: h5py.Group, atoms: int) -> Minimum:
    for name, unit in UNITS.items():
        if (found := group[name].attrs.get("unit")) != np.bytes_(unit.encode()):
            raise ValueError(f"{group.name}/{name} must be in {unit}, not {found!r}")
    arrays = {name: group[name][()] for name in UNITS}
    modes = len(arrays["frequencies"])
    shapes = {"energy": (), "positions": (atoms, 3), "frequencies": (modes,), "modes": (modes, atoms, 3)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{group.name}/{name} must have the shape {shape} and be finite")
    if modes not in (3 * atoms - 6, 3 * atoms - 5):
        raise ValueError(f"{group.name}: {modes} normal modes do not fit {atoms} atoms")
    return Minimum(**arrays | {"energy": float(arrays["energy"])})
