"""What a data set is: compounds with their trajectories, and splits. How it lies on disk: dataset_file.py.

Needs NumPy alone: training nodes have no chemistry installed.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdstride.formats.provenance import Record, content_hash
from mdstride.formats.split import Split, split_to_json

LABELS = ("name", "smiles", "mapped_smiles", "cid", "formula")


@dataclass(frozen=True)
class Replica:
    """One trajectory of F frames at equal intervals. What was not published with an imported one is None."""

    number: int
    interval: float
    """fs between frames."""
    positions: np.ndarray
    """[F, N, 3] Å, float32, relative to `origin`."""
    velocities: np.ndarray | None
    """[F, N, 3] Å/fs, float32; None where frames are not consecutive."""
    forces: np.ndarray | None
    """[F, N, 3] eV/Å, float32."""
    energy: np.ndarray | None
    """[F] eV, potential, float64."""
    origin: np.ndarray
    """[3] Å, float64: centre of mass of the first frame."""
    figures: dict[str, Any]
    """Drift, temperature and other figures of the stability verdict, or those an import measured."""
    source: dict[str, Any]
    """Where it comes from: `sha256` of the file, `format` (mdstride, md17, tg80 ...), and `notes`, a list of what the
    reader of an imported file had to mend or leave out."""
    consecutive: bool = True
    """Whether frame k + 1 follows frame k by `interval`: only then there is anything to forecast."""


@dataclass(frozen=True)
class Minimum:
    """A relaxed geometry of a compound with its normal modes."""

    energy: float
    """eV."""
    positions: np.ndarray
    """[N, 3] Å, float64."""
    frequencies: np.ndarray
    """[K] cm-1, imaginary ones negative."""
    modes: np.ndarray
    """[K, N, 3], as those of CompoundData."""


@dataclass(frozen=True)
class CompoundData:
    """One compound with its trajectories."""

    id: str
    labels: dict[str, str]
    """LABELS, as text; empty where unknown."""
    atomic_numbers: np.ndarray
    """[N] int64."""
    masses: np.ndarray
    """[N] amu, float64."""
    bonds: np.ndarray
    """[M, 2] int64, indices of atoms."""
    reference: np.ndarray
    """[N, 3] Å, float64: the relaxed geometry; of an imported compound the frame of lowest energy, or the first."""
    replicas: tuple[Replica, ...]
    charge: int = 0
    multiplicity: int = 1
    frequencies: np.ndarray | None = None
    """[K] cm-1 of the relaxed geometry, imaginary ones negative."""
    modes: np.ndarray | None = None
    """[K, N, 3]: normal modes L, orthonormal; x = reference + q L / sqrt(m)."""
    minima: tuple[Minimum, ...] = ()
    """Minima besides `reference` that a trajectory can reach: the same isomer, the atoms labelled alike."""
    twins: tuple[Replica, ...] = ()
    """Trajectories from a start 1e-3 Å beside the replica of the same number: never trained on."""
    licence: str = ""
    """Of the data, where it is not that of the whole set."""
    citation: str = ""

    def digest(self) -> str:
        """SHA-256 of all arrays and of what a model or a unit depends on; names and figures do not count."""
        arrays = {name: getattr(self, name) for name in ("atomic_numbers", "masses", "bonds", "reference")}
        arrays |= {name: getattr(self, name) for name in ("frequencies", "modes")}
        facts: dict[str, Any] = {"id": self.id, "charge": self.charge, "multiplicity": self.multiplicity}
        for number, one in enumerate(self.minima, 1):
            arrays |= {f"minima/{number}/{name}": np.asarray(value) for name, value in vars(one).items()}
        for kind, trajectories in (("replicas", self.replicas), ("twins", self.twins)):
            for replica in trajectories:
                where = f"{kind}/{replica.number}"
                facts[where] = [replica.interval, replica.consecutive]
                for name in ("positions", "velocities", "forces", "energy", "origin"):
                    arrays[f"{where}/{name}"] = getattr(replica, name)
        text = np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8)
        return content_hash({"facts": text} | {name: value for name, value in arrays.items() if value is not None})


@dataclass(frozen=True)
class Dataset:
    """A data set; its arrays are NumPy's, or those of an open HDF5 file that are read when they are sliced."""

    compounds: dict[str, CompoundData]
    """By id, sorted."""
    splits: dict[str, Split]
    """By name."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Level of theory, simulation settings, software."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of each compound, as the file says; computed where missing."""
    provenance: Record = field(default_factory=dict)
    """Of the build, besides its settings; empty where there was none. See formats/provenance.py."""

    def hash(self) -> str:
        """Digest of every compound and split; it does not depend on how the file was written."""
        return dataset_hash(
            {key: self.digests.get(key) or self.compounds[key].digest() for key in self.compounds}, self.splits
        )


def dataset_hash(digests: dict[str, str], splits: dict[str, Split]) -> str:
    """Digest of a data set whose compounds have these digests."""
    content = {"compounds": digests, "splits": {name: split_to_json(split) for name, split in splits.items()}}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
