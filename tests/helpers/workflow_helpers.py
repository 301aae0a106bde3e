"""Copies of the repository in which tests run the workflow, and what they look for there."""

import re
import shutil
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
