"""How long Snakemake takes to decide what to do for thousands of compounds, and how much memory.

    python benchmarks/scale.py [--compounds 2500] [--replicas 3] [--profile FILE]

After a made-up selection (the checkpoint is satisfied): seconds and peak memory of a dry run with everything to do,
with nothing to do (all outputs exist as empty files, with the records that Snakemake keeps of them), and of what each
job on a cluster does before its work: read the workflow and find its one job. Prints a Markdown table.
"""

import argparse
import base64
import csv
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import yaml

from mdstride.layout import STAGES

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Snakefile", "workflow", "config.yaml", "config", "resources", "profiles", "envs")
COLUMNS = (
    "id", "cid", "smiles", "name", "formula", "n_heavy", "n_atoms", "source", "seed", "seed_similarity", "nearest",
    "nearest_similarity",
)  # fmt: skip
OUT = Path("results/scale")
TARGET = "60 s, 1 GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compounds", type=int, default=2500)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--profile", type=Path, help="write a profile (cProfile) of the run with everything to do")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    with tempfile.TemporaryDirectory() as temporary:
        single, folder = Path(temporary, "single"), Path(temporary, "all")
        for place, compounds in ((single, 1), (folder, options.compounds)):
            prepare(place, compounds, options.replicas)
        make_outputs(single, dry_run(single).text)
        measure(single, "--touch", "--forceall", "--cores", "1", "--quiet", "all")  # 0.1 s for each job
        everything = dry_run(folder, options.profile)
        outputs = make_outputs(folder, everything.text)
        records = copy_records(single, folder, options.compounds)
        nothing = dry_run(folder)
        if "Nothing to be done" not in nothing.text:
            sys.exit(nothing.text[-2000:])
        only = ("--target-jobs", f"simulate:id={identifier(0)},replica=0", "--allowed-rules", "simulate", "--force")
        job = measure(folder, "-n", "--cores", "1", *only)
    count = int(re.findall(r"^total\s+(\d+)", everything.text, re.M)[0])
    print(f"\n{options.compounds:,} compounds x {options.replicas} replicas: {count:,} jobs, {outputs:,} output files,")
    print(f"{records:,} records. Target of each dry run: {TARGET}.\n")
    print("| | seconds | peak memory, MB |\n|---|---:|---:|")
    for label, found in (
        ("everything to do", everything), ("nothing to do", nothing), ("one job on a cluster, before its work", job)
    ):  # fmt: skip
        print(f"| {label} | {found.seconds:.1f} | {found.megabytes:.0f} |")


class Measured:
    """A run of Snakemake that has ended."""

    def __init__(self, text: str, seconds: float, megabytes: float) -> None:
        self.text, self.seconds, self.megabytes = text, seconds, megabytes


def identifier(number: int) -> str:
    """The name of a compound: like an InChIKey, of no molecule."""
    letters = "".join(chr(65 + number // 26**place % 26) for place in range(14))
    return f"{letters}-UHFFFAOYSA-N"


def prepare(folder: Path, compounds: int, replicas: int) -> None:
    """A workflow whose selection is done."""
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part)
        else:
            shutil.copy(ROOT / part, folder / part)
    settings = {"run": OUT.name, "plan": {"replicas": replicas}, "library": {"shards": 2}}
    (folder / "scale.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    inputs = ["counts.json", *(f"{part}-of-2.{ending}" for ending in ("tsv.gz", "h5") for part in (1, 2))]
    for name in (*(f"select/{name}" for name in inputs), "rejections.csv", "space.csv"):
        path = folder / OUT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with (folder / OUT / "compounds.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for number in range(compounds):
            size = 7 + number % 24
            known = [identifier(number), number, "C", f"number {number}", "", size // 2, size, "library"]
            writer.writerow([*known, "", "", "", ""])


def make_outputs(folder: Path, text: str) -> int:
    """Every file that a dry run says it would make, empty, each later than what it depends on."""
    start, count = time.time(), 0
    for rule, body in re.findall(r"^(?:rule|checkpoint) (\w+):\n((?: {4}.*\n)+)", text, re.M):
        for name in re.findall(r"[^, ]+", "".join(re.findall(r"^ {4}output: (.*)$", body, re.M))):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, 2 * (start + 0.01 * STAGES.index(rule),))
            count += 1
    return count


def copy_records(single: Path, folder: Path, compounds: int) -> int:
    """Snakemake's records of the outputs of the one compound, for all compounds."""
    written = 0
    for path in (single / ".snakemake/metadata").iterdir():
        name, record = base64.b64decode(path.name).decode(), path.read_text(encoding="utf-8")
        if identifier(0) not in name:
            continue
        for number in range(compounds):
            own = name.replace(identifier(0), identifier(number))
            target = folder / ".snakemake/metadata" / base64.b64encode(own.encode()).decode()
            target.write_text(record.replace(identifier(0), identifier(number)), encoding="utf-8")
            written += 1
    return written


def dry_run(folder: Path, profile: Path | None = None) -> Measured:
    return measure(folder, "-n", "--cores", "1", profile=profile)


def measure(folder: Path, *arguments: str, profile: Path | None = None) -> Measured:
    recorded = ("-m", "cProfile", "-o", str(profile.absolute())) if profile else ()
    command = [sys.executable, *recorded, "-m", "snakemake", *arguments, "--configfile", "scale.yaml"]
    with (folder / "output.txt").open("w+") as stream:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = status
        stream.seek(0)
        text = stream.read()
    if status:
        sys.exit(text[-2000:])
    return Measured(text, seconds, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
