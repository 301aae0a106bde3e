"""NumPy archives in the layouts in which others publish trajectories.

| layout | keys | units |
|---|---|---|
| `tg80` | coords, nuclear_charges, energy, forces; r_unit, e_unit, which the published ones lack | Å, eV, eV/Å |
| `md17` | R, z, E, F, name, theory | Å, kcal/mol, kcal/mol/Å |
| `sgdml` | those of `md17`; type, r_unit, e_unit, md5; minimum, maximum, mean and variance of E and F | the same |

E is [F, 1], z uint8, all other numbers float64, as published. Energies and forces that the data set lacks are left out.
Members of the archive carry the date 1980-01-01, so the same data give the same bytes.
Sources: TG80 and its converter, github.com/luke-a-thompson/ATOM; MD17, Chmiela et al., Sci. Adv. 3, e1603015 (2017);
sGDML, Chmiela et al., Comput. Phys. Commun. 240, 38 (2019).
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.constants import KCAL_PER_MOL
from mdstride.export.excerpt import Excerpt
from mdstride.formats.atomic import atomic_path


def write_tg80(path: Path, excerpt: Excerpt) -> None:
    """With the true nuclear charges of S and Cl, and true forces; the published files have zeros there."""
    arrays = {"coords": excerpt.positions, "nuclear_charges": np.asarray(excerpt.compound.atomic_numbers, np.int64)}
    units = {"r_unit": "Ang", "e_unit": "eV"}
    _write(path, arrays | _labels(excerpt, "energy", "forces", unit=1.0) | units)


def write_md17(path: Path, excerpt: Excerpt) -> None:
    """With the level of theory, which tells these files from those of others."""
    _write(path, _md17(excerpt))


def write_sgdml(path: Path, excerpt: Excerpt) -> None:
    """A data set that `sgdml` trains on; its md5 is the fingerprint that sGDML's models refer to."""
    arrays = _md17(excerpt)
    arrays |= {"type": "d", "r_unit": "Ang", "e_unit": "kcal/mol"}
    for key in ("E", "F"):
        if key in arrays:
            arrays |= {f"{key}_{figure}": getattr(arrays[key], figure)() for figure in ("min", "max", "mean", "var")}
    _write(path, arrays | {"md5": np.bytes_(fingerprint(arrays))})


def fingerprint(arrays: dict[str, Any]) -> str:
    """MD5 of the MD5 digests of z, R, E (if there) and F, in that order and as they are stored."""
    digests = (hashlib.md5(arrays[key].tobytes()).digest() for key in ("z", "R", "E", "F") if key in arrays)
    return hashlib.md5(b"".join(digests)).hexdigest()


def _md17(excerpt: Excerpt) -> dict[str, Any]:
    arrays = {"R": excerpt.positions, "z": np.asarray(excerpt.compound.atomic_numbers, np.uint8)}
    arrays |= _labels(excerpt, "E", "F", unit=KCAL_PER_MOL)
    if "E" in arrays:
        arrays["E"] = arrays["E"][:, None]
    return arrays | {"name": excerpt.compound.labels.get("name") or excerpt.compound.id, "theory": excerpt.theory}


def _labels(excerpt: Excerpt, energy: str, forces: str, *, unit: float) -> dict[str, np.ndarray]:
    """Energy [F] and forces [F, N, 3] under these keys, as far as they are known; `unit` is that of energy, in 1/eV."""
    found = {energy: excerpt.energy, forces: excerpt.forces}
    return {key: value.astype(np.float64) * unit for key, value in found.items() if value is not None}


def _write(path: Path, arrays: dict[str, Any]) -> None:
    with atomic_path(path) as part, part.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
