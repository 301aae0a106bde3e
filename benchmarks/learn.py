"""Does ATOM learn? Single tasks: one molecule, trained and tested on different blocks of time of its own trajectory.

    python benchmarks/learn.py --folder DIR [--molecules ethanol uracil] [--seeds 1 2 3] [--steps 1500] [--frame body]

Makes a 60 ps GFN2-xTB trajectory of each molecule (NVE, 300 K, a frame each 2 fs; minutes, kept in DIR), splits it by
time with a gap of the longest lag, trains one model per seed, and scores 400 windows of the test block at eight
equally spaced times up to about 0.1, 1 and 3 ps, inputs turned at random: mean square error per coordinate of the
heavy atoms over all eight (S2T), 1e-2 Å². Beside it the zero-shot baselines, and mean and linear, which are fitted on
the training block. Prints Markdown tables and writes the loss curves to DIR/curves.csv and DIR/curves.png.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the OpenMP library is loaded

import argparse
import csv
import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import torch
import yaml

from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.split import Split
from mdstride.models.baselines import make_baselines
from mdstride.models.equivariance import equivariance_error
from mdstride.models.registry import load
from mdstride.models.state import Forecaster
from mdstride.models.within import fit_within
from mdstride.train.batches import heavy_error, random_orthogonal, turn
from mdstride.windows import Windows

ROOT = Path(__file__).resolve().parent.parent
MOLECULES = {
    "ethanol": ("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "CCO"),
    "uracil": ("ISAKRJDGNUQOIC-UHFFFAOYSA-N", "O=c1cc[nH]c(=O)[nH]1"),
}
TIMES = 8
SPACINGS = {"0.1 ps": 6, "1 ps": 62, "3 ps": 187}
"""Frames of 2 fs between two of the eight times."""
WINDOWS = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--molecules", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--frame", choices=("body", "centred", "lab"), default="body")
    parser.add_argument("--augment", nargs="*", default=["reversal"])
    parser.add_argument("--model", default="atom")
    parser.add_argument("--processes", type=int, default=2, help="trainings side by side (default: 2)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    settings = configure(options)
    for name in options.molecules:
        make_data(options.folder, name, settings)
    jobs = [(name, seed) for name in options.molecules for seed in options.seeds]
    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(lambda job: train(options, *job), jobs))
    for name in options.molecules:
        show(options, name)
    write_curves(options, jobs)


def configure(options: argparse.Namespace) -> Path:
    """The default configuration with what differs here, as a file."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    config["simulate"] |= {"production": 60.0, "stride": 2, "equilibration": 2.0}
    config["dataset"]["splits"] = {"time": {"method": "time", "validation": 0.1, "test": 0.2, "gap": 3000.0}}
    config["plan"]["splits"] = ["time"]
    config["evaluate"]["lags"] = [10.0]
    atom = {"width": 96, "layers": 4, "heads": 6, "attention_dropout": 0.0, "dropout": 0.0, "frame": options.frame}
    config["pretrain"] |= {
        "atom": atom,
        "steps": options.steps,
        "batch": 32,
        "times": TIMES,
        "lags": [16.0, 2 * 8 * 187.0],
        "warmup": 100,
        "ema": 0.995,
        "validate_every": max(1, options.steps // 15),
        "augment": options.augment,
        "device": "cpu",
    }
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"config-{run_name(options)}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def run_name(options: argparse.Namespace) -> str:
    return "-".join([options.model, options.frame, str(options.steps), *options.augment])


def mdstride(folder: Path, *arguments: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mdstride", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"mdstride {arguments[0]} failed: {done.stderr}")


def make_data(folder: Path, name: str, config: Path) -> None:
    """Minimum, trajectory and data set of one molecule, as far as they are not there."""
    key, smiles = MOLECULES[name]
    common, config = ["--config", config.resolve()], config.resolve()
    if not (folder / f"structures/{key}.h5").exists():
        mdstride(folder, "relax", *common, "--id", key, "--smiles", smiles, "--output", f"structures/{key}.h5")
    if not (folder / f"trajectories/{key}/0.h5md").exists():
        paths = ["--structure", f"structures/{key}.h5", "--state", f"state/{key}"]
        mdstride(folder, "simulate", *common, *paths, "--replica", 0, "--output", f"trajectories/{key}/0.h5md")
    rows = [("id", "cid", "smiles", "name", "formula"), (key, "", smiles, name, "")]
    (folder / f"{name}.csv").write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    paths = ["--compounds", f"{name}.csv", "--structures", "structures", "--trajectories", "trajectories"]
    outputs = ["--output", f"{name}.h5", "--table", f"{name}-trajectories.csv", "--card", f"{name}.md"]
    mdstride(folder, "dataset", "build", *common, *paths, *outputs, "--replicas", 1)


def run_folder(options: argparse.Namespace, name: str, seed: int) -> Path:
    return options.folder / "runs" / run_name(options) / name / str(seed)


def train(options: argparse.Namespace, name: str, seed: int) -> None:
    run = run_folder(options, name, seed).resolve()
    if (run / "weights.safetensors").exists():
        return
    config = (options.folder / f"config-{run_name(options)}.yaml").resolve()
    paths = ["--dataset", f"{name}.h5", "--output", run, "--state", run / "state"]
    what = ["--model", options.model, "--seed", seed, "--split", "time"]
    mdstride(options.folder, "pretrain", "--config", config, *what, *paths)


def show(options: argparse.Namespace, name: str) -> None:
    """One table: a row for each forecaster, a column for each horizon."""
    data = read_dataset(options.folder / f"{name}.h5")
    split = data.splits["time"]
    (compound,) = data.compounds.values()
    windows = Windows(data, split.parts["test"])
    lags = sorted({windows.interval * spacing * k for spacing in SPACINGS.values() for k in range(1, TIMES + 1)})
    forecasters = make_baselines(compound) | fit_within(
        data, compound.id, split.parts["train"], split.parts["validation"], lags
    )
    seeds = [load(run_folder(options, name, seed) / "weights.safetensors", "cpu") for seed in options.seeds]
    print(f"\n{name}, S2T in 1e-2 Å², {run_name(options)}\n\n| forecaster | {' | '.join(SPACINGS)} |")
    print("|---|" + "---:|" * len(SPACINGS))
    batches = [test_windows(windows, spacing) for spacing in SPACINGS.values()]
    for label, forecaster in forecasters.items():
        print(f"| {label} | {' | '.join(f'{score(forecaster, batch):.3f}' for batch in batches)} |")
    cells = []
    for batch in batches:
        errors = [score(model, batch) for model in seeds]
        cells.append(f"{sum(errors) / len(errors):.3f} ({', '.join(f'{error:.3f}' for error in errors)})")
    print(f"| {options.model}, mean (each seed) | {' | '.join(cells)} |")
    print(f"\n{equivariance(seeds, batches)}")
    report_leak(split)


def equivariance(models: list[Any], batches: list[tuple[Any, torch.Tensor, torch.Tensor]]) -> str:
    """How far the forecasts of a turned molecule are from the turned forecasts, beside their error."""
    generator = torch.Generator().manual_seed(0)
    matrices = random_orthogonal(20, generator)
    matrices = matrices * torch.linalg.det(matrices).sign()[:, None, None]  # rotations
    shifts = 10 * torch.randn(20, 3, generator=generator)
    shares = []
    for model in models:
        for batch in batches:
            with torch.inference_mode():
                square = equivariance_error(model, batch[0], batch[1], matrices, shifts).square().mean().item()
            shares.append(100 * square / (score(model, batch) / 100))
    return (
        f"Equivariance error (20 rotations and shifts, mean square): {min(shares):.2g} to {max(shares):.2g} % of the "
        "error, over seeds and horizons."
    )


def report_leak(split: Split) -> None:
    spans = {part: [(s.first, s.stop) for s in segments] for part, segments in split.parts.items()}
    print(f"\nFrames: {json.dumps(spans)}")


def test_windows(windows: Windows, spacing: int) -> tuple[Any, torch.Tensor, torch.Tensor]:
    """The same seeded windows for every forecaster, turned at random (no reflections)."""
    generator = torch.Generator().manual_seed(spacing)
    steps = (spacing * torch.arange(1, TIMES + 1)).expand(WINDOWS, -1)
    segment = torch.randint(len(windows.frames), (WINDOWS,), generator=generator)
    room = windows.frames[segment] - steps[:, -1]
    start = (torch.rand(WINDOWS, generator=generator, dtype=torch.float64) * room).long()
    state, targets = windows.gather(segment, start, steps)
    matrices = random_orthogonal(WINDOWS, generator)
    matrices = matrices * torch.linalg.det(matrices).sign()[:, None, None]
    reference = state.reference
    state, targets = turn(state, targets, matrices)
    return type(state)(**{**vars(state), "reference": reference}), windows.lags(steps), targets


@torch.inference_mode()
def score(forecaster: Forecaster, batch: tuple[Any, torch.Tensor, torch.Tensor]) -> float:
    """S2T in 1e-2 Å²."""
    state, lags, targets = batch
    return 100 * heavy_error(forecaster.forecast(state, lags), targets, state).double().mean().item()


def write_curves(options: argparse.Namespace, jobs: list[tuple[str, int]]) -> None:
    """Validation loss against step of every seed, beside that of persistence."""
    rows = []
    for name, seed in jobs:
        lines = (run_folder(options, name, seed) / "log.jsonl").read_text(encoding="utf-8").splitlines()
        rows += [{"molecule": name, "seed": seed} | json.loads(line) for line in lines]
    with (options.folder / "curves.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(options.molecules), figsize=(5 * len(options.molecules), 3.5), squeeze=False)
    for axis, name in zip(axes[0], options.molecules, strict=True):
        for seed in options.seeds:
            mine = [row for row in rows if (row["molecule"], row["seed"]) == (name, seed)]
            axis.plot([row["step"] for row in mine], [row["validation"] for row in mine], label=f"seed {seed}")
        axis.axhline(mine[0]["persistence"], color="0.5", linestyle="--", label="persistence")
        axis.set(title=name, xlabel="step", ylabel="validation loss, Å²", yscale="log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(options.folder / "curves.png", dpi=110)


if __name__ == "__main__":
    main()
