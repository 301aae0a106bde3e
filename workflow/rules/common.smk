# Shared by all stages: the checked configuration, and the list of compounds once it is known.
import contextlib
import csv
import functools
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mdstride import cost
from mdstride.config import SECTIONS, check, planned_splits
from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path, only_writer, write_text
from mdstride.formats.provenance import PACKAGE, SOURCES, source_hash
from mdstride.select.sources import library_path
from snakemake.exceptions import WorkflowError

# Jobs call `python`: let it be the one that runs Snakemake, also where its environment has not been activated.
os.environ |= {"PATH": os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])}
os.environ |= {"MDSTRIDE": str(PACKAGE.parents[1])}  # for envs/*.post-deploy.sh

# Snakemake's own log on a full disk: without it, and without a page of traceback for each of its lines.
logging.raiseExceptions = False

try:
    check(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

# What comes with the workflow and the configuration may name. Where another workflow uses this one as a module (as
# snakedeploy sets it up), the working directory has none of it: it is copied there, and belongs to that project then.
SUPPLIED = [
    "config/extra_compounds.csv",
    "resources/seeds.csv",
    "resources/published.csv",
    "resources/compounds/pubchem_chno_small.csv.gz",
    "resources/compounds/pubchem_cid_smiles_166k.csv.gz",
    "resources/tg80/tg80.csv",
    *(f"resources/tg80/fold{fold}.toml" for fold in range(1, 6)),
]
if workflow.modifier.skip_configfile and workflow.is_main_process:
    for supplied in SUPPLIED:
        if not Path(supplied).exists():
            with atomic_path(supplied) as part:
                shutil.copyfile(workflow.source_path(f"../../{supplied}"), part)

OUT = f"{config['results']}/{config['run']}"
MODELS = config["plan"]["models"]
SEEDS = config["plan"]["seeds"]
SPLITS = planned_splits(config)
RUNS = [f"{model}/{split}/{seed}" for split in SPLITS for model in MODELS for seed in SEEDS]
# side by side on one machine; on a cluster, where cores are not known, 8 or what the profile sets
TORCH_THREADS = max(1, min(8, (workflow.resource_settings.cores or 8 * len(RUNS)) // len(RUNS)))
SCORES = [f"baselines/{split}" for split in SPLITS] + RUNS


wildcard_constraints:
    id=r"[A-Za-z0-9_-]{1,64}",
    replica=r"[0-9]+",
    model="|".join(MODELS),
    split="|".join(SPLITS),
    seed=r"[0-9]+",


ROOM = 16 * 2**20  # bytes that must be free; an HDF5 file asks for half of it before it is written


def check_writable():
    """Say in one line that there is no writing: before the first job, and after one has failed, since the log that would
    tell why lies on the same disk."""
    for what, folder in {"results": Path(OUT).absolute(), "Snakemake's own files": Path.cwd()}.items():
        existing = next(path for path in [folder, *folder.parents] if path.exists() or path.is_symlink())
        try:
            with tempfile.TemporaryFile(dir=existing) as stream:
                stream.write(bytes(ROOM))
                stream.flush()
        except OSError as error:
            raise WorkflowError(
                f"{what}: cannot write below {existing} ({error.strerror}); "
                "make room there or choose another folder, and run the same command again"
            ) from None


if workflow.is_main_process:
    check_writable()


def advise(logs):
    """What to do when Slurm refuses a job, whose message does not say it."""
    refusal = "Requested node configuration is not available"
    if any(refusal in Path(log).read_text(encoding="utf-8", errors="replace") for log in logs):
        sys.stderr.write(
            "Slurm refused a job: no node of its partition has the cores, memory or GPUs that the sbatch call above asks for. "
            "Change them in the profile (without a GPU: `gpu: 0` for pretrain; docs/cluster.md) and run the same command "
            "again: all that is done is kept\n"
        )


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


# What Snakemake was started with stays in force until it ends, whatever is edited meanwhile: a job on a cluster starts
# Snakemake anew, and that one reads this file in place of config.yaml and of all --configfile. (Where another workflow
# uses this one as a module, both the configuration and its files are the other's.)
if workflow.is_main_process and not workflow.modifier.skip_configfile:
    workflow.config_settings.configfiles = [Path(sections("run", *config)).absolute()]

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
