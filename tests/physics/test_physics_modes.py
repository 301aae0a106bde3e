"""Normal modes of the relaxed minima: against another program's forces, the energy, and the dynamics."""

from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.vibrations import Vibrations
from rdkit import Chem
from tblite.ase import TBLite

from mdstride.constants import ACCELERATION, BOLTZMANN, KINETIC, LIGHT
from mdstride.engines import Engine, make_engine
from mdstride.formats.structure import Structure, read_structure
from mdstride.relax.stage import relax_compound
from mdstride.rigid import rigid_motions
from mdstride.simulate.integrate import State, propagate

# The reference is of fourth order in the step and has a tight SCC. What is left is the truncation of the second order
# and the noise at the default SCC accuracy: at most 0.08 cm-1 for these molecules.
FREQUENCY_TOLERANCE = 0.2  # cm-1

DISPLACED = 1e-4  # eV, energy to which each mode is displaced: along a straight line a rotor soon stretches its bonds
ENERGY_TOLERANCE = 0.03  # relative

TEMPERATURE = 10.0  # K, so that vibrations are all but harmonic
TIMESTEP, STEPS = 1.0, 5000  # fs
PEAK_TOLERANCE = 1.5  # cm-1; anharmonicity at 10 K shifts by less than 1

SMILES = {"water": "O", "carbon dioxide": "O=C=O", "ethanol": "CCO", "benzene": "c1ccccc1"}


@dataclass
class Case:
    structure: Structure
    engine: Engine


@pytest.fixture(scope="module", params=SMILES)
def case(request, config, tmp_path_factory):
    path, smiles = tmp_path_factory.mktemp("modes") / "structure.h5", SMILES[request.param]
    key = Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))
    relax_compound(config["relax"], config["reference"], compound_id=key, smiles=smiles, output=path)
    structure = read_structure(path)
    assert structure.failure == ""
    return Case(structure, make_engine(config["reference"], structure.atomic_numbers.tolist(), 0, 1))


def test_frequencies_agree_with_another_finite_difference_program(case, tmp_path):
    structure = case.structure
    atoms = Atoms(structure.atomic_numbers, structure.positions)
    atoms.calc = TBLite(method="GFN2-xTB", accuracy=0.001, verbosity=0)
    reference = Vibrations(atoms, name=str(tmp_path / "vibrations"), delta=0.005, nfree=4)
    reference.run()
    complex_frequencies = reference.get_frequencies()
    signed = np.sort(complex_frequencies.real - complex_frequencies.imag)
    rigid = np.sort(np.argsort(np.abs(signed))[: 3 * len(atoms) - len(structure.frequencies)])
    np.testing.assert_allclose(structure.frequencies, np.delete(signed, rigid), atol=FREQUENCY_TOLERANCE)


def test_modes_are_orthonormal_and_free_of_rigid_motion(case):
    structure = case.structure
    flat = structure.modes.reshape(len(structure.modes), -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-12)
    np.testing.assert_allclose(rigid_motions(structure.positions, structure.masses) @ flat.T, 0, atol=1e-10)


def test_the_energy_along_each_mode_is_that_of_a_spring(case):
    structure, engine = case.structure, case.engine
    for frequency, mode in zip(structure.frequencies, structure.modes, strict=True):
        stiffness = (2 * np.pi * LIGHT * frequency) ** 2 / ACCELERATION  # eV/Å²/amu
        amplitude = np.sqrt(2 * DISPLACED / stiffness)
        move = amplitude * mode / np.sqrt(structure.masses)[:, None]
        engine.forget()
        here = engine.compute(structure.positions)[0]
        sides = [engine.compute(structure.positions + sign * move)[0] - here for sign in (1, -1)]
        assert np.mean(sides) == pytest.approx(DISPLACED, rel=ENERGY_TOLERANCE), f"{frequency:.0f} cm-1"


def test_the_velocity_spectrum_of_a_trajectory_peaks_at_the_frequencies(molecule):
    # The same energy in every mode, so that none is too weak to see.
    ethanol, start = molecule("ethanol"), molecule("ethanol").start()
    structure, root = ethanol.structure, np.sqrt(ethanol.masses)[:, None]
    speed = np.sqrt(2 * BOLTZMANN * TEMPERATURE / KINETIC)  # all of it kinetic at first: kT on average
    sign = np.random.default_rng(7).choice([-1, 1], len(structure.modes))
    velocities = np.tensordot(speed * sign, structure.modes, axes=1) / root
    state = State(start.positions, velocities, start.forces, start.energy)
    run = propagate(state, engine=ethanol.engine, masses=ethanol.masses, timestep=TIMESTEP, steps=STEPS)
    weighted = np.array([(root * state.velocities).ravel() for state in run])
    found = [peak(weighted @ mode.ravel()) for mode in structure.modes]
    np.testing.assert_allclose(found, structure.frequencies, atol=PEAK_TOLERANCE)


def peak(speed):
    """Frequency in cm-1 at which the power spectrum of one mode's velocity [T] is largest.

    Velocity Verlet runs an oscillator of frequency w fast, at w' with sin(w' dt / 2) = w dt / 2; that is undone here.
    """
    padded = 16 * len(speed)
    power = np.abs(np.fft.rfft(speed * np.hanning(len(speed)), padded))
    angle = 2 * np.pi * power.argmax() / padded  # w' dt
    return 2 * np.sin(angle / 2) / TIMESTEP / (2 * np.pi * LIGHT)
