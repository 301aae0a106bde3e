"""What is exported can be imported again, by the reader of published files."""

import numpy as np
import pytest

from mdstride.constants import ACCELERATION, BOLTZMANN, KINETIC
from mdstride.dataset.published.read import read_published
from mdstride.export.dataset import export_dataset
from mdstride.formats.dataset import CompoundData, Dataset, Replica

HYDROGEN_SULFIDE = "RWSOTUBLDIXVET-UHFFFAOYSA-N"
FRAMES = 400
INTERVAL = 0.5
POSITION = 6e-8
"""Å: half a unit in the last place of a float32 coordinate below 2 Å, about the import's own origin."""


@pytest.fixture(scope="module")
def dataset():
    """Hydrogen sulfide near 300 K on independent springs, by velocity Verlet: forces, energies and frames agree."""
    generator = np.random.default_rng(0)
    masses = np.array([32.06, 1.008, 1.008])
    reference = np.array([[0.0, 0.0, 0.1], [0.0, 0.97, -0.82], [0.0, -0.97, -0.82]])
    spring = np.array([30.0, 4.0, 4.0])[:, None]  # eV/Å²
    position = reference + generator.normal(0, np.sqrt(BOLTZMANN * 300 / spring), (3, 3))
    velocity = generator.normal(0, np.sqrt(BOLTZMANN * 300 / KINETIC / masses)[:, None], (3, 3))
    frames = []
    for _ in range(FRAMES):
        force = -spring * (position - reference)
        frames.append((position, velocity, force, 0.5 * (spring * (position - reference) ** 2).sum() - 300.0))
        half = velocity + 0.5 * INTERVAL * ACCELERATION * force / masses[:, None]
        position = position + INTERVAL * half
        velocity = half - 0.5 * INTERVAL * ACCELERATION * spring * (position - reference) / masses[:, None]
    positions, velocities, forces, energy = (np.array(values) for values in zip(*frames, strict=True))
    origin = masses @ positions[0] / masses.sum()
    replica = Replica(
        number=0,
        interval=INTERVAL,
        positions=(positions - origin).astype(np.float32),
        velocities=velocities.astype(np.float32),
        forces=forces.astype(np.float32),
        energy=energy,
        origin=origin,
        figures={"passed": True, "reason": "", "drift": 0.0},
        source={"sha256": "0" * 64, "format": "mdstride", "notes": []},
    )
    compound = CompoundData(
        id=HYDROGEN_SULFIDE,
        labels={
            "name": "hydrogen sulfide",
            "smiles": "S",
            "mapped_smiles": "[S:1]([H:2])[H:3]",
            "cid": "402",
            "formula": "H2S",
        },
        atomic_numbers=np.array([16, 1, 1]),
        masses=masses,
        bonds=np.array([[0, 1], [0, 2]]),
        reference=reference,
        replicas=(replica,),
    )
    reference_settings = {"method": "GFN2-xTB", "calculator": None}
    return Dataset({compound.id: compound}, {}, {"reference": reference_settings})


@pytest.mark.parametrize("format", ["tg80", "md17", "sgdml", "extxyz"])
def test_an_export_is_imported_again(tmp_path, dataset, format):
    """Energies to 1e-13, forces and published velocities bit for bit; positions as float32 holds them."""
    stored, replica = round_trip(dataset, tmp_path, format)
    same_positions(replica, stored, POSITION)
    np.testing.assert_array_equal(replica.forces, stored.forces)
    np.testing.assert_allclose(replica.energy, stored.energy, rtol=1e-13)
    if format == "extxyz":
        np.testing.assert_array_equal(replica.velocities, stored.velocities)
    else:  # the layouts have none: central differences, of second order in the interval
        np.testing.assert_allclose(replica.velocities[1:-1], stored.velocities[1:-1], atol=2e-4)


def test_h5md_is_imported_again(tmp_path, dataset):
    """It has float32 nm, kJ/mol/nm and nm/ps: one unit in the last place, of positions about no origin."""
    stored, replica = round_trip(dataset, tmp_path, "h5md")
    same_positions(replica, stored, 10 * POSITION)
    for name in ("velocities", "forces"):
        np.testing.assert_allclose(getattr(replica, name), getattr(stored, name), rtol=1.2e-7)
    np.testing.assert_allclose(replica.energy, stored.energy, rtol=1e-13)


def round_trip(dataset, folder, format):
    """The trajectory that was exported, and what is read back."""
    (path,) = export_dataset(dataset, folder, format=format)
    found = read_published(path, smiles="[S:1]([H:2])[H:3]")
    (compound,), (replica,) = dataset.compounds.values(), found.replicas
    assert (found.id, found.atomic_numbers.tolist()) == (compound.id, compound.atomic_numbers.tolist())
    assert (replica.interval, replica.consecutive) == (INTERVAL, True)
    return compound.replicas[0], replica


def same_positions(replica, stored, tolerance):
    found = replica.positions + replica.origin
    np.testing.assert_allclose(found, stored.positions + stored.origin, rtol=0, atol=tolerance)
