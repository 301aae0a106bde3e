"""The real Snakefile on a tiny configuration: what runs, what runs again, and what a user reads when it fails."""

import csv
import gzip
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from workflow_helpers import clone, command, content, jobs, snakemake

from mdstride.dataset.verify import verify_dataset
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.h5md import read_trajectory
from mdstride.formats.scores_file import read_scores_file
from mdstride.formats.split import whole
from mdstride.models.registry import load
from mdstride.windows import Windows

pytestmark = pytest.mark.workflow


def test_a_run_leaves_everything_it_promises(finished):
    results = finished / "results/tiny"
    for name in (
        "report.html", "summary.csv", "scores.csv.gz", "compounds.csv", "rejections.csv", "trajectories.csv", "card.md",
        "scores/baselines/compound.energies.csv", "scores/atom/compound/1.energies.csv",
    ):  # fmt: skip
        assert (results / name).stat().st_size > 0, name
    dataset = read_dataset(results / "dataset.h5")
    assert len(dataset.compounds) == 4
    counts = {part: len(dataset.splits["compound"].ids(part)) for part in ("train", "validation", "test")}
    assert counts == {"train": 2, "validation": 1, "test": 1}
    assert verify_dataset(results / "dataset.h5", results / "trajectories") == []
    assert not list(results.rglob("*.part"))


def test_the_reported_scores_follow_from_the_artefacts(finished):
    """The trained weights, loaded and run by hand on one scored window, give the recorded errors."""
    results = finished / "results/tiny"
    dataset = read_dataset(results / "dataset.h5")
    (test,) = dataset.splits["compound"].ids("test")
    scores = read_scores_file(results / "scores/atom/compound/1.h5")
    (replica, start) = (one[:1] for one in scores.windows[test])
    windows = Windows(dataset, whole([test]))
    lags = torch.from_numpy(scores.lags[None])
    trajectory = [one.number for one in dataset.compounds[test].replicas].index(int(replica[0]))
    state, truth = windows.gather(
        torch.tensor([trajectory]), torch.from_numpy(start), (lags / windows.interval).round().long()
    )
    forecast = load(results / "runs/atom/compound/1/weights.safetensors", "cpu").forecast(state, lags).detach()
    heavy = torch.tensor(dataset.compounds[test].atomic_numbers > 1)
    errors = ((forecast - truth)[0, :, heavy] ** 2).mean(dim=(1, 2))
    recorded = scores.values["atom", test, "mse"]
    np.testing.assert_allclose(recorded[0], errors.numpy(), rtol=1e-3)
    with gzip.open(results / "scores.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if (row["model"], row["metric"]) == ("atom", "mse")]
    np.testing.assert_array_equal([float(row["value"]) for row in rows], recorded.ravel())


def test_nothing_is_left_to_do(rerun):
    assert "Nothing to be done" in snakemake(rerun, "-n")


def test_a_deleted_trajectory_is_the_only_one_made_again(rerun):
    paths = sorted((rerun / "results/tiny/trajectories").rglob("*.h5md"))
    before = content(rerun)
    gone, _, *others = paths  # 0.h5md and 0.twin.h5md of the first compound
    kept = {path: path.stat().st_mtime_ns for path in others}
    gone.unlink()
    ran = jobs(snakemake(rerun))
    again = {"pretrain": 1, "baselines": 1, "evaluate": 1, "energies": 2, "report": 1}
    assert ran == {"simulate": 1, "twin": 1, "dataset": 1} | again
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert content(rerun) == before


def test_extra_compounds_cost_only_their_own_jobs_and_may_fail(rerun):
    """Ethanol joins; the glycine zwitterion, no minimum in the gas phase, is left out with its reason."""
    with (rerun / "config/extra_compounds.csv").open("a", encoding="utf-8") as stream:
        stream.write("CCO,ethanol\n[NH3+]CC(=O)[O-],zwitterion\n")
    ran = jobs(snakemake(rerun, "--until", "dataset"))
    assert ran == {"select": 1, "relax": 2, "simulate": 4, "twin": 2, "dataset": 1}
    results = rerun / "results/tiny"
    dataset = read_dataset(results / "dataset.h5")
    assert "LFQSCWFLJHTTHZ-UHFFFAOYSA-N" in dataset.compounds
    assert len(dataset.compounds) == 5
    with (results / "trajectories.csv").open(newline="", encoding="utf-8") as stream:
        failed = [row for row in csv.DictReader(stream) if row["passed"] == "False"]
    assert {row["name"] for row in failed} == {"zwitterion"}
    assert all("bond graph" in row["reason"] for row in failed)


def test_the_selection_screens_only_what_is_not_screened_yet(tmp_path):
    """Finished shards are kept; another pick screens nothing; the number of shards changes nothing."""
    folder, results = clone(tmp_path), "results/tiny"
    assert jobs(snakemake(folder, "--", f"{results}/select/1-of-2.h5")) == {"library": 1, "screen": 1}
    assert jobs(snakemake(folder, "--", f"{results}/compounds.csv")) == {"screen": 1, "select": 1}
    tables = [folder / results / name for name in ("compounds.csv", "rejections.csv", "space.csv")]
    before = [path.read_bytes() for path in tables]
    overlay = folder / "config/test/tiny.yaml"
    text = overlay.read_text()
    overlay.write_text(text.replace("count: 4", "count: 3"))
    assert jobs(snakemake(folder, "--", f"{results}/compounds.csv")) == {"select": 1}
    assert tables[0].read_bytes() != before[0]
    overlay.write_text(text.replace("source: csv", "source: csv\n  shards: 3"))
    assert jobs(snakemake(folder, "--", f"{results}/compounds.csv")) == {"library": 1, "screen": 3, "select": 1}
    assert [path.read_bytes() for path in tables] == before


def test_two_runs_are_equal_and_kills_change_nothing(finished, tmp_path):
    """A second run, killed twice on its way, ends with the same bytes and numbers as the undisturbed one."""
    folder = clone(tmp_path / "second")
    for seconds in (6.0, 9.0):
        process = subprocess.Popen(
            command("--until", "dataset"),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    snakemake(folder, "--until", "dataset")
    first, second = finished / "results/tiny", folder / "results/tiny"
    assert (second / "compounds.csv").read_bytes() == (first / "compounds.csv").read_bytes()
    assert (second / "rejections.csv").read_bytes() == (first / "rejections.csv").read_bytes()
    for path in sorted((first / "trajectories").rglob("*.h5md")):
        one, two = read_trajectory(path), read_trajectory(second / path.relative_to(first))
        for name in ("positions", "velocities", "forces", "potential_energy", "kinetic_energy"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert content(folder) == content(finished)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("config/test/tiny.yaml", "simulate:\n", "simulate:\n  timestep: -1.0\n"),
            "simulate.timestep: -1.0",
        ),
        (("config.yaml", "models: [atom]", "models: [atmo]"), "did you mean `atom`?"),
        (("config.yaml", "results: results", "results: /proc/mdstride"), "results: cannot write below /proc"),
        (("config.yaml", "run: default", "run: default\nrn: x"), "unknown key `rn` in top level; did you mean `run`?"),
        (("resources/seeds.csv", "c1ccccc1", "c1ccccc"), "resources/seeds.csv: row"),
        (("tests/data/library.csv", None, "cid,smiles\n"), "tests/data/library.csv: no records"),
        (("tests/data/library.csv", None, ""), "tests/data/library.csv: no column `smiles` (columns: none"),
        (("tests/data/library.csv", "cid,smiles", "cid,smile"), "tests/data/library.csv: no column `smiles`"),
    ],
    ids=["time-step", "model", "read-only", "unknown-key", "seed", "empty-library", "empty-file", "column"],
)
def test_bad_input_gives_one_clear_line_and_no_output(edit, message, tmp_path):
    folder = clone(tmp_path)
    name, old, new = edit
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old is None or old in text
    path.write_text(new if old is None else text.replace(old, new, 1), encoding="utf-8")
    text = snakemake(folder, ok=False)
    assert len({line for line in text.splitlines() if message in line}) == 1, text
    assert "Traceback" not in text
    left = {path.parent.name for path in (folder / "results").rglob("*") if path.is_file()}
    assert left <= {"logs", "config"}
