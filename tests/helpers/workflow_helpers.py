"""Copies of the repository in which tests run the workflow, and what they look for there."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from mdstride.formats.dataset_file import read_dataset

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config.yaml", "config", "resources", "profiles", "envs", "tests/data")
TINY = ("--configfile", "config/test/tiny.yaml")


def clone(folder: Path) -> Path:
    """A copy of what a run needs, so that tests never touch the repository's own results."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target)
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *TINY, *arguments]


def snakemake(folder: Path, *arguments: str, ok: bool = True, **environment: str) -> str:
    """What a run says; it must end well, or with `ok=False` badly."""
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    text = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, text
    return text


def started(folder: Path, *arguments: str, until: Callable[[], object], **environment: str) -> subprocess.Popen[str]:
    """A run under way, that has come as far as `until` something is true; it writes to `log` in its folder."""
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command(*arguments), cwd=folder, env=os.environ | environment, stdout=log, stderr=log, text=True
        )
    while not until():
        assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
        time.sleep(0.05)
    return process


def ended(process: subprocess.Popen[str], folder: Path, *, ok: bool = True) -> str:
    """What a run under way has said when it has ended: well, or with `ok=False` badly."""
    status, text = process.wait(timeout=500), (folder / "log").read_text(encoding="utf-8")
    assert (status == 0) == ok, text
    return text


def jobs(text: str) -> dict[str, int]:
    """Jobs that ran, by rule."""
    counts: dict[str, int] = {}
    for rule in re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", text, re.M):
        counts[rule] = counts.get(rule, 0) + 1
    counts.pop("all", None)
    return counts


def content(folder: Path) -> str:
    """Content hash of the tiny run's data set."""
    return read_dataset(folder / "results/tiny/dataset.h5").hash()
