"""Lags drawn for each window: against what follows from their distribution."""

import math

import numpy as np
import pytest

from mdstride.evaluate.case import DRAWN_TIMES, make_case, make_plan
from mdstride.evaluate.measures import drawn
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import whole
from mdstride.models.baselines import BASELINES

LOW, HIGH, SPEED = 80.0, 800.0, 1e-3
SETTINGS = {"seed": 1, "windows": 2000, "lags": [8.0], "closer": 4, "rollout": None, "samples": 0}


def flying(key: str) -> CompoundData:
    """3000 frames at 1 fs of a molecule that moves by SPEED (Å/fs) along each axis."""
    time = np.arange(3000.0)[:, None, None]
    start = np.array([[0.0, 0, 0], [1.1, 0, 0], [2.2, 0, 0]])
    x = (start + SPEED * time).astype(np.float32)
    v = np.full_like(x, SPEED)
    replica = Replica(0, 1.0, x, v, None, None, np.zeros(3), {}, {})
    numbers, bonds = np.array([8, 6, 8]), np.array([[0, 1], [1, 2]])
    return CompoundData(key, {}, numbers, np.array([16.0, 12.0, 16.0]), bonds, start, (replica,))


def error(name: str, *keys: str, seed: int = 1) -> float:
    data = Dataset({key: flying(key) for key in keys}, {})
    plan = make_plan(data, whole(keys), SETTINGS | {"drawn": [LOW, HIGH], "seed": seed}, "cpu")
    return float(drawn(BASELINES[name], make_case(plan, 0))["drawn"])


def test_persistence_has_the_mean_square_of_a_log_uniform_lag():
    """<L²> = (b² - a²) / (2 ln(b/a)) for the longest lag, and the times are L k / 8."""
    square = (HIGH**2 - LOW**2) / (2 * math.log(HIGH / LOW))
    shares = np.square(np.arange(1, DRAWN_TIMES + 1) / DRAWN_TIMES).mean()
    errors = [error("persistence", "A", seed=seed) for seed in range(5)]
    assert np.mean(errors) == pytest.approx(SPEED**2 * square * shares, rel=0.04)  # 1.1 % by chance; uniform: 70 % more


def test_a_perfect_forecast_has_none():
    assert error("ballistic", "A") < 1e-10


def test_the_draw_does_not_depend_on_other_compounds():
    assert error("persistence", "A") == error("persistence", "A", "B")


def test_nothing_is_drawn_unless_asked():
    plan = make_plan(Dataset({"A": flying("A")}, {}), whole(["A"]), SETTINGS | {"drawn": None}, "cpu")
    assert drawn(BASELINES["persistence"], make_case(plan, 0)) == {}
