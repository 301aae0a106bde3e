"""What the jobs of a run cost, estimated from what is known before they run: time and memory to ask a cluster for.

The constants are measurements on ordinary cores that others were using too (benchmarks/results.md), for GFN2-xTB by
tblite. Another engine, or a profile's own figures, overrule the estimates: `set-resources`, see docs/cluster.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

STEP = 40e-6
"""Seconds of one MD step, over the square of the number of atoms: 26 to 48 from 6 to 74 atoms, at SCC accuracy 0.1."""

COLD = 1.4
"""A call of the engine without a wavefunction to start from, in steps."""

OPTIMISER_STEPS = 250
"""Of one relaxation: 30 to 150 for molecules of up to 20 atoms, more for long chains."""

GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
"""NVIDIA's and AMD's."""

SCORE = 2e-3
"""Core-seconds for one window and lag, of a model or of all baselines together, with everything that is measured."""

FORECASTERS = 8
"""Among the baselines, or fewer."""

FRAME = 600
"""Bytes that a running trajectory holds for each frame and atom, copies included."""

STORED = 36
"""Bytes of a frame and atom in a data set in memory: positions, velocities and forces in single precision."""

COPIES = 12
"""Of a compound's frames, in single precision, while it is put into the data set."""

SCORED = 80
"""Bytes for each error of a forecaster: three metrics in double precision, and copies of them."""

BY_COMPOUND = ("random", "scaffold", "butina")
"""Methods of splits that test a given share of the compounds."""

SAFETY = 3.0
"""By which the time asked for exceeds the estimate; what is asked for and not used costs nothing but patience."""

ROOM = 1.5
"""By which the memory asked for exceeds the estimate."""

LEAST_MINUTES, LEAST_MB = 10, 1000
"""Of any job: enough to start Python and read files on a slow file system."""

MOST_MINUTES = 24 * 60
"""Partitions seldom allow more. What is not done by then is told to stop, saves its state and goes on in the next."""


@dataclass(frozen=True)
class Cost:
    """An estimate, and what to ask for: more in each further attempt, after a failure that may have been for lack."""

    seconds: float
    megabytes: float

    def runtime(self, attempt: int = 1) -> int:
        """Minutes."""
        return min(MOST_MINUTES, max(LEAST_MINUTES, ceil(SAFETY * self.seconds / 60)) * 2 ** (attempt - 1))

    def mem_mb(self, attempt: int = 1) -> int:
        """Megabytes."""
        return max(LEAST_MB, ceil(ROOM * self.megabytes)) * 2 ** (attempt - 1)


def relax(config: Mapping[str, Any], atoms: int) -> Cost:
    """Of one compound: conformers, and for each minimum an optimisation and a Hessian of 6N forces from cold starts."""
    settings = config["relax"]  # twice as many conformers are relaxed at most as minima are kept
    calls = settings["conformers"] + settings["minima"] * (2 * OPTIMISER_STEPS + 6 * atoms)
    return Cost(5 + COLD * STEP * atoms**2 * calls, 200 + atoms**2 / 100)


def simulate(config: Mapping[str, Any], atoms: int, length: float | None = None) -> Cost:
    """Of one trajectory; of a twin, whose production has `length` ps."""
    settings = config["simulate"]
    production = settings["production"] if length is None else length
    steps = 1000 * (settings["equilibration"] + production) / settings["timestep"]
    return Cost(5 + STEP * atoms**2 * steps, 100 + FRAME * atoms * _frames(config, production) / 1e6)


def dataset(config: Mapping[str, Any], atoms: Sequence[int]) -> Cost:
    """Of compounds of so many atoms each: it holds one compound at a time."""
    plan = config["plan"]
    frames = plan["replicas"] * _frames(config, config["simulate"]["production"])
    frames += plan["twins"] * _frames(config, plan["twin_length"])
    files = len(atoms) * (1 + plan["replicas"] + plan["twins"])
    megabytes = STORED * frames * sum(atoms) / 1e6
    largest = STORED * frames * max(atoms, default=0) / 1e6
    return Cost(10 + 0.05 * files + 0.05 * megabytes, 150 + 0.2 * len(atoms) + COPIES * largest)


def pretrain(dataset_mb: float) -> Cost:
    """From a data set file of so many MB, which is held in memory. The time depends on the device: it is not known."""
    return Cost(0, _loaded(dataset_mb))


def gpus(config: Mapping[str, Any], *, elsewhere: bool) -> int:
    """Of one training: those to ask a cluster for (`elsewhere`). On one machine trainings take turns on its GPU, and
    run side by side where there is none."""
    here = any(path.exists() for path in GPU_DRIVERS)
    return config["pretrain"]["processes"] if elsewhere or here else 0


def evaluate(config: Mapping[str, Any], compounds: int, dataset_mb: float) -> Cost:
    """Of one model or of the baselines, on one core, from so many compounds in a file of so many MB."""
    scores = _scores(config, compounds)
    return Cost(60 + SCORE * scores, _loaded(dataset_mb) + FORECASTERS * SCORED * scores / 1e6)


def energies(config: Mapping[str, Any], atoms: Sequence[int], dataset_mb: float) -> Cost:
    """Of sampled forecasts for compounds of so many atoms each, and of some molecular dynamics beside them."""
    settings = config["evaluate"]
    calls = COLD * FORECASTERS * settings["samples"] * len(settings["lags"]) + 300
    seconds = 30 + _tested(config) * calls * STEP * sum(one**2 for one in atoms)
    return Cost(seconds, _loaded(dataset_mb) + FORECASTERS * SCORED * _scores(config, len(atoms)) / 1e6)


def report(config: Mapping[str, Any], compounds: int, runs: int) -> Cost:
    """Of the scores of so many trainings and of the baselines of each split."""
    scores = (runs + FORECASTERS * len(config["plan"]["splits"])) * _scores(config, compounds)
    return Cost(30 + scores / 5e4, 500 + SCORED * scores / 1e6)


def _loaded(dataset_mb: float) -> float:
    """MB of a process with PyTorch that holds the data set, and its windows apart."""
    return 1000 + 2.5 * dataset_mb


def _frames(config: Mapping[str, Any], picoseconds: float) -> float:
    settings = config["simulate"]
    return 1000 * picoseconds / settings["timestep"] / settings["stride"] + 1


def _scores(config: Mapping[str, Any], compounds: int) -> float:
    """Windows and lags on which a forecaster is judged."""
    settings = config["evaluate"]
    return _tested(config) * compounds * settings["windows"] * len(settings["lags"])


def _tested(config: Mapping[str, Any]) -> float:
    """Share of the compounds that the largest split tests."""
    splits = config["dataset"]["splits"].values()
    return max(
        (1 / split["folds"] if split.get("folds") else split.get("test", 1.0))
        if split["method"] in BY_COMPOUND
        else 1.0
        for split in splits
    )
