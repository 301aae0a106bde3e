"""The training loop."""

import dataclasses
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mdstride.errors import InputError
from mdstride.interrupt import STATUS, told_to_stop
from mdstride.models.state import State
from mdstride.progress import Progress
from mdstride.train.checkpoint import load_checkpoint, save_checkpoint
from mdstride.train.optimiser import make_optimisers, schedule
from mdstride.windows import Windows

VALIDATION_WINDOWS = 256
"""Windows of the validation compounds, the same at every validation and for every seed."""

VALIDATION_SEED = 0

Batch = tuple[State, torch.Tensor, torch.Tensor]
"""State, lags [B, P] fs, targets [B, P, N, 3] Å."""


@dataclass
class Progression:
    """What training has reached, apart from the weights: plain values that a checkpoint stores as JSON."""

    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    best_step: int = 0
    best_loss: float = float("inf")
    """Lowest validation loss of the averaged weights, Å²."""
    losses: list[float] = field(default_factory=list)
    """Training losses since the last validation, Å²."""
    log: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """Trains `model` (a Forecaster) on random windows; `best` ends as the averaged weights that validated best.

    Everything that the rest of a run depends on is in the checkpoints: weights and their averages, optimisers, random
    generators. So a run that was killed and resumed ends with the same bits as one that was not, on a CPU.
    """

    def __init__(
        self, model: nn.Module, settings: dict[str, Any], windows: Windows, validation: Windows, seed: int
    ) -> None:
        self.model, self.settings, self.windows = model.to(windows.device), settings, windows
        self.optimisers = make_optimisers(
            model, **{name: settings[name] for name in ("muon_rate", "adamw_rate", "weight_decay")}
        )
        self.generator = torch.Generator(windows.device).manual_seed(seed)
        self.average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        self.reached = Progression()
        self.validation = validation_batches(validation, settings)
        self.persistence = mean_loss(lambda state, lags: state.positions[:, None], self.validation)

    def run(self, folder: Path, fingerprint: str) -> None:
        """Train to the end, resuming from a checkpoint in `folder`; SIGTERM saves one and exits with status 143."""
        steps, every = self.settings["steps"], self.settings["validate_every"]
        self.restore(load_checkpoint(folder, fingerprint))
        batch = self.settings["batch"]
        progress = Progress("pretrain", steps * batch, "windows", done=self.reached.step * batch)
        with told_to_stop() as terminated:
            while self.reached.step < steps:
                start = time.monotonic()
                self.reached.losses.append(self.step())
                self.reached.seconds += time.monotonic() - start
                if self.reached.step % every == 0 or self.reached.step == steps:
                    self.validate()
                    save_checkpoint(folder, self.reached.step, fingerprint, *self.snapshot())
                progress.update(self.settings["batch"], self.note())
                if terminated():
                    save_checkpoint(folder, self.reached.step, fingerprint, *self.snapshot())
                    sys.stderr.write(f"pretrain: terminated after step {self.reached.step}; run again to resume\n")
                    raise SystemExit(STATUS)
        progress.close(self.note())

    def step(self) -> float:
        """One optimiser step; returns the loss in Å²."""
        settings, reached = self.settings, self.reached
        chosen = self.windows.choose(
            settings["batch"], settings["times"], settings["lags"], self.generator, reverse=True
        )
        state, targets = self.windows.gather(*chosen)
        state, targets = turn(state, targets, random_orthogonal(len(targets), self.generator))
        factor = schedule(reached.step, warmup=settings["warmup"], steps=settings["steps"])
        for name, optimiser in self.optimisers.items():
            optimiser.param_groups[0]["lr"] = factor * settings[f"{name}_rate"]
            optimiser.zero_grad()
        losses = heavy_error(self.model.forecast(state, self.windows.lags(chosen[2])), targets, state)  # type: ignore[operator]
        loss = losses.mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), settings["clip"])
        if not torch.isfinite(loss + norm):
            self._stop(losses, chosen[0], chosen[1])
        for optimiser in self.optimisers.values():
            optimiser.step()
        reached.step += 1
        decay = min(settings["ema"], reached.step / (reached.step + 9))  # a short memory while the weights move fast
        for name, tensor in self.model.state_dict().items():
            self.average[name].lerp_(tensor, 1 - decay)
        return loss.item()

    def validate(self) -> None:
        """Log the training loss and the validation loss of the averaged weights, and keep those if they are best."""
        reached, current = self.reached, {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        loss = mean_loss(self.model.forecast, self.validation)  # type: ignore[arg-type]
        self.model.train()
        self.model.load_state_dict(current)
        if loss < reached.best_loss:
            reached.best_loss, reached.best_step = loss, reached.step
            self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        factor = schedule(reached.step - 1, warmup=self.settings["warmup"], steps=self.settings["steps"])
        reached.log.append(
            {
                "step": reached.step,
                "train": sum(reached.losses) / len(reached.losses),
                "validation": loss,
                "persistence": self.persistence,
                "rate": factor,
                "samples_per_second": reached.step * self.settings["batch"] / reached.seconds,
            }
        )
        reached.losses = []

    def note(self) -> str:
        """For the progress line: the last validation."""
        if not self.reached.log:
            return f"loss {self.reached.losses[-1]:.3g} Å²"
        last = self.reached.log[-1]
        return f"loss {last['train']:.3g}, validation {last['validation']:.3g}, persistence {self.persistence:.3g} Å²"

    def snapshot(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and plain values from which `restore` continues as if nothing had happened."""
        tensors = {"generator": self.generator.get_state(), "dropout": torch.get_rng_state()}
        if self.windows.device.type == "cuda":
            tensors["dropout_cuda"] = torch.cuda.get_rng_state(self.windows.device)
        weights = {"model": self.model.state_dict(), "average": self.average, "best": self.best}
        for part, group in weights.items():
            tensors |= {f"{part}/{name}": tensor for name, tensor in group.items()}
        for part, optimiser in self.optimisers.items():
            for k, entries in optimiser.state_dict()["state"].items():
                tensors |= {f"{part}/{k}/{name}": tensor for name, tensor in entries.items()}
        return tensors, dataclasses.asdict(self.reached)

    def restore(self, snapshot: tuple[dict[str, torch.Tensor], dict[str, Any]] | None) -> None:
        """Continue from what `snapshot` returned; None changes nothing."""
        if snapshot is None:
            return
        tensors, values = snapshot
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts.setdefault(part, {})[rest] = tensor
        self.reached = Progression(**values)
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["dropout"])
        if "dropout_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["dropout_cuda"], self.windows.device)
        self.model.load_state_dict(parts["model"])
        for kept, part in ((self.average, "average"), (self.best, "best")):
            kept.update({name: tensor.to(self.windows.device) for name, tensor in parts[part].items()})
        for part, optimiser in self.optimisers.items():
            state: dict[int, dict[str, torch.Tensor]] = {}
            for name, tensor in parts.get(part, {}).items():
                k, _, entry = name.partition("/")
                state.setdefault(int(k), {})[entry] = tensor
            optimiser.load_state_dict(optimiser.state_dict() | {"state": state})

    def _stop(self, losses: torch.Tensor, segment: torch.Tensor, start: torch.Tensor) -> None:
        """Raise InputError naming the compounds and frames at fault: the whole batch if only the gradient is."""
        bad = ~torch.isfinite(losses)
        bad = bad if bool(bad.any()) else torch.ones_like(bad)
        frames = self.windows.first[segment[bad]] + start[bad]
        pairs = zip(self.windows.compound[segment[bad]].tolist(), frames.tolist(), strict=True)
        names = sorted({f"{self.windows.ids[k]} (frame {frame})" for k, frame in pairs})
        raise InputError(
            f"training step {self.reached.step + 1}: loss or gradient is not finite, for {', '.join(names[:5])}"
            f"{' and others' if len(names) > 5 else ''}; lower muon_rate and adamw_rate, or check these trajectories"
        )


def validation_batches(windows: Windows, settings: dict[str, Any]) -> list[Batch]:
    """The fixed validation windows, in batches as large as those of training."""
    generator = torch.Generator(windows.device).manual_seed(VALIDATION_SEED)
    sizes = torch.arange(VALIDATION_WINDOWS).split(settings["batch"])
    return [windows.draw(len(size), settings["times"], settings["lags"], generator) for size in sizes]


@torch.no_grad()
def mean_loss(forecast: Callable[[State, torch.Tensor], torch.Tensor], batches: list[Batch]) -> float:
    """Mean of heavy_error over all windows, Å²."""
    losses = [heavy_error(forecast(state, lags), targets, state) for state, lags, targets in batches]
    return torch.cat(losses).double().mean().item()


def heavy_error(forecast: torch.Tensor, targets: torch.Tensor, state: State) -> torch.Tensor:
    """Mean square error per coordinate over the heavy atoms and all times of each window: [B] Å²."""
    heavy = (state.mask & (state.atomic_numbers > 1))[:, None, :, None]
    squares = (forecast - targets).square().masked_fill(~heavy, 0).sum((1, 2, 3))
    return squares / (3 * targets.shape[1] * heavy.sum((1, 2, 3)))


def random_orthogonal(count: int, generator: torch.Generator) -> torch.Tensor:
    """Uniform in O(3), reflections included (the energy is the same for a mirror image): [count, 3, 3].

    Source: F. Mezzadri, Notices of the AMS 54, 592 (2007).
    """
    normal = torch.randn(count, 3, 3, generator=generator, device=generator.device)
    q, r = torch.linalg.qr(normal)
    return q * r.diagonal(dim1=1, dim2=2).sign()[:, None]


def turn(state: State, targets: torch.Tensor, matrix: torch.Tensor) -> tuple[State, torch.Tensor]:
    """The windows turned or mirrored by `matrix` [B, 3, 3]; the relaxed geometry with them, for its handedness."""
    turned = {name: getattr(state, name) @ matrix for name in ("positions", "velocities", "reference")}
    return dataclasses.replace(state, **turned), targets @ matrix[:, None]
