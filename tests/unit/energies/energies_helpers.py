"""Water with a few frames of real dynamics, scores whose samples are known, and an engine that fails on demand."""

import numpy as np
from ase.calculators.calculator import Calculator

from mdstride.constants import ACCELERATION
from mdstride.engines import make_engine
from mdstride.formats.dataset import LABELS, CompoundData, Dataset, Replica
from mdstride.formats.scores_file import Scores
from mdstride.formats.split import Split, whole

REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
WATER = "XLYOFNOQVPJJNP-UHFFFAOYSA-N"
LAGS = np.array([2.0, 6.0])
NUMBERS, MASSES = np.array([8, 1, 1]), np.array([15.999, 1.008, 1.008])
START = np.array([[0.0, 0.0, 0.119], [0.0, 0.763, -0.477], [0.0, -0.763, -0.477]])


class Unconverged(Calculator):
    """Springs on all atoms; its SCC does not converge where the first atom has moved by more than 0.5 Å."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, *others):
        if abs(atoms.positions[0] - START[0]).max() > 0.5:
            raise RuntimeError("SCC not converged")
        displacement = atoms.positions - START
        self.results = {"energy": float((displacement**2).sum()), "forces": -2 * displacement}


SPRINGS = {**REFERENCE, "engine": "ase", "calculator": "energies_helpers:Unconverged"}


def dynamics(frames=12, interval=1.0):
    """Positions, velocities and energies of GFN2-xTB dynamics in steps of `interval` fs."""
    engine = make_engine(REFERENCE, NUMBERS.tolist(), 0, 1)
    positions, velocities = START, 0.01 * np.random.default_rng(1).standard_normal((3, 3))
    rows = []
    for _ in range(frames):
        energy, forces = engine.compute(positions)
        rows.append((positions.astype(np.float32), velocities.astype(np.float32), energy))
        velocities = velocities + interval * ACCELERATION * forces / MASSES[:, None]
        positions = positions + interval * velocities
    return (np.array(part) for part in zip(*rows, strict=True))


def water():
    positions, velocities, energy = dynamics()
    replica = Replica(
        number=0,
        interval=1.0,
        positions=positions,
        velocities=velocities,
        forces=None,
        energy=energy,
        origin=np.zeros(3),
        figures={"passed": True},
        source={"format": "mdstride", "sha256": "0" * 64, "notes": []},
    )
    compound = CompoundData(
        id=WATER,
        labels=dict.fromkeys(LABELS, ""),
        atomic_numbers=NUMBERS,
        masses=MASSES,
        bonds=np.array([[0, 1], [0, 2]]),
        reference=START,
        replicas=(replica,),
    )
    split = Split({"train": (), "validation": (), "test": whole([WATER])}, "named")
    return Dataset({WATER: compound}, {"compound": split}, {"trajectories": {"timestep": 0.5}})


def scores(dataset, samples, **about):
    """Scores with two windows, of which `samples` hold the forecasts: [2, 2, 3, 3] by forecaster."""
    facts = {"model": "baselines", "seed": None, "split": "compound", "dataset": dataset.hash(), "failures": []}
    return Scores(
        about=facts | about,
        lags=LAGS,
        windows={WATER: (np.array([0, 0, 0]), np.array([1, 4, 3]))},
        values={(name, WATER, "mse"): np.zeros((3, 2)) for name in samples},
        samples={(name, WATER): value for name, value in samples.items()},
    )


def truth(dataset):
    positions = dataset.compounds[WATER].replicas[0].positions
    return np.array([[positions[start + lag] for lag in (2, 6)] for start in (1, 4)])
