"""Training on a GPU: agreement with the CPU, speed, share of the peak, memory, the largest batch, the `paper` schedule.

    python benchmarks/train_gpu.py [--device cpu --quick]

agreement  forecasts and gradients of every registered model on both devices, double and single precision
speed      optimiser steps of batch 192, P = 8: samples/s, share of the rate of matrix products here, peak memory
batch      the largest batch of `paper` that fits, by doubling
schedule   seconds for 50 epochs of `paper` (batch 192, 80 compounds): stated from the speed, and run for one epoch

An epoch is so many windows of each compound (--windows). The molecules are SYNTHETIC: chains whose atoms oscillate, of
TG80's sizes; cost does not depend on them. Needs torch, NumPy, h5py and safetensors alone. Prints Markdown tables;
--device cpu --quick runs every part on a small scale in float32, to see that it works.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mdstride.formats.dataset import CompoundData, Dataset, Replica  # noqa: E402
from mdstride.formats.split import whole  # noqa: E402
from mdstride.models.registry import MODELS, build  # noqa: E402
from mdstride.train.trainer import Trainer  # noqa: E402
from mdstride.windows import Windows  # noqa: E402

PAPER = {"width": 256, "layers": 6, "heads": 8, "attention_dropout": 0.2, "dropout": 0.1, "frame": "centred"}
SMALL = PAPER | {"width": 128, "layers": 5}
EGNO = {"width": 64, "layers": 5}
TRAINING: dict[str, Any] = {
    "steps": 100_000, "batch": 192, "times": 8, "lags": [8.0, 24000.0], "augment": ["rotation", "reversal"],
    "muon_rate": 2e-3, "adamw_rate": 1e-3, "weight_decay": 1e-5, "warmup": 100, "clip": 1.0, "ema": 0.999,
    "validate_every": 100_000, "patience": None, "precision": "float32", "compile": False, "atoms_per_pass": None,
}  # fmt: skip
EPOCHS = 50
WAYS = (("float32", False), ("bf16", False), ("bf16", True))
"""Precision, and whether compiled."""
SIZES = {"8": [8] * 80, "13": [13] * 80, "3 to 24": [3 + k % 22 for k in range(80)]}
TG80 = [5 + k % 12 for k in range(80)]
"""Heavy atoms of 80 compounds of about TG80's sizes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a small scale, to see that it works")
    parser.add_argument("--windows", type=int, default=500, help="of each compound in an epoch (default: 500)")
    options = parser.parse_args()
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {date.today()}")
    if options.quick:
        TRAINING.update(batch=8, lags=[8.0, 300.0])
    agreement(options)
    rate = speed(options)
    largest(options)
    schedule(options, rate)


def agreement(options: argparse.Namespace) -> None:
    print("\n| model | precision | forecast, largest difference, Å | gradients, largest relative difference |")
    print("|---|---|---:|---:|")
    data = synthetic([3, 8, 13], 400)
    for name in MODELS:
        for precision in (torch.float64, torch.float32):
            one, other = (run_once(name, data, device, precision) for device in ("cpu", options.device))
            apart = float((one[0] - other[0]).abs().max())
            relative = max(
                float((a - b).norm() / a.norm().clamp(min=1e-30)) for a, b in zip(one[1], other[1], strict=True)
            )
            print(f"| {name} | {str(precision).removeprefix('torch.')} | {apart:.1e} | {relative:.1e} |", flush=True)


def run_once(name: str, data: Dataset, device: str, precision: torch.dtype) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(0)
    model = build(name, {"atom": PAPER, "egno": EGNO}[name]).to(device, precision).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # heads start from zero: without this there is nothing to compare
            parameter += 0.01 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)).to(parameter)
    windows = Windows(data, whole(data.compounds), device)
    start = torch.tensor([10, 20, 30])
    state, _ = windows.gather(torch.arange(3), start, torch.tensor([[5, 10, 15, 20]]).expand(3, -1))
    state = state.__class__(**{
        key: value.to(precision) if isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for key, value in vars(state).items()
    })  # fmt: skip
    lags = torch.tensor([[5.0, 10.0, 15.0, 20.0]], dtype=precision, device=device).expand(3, -1)
    forecast = model.forecast(state, lags)
    (forecast - state.positions[:, None]).square().sum().backward()
    return forecast.detach().cpu(), [p.grad.cpu() for p in model.parameters() if p.grad is not None]


def speed(options: argparse.Namespace) -> float:
    """Returns the samples/s of `paper` on the mixture of sizes, the fastest way."""
    peak = products(options.device)
    rates = ", ".join(f"{key} {value / 1e12:.2f}" for key, value in peak.items())
    print(f"\nMatrix products of 8192 (quick: 512) on this device, TFLOP/s: {rates}\n")
    print("| model | heavy atoms | precision | compiled | samples/s | share of that rate | peak memory, MB |")
    print("|---|---|---|---|---:|---:|---:|")
    best = 0.0
    for label, sizes in list(SIZES.items())[-1:] if options.quick else SIZES.items():
        data = synthetic(sizes[::10] if options.quick else sizes, 400 if options.quick else 25000)
        for model, settings in (("atom", PAPER), ("atom", SMALL), ("egno", EGNO)):
            for precision, compiled in WAYS[: 1 if options.quick else None]:
                training = TRAINING | {"precision": precision, "compile": compiled}
                trainer = make_trainer(model, settings, data, options.device, training)
                seconds = timed(trainer.step, options, 3 if options.quick else 30, warm=1 if options.quick else 10)
                samples = training["batch"] / seconds
                share = samples * flops(settings, sizes) / peak[precision] if model == "atom" else float("nan")
                shape = "paper" if settings is PAPER else "small" if settings is SMALL else "egno"
                print(
                    f"| {shape} | {label} | {precision} | {'yes' if compiled else 'no'} | {samples:,.0f} | {share:.2f} "
                    f"| {memory(options):,.0f} |",
                    flush=True,
                )
                best = max(best, samples) if shape == "paper" and label == "3 to 24" else best
    return best


def flops(settings: dict[str, Any], sizes: list[int]) -> float:
    """Products with weights for one sample: 8.6 d² multiplications per token and block, thrice for gradients."""
    tokens = 8 * float(np.mean(sizes))
    return 3 * 2 * 8.6 * settings["width"] ** 2 * settings["layers"] * tokens


def products(device: str) -> dict[str, float]:
    """FLOP/s of a large matrix product."""
    size = 8192 if device == "cuda" else 512
    found = {}
    for name, kind in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        one = torch.randn(size, size, device=device, dtype=kind)
        found[name] = 2 * size**3 / timed(lambda one=one: one @ one, argparse.Namespace(device=device), 10, warm=2)
    return found


def largest(options: argparse.Namespace) -> None:
    data, batch, fits = synthetic(SIZES["3 to 24"], 400), TRAINING["batch"], 0
    while batch <= (16 if options.quick else 2**16):
        try:
            make_trainer(
                "atom",
                PAPER,
                data,
                options.device,
                TRAINING | {"batch": batch, "precision": "float32" if options.quick else "bf16", "lags": [8.0, 300.0]},
            ).step()
        except torch.OutOfMemoryError:
            break
        fits, batch = batch, 2 * batch
    print(f"\nLargest batch of `paper`, bf16, 3 to 24 heavy atoms, by doubling: {fits} ({memory(options):,.0f} MB)")


def schedule(options: argparse.Namespace, rate: float) -> None:
    """One epoch for real, and what 50 come to."""
    data = synthetic(TG80[::10] if options.quick else TG80, 400 if options.quick else 30000)
    trainer = make_trainer(
        "atom", PAPER, data, options.device, TRAINING | {"precision": "float32" if options.quick else "bf16"}
    )
    timed(trainer.step, options, 1, warm=2)
    windows = (2 if options.quick else options.windows) * len(data.compounds)
    steps = -(-windows // TRAINING["batch"])
    seconds = steps * timed(trainer.step, options, steps, warm=0)
    size = f"{len(data.compounds)} compounds, {windows:,} windows, {steps} steps of {TRAINING['batch']}"
    print(f"\nOne epoch of `paper`: {size}: {seconds:.1f} s")
    print(f"{EPOCHS} epochs: {EPOCHS * seconds:.0f} s (target 300); at the best rate {EPOCHS * windows / rate:.0f} s")


def timed(step: Callable[[], Any], options: argparse.Namespace, count: int, warm: int) -> float:
    """Seconds of one step, mean of `count`, the device waited for at both ends."""
    for _ in range(warm):
        step()
    wait(options.device)
    start = time.perf_counter()
    for _ in range(count):
        step()
    wait(options.device)
    return (time.perf_counter() - start) / count


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def memory(options: argparse.Namespace) -> float:
    """Peak MB on the GPU since the last call."""
    if options.device != "cuda":
        return float("nan")
    peak = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return peak


def make_trainer(model: str, settings: dict[str, Any], data: Dataset, device: str, training: dict[str, Any]) -> Trainer:
    torch.manual_seed(0)
    network = build(model, settings)
    if training["compile"]:
        network.compile()
    train, few = (Windows(data, whole(ids), device) for ids in (data.compounds, list(data.compounds)[:1]))
    return Trainer(network, training, train, few, seed=0)


def synthetic(sizes: list[int], frames: int) -> Dataset:
    """Chains of heavy atoms, a hydrogen on each, that oscillate about random places; frames every fs."""
    rng = np.random.default_rng(0)
    compounds = {}
    for k, size in enumerate(sizes):
        reference = rng.normal(scale=2.0, size=(2 * size, 3))
        phase = np.arange(frames)[:, None, None] * rng.uniform(0.02, 0.3, (2 * size, 3)) + rng.uniform(
            0, 6, (2 * size, 3)
        )
        replica = Replica(
            number=0, interval=1.0, positions=(reference + 0.1 * np.sin(phase)).astype(np.float32),
            velocities=(0.01 * np.cos(phase)).astype(np.float32), forces=None, energy=None, origin=np.zeros(3),
            figures={}, source={},
        )  # fmt: skip
        numbers = np.array([(6, 7, 8, 6)[i % 4] for i in range(size)] + [1] * size)
        bonds = [(i, i + 1) for i in range(size - 1)] + [(i, size + i) for i in range(size)]
        name = f"C{k:03d}"
        compounds[name] = CompoundData(name, {}, numbers, 2.0 * numbers, np.array(bonds), reference, (replica,))
    return Dataset(compounds, {})


if __name__ == "__main__":
    main()
