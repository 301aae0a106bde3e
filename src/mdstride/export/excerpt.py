"""What is exported at a time: some frames of one trajectory of a data set, in the package's units."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdstride.formats.dataset import CompoundData, Replica


@dataclass(frozen=True)
class Excerpt:
    """F frames of one trajectory: `first`, `first` + `stride` ... below `stop`."""

    compound: CompoundData
    replica: Replica
    settings: dict[str, Any]
    """Of the data set."""
    first: int
    stop: int
    stride: int

    @property
    def whole(self) -> bool:
        """Whether all of the trajectory's time is covered."""
        return self.first == 0 and self.stop == len(self.replica.positions)

    @property
    def name(self) -> str:
        """Of its file, without suffix: id and replica, and of a part of a trajectory the frames."""
        name = f"{self.compound.id}-{self.replica.number}"
        return name if self.whole else f"{name}-{self.first}-{self.stop}"

    @property
    def title(self) -> str:
        """For messages."""
        name = self.compound.labels.get("name")
        return f"replica {self.replica.number} of {self.compound.id}{f' ({name})' if name else ''}"

    @property
    def made_here(self) -> bool:
        """Whether mdstride computed the trajectory, rather than imported it."""
        return self.replica.source.get("format", "mdstride") == "mdstride"

    @property
    def theory(self) -> str:
        """Level of theory, as far as the data set knows it."""
        reference = self.settings.get("reference", {}) if self.made_here else {}
        name = reference.get("calculator") or reference.get("method") or self.replica.source.get("theory")
        return str(name or "unknown")

    @property
    def frames(self) -> range:
        """Numbers of the frames in the trajectory."""
        return range(self.first, self.stop, self.stride)

    @property
    def positions(self) -> np.ndarray:
        """[F, N, 3] Å, float64, where the trajectory has them: the origin is added in float64."""
        return self._read(self.replica.positions).astype(np.float64) + np.asarray(self.replica.origin)

    @property
    def velocities(self) -> np.ndarray | None:
        """[F, N, 3] Å/fs, float32."""
        return self._given(self.replica.velocities)

    @property
    def forces(self) -> np.ndarray | None:
        """[F, N, 3] eV/Å, float32."""
        return self._given(self.replica.forces)

    @property
    def energy(self) -> np.ndarray | None:
        """[F] eV, float64."""
        return self._given(self.replica.energy)

    def _given(self, array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else self._read(array)

    def _read(self, array: np.ndarray) -> np.ndarray:
        """In one contiguous piece: HDF5 reads every frame of a chunk anyway, and slowly when it skips."""
        return np.asarray(array[self.first : self.stop])[:: self.stride]
