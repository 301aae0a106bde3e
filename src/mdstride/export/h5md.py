"""Trajectories of a data set as the H5MD files from which they came: MDAnalysis and `mdstride dataset` read them."""

from pathlib import Path

import numpy as np

from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.export.excerpt import Excerpt
from mdstride.formats.h5md import Trajectory, write_trajectory


def write_h5md(path: Path, excerpt: Excerpt) -> None:
    """Kinetic energy K and temperature are computed from the velocities, which the data set stores as float32:

    K = 1/2 sum m v²,  T = 2 K / (k f),  f = 3N - 6 internal degrees of freedom (1 for two atoms).

    Time counts from the start of the trajectory. The verdict of a part of it keeps no figures of the whole.
    """
    compound, replica = excerpt.compound, excerpt.replica
    velocities, forces, energy = excerpt.velocities, excerpt.forces, excerpt.energy
    assert velocities is not None and forces is not None and energy is not None  # export_dataset has checked it
    made = dict(excerpt.settings.get("trajectories") or {}) if excerpt.made_here else {}
    software = made.pop("software", {})
    frames = np.array(excerpt.frames)
    masses = np.asarray(compound.masses)
    kinetic = 0.5 * KINETIC * (masses[:, None] * velocities.astype(np.float64) ** 2).sum((1, 2))
    degrees = max(3 * len(masses) - 6, 1)
    trajectory = Trajectory(
        id=compound.id,
        mapped_smiles=compound.labels.get("mapped_smiles", ""),
        charge=compound.charge,
        multiplicity=compound.multiplicity,
        atomic_numbers=np.asarray(compound.atomic_numbers),
        masses=masses,
        bonds=np.asarray(compound.bonds),
        step=frames * round(replica.interval / made["timestep"]) if "timestep" in made else frames,
        time=frames * replica.interval,
        positions=excerpt.positions,
        velocities=velocities,
        forces=forces,
        potential_energy=energy,
        kinetic_energy=kinetic,
        temperature=2 * kinetic / (BOLTZMANN * degrees),
        verdict={"passed": True, "reason": ""} | (replica.figures if excerpt.whole else {}),
        provenance={"settings": made | {"replica": replica.number, "source": replica.source}, "software": software},
    )
    write_trajectory(path, trajectory)
