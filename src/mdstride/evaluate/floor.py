"""The twin floor: what no deterministic forecaster can beat that knows the initial state to 1e-3 Å only."""

from collections.abc import Sequence

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData


def twin_floor(compound: CompoundData, lags: Sequence[float]) -> np.ndarray:
    """Mean square distance [T, P] in Å² per coordinate of heavy atoms between each of T twins and its replica.

    A twin starts with the velocities of its replica, 1e-3 Å (rms over atoms, shape only) beside it, and runs at the
    same level of theory. Only from that start is the input error the stated one: later the two differ in velocities
    as well, and the distance at lag t from frame k is that at lag t + k from frame 0. So each pair gives one value
    for each lag (fs, rounded to frames), and the mean is taken over pairs and compounds. It oscillates with the
    vibrations, so single values scatter by a factor of a few.

    Without twins T is 0. NaN at lags longer than either trajectory. Raises InputError when a twin's replica is missing.
    """
    heavy = np.asarray(compound.atomic_numbers) > 1
    replicas = {replica.number: replica for replica in compound.replicas}
    floor = np.full((len(compound.twins), len(lags)), np.nan)
    for row, twin in zip(floor, compound.twins, strict=True):
        where = f"{compound.id}, twin {twin.number}"
        replica = replicas.get(twin.number)
        if replica is None or replica.interval != twin.interval:
            raise InputError(f"{where}: no replica {twin.number} with frames every {twin.interval:g} fs beside it")
        frames = [round(lag / twin.interval) for lag in lags]
        shortest = min(len(twin.positions), len(replica.positions))
        shift = twin.origin - replica.origin
        for k, frame in enumerate(frame for frame in frames if frame < shortest):
            apart = twin.positions[frame].astype(np.float64) - replica.positions[frame] + shift
            row[k] = np.square(apart[heavy]).mean()
    return floor
