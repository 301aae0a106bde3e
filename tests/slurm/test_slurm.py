"""The workflow on a real Slurm of one node: jobs die in three ways, and the bits are those of a local run.

pytest -m slurm tests/slurm          three minutes on two cores; needs root and `tests/slurm/cluster.sh install`
"""

import importlib.util
import json
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

import h5py
import pytest
import yaml
from workflow_helpers import TINY, clone, content, jobs

pytestmark = pytest.mark.slurm

CLUSTER = Path(__file__).with_name("cluster.sh")
SMALL = {
    "plan": {"replicas": 1},
    "library": {"shards": 1},
    "select": {"pick": {"count": 3}},
    "simulate": {"production": 4.0},  # long enough to be interrupted
}
"""Laid over the tiny configuration."""
UNDER_WAY = 2.5
"""Processor seconds after which a trajectory is interrupted: after its equilibration, before its end."""
DEADLINE = 420.0
"""Seconds for the whole run."""


ON_SLURM = [
    *(sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm", *TINY, "small.yaml"),
    *("--set-threads", "pretrain=1"),  # a job for more cores than there are would wait for ever
    *("--slurm-init-seconds-before-status-checks", "1"),  # then 11, 21, ... s after each other while nothing ends
    *("--until", "pretrain"),
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
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "small.yaml", "--until", "dataset"]
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
    clone(folder)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return folder


@dataclass
class Interrupted:
    """A trajectory that was interrupted in the middle."""

    name: str
    """Of its folder: the compound's id."""
    job: str
    steps: int
    """That it left on the disk, to go on from there."""


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
    """A run on Slurm up to a trained model, in which each of the three trajectories is interrupted in another way."""
    folder = configured(tmp_path_factory.mktemp("cluster"))
    with started(ON_SLURM, folder, slurm) as process:
        interrupted = interrupt(process, folder, slurm)
        status = process.wait(DEADLINE)
    found = Outcome(folder, status, (folder / "snakemake.log").read_text(encoding="utf-8"), interrupted)
    for job in scontrol(slurm, "show", "job", "--oneliner").splitlines():
        values = dict(re.findall(r"(\S+?)=(\S*)", job))
        if "Comment" not in values:  # no jobs in the system: the test of `status` shows why
            continue
        found.states.setdefault(values["Comment"], []).append(values["JobState"])
        found.restarts[values["JobId"]] = int(values["Restarts"])
        found.gpus[values["Comment"]] = values.get("TresPerJob", "")
    return found


def interrupt(process: subprocess.Popen, folder: Path, slurm: dict[str, str]) -> dict[str, Interrupted]:
    """Cancel the first trajectory that is under way, have the next requeued, let the third meet its time limit."""
    ways = {"cancel": cancel, "requeue": requeue, "limit": meet_the_limit}
    done: dict[str, Interrupted] = {}
    deadline = time.monotonic() + DEADLINE
    while len(done) < len(ways) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        for pid, name in trajectories(folder):
            left = [way for way in ways if way not in done]
            if not left or name in {one.name for one in done.values()} or cpu_seconds(pid) < UNDER_WAY:
                continue
            job = environment(pid)["SLURM_JOB_ID"]
            ways[left[0]](job, pid, slurm)
            while cpu_seconds(pid) > 0 and time.monotonic() < deadline:
                time.sleep(0.1)
            done[left[0]] = Interrupted(name, job, saved_steps(folder / f"results/tiny/state/trajectories/{name}/0"))
    return done


def cancel(job: str, pid: int, slurm: dict[str, str]) -> None:
    subprocess.run(["scancel", job], env=slurm, check=True)


def meet_the_limit(job: str, pid: int, slurm: dict[str, str]) -> None:
    """Slurm looks at time limits every 30 s: the process is held until it does."""
    os.kill(pid, signal.SIGSTOP)
    scontrol(slurm, "update", f"JobId={job}", "EndTime=now+1")


def requeue(job: str, pid: int, slurm: dict[str, str]) -> None:
    scontrol(slurm, "requeue", job)


def scontrol(slurm: dict[str, str], *arguments: str) -> str:
    return subprocess.run(["scontrol", *arguments], env=slurm, check=True, capture_output=True, text=True).stdout


def trajectories(folder: Path) -> Iterator[tuple[int, str]]:
    """Processes that simulate (no twins), and the compound of each."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
            here = path.with_name("cwd").readlink() == folder
        except OSError:  # gone
            continue
        if here and words[1:4] == ["-m", "mdstride", "simulate"] and "--twin-of" not in words:
            yield int(path.parent.name), Path(words[words.index("--state") + 1]).parent.name


def saved_steps(state: Path) -> int:
    """Steps after which an interrupted trajectory goes on; 0 if it starts anew."""
    if not (state / "point.h5").exists():
        return 0
    with h5py.File(state / "point.h5") as file:
        return json.loads(file.attrs["values"])["done"]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process; 0 once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return 0.0 if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return dict(line.partition("=")[::2] for line in text.split("\0"))


def test_the_run_ends_well_and_leaves_nothing_to_do(outcome, slurm):
    assert outcome.status == 0, outcome.text
    assert (outcome.folder / "results/tiny/runs/atom/compound/1/weights.safetensors").stat().st_size > 0
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "small.yaml", "--until", "pretrain", "-n"]
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


def test_relaxations_share_a_job_on_one_core_and_training_asks_for_a_gpu(outcome):
    assert outcome.states["rule_relaxations_relax"] == ["COMPLETED"]
    assert "gpu:1" in outcome.gpus["rule_pretrain_wildcards_atom_compound_1"]
    assert {name for name, gpus in outcome.gpus.items() if gpus} == {"rule_pretrain_wildcards_atom_compound_1"}


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
