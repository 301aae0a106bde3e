"""The workflow on a real Slurm of one node: jobs die in three ways, and the bits are those of a local run.

pytest -m slurm tests/slurm          three minutes on two cores; needs root and `tests/slurm/cluster.sh install`
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from interruptions import Interrupted, interrupt, scontrol
from workflow_helpers import TINY, clone, content, jobs

pytestmark = pytest.mark.slurm

CLUSTER = Path(__file__).with_name("cluster.sh")
SMALL = {
    "plan": {"replicas": 1, "twins": 0},
    "library": {"shards": 1},
    "select": {"pick": {"count": 3}},
    "relax": {"conformers": 1, "minima": 1},
    "simulate": {"production": 1.5},  # long enough to be interrupted
}
"""Laid over the tiny configuration."""
EDITED = SMALL | {"simulate": {"production": 1.5, "temperature": 400.0}}
"""What it becomes while the workflow runs, which goes on with what it was started with."""
DEADLINE = 420.0
"""Seconds for the whole run."""
GROUPS = {"selection": ["library", "screen", "select"], "scores": ["evaluate", "energies"]}
"""Rules that take a second each here, in one job, since each job starts Snakemake twice; the profile has them apart."""

SNAKEMAKE = (sys.executable, "-m", "snakemake")
ON_SLURM = [
    *(*SNAKEMAKE, "--workflow-profile", "profiles/slurm", *TINY, "small.yaml"),
    *("--set-threads", "pretrain=1", "baselines=1", "evaluate=1"),  # of a machine that has two cores, as a rule
    *("--slurm-init-seconds-before-status-checks", "1"),  # not 20: jobs are short, and the cluster of the test is ours
    *("--groups", "relax=relaxations", *(f"{rule}={group}" for group, rules in GROUPS.items() for rule in rules)),
]


def obstacle() -> str:
    """Why there can be no Slurm for tests here; empty if there can."""
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch", "srun") if shutil.which(name) is None]
    if os.geteuid() != 0:
        return "a Slurm for tests needs root (a container will do)"
    if missing and shutil.which("apt-get") is None:
        return f"{', '.join(missing)} not found, and this is no Debian: install Slurm and munge by hand"
    if missing:
        return f"{', '.join(missing)} not found: run `tests/slurm/cluster.sh install`"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return "Snakemake has no plugin for Slurm: pip install -c envs/constraints.txt -e '.[slurm]'"
    return ""


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """The environment in which commands find a Slurm that was started for these tests."""
    if reason := obstacle():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # a short path, for sockets
        done = subprocess.run([CLUSTER, "start", folder], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        try:
            path = f"{folder}/bin{os.pathsep}{os.environ['PATH']}"
            yield os.environ | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": path, "OMP_NUM_THREADS": "1"}
        finally:
            subprocess.run([CLUSTER, "stop", folder], capture_output=True, timeout=60, check=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Iterator[tuple[Path, subprocess.Popen]]:
    """The same run without Slurm, up to its data set, under way while the other waits for Slurm."""
    folder = configured(tmp_path_factory.mktemp("local"))
    command = [*SNAKEMAKE, "--cores", "1", *TINY, "small.yaml", "--until", "dataset"]
    with started(command, folder, os.environ) as process:
        yield folder, process


@contextmanager
def started(command: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A process that writes to snakemake.log in its folder, and whatever it has started; killed at the end."""
    with (folder / "snakemake.log").open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def configured(folder: Path) -> Path:
    configure(clone(folder), SMALL)
    return folder


def configure(folder: Path, settings: dict) -> None:
    (folder / "small.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


@dataclass
class Outcome:
    """What the run on Slurm came to."""

    folder: Path
    status: int
    text: str
    interrupted: dict[str, Interrupted]
    states: dict[str, list[str]] = field(default_factory=dict)
    """Of all Slurm jobs of a rule and its wildcards, or a group, in the order of submission."""
    restarts: dict[str, int] = field(default_factory=dict)
    """By job."""
    gpus: dict[str, str] = field(default_factory=dict)
    """GPUs asked for, by rule and wildcards."""


@pytest.fixture(scope="module")
def outcome(slurm, local, tmp_path_factory) -> Outcome:
    """A run on Slurm, in which each of the three trajectories is interrupted in another way."""
    folder = configured(tmp_path_factory.mktemp("cluster"))
    with started(ON_SLURM, folder, slurm) as process:
        edit_the_configuration(process, folder)
        interrupted = interrupt(process, folder, slurm, deadline=DEADLINE)
        status = process.wait(DEADLINE)
    configure(folder, SMALL)
    found = Outcome(folder, status, (folder / "snakemake.log").read_text(encoding="utf-8"), interrupted)
    for job in scontrol(slurm, "show", "job", "--oneliner").splitlines():
        values = dict(re.findall(r"(\S+?)=(\S*)", job))
        if "Comment" not in values:  # no jobs in the system: the test of `status` shows why
            continue
        found.states.setdefault(values["Comment"], []).append(values["JobState"])
        found.restarts[values["JobId"]] = int(values["Restarts"])
        found.gpus[values["Comment"]] = values.get("TresPerJob", "")
    return found


def edit_the_configuration(process: subprocess.Popen, folder: Path) -> None:
    """As soon as the first job has been submitted."""
    while "has been submitted" not in (folder / "snakemake.log").read_text(encoding="utf-8") and process.poll() is None:
        time.sleep(0.2)
    configure(folder, EDITED)


def test_the_run_goes_to_its_report_and_leaves_nothing_to_do(outcome, slurm):
    assert outcome.status == 0, outcome.text
    for name in ("report.html", "summary.csv", "scores.csv.gz"):
        assert (outcome.folder / "results/tiny" / name).stat().st_size > 0
    command = [*SNAKEMAKE, "--cores", "2", *TINY, "small.yaml", "-n"]
    again = subprocess.run(
        command, cwd=outcome.folder, env=slurm, capture_output=True, text=True, timeout=60, check=True
    )
    assert jobs(again.stdout) == {}, again.stdout


def test_each_trajectory_was_interrupted_in_its_own_way(outcome):
    """Otherwise the next test shows nothing."""
    assert set(outcome.interrupted) == {"cancel", "limit", "requeue"}, outcome.text
    states = {way: outcome.states[f"rule_simulate_wildcards_{one.name}_0"] for way, one in outcome.interrupted.items()}
    assert states["cancel"] == ["CANCELLED", "COMPLETED"]
    assert states["limit"] == ["TIMEOUT", "COMPLETED"]
    assert states["requeue"] == ["COMPLETED"]
    assert {way: outcome.restarts[one.job] for way, one in outcome.interrupted.items()} == {
        "cancel": 0,
        "limit": 0,
        "requeue": 1,
    }


def test_what_is_interrupted_goes_on_and_ends_with_the_bits_of_a_local_run(outcome, local):
    assert {way: one.steps for way, one in outcome.interrupted.items() if one.steps == 0} == {}
    folder, process = local
    assert process.wait(DEADLINE) == 0, (folder / "snakemake.log").read_text(encoding="utf-8")
    assert content(outcome.folder) == content(folder)


def test_each_stage_is_a_job_of_slurm_and_only_training_asks_for_a_gpu(outcome):
    stages = {name.partition("_wildcards")[0] for name in outcome.states}
    assert stages == {
        "rule_selection_library_screen_select",
        "rule_relaxations_relax",
        "rule_simulate",
        "rule_dataset",
        "rule_pretrain",
        "rule_baselines",
        "rule_scores_energies",  # of the baselines
        "rule_scores_energies_evaluate",
        "rule_report",
    }
    assert outcome.states["rule_relaxations_relax"] == ["COMPLETED"]  # all three of them
    assert "gpu:1" in outcome.gpus["rule_pretrain_wildcards_atom_compound_1"]
    assert {name for name, gpus in outcome.gpus.items() if gpus} == {"rule_pretrain_wildcards_atom_compound_1"}


def test_a_gpu_that_no_node_has_ends_the_run_and_the_message_names_it(local, slurm):
    folder, process = local
    assert process.wait(DEADLINE) == 0
    command = [*ON_SLURM, "--set-resources", "pretrain:gpu=2", "--until", "pretrain"]
    done = subprocess.run(command, cwd=folder, env=slurm, capture_output=True, text=True, timeout=120, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 1, text
    assert "Requested node configuration is not available" in text
    assert "--gpus=2" in text
    assert "Slurm refused a job: no node of its partition has" in text


@pytest.mark.parametrize(
    ("user", "commands", "reason"),
    [
        (1000, {"slurmctld", "slurmd", "munged", "sbatch", "srun", "apt-get"}, "needs root"),
        (0, {"apt-get"}, "cluster.sh install"),
        (0, {"slurmctld"}, "no Debian"),
    ],
)
def test_where_it_cannot_run_the_reason_is_said(user, commands, reason, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(shutil, "which", lambda name: name if name in commands else None)
    assert reason in obstacle()
