"""Outputs appear whole or not at all: temporary file in the same folder, fsync, rename."""

import errno
import fcntl
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mdstride.errors import InputError

GLANCE = 0.05
"""s in which a process that only asks whether a lock is held has let go of it."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk is full, a quota is used up, a file would be larger than is allowed."""


@contextmanager
def atomic_path(final: Path | str) -> Iterator[Path]:
    """A temporary path beside `final`, which takes its name when the block ends well and vanishes when it does not.

    After a SIGKILL at any moment `final` is absent or whole; a leftover `.NAME.*.part` file may be deleted.
    Raises InputError where it cannot be written, or the disk is full.
    """
    final = Path(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent)
    except OSError as error:
        raise _refused(final, error) from error
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # mkstemp makes private files
        _sync(part)
        part.replace(final)
        _sync(final.parent)
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _refused(final, error) from error
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def only_writer(final: Path | str, *, wait: bool = False) -> Iterator[None]:
    """Refuse to go on while another process that asked for the same is at work on `final`, or `wait` for its end.

    The lock is the kernel's, on a file beside `final`: it goes with the process, also after SIGKILL. A process whose
    workflow was killed may still be at work when the next run starts the same job: that one has to wait.
    """
    final = Path(final)
    lock = final.with_name(f".{final.name}.lock")
    stream = _lock(lock, wait=False, final=final)
    if stream is None:  # or it was only looked at: `held`
        time.sleep(GLANCE)
        stream = _lock(lock, wait=False, final=final)
    if stream is None and wait:
        sys.stderr.write(f"{final}: another process is writing it; waiting until that one has ended\n")
        stream = _lock(lock, wait=True, final=final)
    if stream is None:
        raise InputError(f"{final}: another process is writing it; wait until that one has ended")
    with stream:
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _lock(lock: Path, *, wait: bool, final: Path) -> TextIO | None:
    """The locked file; None while another process has it."""
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            stream = lock.open("w")
        except OSError as error:
            raise _refused(final, error) from error
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if lock.exists() and os.fstat(stream.fileno()).st_ino == lock.stat().st_ino:
                return stream
        except BlockingIOError:
            stream.close()
            return None
        except FileNotFoundError:
            pass
        stream.close()  # deleted by one that has just ended


def held(lock: Path) -> bool:
    """Whether a process is at work on what the file `lock` of `only_writer` stands for, without getting in its way.

    False where there is no such file. A file system that does not lock between nodes says True as long as it is there.
    """
    try:
        with lock.open() as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # somebody has it, or nobody can
        return True
    return False


def keep_link(output: Path, previous: Path) -> None:
    """Let `previous` be another name of `output`, which the workflow deletes before it makes it again."""
    previous.parent.mkdir(parents=True, exist_ok=True)
    previous.unlink(missing_ok=True)
    try:
        os.link(output, previous)
    except OSError as error:  # a file system without hard links
        sys.stderr.write(f"{previous}: not kept ({error.strerror}), so the next one starts anew\n")


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON with sorted keys atomically."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def _refused(final: Path, error: OSError) -> InputError:
    """What keeps `final` from being written, and what to do about it."""
    remedy = "choose another output folder"
    if error.errno in NO_ROOM:
        remedy = "make room there, or have the quota raised, and run the same command again: what is done is kept"
    return InputError(f"{final}: cannot write there ({error.strerror}); {remedy}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
