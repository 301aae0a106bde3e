"""A run in which jobs and Snakemake itself are killed again and again ends as one that was left alone."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from workflow_helpers import TINY, clone, content

pytestmark = pytest.mark.workflow

KILLS = 20
COMPOUNDS = 12
DEADLINE = 420.0
"""Seconds for the run with the kills."""


def start(folder: Path) -> subprocess.Popen[str]:
    """The same command each time: nothing is unlocked or deleted in between."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, "chaos.yaml", "--until", "dataset"]
    log = (folder / "log").open("a", encoding="utf-8")
    return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, text=True)


def prepared(folder: Path) -> Path:
    clone(folder)
    pick = f"select:\n  pick:\n    max_atoms: 12\n    count: {COMPOUNDS}\n"
    text = f"plan:\n  replicas: 1\n  twins: 0\n{pick}simulate:\n  production: 0.5\n"
    (folder / "chaos.yaml").write_text(text, encoding="utf-8")
    return folder


def working(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Jobs of the workflow that are at work."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "mdstride" in child.cmdline():
                found.append(child)
        except psutil.Error:  # it has just ended
            continue
    return found


def test_twenty_kills_change_nothing(tmp_path):
    quiet = prepared(tmp_path / "quiet")
    assert start(quiet).wait(timeout=DEADLINE) == 0, (quiet / "log").read_text()

    folder, chance = prepared(tmp_path / "chaos"), random.Random(1)
    process, killed, until = start(folder), {"job": 0, "workflow": 0}, time.monotonic() + DEADLINE
    while sum(killed.values()) < KILLS:
        assert time.monotonic() < until, killed
        time.sleep(chance.uniform(0.2, 1.5))
        if process.poll() is not None:  # it has given up the jobs that were killed, or is done
            if process.returncode == 0:
                shutil.rmtree(folder / "results/tiny/trajectories")
            process = start(folder)
        elif jobs := working(process):
            if chance.random() < 0.4:
                process.kill()  # its jobs live on, and may meet those of the next run
                process.wait()
                killed["workflow"] += 1
            else:
                chance.choice(jobs).kill()
                killed["job"] += 1
    process.wait(timeout=DEADLINE)
    last = start(folder).wait(timeout=DEADLINE)
    assert last == 0, (folder / "log").read_text()[-5000:]
    assert min(killed.values()) >= 4, killed
    assert content(folder) == content(quiet)
