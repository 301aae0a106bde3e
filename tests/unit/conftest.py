"""A small data set whose trajectories are known in closed form."""

from collections.abc import Callable

import numpy as np
import pytest

from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Split, whole

INTERVAL = 2.0
"""fs between frames."""


def toy_compound(index: int, heavy: int, *, frames: int = 120, replicas: int = 2) -> CompoundData:
    """A chain of heavy atoms, each with one hydrogen, every coordinate oscillating harmonically."""
    generator = np.random.default_rng(index)
    numbers = np.array([6, 7, 8, 6, 6, 8][:heavy] + [1] * heavy)
    chain = [[k, k + 1] for k in range(heavy - 1)] + [[k, heavy + k] for k in range(heavy)]
    reference = np.zeros((2 * heavy, 3))
    reference[:heavy, 0] = 1.4 * np.arange(heavy)
    reference[:heavy] += generator.normal(0, 0.3, (heavy, 3))
    reference[heavy:] = reference[:heavy] + np.array([0, 0, 1.1])
    return CompoundData(
        id=f"{chr(65 + index) * 14}-UHFFFAOYSA-N",
        labels={"name": f"toy {index}", "smiles": "C", "mapped_smiles": "C", "cid": str(index), "formula": "C"},
        atomic_numbers=numbers,
        masses=np.array([{1: 1.008, 6: 12.011, 7: 14.007, 8: 15.999}[z] for z in numbers.tolist()]),
        bonds=np.array(chain),
        reference=reference,
        replicas=tuple(_replica(reference, r, frames, generator) for r in range(replicas)),
    )


def _replica(reference: np.ndarray, number: int, frames: int, generator: np.random.Generator) -> Replica:
    omega = generator.uniform(0.02, 0.1, reference.shape)  # rad/fs
    phase = generator.uniform(0, 2 * np.pi, reference.shape)
    angle = omega * INTERVAL * np.arange(frames)[:, None, None] + phase
    return Replica(
        number=number,
        interval=INTERVAL,
        positions=(reference + 0.1 * np.cos(angle)).astype(np.float32),
        velocities=(-0.1 * omega * np.sin(angle)).astype(np.float32),
        forces=np.zeros(angle.shape, np.float32),
        energy=np.linspace(-1, 0, frames),
        origin=np.array([1.0, 2.0, 3.0]),
        figures={"passed": True, "reason": "", "drift": 0.01, "temperature": 300.0},
        source={"format": "mdstride", "sha256": "0" * 64, "notes": []},
    )


@pytest.fixture
def toy_dataset() -> Callable[..., Dataset]:
    """Makes a data set of compounds with so many heavy atoms each; the first is tested, the second validates."""

    def make(heavy: tuple[int, ...] = (3, 4, 5, 3), **options: int) -> Dataset:
        compounds = [toy_compound(k, count, **options) for k, count in enumerate(heavy)]
        ids = [compound.id for compound in compounds]
        parts = {"train": whole(ids[2:]), "validation": whole(ids[1:2]), "test": whole(ids[:1])}
        split = Split(parts, "random")
        return Dataset({compound.id: compound for compound in compounds}, {"compound": split}, {"reference": {}})

    return make
