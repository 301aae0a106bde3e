"""Trajectories that Slurm runs on this machine, found by their processes and interrupted in three ways."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py

UNDER_WAY = 0.5
"""Processor seconds of dynamics after which a trajectory is interrupted: after its equilibration, before its end."""


@dataclass
class Interrupted:
    """A trajectory that was interrupted in the middle."""

    name: str
    """Of its folder: the compound's id."""
    job: str
    steps: int
    """That it left on the disk, to go on from there."""


def interrupt(
    process: subprocess.Popen, folder: Path, slurm: dict[str, str], *, deadline: float
) -> dict[str, Interrupted]:
    """Let the first trajectory that is under way meet its time limit, cancel the next, have the third requeued."""
    ways = {"limit": meet_the_limit, "cancel": cancel, "requeue": requeue}
    begun: dict[int, float] = {}
    struck: dict[str, tuple[int, str, str]] = {}
    done: dict[str, Interrupted] = {}
    end = time.monotonic() + deadline
    while len(done) < len(ways) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
        for pid, name in trajectories(folder):
            left = [way for way in ways if way not in struck]
            if left and name not in {one[1] for one in struck.values()} and under_way(pid, folder / state(name), begun):
                struck[left[0]] = pid, name, environment(pid)["SLURM_JOB_ID"]
                ways[left[0]](struck[left[0]][2], pid, slurm)
        for way, (pid, name, job) in struck.items():
            if way not in done and cpu_seconds(pid) == 0:
                done[way] = Interrupted(name, job, saved_steps(folder / state(name)))
    return done


def state(name: str) -> str:
    """Folder in which the trajectory of a compound keeps what it goes on from."""
    return f"results/tiny/state/trajectories/{name}/0"


def under_way(pid: int, folder: Path, begun: dict[int, float]) -> bool:
    """Whether a process has been at its dynamics, which begins with a lock beside that folder, for long enough."""
    if not folder.with_name(f".{folder.name}.lock").exists():
        return False
    return cpu_seconds(pid) - begun.setdefault(pid, cpu_seconds(pid)) > UNDER_WAY


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
