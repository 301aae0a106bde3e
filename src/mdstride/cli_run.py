"""`mdstride status`, `crate` and `reproduce`: a run as a whole, while it runs, published, and made again."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from mdstride.arguments import Settings, add_command
from mdstride.errors import InputError

STATUS = """\
Reads files alone: it disturbs no job, needs no Snakemake, and works on any machine that sees the folder. A job counts
as done when its output is there; what is out of date after a change, `snakemake -n` tells.

  mdstride status results/default
  mdstride status results/default --watch 10
"""
CRATE = """\
Everything to look at, check and continue the run, with SHA-256 of each file, software versions, licence and authors:
the results without state/, logs and benchmarks, the workflow and package they were made with, and the inputs.
Unpacked it is a folder to run `snakemake` in. docs/provenance.md

  mdstride crate results/default
  mdstride crate results/default --output crates/default
"""
REPRODUCE = """\
PUBLISHED is a crate (.zip, or the folder it was unpacked to) or the folder of a run, OTHER the folder of a run of the
same configuration, on this or another machine. Exit status: 0 where all that must agree agrees, else 1.
docs/provenance.md says what must, and why trajectories need not.

  mdstride reproduce default.crate.zip results/again
"""


def add_status(commands: Any) -> None:
    """Declare `status`."""
    sub = add_command(commands, "status", _status, (), "What a run has done, does, and has still to do.")
    sub.formatter_class, sub.epilog = argparse.RawDescriptionHelpFormatter, STATUS
    sub.add_argument("run", type=Path, metavar="RUN", help="folder of the run: results/NAME")
    sub.add_argument("--watch", type=float, metavar="SECONDS", help="look again every so often, until all is done")


def add_crate(commands: Any) -> None:
    """Declare `crate`."""
    sub = add_command(commands, "crate", _crate, (), "Pack a finished run for publication, as an RO-Crate.")
    sub.formatter_class, sub.epilog = argparse.RawDescriptionHelpFormatter, CRATE
    sub.add_argument("run", type=Path, metavar="RUN", help="folder of the run: results/NAME")
    sub.add_argument(
        "--output", type=Path, metavar="PATH", help="file (.zip) or folder to write (default: RUN.crate.zip)"
    )
    sub.add_argument(
        "--workflow",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="folder that the workflow was run in, with Snakefile and CITATION.cff (default: this one)",
    )
    sub.add_argument("--logs", action="store_true", help="pack logs and benchmarks too")


def add_reproduce(commands: Any) -> None:
    """Declare `reproduce`."""
    sub = add_command(commands, "reproduce", _reproduce, (), "Compare a published run with one that was made again.")
    sub.formatter_class, sub.epilog = argparse.RawDescriptionHelpFormatter, REPRODUCE
    sub.add_argument("published", type=Path, metavar="PUBLISHED", help="crate, or folder of a run")
    sub.add_argument("other", type=Path, metavar="OTHER", help="folder of the other run")


def _status(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.status.look import look
    from mdstride.status.words import CLEAR, words

    if options.watch is not None and options.watch <= 0:
        raise InputError(f"--watch: {options.watch:g} is refused; give a positive number of seconds")
    while True:
        found = look(options.run)
        sys.stdout.write((CLEAR if options.watch and sys.stdout.isatty() else "") + words(found))
        sys.stdout.flush()
        if options.watch is None or found.finished:
            return
        try:
            time.sleep(options.watch)
        except KeyboardInterrupt:
            return


def _crate(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.crate.write import write_crate

    output = options.output or options.run.resolve().with_name(f"{options.run.resolve().name}.crate.zip")
    write_crate(options.run, output, workflow=options.workflow, logs=options.logs)


def _reproduce(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.reproduce.stage import reproduce

    text, agrees = reproduce(options.published, options.other)
    sys.stdout.write(text)
    if not agrees:
        raise SystemExit(1)
