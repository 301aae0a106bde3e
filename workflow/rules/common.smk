# Shared by all stages: the checked configuration, and the list of compounds once it is known.
import contextlib
import csv
import functools
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from mdstride import cost
from mdstride.config import SECTIONS, check, planned_splits
from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer, write_text
from mdstride.formats.provenance import source_hash
from mdstride.select.sources import library_path
from snakemake.exceptions import WorkflowError

# Jobs call `python`: let it be the one that runs Snakemake, also where its environment has not been activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])}

try:
    check(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

OUT = f"{config['results']}/{config['run']}"
MODELS = config["plan"]["models"]
SEEDS = config["plan"]["seeds"]
SPLITS = planned_splits(config)
RUNS = [f"{model}/{split}/{seed}" for split in SPLITS for model in MODELS for seed in SEEDS]
# side by side on one machine; on a cluster, where cores are not known, 8 or what the profile sets
TRAINING_THREADS = max(1, min(8, (workflow.resource_settings.cores or 8 * len(RUNS)) // len(RUNS)))
SCORES = [f"baselines/{split}" for split in SPLITS] + RUNS


wildcard_constraints:
    id=r"[A-Za-z0-9_-]{1,64}",
    replica=r"[0-9]+",
    model="|".join(MODELS),
    split="|".join(SPLITS),
    seed=r"[0-9]+",


def check_writable(folder):
    """Say now, in one line, that results cannot be written, rather than in the middle of the first job."""
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise WorkflowError(
            f"results: cannot write below {existing} ({error.strerror}); set `results` to another folder"
        ) from None


check_writable(Path(OUT).absolute())
CLAIMED = contextlib.ExitStack()


def claim():
    """Keep a second workflow away from these results. Snakemake's own lock stays behind when it is killed; the kernel's
    lock goes with the process (profiles set `nolock`)."""
    try:
        CLAIMED.enter_context(only_writer(Path(OUT, "workflow")))
    except InputError:
        raise WorkflowError(
            f"{OUT}: another workflow is at work there; wait for its end, or set another `run`"
        ) from None


def sections(*names):
    """A file with the parts of the configuration that a job depends on. Its name holds the hash of its content, so a
    change runs the job again, a change of any other part does not, and jobs under way keep what they started with."""
    text = json.dumps({name: config[name] for name in names}, indent=1, sort_keys=True)
    path = Path(OUT, "config", f"{names[0]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json")
    if path.exists():
        path.touch()  # the newest is the one in use, also after a change was taken back: `mdstride status` reads it
    else:
        write_text(path, text)
    return str(path)  # Snakemake notices a change of text, not of a Path


COMPOUNDS = Path(OUT, "compounds.csv")


def selected():
    """Rows of compounds.csv by id; the selection is the one checkpoint of the workflow."""
    checkpoints.select.get()
    return known()


def known():
    """The same without asking whether the selection is up to date, which takes a tenth of the time of a dry run; none
    before the selection. Good enough for estimates, which Snakemake makes again when a job is ready."""
    return rows_by_id(COMPOUNDS, COMPOUNDS.stat().st_mtime_ns) if COMPOUNDS.exists() else {}


@functools.cache
def rows_by_id(path, stamp):
    """Read once for as long as the file stays the same (`stamp`), not once per job."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def size(wildcards):
    """Atoms of a compound, for cost and priority of its jobs: the largest first, so that none is left for the end."""
    return int(known()[wildcards.id]["n_atoms"]) if wildcards.id in known() else 0


def sizes():
    """Atoms of every compound, for the cost of the shared stages."""
    return [int(row["n_atoms"]) for row in known().values()]


def twin_cost(wildcards):
    return cost.simulate(config, size(wildcards), length=config["plan"]["twin_length"])


def structures(wildcards):
    return [f"{OUT}/structures/{id}.h5" for id in selected()]


def trajectories(wildcards):
    replicas = range(config["plan"]["replicas"])
    return [f"{OUT}/trajectories/{id}/{replica}.h5md" for id in selected() for replica in replicas]


def twins(wildcards):
    replicas = range(config["plan"]["twins"])
    return [f"{OUT}/trajectories/{id}/{replica}.twin.h5md" for id in selected() for replica in replicas]
