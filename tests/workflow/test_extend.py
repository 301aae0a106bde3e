"""docs/extend.md says which jobs each change costs; here they are counted, on a copy of a finished run."""

import re
import shutil
from pathlib import Path

import h5py
import pytest
import yaml
from workflow_helpers import ROOT, jobs, snakemake

from mdstride.formats.h5md import Trajectory, read_trajectory
from mdstride.formats.hdf5 import seal

pytestmark = pytest.mark.workflow

COLUMNS = ("select", "relax", "simulate", "twin", "dataset", "pretrain", "baselines", "evaluate", "energies", "report")
"""Rules behind the columns of the table."""
CHANGES = {
    "one extra compound": {"select": {"extra_compounds": "config/more.csv"}},
    "one more compound of the library": {"select": {"pick": {"max_atoms": 11, "count": 5}}},
    "one more replica": {"plan": {"replicas": 3}},
    "twins for the second replica too": {"plan": {"twins": 2}},
    "a further training seed": {"plan": {"seeds": [1, 2]}},
    "a further model": {"plan": {"models": ["atom", "egno"]}},
    "a further split": {
        "plan": {"splits": ["compound", "time"]},
        "dataset": {"splits": {"time": {"method": "time", "validation": 0.2, "test": 0.2, "gap": 0.0}}},
    },
    "longer trajectories": {"simulate": {"production": 0.3}},
    "another temperature": {"simulate": {"temperature": 350.0}},
    "other lags": {"evaluate": {"lags": [20.0, 40.0]}},
}
"""What is laid over the tiny configuration for each row."""


def table() -> dict[str, dict[str, int]]:
    """Jobs by rule, for each row of the table in docs/extend.md."""
    text = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    counts = {}
    for change, *cells in rows[1:]:
        numbers = {rule: int(cell.split(",")[0]) for rule, cell in zip(COLUMNS, cells, strict=True) if cell}
        counts[re.sub(r" \(.*\)$", "", change)] = numbers
    return counts


TABLE = table()


def overlay(folder: Path, change: str) -> str:
    """The name of a file with the change, to be laid over the others."""
    path = folder / f"{change.replace(' ', '-')}.yaml"
    path.write_text(yaml.safe_dump(CHANGES[change]), encoding="utf-8")
    return path.name


@pytest.fixture(scope="module")
def looked_at(finished, tmp_path_factory) -> Path:
    """A copy of the finished run in which nothing ever runs."""
    folder = tmp_path_factory.mktemp("extend") / "run"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def test_every_row_of_the_table_is_counted():
    assert set(CHANGES) == set(TABLE)


@pytest.mark.parametrize("change", [change for change in CHANGES if "select" not in TABLE.get(change, {})])
def test_a_change_costs_the_jobs_that_the_docs_say(looked_at, change):
    assert jobs(snakemake(looked_at, overlay(looked_at, change), "-n")) == TABLE[change]


@pytest.mark.parametrize("change", [change for change in CHANGES if "select" in TABLE.get(change, {})])
def test_compounds_cost_the_jobs_that_the_docs_say(rerun, change):
    """What follows from a selection is known when it is made."""
    extra = (rerun / "config/extra_compounds.csv").read_text(encoding="utf-8")
    (rerun / "config/more.csv").write_text(f"{extra}CCO,ethanol\n", encoding="utf-8")
    name = overlay(rerun, change)
    ran = jobs(snakemake(rerun, name, "--until", "select"))
    assert ran | jobs(snakemake(rerun, name, "-n")) == TABLE[change]


def test_a_longer_trajectory_goes_on_where_it_ended(rerun):
    """An energy of the old frames is changed by hand, and the longer trajectory has the changed one."""
    results = rerun / "results/tiny"
    path = min(results.glob("trajectories/*/0.h5md"))

    def simulate(production: float) -> Trajectory:
        """Long enough for a point, once in 500 steps, at which a trajectory can go on."""
        (rerun / "longer.yaml").write_text(f"simulate:\n  production: {production}\n", encoding="utf-8")
        assert jobs(snakemake(rerun, "longer.yaml", "--", str(path.relative_to(rerun)))) == {"simulate": 1}
        return read_trajectory(path)

    before, previous = simulate(0.6), results / "state" / path.relative_to(results)
    with h5py.File(previous, "r+") as file:
        file["end/energies"][1] += 1e-6
    seal(previous)
    after, frames = simulate(0.7), len(before.time)
    assert len(after.time) > frames
    assert (after.positions[:frames] == before.positions).all()
    assert after.potential_energy[1] - before.potential_energy[1] == pytest.approx(1e-6, rel=1e-3)
