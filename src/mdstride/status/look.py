"""One look at the files of a run: what is done, at work, failed and waiting.

Reads only: a look never disturbs a job, and needs neither Snakemake nor a word from any process. So it says what files
say: a job is done when its output is there, whether or not a change has made it out of date (`snakemake -n` tells). It
is at work while it holds its lock, which goes with the process. Jobs too short to have one are at work while the
workflow is, and they have given a sign of life not long ago.
"""

import csv
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from mdstride.formats.atomic import held
from mdstride.layout import CLAIM, Job, planned_jobs, read_ids, read_settings

SILENT = 600.0
"""s without a sign of life after which a job that has no lock no longer counts as running."""
TAIL = 4096
"""Bytes of a log that are looked at, from its end."""
RECENT = 20
"""Jobs, those finished last, whose duration says how long the next ones take."""
WHOLE = ("simulate", "twin")
"""Stages whose jobs tell the progress of all they do, not of one part after the other."""

PROGRESS = re.compile(r"^.*?: [\d,]+/(?P<total>[\d,]+) .*? \((?P<share>\d+) %\), (?P<rate>[\d.,e+-]+)/s, .*$")
"""A line of mdstride.progress."""
ERROR = re.compile(r"\berror: (.*)$")
LEFT_OUT = re.compile(r": left out: (.*)$")


@dataclass(frozen=True)
class Running:
    """A job at work."""

    stage: str
    job: Job
    progress: str
    """What it said last of its progress, without its name; empty before the first word."""
    share: float
    """Done, between 0 and 1."""
    seconds: float | None
    """How long it takes in all, by its own account; None where it has given none."""
    silent: float
    """s since its last sign of life."""


@dataclass(frozen=True)
class Failed:
    """A job that ended with an error, or a compound or trajectory that is left out of the data set."""

    stage: str
    job: Job
    reason: str
    left_out: bool
    """Recorded in its output, and the run goes on without it."""


@dataclass
class Stage:
    """One row of the table; `planned` None as long as the selection is not there."""

    name: str
    planned: int | None
    done: int = 0
    running: list[Running] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    interrupted: list[Job] = field(default_factory=list)
    seconds: float | None = None
    """Mean duration of a job, as those at work have it, or else those that finished last."""

    @property
    def waiting(self) -> int | None:
        """Jobs to be started, or to be taken up again."""
        return None if self.planned is None else self.planned - self.done - len(self.running) - len(self.failed)

    @property
    def rate(self) -> float | None:
        """Jobs per second: as many at once as are at work now, each as long as the last ones."""
        return len(self.running) / self.seconds if self.seconds and self.running else None

    @property
    def left(self) -> float | None:
        """s until all is done, at this rate."""
        if self.rate is None or self.waiting is None:
            return None
        return (self.waiting + sum(1 - one.share for one in self.running)) / self.rate


@dataclass(frozen=True)
class Look:
    """What one look at a run has found."""

    run: Path
    settings: Path
    """File that says what is planned."""
    stages: list[Stage]
    claimed: bool
    """Whether a workflow is at work: its jobs may wait in the queue of a cluster."""

    @property
    def finished(self) -> bool:
        """Whether every planned file is there."""
        return all(stage.planned is not None and not stage.running and not stage.waiting for stage in self.stages) and (
            not any(failed for stage in self.stages for failed in stage.failed if not failed.left_out)
        )


def look(run: Path, now: float | None = None) -> Look:
    """Look at the folder of a run, results/NAME. Raises InputError where there is none."""
    now = time.time() if now is None else now
    settings, source = read_settings(run)
    files = dict(_files(str(run), ""))
    claimed = held(run / CLAIM)
    verdicts, stamp = _verdicts(run), files.get("trajectories.csv", 0.0)
    stages = []
    for name, jobs in planned_jobs(settings, read_ids(run)).items():
        stage = Stage(name, None if jobs is None else len(jobs))
        finished = []
        for job in jobs or ():
            if job.output in files:
                finished.append(job)
                reason = _left_out(run, name, job, files, verdicts, stamp)
                if reason:
                    stage.failed.append(Failed(name, job, reason, left_out=True))
                else:
                    stage.done += 1
            else:
                _judge(run, stage, job, files, claimed, now)
        if stage.running:
            told = [one.seconds for one in stage.running if one.seconds]
            stage.seconds = fmean(told) if told else _duration(run, files, finished)
        stages.append(stage)
    return Look(run, source, stages, claimed)


def _files(folder: str, prefix: str) -> Iterator[tuple[str, float]]:
    """Paths below the run with the time of their last change; folders of states too, not what is in them."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:  # removed by a job at this moment
        return
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if name == "benchmarks":
                continue
            yield from _files(entry.path, f"{name}/")
            yield name, 0.0
        else:
            try:
                yield name, entry.stat().st_mtime
            except FileNotFoundError:
                continue


def _verdicts(run: Path) -> dict[str, str]:
    """Reason by ID/REPLICA, empty for those that passed, of the trajectories that the data set was made from."""
    try:
        with (run / "trajectories.csv").open(newline="", encoding="utf-8") as stream:
            return {f"{row['id']}/{row['replica']}": row["reason"] for row in csv.DictReader(stream)}
    except FileNotFoundError:
        return {}


def _left_out(run: Path, stage: str, job: Job, files: dict[str, float], verdicts: dict[str, str], stamp: float) -> str:
    """Why what the job has made is left out; empty where it is used.

    The table of the data set says it of all trajectories that were there. Of the others the log does, and opening that
    costs a thirtieth of opening the output.
    """
    if stage not in ("relax", "simulate", "twin"):
        return ""
    trajectory = f"{job.name}/0" if stage == "relax" else job.name
    verdict = verdicts.get(trajectory) if files[job.output] <= stamp else None
    if verdict == "" or (verdict and stage == "simulate"):
        return verdict  # what a trajectory that passed was made from, or its twin, is well too
    return next((match[1] for line in _tail(run / job.log) if (match := LEFT_OUT.search(line))), "")


def _judge(run: Path, stage: Stage, job: Job, files: dict[str, float], claimed: bool, now: float) -> None:
    """Put a job without its output where it belongs: running, failed, interrupted, or neither."""
    lines = _tail(run / job.log) if job.log in files else []
    reason = _error(lines)
    silent = now - max(files.get(job.log, 0.0), files.get(job.lock, 0.0))
    if job.lock in files:
        at_work = held(run / job.lock)
    else:  # one that takes a lock has not got so far, or was told to stop
        at_work = claimed and job.log in files and silent < SILENT and not reason and not (job.lock and lines)
    if at_work:
        stage.running.append(_running(stage.name, job, lines, silent))
    elif reason:
        stage.failed.append(Failed(stage.name, job, reason, left_out=False))
    elif job.state in files or job.lock in files:
        stage.interrupted.append(job)


def _running(stage: str, job: Job, lines: list[str], silent: float) -> Running:
    told = next((match for line in reversed(lines) if (match := PROGRESS.match(line))), None)
    if told is None:
        return Running(stage, job, "", 0.0, None, silent)
    total, rate = (float(told[name].replace(",", "")) for name in ("total", "rate"))
    seconds = total / rate if rate and stage in WHOLE else None
    return Running(stage, job, told[0].partition(": ")[2], int(told["share"]) / 100, seconds, silent)


def _error(lines: list[str]) -> str:
    """Why a job failed: its line, or the end of a traceback; empty where the log tells of no failure."""
    for line in reversed(lines):
        if match := ERROR.search(line):
            return match[1]
    if any(line.startswith("Traceback ") for line in lines):
        return lines[-1]
    return ""


def _tail(path: Path) -> list[str]:
    """The last lines of a log that are not empty."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL))
            text = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _duration(run: Path, files: dict[str, float], finished: Iterable[Job]) -> float | None:
    """Mean seconds of the jobs that finished last, as Snakemake measured them."""
    seconds = []
    for job in sorted(finished, key=lambda job: files[job.output])[-RECENT:]:
        try:
            with (run / job.benchmark).open(newline="", encoding="utf-8") as stream:
                seconds += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
        except (FileNotFoundError, KeyError, ValueError):
            continue  # not written yet, or not by this version
    return fmean(seconds) if seconds else None
