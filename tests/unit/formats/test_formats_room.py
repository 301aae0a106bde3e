"""No room: a full disk, a quota, a limit on the size of files. One line says so, and nothing that was there is lost."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mdstride.errors import InputError
from mdstride.formats.atomic import write_text

# Writes three megabytes of a kind, or a small data set's trajectories to a file that is mapped to memory.
WRITE = """
import sys
from pathlib import Path

import numpy as np
import torch
from conftest import toy_compound

from mdstride.errors import InputError
from mdstride.formats import hdf5
from mdstride.formats.atomic import write_text
from mdstride.formats.dataset import Dataset
from mdstride.formats.split import whole
from mdstride.formats.tensors import write_tensors
from mdstride.windows import Windows

kind, path = sys.argv[1], Path(sys.argv[2], "out")
path.write_text("before")
try:
    if kind == "text":
        write_text(path, "x" * 3_000_000)
    elif kind == "tensors":
        write_tensors(path, {"x": torch.zeros(750_000)}, {})
    elif kind == "hdf5":
        with hdf5.create(path) as file:
            hdf5.put(file, "x", np.random.default_rng(1).normal(size=375_000))
    else:
        compound = toy_compound(0, 3, frames=25_000)
        Windows(Dataset({compound.id: compound}, {}, {}), whole([compound.id]), scratch=path.parent)
except InputError as error:
    print(error)
print([one.name for one in path.parent.iterdir()], path.read_text())
"""
ON_A_SMALL_DISK = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"']


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_what_is_missing_and_what_to_do_is_said_in_one_line(tmp_path, monkeypatch, number):
    path = tmp_path / "out"
    path.write_text("before")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(number, os.strerror(number))))
    with pytest.raises(InputError) as caught:
        write_text(path, "after")
    message = f"{path}: cannot write there ({os.strerror(number)}); make room there, or have the quota raised"
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["text", "tensors", "hdf5", "map"])
def test_a_disk_that_is_full_indeed(tmp_path, kind):
    if shutil.which("unshare") is None or subprocess.run([*ON_A_SMALL_DISK, tmp_path, "true"], check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    done = subprocess.run(
        [*ON_A_SMALL_DISK, tmp_path, sys.executable, "-c", WRITE, kind, tmp_path],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.returncode, done.stderr)
    message, left = done.stdout.splitlines()
    assert message.startswith(f"{tmp_path}/") and "cannot write there (No space left on device); make room" in message
    assert left == "['out'] before"
