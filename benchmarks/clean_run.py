"""What a newcomer waits for: `git clone` into an empty folder, `make run`, and again `snakemake -n`.

    python benchmarks/clean_run.py [--cores 2]

Prints a Markdown table with wall times, the sum of the jobs of each stage, and what the second call had left to do.
"""

import argparse
import csv
import datetime
import os
import platform
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="clone into this (absent) folder and leave it there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clone = options.keep or Path(temporary) / "mdstride"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        measure(clone, options.cores)


def measure(clone: Path, cores: int) -> None:
    start = time.perf_counter()
    subprocess.run(["make", ".venv/installed"], cwd=clone, check=True)
    installed = time.perf_counter()
    subprocess.run(["make", "run", f"CORES={cores}"], cwd=clone, check=True)
    finished = time.perf_counter()
    environment = {**os.environ, "PATH": f"{clone}/.venv/bin:{os.environ['PATH']}"}
    again = subprocess.run(["snakemake", "-n"], cwd=clone, env=environment, check=True, capture_output=True, text=True)
    idle = "Nothing to be done" in again.stdout + again.stderr
    report = clone / "results/default/report.html"
    machine = f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"
    print(f"\nClean run, {datetime.date.today()}, {machine}\n")
    print("| what | seconds |\n|---|---:|")
    print(f"| installation | {installed - start:.0f} |")
    print(f"| workflow | {finished - installed:.0f} |")
    print(f"| **together** | **{finished - start:.0f}** |")
    for stage, (jobs, seconds) in stage_times(clone / "results/default/benchmarks").items():
        print(f"| {stage}: {jobs} jobs, sum | {seconds:.0f} |")
    print(
        f"\nreport.html: {report.stat().st_size / 1e6:.2f} MB; `snakemake -n` afterwards: "
        f"{'nothing to be done' if idle else 'JOBS LEFT'}"
    )


def stage_times(folder: Path) -> dict[str, tuple[int, float]]:
    """Jobs and seconds by stage, from Snakemake's benchmark files."""
    times: dict[str, list[float]] = defaultdict(list)
    for path in folder.rglob("*.tsv"):
        stage = path.relative_to(folder).parts[0].removesuffix(".tsv")
        with path.open(newline="", encoding="utf-8") as stream:
            times[stage] += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
    order = ("library", "screen", "select", "relax", "simulate", "dataset", "pretrain", "evaluate", "report")
    return {stage: (len(times[stage]), sum(times[stage])) for stage in order}


if __name__ == "__main__":
    main()
