"""Training: how fast a step is, how much memory it takes, and how both grow with the molecule and the times.

    python benchmarks/train.py [--parts cpu scaling] [--image docs/images/scaling.png]

cpu      ATOM against its plain form (tests/unit/models/atom_padded.py: repeated in time, padded to the largest, scores
         stored), batch 100, P = 8 equally spaced lags, one thread: samples per second, peak memory, FLOPs
scaling  ATOM (width 128, 5 layers) and EGNO against the number of heavy atoms and of times, with the fitted exponents

A step is forecast, loss and gradients, in single precision. Each line is measured in a process of its own, in which the
two forms take turns; the fastest step of each counts, in seconds of the processor, which neighbours disturb less than
those of the clock. Memory is the peak above what a warm process holds.
Ceiling: the speed-up if the fast form did nothing but multiply by weights, at the speed that was measured for such
products; what remains of these once nothing is repeated bounds what can be gained without a change of the model.
The molecules are SYNTHETIC chains at random places, one hydrogen for each heavy atom: cost does not depend on them.
Prints Markdown tables.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the OpenMP library is loaded

import argparse
import multiprocessing
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from mdstride.models.buckets import buckets
from mdstride.models.registry import build
from mdstride.models.state import State

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/unit/models"))
import atom_padded  # noqa: E402

HEADS = 8
ATOM = {"heads": HEADS, "attention_dropout": 0.0, "dropout": 0.0}
SHAPES = {"small": {"width": 128, "layers": 5}, "paper": {"width": 256, "layers": 6}}
BATCHES = {"8": [8] * 100, "13": [13] * 100, "3 to 24": [3 + k % 22 for k in range(100)]}
MOST, PADDING = 200, 1 / 3
"""Heavy atoms and padding of a bucket on a CPU."""

Measured = tuple[float, float]
"""Seconds of the fastest step, peak MB above what the process held before."""


def main() -> None:
    parts = {"cpu": cpu, "scaling": scaling}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--image", type=Path, help="where to draw the scaling")
    options = parser.parse_args()
    print(f"{processor()}, one thread, Python {platform.python_version()}, torch {torch.__version__}, {date.today()}")
    for part in options.parts:
        parts[part](options)


def processor() -> str:
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return names[0] if names else platform.machine()


def cpu(options: argparse.Namespace) -> None:
    print("\n| ATOM | heavy atoms | samples/s | plain | ratio | ceiling | FLOPs of plain / fast | MB | plain | ratio |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, shape in SHAPES.items():
        for label, sizes in BATCHES.items():
            (fast, less), (plain, more) = alone(
                ["fast", "plain"], ATOM | shape, sizes, 8, rounds=2 if "to" in label else 5
            )
            weights, total, other = flops(ATOM | shape, sizes)
            ceiling = plain / (weights / speed(shape["width"]))
            print(
                f"| {name} | {label} | {100 / fast:.1f} | {100 / plain:.1f} | {plain / fast:.2f} | {ceiling:.1f} "
                f"| {other / total:.2f} | {less:.0f} | {more:.0f} | {more / less:.1f} |",
                flush=True,
            )


def alone(*arguments: Any, **options: Any) -> list[Measured]:
    """`measure` in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments, options)


def measure(
    forms: Sequence[str], settings: dict[str, Any], sizes: Sequence[int], times: int, rounds: int
) -> list[Measured]:
    """The `forms` by turns. Peaks are the smallest of all rounds, as earlier rounds leave memory behind."""
    torch.set_num_threads(1)
    steps = [stepper(form, settings, sizes, times) for form in forms]
    for form in forms:
        stepper(form, settings, [3], times)()  # the libraries are loaded and warm
    before, found = memory("VmRSS"), [(np.inf, np.inf) for _ in forms]
    for _ in range(rounds):
        for k, step in enumerate(steps):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is that from here on
            start = time.process_time()
            step()
            seconds = time.process_time() - start
            found[k] = min(found[k][0], seconds), min(found[k][1], memory("VmHWM") - before)
    return found


def memory(key: str) -> float:
    """MB of this process: resident now (VmRSS) or at most (VmHWM)."""
    (value,) = re.findall(rf"{key}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(value) / 1024


def stepper(form: str, settings: dict[str, Any], sizes: Sequence[int], times: int) -> Callable[[], None]:
    """One training step: forecasts of all molecules, loss, gradients."""
    torch.manual_seed(0)
    model, state, lags = build("egno" if form == "egno" else "atom", settings), chains(sizes), spaced(len(sizes), times)

    def plain() -> None:
        model.zero_grad()
        shape = {key: settings[key] for key in ("layers", "heads")}
        forecast = atom_padded.forecast(dict(model.named_parameters()), state, lags, width=max(sizes), **shape)
        loss(forecast, state, len(sizes)).backward()

    def fast() -> None:
        model.zero_grad()
        for group in buckets(sizes, most=MOST, padding=PADDING):
            size = max(sizes[row] for row in group)
            part = state.select(torch.tensor(group), atoms=2 * size, most_heavy=size)
            loss(model.forecast(part, lags[group]), part, len(sizes)).backward()

    return plain if form == "plain" else fast


def loss(forecast: torch.Tensor, state: State, batch: int) -> torch.Tensor:
    """Mean square displacement from 0.1 Å of the heavy atoms, averaged over each molecule, then over the batch."""
    heavy = (state.mask & (state.atomic_numbers > 1))[:, None, :, None]
    squares = ((forecast - state.positions[:, None] - 0.1).square() * heavy).sum((1, 2, 3))
    return (squares / (3 * forecast.shape[1] * heavy.sum((1, 2, 3)))).sum() / batch


def chains(sizes: Sequence[int]) -> State:
    generator, most = torch.Generator().manual_seed(0), max(sizes)
    adjacency = torch.zeros(len(sizes), 2 * most, 2 * most, dtype=torch.bool)
    numbers = torch.zeros(len(sizes), 2 * most, dtype=torch.long)
    for molecule, size in enumerate(sizes):
        numbers[molecule, :size] = torch.tensor([6, 7, 8, 6])[torch.arange(size) % 4]
        numbers[molecule, size : 2 * size] = 1
        for i, j in [(k, k + 1) for k in range(size - 1)] + [(k, size + k) for k in range(size)]:
            adjacency[molecule, i, j] = adjacency[molecule, j, i] = True

    def random(scale: float) -> torch.Tensor:
        return scale * torch.randn(*numbers.shape, 3, generator=generator)

    reference = random(2.0)
    return State(
        atomic_numbers=numbers,
        masses=2.0 * numbers,
        positions=reference + random(0.1),
        velocities=random(0.005),
        mask=numbers > 0,
        adjacency=adjacency,
        reference=reference,
    )


def spaced(batch: int, times: int) -> torch.Tensor:
    """Longest lags log-uniform between 8 and 24,000 fs, in whole fs per step, and the multiples below them."""
    generator = torch.Generator().manual_seed(0)
    longest = 8 * 3000 ** torch.rand(batch, 1, generator=generator)
    return (longest / times).ceil() * torch.arange(1, times + 1)


def flops(settings: dict[str, Any], sizes: Sequence[int]) -> tuple[float, float, float]:
    """Of a fast step: products with weights, and all products; of a plain step: all. Counted on single molecules."""
    weights = total = 0.0
    for size in sorted(set(sizes)):
        counter = count(stepper("fast", settings, [size], 8))
        counts = counter.get_flop_counts()["Global"]
        weights += sizes.count(size) * sum(counts[op] for op in (torch.ops.aten.mm, torch.ops.aten.addmm))
        total += sizes.count(size) * counter.get_total_flops()
    return weights, total, len(sizes) * count(stepper("plain", settings, [max(sizes)], 8)).get_total_flops()


def count(step: Callable[[], None]) -> FlopCounterMode:
    """The products of a step; torch does not know yet what its fused attention costs on a CPU."""
    aten = torch.ops.aten
    fused: dict[Any, Any] = {
        aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: (
            lambda g, q, k, v, *_, **__: sdpa_backward_flop_count(g, q, k, v)
        ),
    }
    with FlopCounterMode(display=False, custom_mapping=fused) as counter:
        step()
    return counter


def speed(width: int) -> float:
    """FLOPs per second of the products of 1,800 tokens with the weights of a hidden layer."""
    tokens, weight = torch.randn(1800, width), torch.randn(2 * width, width)
    best = np.inf
    for _ in range(20):
        start = time.process_time()
        torch.mm(tokens, weight.T)
        best = min(best, time.process_time() - start)
    return 2 * tokens.numel() * len(weight) / best


def scaling(options: argparse.Namespace) -> None:
    axes = {"heavy atoms": (10, 20, 45, 90), "times": (4, 8, 16, 32)}
    models = {"ATOM": ("fast", ATOM | SHAPES["small"]), "EGNO": ("egno", {})}
    print("\n| model | against | values | samples/s | exponent of the time, overall and last | MB | exponent |")
    print("|---|---|---|---|---|---|---|")
    figure, panels = plt.subplots(1, 2, figsize=(7, 3), layout="constrained", sharey=True)
    for (axis, values), panel in zip(axes.items(), panels, strict=True):
        for name, (form, settings) in models.items():
            shapes = [(value, 8) if axis == "heavy atoms" else (20, value) for value in values]
            found = [alone([form], settings, [size] * 8, times, rounds=3)[0] for size, times in shapes]
            seconds, megabytes = (np.array(column) for column in zip(*found, strict=True))
            slopes = exponent(values, seconds), exponent(values[-2:], seconds[-2:])
            rates = ", ".join(f"{8 / one:.1f}" for one in seconds)
            print(
                f"| {name} | {axis} | {', '.join(map(str, values))} | {rates} | {slopes[0]:.2f}, {slopes[1]:.2f} "
                f"| {', '.join(f'{one:.0f}' for one in megabytes)} | {exponent(values, megabytes):.2f} |",
                flush=True,
            )
            panel.loglog(values, seconds / 8 * 1000, "o-", label=f"{name}, exponent {slopes[0]:.2f}")
        panel.set(xlabel=axis, xticks=values, xticklabels=values)
        panel.minorticks_off()
        panel.legend(frameon=False)
    panels[0].set_ylabel("ms per sample and training step")
    if options.image:
        figure.savefig(options.image, dpi=150)


def exponent(values: Sequence[int], costs: np.ndarray) -> float:
    """Slope of log(cost) against log(value)."""
    return float(np.polyfit(np.log(values), np.log(costs), 1)[0])


if __name__ == "__main__":
    main()
