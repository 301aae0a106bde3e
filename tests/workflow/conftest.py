import fcntl
import os
import shutil
from pathlib import Path

import pytest
from workflow_helpers import clone, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """One complete run, to look at or to copy; the processes of pytest-xdist share it, and wait for the one that makes
    it. Nothing runs in it later, so that it can be copied at any time."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, made = shared / "finished", shared / "finished.made"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            snakemake(clone(folder))
            made.touch()
    return folder


@pytest.fixture
def rerun(finished, tmp_path) -> Path:
    """A copy of the finished run, time stamps included, to change and run again."""
    folder = tmp_path / "rerun"
    shutil.copytree(finished, folder, symlinks=True)
    return folder
