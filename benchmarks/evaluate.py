"""Evaluation: seconds and memory of `mdstride evaluate`, of the baselines and of one model, everything included.

    python benchmarks/evaluate.py --folder DIR [--models default paper egno] [--windows 500] [--cores 2]

Twenty held-out compounds of a data set of 80 and the settings of config.yaml, but for the number of windows. What a
model forecasts does not change what it costs, so its weights are as initialised: `default` is ATOM with the settings of
config.yaml, `paper` with those of the paper, `egno` as in config.yaml. The trajectories are SYNTHETIC, those of
benchmarks/dataset.py, which are made once in DIR (0.3 GB) and kept there. Prints a Markdown table.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from dataset import CONFIG, make_inputs, run_build
from mdstride.formats.atomic import write_json
from mdstride.formats.dataset_file import open_dataset
from mdstride.models.registry import build, save

COMPOUNDS, FRAMES = 80, 6000
PAPER = {"width": 256, "layers": 6, "heads": 8, "attention_dropout": 0.2, "dropout": 0.1, "frame": "centred"}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("atom", CONFIG["pretrain"]["atom"]),
    "paper": ("atom", PAPER),
    "egno": ("egno", CONFIG["pretrain"]["egno"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the trajectories, data set and scores")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--windows", type=int, default=500)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    make_inputs(options.folder, COMPOUNDS, FRAMES)
    if not (options.folder / "dataset.h5").exists():
        run_build(options.folder, COMPOUNDS, "dataset.h5", previous=None)
    settings = CONFIG["evaluate"] | {"windows": options.windows}
    write_json(options.folder / "evaluate.json", {"evaluate": settings})
    with open_dataset(options.folder / "dataset.h5") as data:
        tested, content = data.splits["compound"].ids("test"), data.hash()
        heavy = [int((data.compounds[key].atomic_numbers > 1).sum()) for key in tested]
    print(f"{platform.machine()}, {options.cores} cores, Python {platform.python_version()}, {date.today()}")
    print(
        f"\n{len(tested)} compounds of {min(heavy)} to {max(heavy)} heavy atoms (mean {sum(heavy) / len(heavy):.1f}),"
    )
    print(f"{options.windows} windows, {json.dumps(settings)}\n")
    print("| forecasters | seconds | processor seconds | peak memory, MB | scores, MB |\n|---|---:|---:|---:|---:|")
    show("baselines", options, None)
    for name in options.models:
        model, about = MODELS[name]
        run = options.folder / "runs" / name
        metadata = {"model": model, "settings": about, "dataset_hash": content, "split": "compound"}
        save(run / "weights.safetensors", build(model, about).state_dict(), metadata | {"seed": 1, "step": 0})
        show(name, options, run)


def show(name: str, options: argparse.Namespace, run: Path | None) -> None:
    output = options.folder / "scores" / f"{name}.h5"
    command = [sys.executable, "-m", "mdstride", "evaluate", "--config", str(options.folder / "evaluate.json")]
    command += ["--dataset", str(options.folder / "dataset.h5"), "--split", "compound", "--output", str(output)]
    command += ["--run", str(run)] if run else []
    before = time.perf_counter()
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": str(options.cores)}) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    spent, size = usage.ru_utime + usage.ru_stime, output.stat().st_size / 1e6
    seconds = time.perf_counter() - before
    print(f"| {name} | {seconds:.0f} | {spent:.0f} | {usage.ru_maxrss / 1024:.0f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
