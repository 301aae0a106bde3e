import fcntl
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path, held, only_writer, write_json, write_text
from mdstride.formats.hdf5 import open_checked

# Writes the same kind of file again and again until it is killed.
WRITER = """
import sys
import numpy as np
from mdstride.formats import hdf5
data = np.random.default_rng(0).normal(size=(20000, 9, 3))
print("ready", flush=True)
while True:
    with hdf5.create(sys.argv[1]) as file:
        hdf5.put(file, "x", data)
        hdf5.put(file, "y", data)
"""


def test_a_block_that_ends_well_gives_the_file_and_nothing_else(tmp_path):
    with atomic_path(tmp_path / "new/folder/a.txt") as part:
        part.write_text("whole")
        assert part.parent == tmp_path / "new/folder"
        assert not (tmp_path / "new/folder/a.txt").exists()
    assert [path.name for path in (tmp_path / "new/folder").iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as part:
        part.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_usual_permissions(tmp_path):
    write_text(tmp_path / "a.txt", "x")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/a\.txt: cannot write there .*; choose another output folder"):
        write_text(tmp_path / "file/a.txt", "x")


def test_json_is_the_same_whatever_the_order_of_the_keys(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "Å"})
    write_json(tmp_path / "b.json", {"a": "Å", "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.11, 0.17, 0.23])
def test_after_a_sigkill_the_path_is_absent_or_whole(tmp_path, delay):
    path = tmp_path / "a.h5"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.kill()
    process.wait()
    process.stdout.close()
    if path.exists():
        with open_checked(path) as file:
            assert file["x"][()].shape == file["y"][()].shape == (20000, 9, 3)


def test_of_many_writers_one_is_at_work(tmp_path):
    """Each waits for its turn, whichever has just deleted the lock; no two are ever inside at once."""
    inside, most = [], []

    def work(k):
        with only_writer(tmp_path / "out", wait=True):
            inside.append(k)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(k)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert max(most) == 1
    assert len(most) == 40
    assert list(tmp_path.iterdir()) == []


def test_whether_somebody_is_at_work_can_be_asked(tmp_path):
    lock = tmp_path / ".out.lock"
    assert not held(lock)
    with only_writer(tmp_path / "out"):
        assert held(lock)
        with pytest.raises(InputError, match="another process is writing it"), only_writer(tmp_path / "out"):
            pass
    lock.touch()  # left by one that was killed
    assert not held(lock)


def test_asking_refuses_nobody(tmp_path, monkeypatch):
    """Who wants to write just while somebody asks looks again a moment later."""
    lock = (tmp_path / ".out.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda seconds: lock.close())
    with only_writer(tmp_path / "out"):
        assert lock.closed
