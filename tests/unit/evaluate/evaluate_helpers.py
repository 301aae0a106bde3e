"""Data sets and forecasters of which the right answer is known."""

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from mdstride.evaluate.case import make_plan
from mdstride.evaluate.stage import measure
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Split, whole
from mdstride.models.baselines import BASELINES

SETTINGS = {
    "seed": 1, "windows": 30, "lags": [8.0, 2.0, 5.0], "closer": 7, "samples": 2, "rollout": None, "drawn": None,
}  # fmt: skip
LONGER = SETTINGS | {"lags": [4.0, 40.0, 200.0], "rollout": [100.0, 300.0]}
"""With spectra and a roll-out."""
INTERVAL = 2.0
OMEGA = 0.05
"""rad/fs: of every coordinate in `swinging`."""


def compound(name, numbers, bonds, reference, motions, **extra):
    """`motions`: positions and velocities of each replica."""
    replicas = tuple(
        Replica(
            number=number,
            interval=INTERVAL,
            positions=x.astype(np.float32),
            velocities=v.astype(np.float32),
            forces=np.zeros(x.shape, np.float32),
            energy=np.zeros(len(x)),
            origin=np.zeros(3),
            figures={},
            source={"format": "mdstride", "sha256": "", "notes": []},
        )
        for number, (x, v) in enumerate(motions, start=1)
    )
    numbers = np.array(numbers)
    return CompoundData(name, {}, numbers, numbers * 2.0, np.array(bonds), reference, replicas, **extra)


def dataset(*compounds):
    """The first is trained on, the others are tested."""
    ids = [one.id for one in compounds]
    split = Split({"train": whole(ids[:1]), "validation": (), "test": whole(ids[1:])}, "random")
    return Dataset({one.id: one for one in sorted(compounds, key=lambda one: one.id)}, {"compound": split})


def walking(frames=60):
    """C is trained on, A and B are tested: random walks, two replicas each."""
    rng = np.random.default_rng(0)

    def walk(name, numbers, bonds):
        shape = (frames, len(numbers), 3)
        motions = [(rng.normal(size=shape).cumsum(0), rng.normal(size=shape)) for _ in range(2)]
        return compound(name, numbers, bonds, rng.normal(size=shape[1:]), motions)

    tested = walk("A", [6, 1, 8], [[0, 1]]), walk("B", [6, 1, 6, 1], [[0, 1]])
    return dataset(walk("C", [8, 1, 1], [[0, 1]]), *tested)


def swinging(frames=600, flight=0.0):
    """C is trained on, A and B are tested: chains whose coordinates all swing with OMEGA about the relaxed geometry.

    With `flight` (Å/fs) the molecules do not swing, but fly at about that speed, each atom its own way.
    """
    rng = np.random.default_rng(1)
    time = INTERVAL * np.arange(frames)[:, None, None]

    def swing(name, numbers):
        bonds = [[k, k + 1] for k in range(len(numbers) - 1)]
        reference = np.array([[1.4 * k, 0.7 * (k % 2), 0.3 * (k % 3)] for k in range(len(numbers))])
        motions = []
        for _ in range(2):
            size, phase = 0.05 * rng.normal(size=reference.shape), rng.uniform(0, 6, reference.shape)
            x, v = reference + size * np.cos(OMEGA * time + phase), -OMEGA * size * np.sin(OMEGA * time + phase)
            if flight:
                v = np.broadcast_to(flight * rng.normal(size=reference.shape), x.shape)
                x = reference + v * time
            motions.append((x, v))
        modes = np.eye(3 * len(numbers))[:3].reshape(3, -1, 3)
        extra = {"frequencies": np.array([100.0, 500.0, 900.0]), "modes": modes}
        return compound(name, numbers, bonds, reference, motions, **extra)

    return dataset(swing("C", [6, 8, 7]), swing("A", [6, 6, 8, 7, 1]), swing("B", [6, 7, 6, 6, 8, 6]))


class Swing:
    """The exact propagator of `swinging`, for any lags; it knows where the relaxed geometry lies."""

    def forecast(self, state, lags):
        t = OMEGA * lags.double()[:, :, None, None]
        x, v = (one.double()[:, None] for one in (state.positions - state.reference, state.velocities))
        return (state.reference[:, None] + x * torch.cos(t) + v / OMEGA * torch.sin(t)).float()


class Oracle:
    """Looks the answer up: finds the start frame by its shape, and turns what follows as the molecule was turned."""

    def __init__(self, data):
        self.runs = [run.positions.astype(float) for one in data.compounds.values() for run in one.replicas]

    def forecast(self, state, lags):
        rows = zip(state.positions.numpy().astype(float), (lags.numpy() / INTERVAL).astype(int), strict=True)
        return torch.from_numpy(np.stack([self.answer(start, steps) for start, steps in rows]).astype(np.float32))

    def answer(self, start, steps):
        runs = [run for run in self.runs if run.shape[1:] == start.shape]
        misfits = [np.abs(shape(run) - shape(start)).max((1, 2)) for run in runs]
        run, frame = min(zip(runs, [m.argmin() for m in misfits], strict=True), key=lambda hit: misfit(hit, start))
        if (run[frame] == start).all():
            return run[frame + steps]
        centres = run[frame].mean(0), start.mean(0)
        turn = Rotation.align_vectors(start - centres[1], run[frame] - centres[0])[0].as_matrix()
        return (run[frame + steps] - centres[0]) @ turn.T + centres[1]


def shape(positions):
    return np.linalg.norm(positions[..., :, None, :] - positions[..., None, :, :], axis=-1)


def misfit(hit, start):
    return np.abs(shape(hit[0][hit[1]]) - shape(start)).max()


class Broken:
    """Persistence, but not finite for molecules whose first atom is right of `beyond` (Å)."""

    def __init__(self, beyond=-np.inf, value=np.nan):
        self.beyond, self.value = beyond, value

    def forecast(self, state, lags):
        found = BASELINES["persistence"].forecast(state, lags)
        return found.masked_fill((state.positions[:, 0, 0] > self.beyond)[:, None, None, None], self.value)


def measured(data, forecasters, settings=SETTINGS, *, reference=False, segments=None):
    """Scores of the same forecasters for every compound."""
    plan = make_plan(data, segments or data.splits["compound"].parts["test"], settings, "cpu")
    return measure(plan, lambda _: forecasters, {"model": "test"}, reference=reference, at_once=1)
