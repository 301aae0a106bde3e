"""Energies and forces: against another program, against their own derivatives, and the checks before them."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
from tblite.ase import TBLite

from mdstride.engines import EngineError, make_engine

CLUSTERS = Path(__file__).parents[1] / "data/gfn2_xtb/carbonate_clusters.xyz"
TIGHT = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.01}

# The reference program ran at its default SCC accuracy. Largest differences measured over the 15 clusters:
# 3.5e-6 eV/atom and 2.9e-4 eV/Å.
ENERGY_TOLERANCE = 5e-6  # eV/atom
FORCE_TOLERANCE = 4e-4  # eV/Å

DERIVATIVE_STEP = 5e-3  # Å
DERIVATIVE_TOLERANCE = 2e-5  # eV/Å


@pytest.mark.parametrize("cluster", ase.io.read(CLUSTERS, ":"), ids=lambda atoms: f"{atoms.info['Comp']}-{len(atoms)}")
def test_energies_and_forces_agree_with_another_program(cluster):
    engine = make_engine(TIGHT, cluster.numbers.tolist(), 0, 1)
    energy, forces = engine.compute(cluster.positions)
    assert energy == pytest.approx(cluster.get_potential_energy(), abs=ENERGY_TOLERANCE * len(cluster))
    np.testing.assert_allclose(forces, cluster.get_forces(), atol=FORCE_TOLERANCE)


def test_forces_are_the_derivative_of_the_energy(hot_ethanol):
    ethanol, state = hot_ethanol
    engine = make_engine(TIGHT, ethanol.structure.atomic_numbers.tolist(), 0, 1)
    _, forces = engine.compute(state.positions)
    worst = 0.0
    for index in np.ndindex(forces.shape):
        shift = np.zeros_like(forces)
        shift[index] = DERIVATIVE_STEP
        energy = {k: engine.compute(state.positions + k * shift)[0] for k in (-2, -1, 1, 2)}
        slope = (8 * (energy[1] - energy[-1]) - (energy[2] - energy[-2])) / (12 * DERIVATIVE_STEP)  # fourth order
        worst = max(worst, abs(forces[index] + slope))
    assert worst < DERIVATIVE_TOLERANCE


def test_the_minimum_is_one_for_tblites_own_ase_calculator_too(molecule, config):
    ethanol = molecule("ethanol")
    atoms = ase.Atoms(ethanol.structure.atomic_numbers, ethanol.structure.positions)
    atoms.calc = TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0)
    assert atoms.get_potential_energy() == pytest.approx(ethanol.structure.energy, abs=1e-4)
    assert np.linalg.norm(atoms.get_forces(), axis=1).max() < 1.05 * config["relax"]["max_force"]


def test_the_whole_molecule_feels_no_force_and_no_torque(hot_ethanol):
    _, state = hot_ethanol
    np.testing.assert_allclose(state.forces.sum(0), 0, atol=1e-8)
    np.testing.assert_allclose(np.cross(state.positions, state.forces).sum(0), 0, atol=1e-4)


def test_odd_electrons_are_refused_before_running(config):
    with pytest.raises(EngineError, match=r"9 electrons \(charge 0\) cannot have the multiplicity 1"):
        make_engine(config["reference"], [6, 1, 1, 1], 0, 1)


def test_overlapping_atoms_have_a_clear_reason(hot_ethanol):
    ethanol, state = hot_ethanol
    positions = state.positions.copy()
    positions[1] = positions[0]
    with pytest.raises(EngineError, match="atoms 1 and 2 overlap"):
        ethanol.engine.compute(positions)
