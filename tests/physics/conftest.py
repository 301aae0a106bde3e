from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.data import atomic_masses

from mdstride.engines import Engine, make_engine
from mdstride.formats.structure import Structure, read_structure
from mdstride.relax.stage import relax_compound
from mdstride.rigid import centred
from mdstride.simulate.equilibrate import equilibrate
from mdstride.simulate.integrate import State, kinetic_energy

CONFIG = Path(__file__).parents[2] / "config.yaml"
MOLECULES = {
    "methanol": ("OKKJLVBELUTLKV-UHFFFAOYSA-N", "CO"),
    "ethanol": ("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "CCO"),
}


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.physics)


@pytest.fixture(scope="session")
def config():
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


@dataclass
class Molecule:
    path: Path
    structure: Structure
    masses: np.ndarray
    engine: Engine

    def start(self) -> State:
        positions = centred(self.structure.positions, self.masses)
        self.engine.forget()
        energy, forces = self.engine.compute(positions)
        return State(positions, np.zeros_like(positions), forces, energy)

    def total(self, states: list[State]) -> np.ndarray:
        return np.array([state.energy + kinetic_energy(state.velocities, self.masses) for state in states])


@pytest.fixture(scope="session")
def molecule(config, tmp_path_factory):
    """The relaxed molecule of a name in MOLECULES, with its own engine at the default settings."""
    folder = tmp_path_factory.mktemp("structures")

    def get(name: str) -> Molecule:
        compound_id, smiles = MOLECULES[name]
        path = folder / f"{compound_id}.h5"
        if not path.exists():
            relax_compound(config["relax"], config["reference"], compound_id=compound_id, smiles=smiles, output=path)
        structure = read_structure(path)
        assert structure.failure == ""
        engine = make_engine(config["reference"], structure.atomic_numbers.tolist(), 0, 1)
        return Molecule(path, structure, atomic_masses[structure.atomic_numbers], engine)

    return get


@pytest.fixture(scope="session")
def hot_ethanol(molecule):
    """Ethanol after 0.6 ps at 300 K."""
    ethanol = molecule("ethanol")
    *_, state = equilibrate(
        ethanol.start(),
        engine=ethanol.engine,
        masses=ethanol.masses,
        timestep=1.0,
        steps=600,
        temperature=300.0,
        thermostat_time=50.0,
        generator=np.random.default_rng(5),
    )
    return ethanol, state
