"""What a forecast costs, beside molecular dynamics with the engine: both on one thread of the same processor."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from mdstride.constants import ACCELERATION
from mdstride.engines import make_engine
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import Segment
from mdstride.models.state import Forecaster, State
from mdstride.windows import Windows

BATCH = 64
"""Windows in one forecast."""

REPEATS = 3
"""Of each timing, of which the median counts, after a first one that does not."""

STEPS = 50
"""Of molecular dynamics in one timing: 0.1 to 1 s."""


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, like the engine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def window_states(data: Dataset, key: str, replica: np.ndarray, start: np.ndarray) -> State:
    """The initial states of the first windows of a compound, at most BATCH: `replica` and `start` [W]."""
    windows = Windows(data, [Segment(key)])
    numbers = windows.replica.tolist()
    segments = torch.tensor([numbers.index(one) for one in replica[:BATCH].tolist()])
    starts = torch.from_numpy(np.asarray(start[:BATCH], np.int64))
    return windows.gather(segments, starts, torch.zeros(len(starts), 1, dtype=torch.int64))[0]


def forecast_seconds(forecaster: Forecaster, state: State, lags: np.ndarray) -> float:
    """Seconds for one forecast of a batch at `lags` [P] fs."""
    times = torch.from_numpy(lags).float().expand(len(state.mask), -1)
    with torch.inference_mode():
        return _median(lambda: forecaster.forecast(state, times))


def dynamics_seconds(reference: dict[str, Any], compound: CompoundData, state: State, timestep: float) -> float:
    """Seconds for STEPS steps of velocity Verlet with `timestep` fs from the first state. Raises EngineError."""
    engine = make_engine(reference, compound.atomic_numbers.tolist(), compound.charge, compound.multiplicity)
    push = 0.5 * timestep * ACCELERATION / np.asarray(compound.masses)[:, None]

    def run() -> None:
        positions, velocities = (part[0].double().numpy() for part in (state.positions, state.velocities))
        forces = engine.compute(positions)[1]
        for _ in range(STEPS):
            velocities = velocities + push * forces
            positions = positions + timestep * velocities
            forces = engine.compute(positions)[1]
            velocities = velocities + push * forces

    return _median(run)


def _median(work: Callable[[], object]) -> float:
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
