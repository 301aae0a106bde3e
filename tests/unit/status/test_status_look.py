"""What a look at a run says, of files as jobs leave them."""

import argparse
import contextlib
import fcntl
import os
import time
from pathlib import Path

import pytest
import run_helpers

from mdstride.cli_run import add_status
from mdstride.errors import InputError
from mdstride.layout import CLAIM, planned_jobs
from mdstride.progress import Progress
from mdstride.status.look import SILENT, look
from mdstride.status.words import words

A, B, C, D = run_helpers.IDS


def stage(run: Path, name: str):
    return next(one for one in look(run).stages if one.name == name)


@pytest.fixture
def run(tmp_path) -> Path:
    """A run whose trajectories are all still to be made."""
    run = run_helpers.make_run(tmp_path / "results/toy")
    for path in (run / "trajectories").rglob("*.h5md"):
        path.unlink()
    for name in ("trajectories.csv", "dataset.h5", "report.html"):
        (run / name).unlink()
    return run


def log(run: Path, name: str, text: str, age: float = 0.0) -> Path:
    path = run / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def told(label: str, done: int, total: int, tmp_path: Path) -> str:
    """A line as jobs write it, after ten seconds."""
    path = tmp_path / "progress.txt"
    with path.open("w") as stream:
        progress = Progress(label, total, "steps", stream=stream, interval=0.0)
        progress.start -= 10.0
        progress.reach(done, "0.58 ps")
    return path.read_text()


def killed(run: Path, name: str, text: str, age: float = 0.0) -> Path:
    """What a trajectory leaves behind when it is killed: its state, its log and its lock, which is returned."""
    log(run, f"simulate/{name}", text, age)
    state = run / "state/trajectories" / name
    state.mkdir(parents=True)
    lock = state.with_name(f".{state.name}.lock")
    lock.touch()
    os.utime(lock, (time.time() - age, time.time() - age))
    return lock


@pytest.fixture
def hold():
    """Holds locks as a process at work does, until the test ends."""
    with contextlib.ExitStack() as stack:

        def hold(lock: Path) -> None:
            lock.touch()
            fcntl.flock(stack.enter_context(lock.open("r+")), fcntl.LOCK_EX)

        yield hold


@pytest.fixture
def at_work(hold):
    def at_work(run: Path, name: str, text: str, age: float = 0.0) -> None:
        lock = killed(run, name, text, age)
        hold(lock)
        os.utime(lock, (time.time() - age, time.time() - age))

    return at_work


def test_all_done(tmp_path):
    run = run_helpers.make_run(tmp_path / "results/toy")
    found = look(run)
    assert found.finished
    assert words(found).startswith(f"{run}: all done. The report: {run / 'report.html'}\n")
    assert {one.name: (one.planned, one.done) for one in found.stages}["simulate"] == (8, 8)


def test_nothing_there_yet(tmp_path):
    run_helpers.note(tmp_path, run_helpers.settings())
    text = words(look(tmp_path))
    assert "planned, and nothing there yet" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith(("relax", "screen"))] == ["2", "?"]


def test_no_run_is_said_so(tmp_path):
    with pytest.raises(InputError, match="no run of mdstride"):
        look(tmp_path)


def test_before_the_selection(tmp_path, hold):
    run_helpers.note(tmp_path, run_helpers.settings())
    hold(tmp_path / CLAIM)
    log(tmp_path, "library", "library: 10/100 bytes (10 %), 5/s, 18 s left\n")
    text = words(look(tmp_path))
    assert "library at work; how many compounds there are is known after `select`" in text
    assert "library: 10/100 bytes (10 %), 5/s, 18 s left" in text


def test_a_job_at_work_shows_its_progress(run, at_work, tmp_path):
    at_work(run, f"{A}/0", told(f"simulate {A}/0", 1200, 3300, tmp_path))
    found = stage(run, "simulate")
    assert (found.done, found.waiting, len(found.running)) == (0, 7, 1)
    (one,) = found.running
    assert one.share == 0.36
    assert one.seconds == pytest.approx(27.5, rel=0.02)  # 3300 steps at 120 a second
    assert found.left == pytest.approx((7 + 0.64) * 27.5, rel=0.02)
    assert f"  simulate {A}/0: 1,200/3,300 steps (36 %), 120/s, " in words(look(run))


def test_the_rate_is_that_of_the_jobs_finished_last(run, at_work):
    for name, seconds in ((A, 30), (B, 10)):
        path = run / f"benchmarks/simulate/{name}/0.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"s\th:m:s\n{seconds}.0\t0:00:{seconds}\n")
        (run / f"trajectories/{name}/0.h5md").write_text("x")
    at_work(run, f"{C}/0", "")
    found = stage(run, "simulate")
    assert found.seconds == 20.0
    assert found.rate == 1 / 20
    assert found.left == (5 + 1) * 20
    assert "3/min" in words(look(run))


@pytest.mark.parametrize("again", [False, True])
def test_a_killed_job_is_interrupted_at_once(run, hold, again, tmp_path):
    """Also while the workflow is at work again, and this job is not yet."""
    killed(run, f"{A}/0", told(f"simulate {A}/0", 1200, 3300, tmp_path))
    (run / CLAIM).touch()
    if again:
        hold(run / CLAIM)
    found = stage(run, "simulate")
    assert found.running == []
    assert [job.name for job in found.interrupted] == [f"{A}/0"]
    assert found.waiting == 8
    text = words(look(run))
    assert ("a workflow is at work, none of its jobs is" if again else "no workflow is at work") in text
    assert f"go on where they were when the workflow is run again:\n  simulate {A}/0\n" in text


def test_a_job_told_to_stop_is_interrupted_at_once(run, hold):
    killed(run, f"{A}/0", "simulate: told to stop after step 12; run again to go on\n").unlink()
    hold(run / CLAIM)
    found = stage(run, "simulate")
    assert (found.running, [job.name for job in found.interrupted]) == ([], [f"{A}/0"])


def test_jobs_without_a_lock_are_at_work_while_the_workflow_is(run, hold):
    (run / f"structures/{A}.h5").unlink()
    for age, claimed, running in ((0.0, False, 0), (0.0, True, 1), (SILENT + 60, True, 0)):
        if claimed and age == 0.0:
            hold(run / CLAIM)
        log(run, f"relax/{A}", "", age)
        assert len(stage(run, "relax").running) == running
    log(run, f"relax/{A}", "mdstride relax: error: no minimum\n")
    assert [one.reason for one in stage(run, "relax").failed] == ["no minimum"]


def test_jobs_may_wait_in_a_queue(run, hold):
    hold(run / CLAIM)
    assert "they wait in the queue of a cluster" in words(look(run))


def test_the_only_job_of_a_stage_tells_its_own_rate(run, hold):
    log(run, "dataset", "dataset: storing: 3/1,400 compounds (0 %), 1,234.5/s, 21 s left; 2 kept\n")
    hold(run / ".dataset.h5.lock")
    (row,) = [line for line in words(look(run)).splitlines() if line.startswith("dataset ")]
    assert row.split() == ["dataset", "1", "0", "1", "0", "0", "1,234.5/s", "21", "s"]


def test_silence_is_told(run, at_work, tmp_path):
    at_work(run, f"{A}/0", told(f"simulate {A}/0", 1200, 3300, tmp_path), age=200)
    assert "(silent for 3 min 20 s)" in words(look(run))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mdstride simulate: error: x.h5: damaged; make it again\n", "x.h5: damaged; make it again"),
        ("Traceback (most recent call last):\n  File x\nMemoryError: 3 GB\n", "MemoryError: 3 GB"),
    ],
)
def test_a_job_that_failed_says_why(run, text, reason):
    log(run, f"simulate/{A}/1", f"simulate {A}/1: 1/9 steps (11 %), 1/s, 8 s left\n{text}", age=5000)
    (one,) = stage(run, "simulate").failed
    assert (one.job.name, one.reason, one.left_out) == (f"{A}/1", reason, False)
    text = words(look(run))
    assert "stopped by errors" in text
    assert f"Failed; mend it, and run the same command again:\n  simulate {A}/1: {reason}\n" in text
    assert not look(run).finished


def test_what_is_left_out_has_its_reason(tmp_path):
    """From the table of the data set; of what came after it, from the log."""
    run = run_helpers.make_run(tmp_path / "results/toy")
    reasons = {0: "the energy drifts by 0.06 meV/atom/ps", 3: "the energy drifts by 0.07 meV/atom/ps"}

    def fail(rows):
        for k, reason in reasons.items():
            rows[k] |= {"passed": "False", "reason": reason}

    run_helpers.edit_table(run / "trajectories.csv", fail)
    log(run, f"simulate/{C}/0", f"simulate {C}/0: left out: bond 1-2 is broken\n")
    assert {one.job.name for one in stage(run, "simulate").failed} == {f"{A}/0", f"{B}/1"}
    later = time.time() + 10
    os.utime(run / f"trajectories/{C}/0.h5md", (later, later))
    found = look(run)
    assert found.finished
    text = words(found)
    assert f"  simulate {A}/0 and 1 more: the energy drifts by 0.06 meV/atom/ps\n" in text
    assert f"  simulate {C}/0: bond 1-2 is broken\n" in text


def test_a_look_changes_nothing(run, at_work, tmp_path):
    at_work(run, f"{A}/0", told(f"simulate {A}/0", 1200, 3300, tmp_path))

    def state():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in run.rglob("*")}

    before = state()
    words(look(run))
    assert state() == before


def test_thousands_of_trajectories_take_seconds(tmp_path):
    config = run_helpers.settings()
    config["plan"] |= {"replicas": 3, "twins": 1}
    run_helpers.note(tmp_path, config)
    ids = [f"COMPOUND-{k}" for k in range(2500)]
    (tmp_path / "compounds.csv").write_text("id\n" + "\n".join(ids) + "\n")
    folders = {tmp_path / "structures", tmp_path / "logs/relax"}
    for kind in ("trajectories", "logs/simulate"):
        folders |= {tmp_path / kind / id for id in ids}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for kind in ("relax", "simulate"):
        for job in planned_jobs(config, ids)[kind]:
            (tmp_path / job.output).touch()
            (tmp_path / job.log).touch()
    start = time.perf_counter()
    found = look(tmp_path)
    assert time.perf_counter() - start < 5.0
    assert [(one.planned, one.done) for one in found.stages if one.name in ("relax", "simulate", "twin")] == [
        (2500, 2500),
        (7500, 7500),
        (2500, 0),
    ]


def test_watching_ends_when_all_is_done(tmp_path, capsys, monkeypatch):
    run = run_helpers.make_run(tmp_path / "results/toy")
    report = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    monkeypatch.setattr(time, "sleep", lambda seconds: (run / "report.html").write_bytes(report))
    parser = argparse.ArgumentParser()
    add_status(parser.add_subparsers())
    options = parser.parse_args(["status", str(run), "--watch", "5"])
    options.command(options, {})
    assert capsys.readouterr().out.count(f"{run}: ") == 2
