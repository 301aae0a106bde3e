"""A look at a run, told on a terminal: a table of the stages, and what is behind its numbers."""

import re
from collections.abc import Sequence

from mdstride.progress import duration
from mdstride.status.look import Failed, Look, Running, Stage

COLUMNS = ("stage", "planned", "done", "running", "failed", "waiting", "rate", "time left")
LISTED = 10
"""Jobs, or reasons, that are listed before the rest is only counted."""
TOLD = 60.0
"""s of silence from which on it is told."""
NUMBER = re.compile(r"[-+]?\d[\d.,e+-]*")

CLEAR = "\x1b[H\x1b[2J"
"""Makes the next text take the place of the one before, on a terminal."""

Lines = list[str]


def words(look: Look) -> str:
    """The whole text, for people."""
    lines = [_headline(look), "", *_table([COLUMNS, *map(_row, look.stages)])]
    running = [one for stage in look.stages for one in stage.running]
    failed = [one for stage in look.stages for one in stage.failed]
    errors = [one for one in failed if not one.left_out]
    if running:
        lines += ["", "Running:", *_shortened([f"  {_running(one)}" for one in running], "running jobs")]
    if errors:
        lines += ["", "Failed; mend it, and run the same command again:", *_reasons(errors)]
    if len(failed) > len(errors):
        lines += ["", "Left out of the data set, the rest goes on:", *_reasons([one for one in failed if one.left_out])]
    interrupted = [(stage.name, job.name) for stage in look.stages for job in stage.interrupted]
    if interrupted:
        lines += ["", "Interrupted; these go on where they were when the workflow is run again:"]
        lines += _shortened([f"  {stage} {name}".rstrip() for stage, name in interrupted], "interrupted jobs")
    return "".join(f"{line}\n" for line in lines)


def _headline(look: Look) -> str:
    stages, run = look.stages, look.run
    if look.finished:
        return f"{run}: all done. The report: {run / 'report.html'}"
    at_work = [stage.name for stage in stages if stage.running]
    if at_work:
        if any(stage.planned is None for stage in stages):
            return f"{run}: {', '.join(at_work)} at work; how many compounds there are is known after `select`."
        return f"{run}: {', '.join(at_work)} at work."
    if any(not failed.left_out for stage in stages for failed in stage.failed):
        return f"{run}: stopped by errors, see below."
    if not look.claimed and not any(stage.done for stage in stages):
        return f"{run}: planned, and nothing there yet; start it with `snakemake --cores all`."
    if look.claimed:
        return f"{run}: a workflow is at work, none of its jobs is: they wait in the queue of a cluster."
    return f"{run}: not finished, and no workflow is at work; the same command goes on with it."


def _row(stage: Stage) -> Sequence[str]:
    rate, left = stage.rate, stage.left
    told = stage.running[0].progress if len(stage.running) == stage.planned == 1 else ""
    if told:  # the only job of its stage knows best
        parts = re.split(r"[,;] ", told.partition("), ")[2])
        shown = (parts[0], next((part.removesuffix(" left") for part in parts if part.endswith(" left")), ""))
    else:
        shown = ("" if rate is None else _per(rate), "" if left is None else duration(left))
    numbers = (stage.planned, stage.done, len(stage.running), len(stage.failed), stage.waiting)
    return (stage.name, *("?" if number is None else f"{number:,}" for number in numbers), *shown)


def _per(rate: float) -> str:
    """Jobs per second, minute or hour, whichever makes a number above one."""
    for name, seconds in (("s", 1), ("min", 60)):
        if rate * seconds >= 1:
            return f"{rate * seconds:.3g}/{name}"
    return f"{rate * 3600:.3g}/h"


def _table(rows: Sequence[Sequence[str]]) -> Lines:
    widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _running(one: Running) -> str:
    silent = f" (silent for {duration(one.silent)})" if one.silent > TOLD else ""
    return f"{one.stage} {one.job.name}".rstrip() + f": {one.progress or 'starting'}{silent}"


def _reasons(failed: Sequence[Failed]) -> Lines:
    """One line for each reason, those that differ in their numbers alone taken together, the commonest first."""
    groups: dict[tuple[str, str], list[Failed]] = {}
    for one in failed:
        groups.setdefault((one.stage, NUMBER.sub("#", one.reason)), []).append(one)
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = []
    for first, *others in ordered:
        where = f"{first.stage} {first.job.name}".rstrip() + (f" and {len(others):,} more" if others else "")
        lines.append(f"  {where}: {first.reason}")
    return _shortened(lines, "reasons")


def _shortened(lines: Lines, what: str) -> Lines:
    rest = len(lines) - LISTED
    return lines if rest <= 0 else [*lines[:LISTED], f"  ... and {rest:,} more {what}"]
