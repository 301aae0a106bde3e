"""What jobs ask a cluster for: enough for what was measured, never nothing, and not far too much."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from mdstride import cost

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def changed(**sections) -> dict:
    """The default configuration with some keys of some sections replaced."""
    return CONFIG | {name: CONFIG[name] | keys for name, keys in sections.items()}


ONE_MINIMUM = changed(relax={"minima": 1})
ONE_PS = changed(simulate={"equilibration": 0.0, "production": 1.0})
LONG = changed(simulate={"production": 30.0, "stride": 1}, plan={"replicas": 1, "twins": 0}, evaluate={"windows": 500})

# Wall seconds and peak MB of jobs of the default run and of single runs on two shared cores (benchmarks/results.md).
MEASURED = [
    ("simulate, 7 atoms, 3.3 ps", cost.simulate(CONFIG, 7), 8.1, 72),
    ("simulate, 10 atoms, 3.3 ps", cost.simulate(CONFIG, 10), 12.9, 73),
    ("simulate, 14 atoms, 3.3 ps", cost.simulate(CONFIG, 14), 17.3, 72),
    ("simulate, 16 atoms, 3.3 ps", cost.simulate(CONFIG, 16), 42.9, 70),
    ("simulate, 30 atoms, 1 ps", cost.simulate(ONE_PS, 30), 40.9, None),
    ("simulate, 44 atoms, 1 ps", cost.simulate(ONE_PS, 44), 65.1, None),
    ("simulate, 74 atoms, 1 ps", cost.simulate(ONE_PS, 74), 200.0, None),
    ("simulate, 40,000 frames of 16 atoms", cost.simulate(changed(simulate={"production": 80.0}), 16), None, 319),
    ("relax, 7 atoms", cost.relax(ONE_MINIMUM, 7), 1.6, 140),
    ("relax, 16 atoms", cost.relax(ONE_MINIMUM, 16), 4.8, 160),
    ("data set, the default run", cost.dataset(CONFIG, [13] * 14), 3.2, 123),
    ("data set, 80 compounds x 30,000 frames", cost.dataset(LONG, [21] + [11] * 79), 58.8, 316),
    ("pretrain, the default run", cost.pretrain(13.1), None, 401),
    ("pretrain, a file of 947 MB", cost.pretrain(947), None, 1990),
    ("evaluate, 20 of 80 compounds, 500 windows", cost.evaluate(LONG, 80, 190), 180, 931),
]  # fmt: skip


@pytest.mark.parametrize(("name", "estimate", "seconds", "megabytes"), MEASURED, ids=[row[0] for row in MEASURED])
def test_what_is_asked_for_covers_what_was_measured_and_not_ten_times_that(name, estimate, seconds, megabytes):
    if seconds is not None:
        assert seconds <= 60 * estimate.runtime()
        assert seconds / 2.5 <= estimate.seconds <= 2.5 * seconds + 10
    if megabytes is not None:
        assert megabytes <= estimate.mem_mb()
        assert megabytes / 2.5 <= estimate.megabytes <= 2.5 * megabytes + 1000


SIZES = [2, 5, 10, 20, 40, 80, 160]


@pytest.mark.parametrize(
    "estimate",
    [
        lambda n: cost.relax(CONFIG, n),
        lambda n: cost.simulate(CONFIG, n),
        lambda n: cost.simulate(CONFIG, n, length=0.1),
        lambda n: cost.simulate(changed(simulate={"production": float(n)}), 10),
        lambda n: cost.dataset(CONFIG, [n] * 10),
        lambda n: cost.dataset(CONFIG, [10] * n),
        lambda n: cost.evaluate(CONFIG, n, 10),
        lambda n: cost.energies(CONFIG, [n] * 10, 10),
        lambda n: cost.energies(CONFIG, [10] * n, 10),
        lambda n: cost.report(CONFIG, n, 3),
        lambda n: cost.report(CONFIG, 100, n),
    ],
)
def test_more_of_anything_costs_more(estimate):
    found = [estimate(n) for n in SIZES]
    assert [one.seconds for one in found] == sorted({one.seconds for one in found})
    assert all(one.megabytes <= other.megabytes for one, other in pairwise(found))
    assert all(one.runtime() >= cost.LEAST_MINUTES and one.mem_mb() >= cost.LEAST_MB for one in found)


def test_a_further_attempt_asks_for_more_up_to_a_day():
    long = cost.simulate(changed(simulate={"production": 300.0}), 20)
    asked = [long.runtime(attempt) for attempt in (1, 2, 3, 4)]
    assert asked[0] < asked[1] <= asked[2] <= asked[3] == cost.MOST_MINUTES
    memory = [long.mem_mb(attempt) for attempt in (1, 2, 3)]
    assert memory == [memory[0], 2 * memory[0], 4 * memory[0]]


def test_an_empty_selection_has_a_cost():
    assert cost.dataset(CONFIG, []).mem_mb() >= cost.LEAST_MB
    assert cost.energies(CONFIG, [], 1).runtime() >= cost.LEAST_MINUTES


def test_the_share_that_is_tested_follows_the_split():
    def cost_of(split):
        return cost.evaluate(CONFIG | {"dataset": {"splits": {"one": split}}}, 100, 10).seconds - 60

    quarter = cost_of({"method": "random", "test": 0.25, "folds": None})
    assert cost_of({"method": "butina", "test": 0.25, "folds": 5}) == pytest.approx(0.8 * quarter)
    assert cost_of({"method": "time", "test": 0.25}) == pytest.approx(4 * quarter)
    assert cost_of({"method": "named", "path": "x"}) == pytest.approx(4 * quarter)


def test_a_cluster_is_asked_for_gpus_and_a_machine_without_one_is_not(tmp_path, monkeypatch):
    config = changed(pretrain={"processes": 2})
    monkeypatch.setattr(cost, "GPU_DRIVERS", (tmp_path / "driver",))
    assert (cost.gpus(config, elsewhere=True), cost.gpus(config, elsewhere=False)) == (2, 0)
    (tmp_path / "driver").touch()
    assert cost.gpus(config, elsewhere=False) == 2
