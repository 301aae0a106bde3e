"""What goes wrong around a run: files that are edited, disks that are full, nodes that lack something. Nothing is lost,
and a line says what to do."""

import shutil
import subprocess
from pathlib import Path

import pytest
from workflow_helpers import ROOT, clone, command, ended, jobs, snakemake, started

from mdstride.formats.h5md import read_trajectory

pytestmark = pytest.mark.workflow

RESULTS = "results/tiny"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_run_keeps_the_settings_it_was_started_with(rerun):
    """Edited between two trajectories, the configuration counts from the next command on."""
    first, second = (path for path in sorted((rerun / RESULTS / "trajectories").glob("*/?.h5md"))[:2])
    shutil.rmtree(rerun / RESULTS / "state")
    log = rerun / RESULTS / "logs/simulate"
    shutil.rmtree(log)
    first.unlink()
    second.unlink()
    targets = [str(path.relative_to(rerun)) for path in (first, second)]
    process = started(rerun, "--cores", "1", "--", *targets, until=log.exists)
    edit(rerun / "config.yaml", "temperature: 300.0", "temperature: 350.0")
    assert jobs(ended(process, rerun)) == {"simulate": 2}
    for path in (first, second):
        assert read_trajectory(path).parameters["simulate"]["temperature"] == 300.0
    text = snakemake(rerun, "-n")
    assert jobs(text)["simulate"] == 8 and "relax" not in jobs(text)
    assert "params have changed since last execution:\n        simulate\n" in text


def test_jobs_on_a_cluster_keep_them_too(tmp_path):
    """Each of them starts Snakemake anew; meanwhile one file of the configuration has other values, and another is no
    YAML at all."""
    folder = clone(tmp_path)
    process = started(
        folder,
        *("--executor", "apart", "--jobs", "1", "--seconds-between-status-checks", "1"),
        *("--", f"{RESULTS}/select/1-of-2.h5"),
        until=(folder / RESULTS / "logs/library.log").exists,
        PYTHONPATH=str(ROOT / "tests/helpers"),
    )
    edit(folder / "config/test/tiny.yaml", "run: tiny", "run: other\nscreen:\n  max_oxygen: 4")
    (folder / "config.yaml").write_text("run: [", encoding="utf-8")
    text = ended(process, folder)
    assert (folder / RESULTS / "select/1-of-2.h5").exists(), text
    names = [path.name.partition("-")[0] for path in (folder / RESULTS / "config").iterdir()]
    assert len(names) == len(set(names))
    assert not (folder / "results/other").exists()


def test_a_node_without_its_gpu_and_its_scratch(rerun):
    """PyTorch sees no GPU though the job was given one, and there is no folder for temporary files."""
    (rerun / "short.yaml").write_text("pretrain:\n  steps: 2\n  warmup: 1\n  validate_every: 1\n", encoding="utf-8")
    strange = {"TMPDIR": "/scratch/gone", "SLURM_JOB_GPUS": "0", "CUDA_VISIBLE_DEVICES": "-1"}
    text = snakemake(rerun, "short.yaml", "--", f"{RESULTS}/runs/atom/compound/1/run.json", **strange)
    assert jobs(text) == {"pretrain": 1}
    assert "warning: training on the CPU, though this job was given a GPU (SLURM_JOB_GPUS=0)" in text


def test_results_on_a_scratch_that_is_not_there(tmp_path):
    folder = clone(tmp_path)
    (folder / "results").symlink_to(tmp_path / "gone")
    text = snakemake(folder, ok=False)
    assert "results: cannot write below" in text and "No such file or directory" in text
    assert "Traceback" not in text


def in_a_namespace(script: str, *arguments: str | Path) -> str:
    """What a shell script says that mounts what nobody else sees; it needs root."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout


FILLED = """
cd "$1" && mv results kept && mkdir results && mount -t tmpfs -o size=64m tmpfs results && cp -a kept/. results || exit
log=$2; shift 2
"$@" &
until [ -e "$log" ]; do kill -0 $! || exit; sleep 0.02; done
cat /dev/zero > results/filler
wait $!; echo "ended with $?"
rm results/filler
echo AGAIN; "$@"; echo "ended with $?"
"""


def test_a_disk_that_fills_up_loses_nothing(rerun):
    """Not even the log of the job has room for a word; the workflow says it then, and afterwards it goes on."""
    path = min((rerun / RESULTS / "structures").iterdir())
    log = rerun / RESULTS / f"logs/relax/{path.stem}.log"
    path.unlink()
    log.unlink()
    text = in_a_namespace(FILLED, rerun, log, *command("--", str(path.relative_to(rerun))))
    first, again = text.split("AGAIN\n")
    assert "ended with 1" in first and "Error in rule relax" in first, text
    assert f"results: cannot write below {rerun}/{RESULTS} (No space left on device); make room" in first, text
    assert "ended with 0" in again and jobs(again) == {"relax": 1}, text
    assert "Traceback" not in text


SMALL = 'mount -t tmpfs -o size=12m tmpfs "$1" && cp -a "$2/." "$1" && cd "$1" && shift 2 && "$@"'


def test_a_disk_that_is_full_is_noticed_before_the_first_job(tmp_path):
    """Here that of Snakemake's own files."""
    (tmp_path / "disk").mkdir()
    results = ["--config", f"results={tmp_path}/results"]
    text = in_a_namespace(SMALL, tmp_path / "disk", clone(tmp_path / "source"), *command(*results))
    line = f"Snakemake's own files: cannot write below {tmp_path}/disk (No space left on device); make room there"
    assert line in text, text
    assert not (tmp_path / "results/tiny/logs").exists()
