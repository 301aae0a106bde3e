"""The training loop."""

import dataclasses
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mdstride.errors import InputError
from mdstride.interrupt import STATUS, told_to_stop
from mdstride.progress import Progress
from mdstride.train.batches import (
    Chosen,
    heavy_error,
    mean_loss,
    passes,
    random_orthogonal,
    take,
    total_loss,
    turn,
    validation_batches,
)
from mdstride.train.checkpoint import load_checkpoint, save_checkpoint
from mdstride.train.optimiser import make_optimisers, schedule
from mdstride.train.parallel import Team
from mdstride.train.track import Track
from mdstride.windows import Windows

LOOK_BACK = 16
"""Steps after which a GPU is asked whether a loss was finite: so late that it need not be waited for."""

ASK_EVERY = 10
"""Steps after which several processes agree on whether one of them was told to stop."""


@dataclass
class Progression:
    """What training has reached, apart from the weights: plain values that a checkpoint stores as JSON."""

    step: int = 0
    """Optimiser steps done."""
    seconds: float = 0.0
    best_step: int = 0
    best_loss: float = float("inf")
    """Lowest validation loss of the averaged weights, Å²."""
    waited: int = 0
    """Validations since the best one."""
    log: list[dict[str, Any]] = field(default_factory=list)


class Trainer:
    """Trains `model` (a Forecaster) on random windows; `best` ends as the averaged weights that validated best.

    Everything that the rest of a run depends on is in the checkpoints: weights and their averages, optimisers, random
    generators. So a run that was killed and resumed ends with the same bits as one that was not, on a CPU.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: dict[str, Any],
        windows: Windows,
        validation: Windows,
        seed: int,
        team: Team | None = None,
        track: Track = lambda line: None,
    ) -> None:
        self.model, self.settings, self.windows = model.to(windows.device), settings, windows
        self.team, self.track = team or Team(), track
        self.optimisers = make_optimisers(
            model, **{name: settings[name] for name in ("muon_rate", "adamw_rate", "weight_decay")}
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        self.reached = Progression()
        self.loss = torch.zeros(2, dtype=torch.float64, device=windows.device)
        """Sum of the training losses since the last validation, and their number."""
        lags = (settings["lags"][0], settings["lags"][1])
        batches = validation_batches(validation, settings["times"], lags, settings["atoms_per_pass"])
        self.persistence = mean_loss(lambda state, lags: state.positions[:, None], batches)
        self.validation = batches[self.team.rank :: self.team.size]
        self._watched: deque[tuple[int, torch.Tensor, torch.Tensor, Chosen]] = deque()

    def run(self, folder: Path, details: dict[str, Any]) -> None:
        """Train to the end, resuming from a checkpoint in `folder`; SIGTERM saves one and exits with status 143.

        `details` are all that the run depends on: a checkpoint of another run is not resumed from.
        """
        steps, every, size = (self.settings[name] for name in ("steps", "validate_every", "batch"))
        self.restore(load_checkpoint(folder, details))
        progress = Progress("pretrain", steps * size, "windows", done=self.reached.step * size)
        start = time.monotonic()
        with told_to_stop() as terminated:
            while self.reached.step < steps and not self.settled():
                self.step()
                if self.reached.step % every == 0 or self.reached.step == steps:
                    self.watch(0)
                    self.reached.seconds, start = self.reached.seconds + time.monotonic() - start, time.monotonic()
                    self.validate()
                    self.save(folder, details)
                if self.team.rank == 0:
                    progress.reach(self.reached.step * size, self.note())
                if self._asked_to_stop(terminated()):
                    self.watch(0)
                    self.reached.seconds += time.monotonic() - start
                    self.save(folder, details)
                    sys.stderr.write(f"pretrain: terminated after step {self.reached.step}; run again to resume\n")
                    raise SystemExit(STATUS)
        if self.team.rank == 0:
            progress.close(self.note())

    def step(self) -> None:
        """One optimiser step on a batch, of which each process computes its share, in one or several passes."""
        settings, reached, windows = self.settings, self.reached, self.windows
        size, augment = settings["batch"], settings["augment"]
        lags = (settings["lags"][0], settings["lags"][1])
        chosen = windows.choose(size, settings["times"], lags, self.generator, reverse="reversal" in augment)
        turns = random_orthogonal(size, self.generator) if "rotation" in augment else torch.eye(3).expand(size, 3, 3)
        factor = schedule(reached.step, warmup=settings["warmup"], steps=settings["steps"])
        for name, optimiser in self.optimisers.items():
            optimiser.param_groups[0]["lr"] = factor * settings[f"{name}_rate"]
            optimiser.zero_grad(set_to_none=False)
        losses = torch.zeros(size, device=windows.device)
        for rows in passes(windows, chosen, range(self.team.rank, size, self.team.size), settings["atoms_per_pass"]):
            losses[rows] = self._backward(chosen, turns, rows) / size
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self.team.sum([*(parameter.grad for parameter in self.parameters if parameter.grad is not None), losses])
        norm = nn.utils.clip_grad_norm_(self.parameters, settings["clip"])
        self._watched.append((reached.step + 1, torch.isfinite(losses.sum() + norm), losses, chosen))
        self.watch(LOOK_BACK if windows.device.type == "cuda" else 0)
        for optimiser in self.optimisers.values():
            optimiser.step()
        reached.step += 1
        self.loss += torch.stack([losses.sum().double(), torch.ones_like(self.loss[0])])
        decay = min(settings["ema"], reached.step / (reached.step + 9))  # a short memory while the weights move fast
        state = self.model.state_dict()
        torch._foreach_lerp_([self.average[name] for name in state], list(state.values()), 1 - decay)

    def _backward(self, chosen: Chosen, turns: torch.Tensor, rows: list[int]) -> torch.Tensor:
        """Add the gradients of some windows of the batch; returns their losses [b] in Å²."""
        state, lags, targets = take(self.windows, chosen, rows)
        state, targets = turn(state, targets, turns[rows].to(self.windows.device, non_blocking=True))
        with torch.autocast(self.windows.device.type, torch.bfloat16, enabled=self.settings["precision"] == "bf16"):
            forecast = self.model.forecast(state, lags)  # type: ignore[operator]
        losses = heavy_error(forecast, targets, state)
        (losses.sum() / self.settings["batch"]).backward()
        return losses.detach()

    def watch(self, keep: int) -> None:
        """Raise InputError if a step of which more than `keep` have followed had a loss that is not finite."""
        while len(self._watched) > keep:
            step, finite, losses, chosen = self._watched.popleft()
            if not bool(finite):
                self._stop(step, losses.cpu(), chosen)

    def _stop(self, step: int, losses: torch.Tensor, chosen: Chosen) -> None:
        """Name the compounds and frames at fault: the whole batch if only the gradient is."""
        bad = ~torch.isfinite(losses)
        bad = bad if bool(bad.any()) else torch.ones_like(bad)
        segment, start = chosen[0][bad], chosen[1][bad]
        frames = self.windows.first[segment] + start
        pairs = zip(self.windows.compound[segment].tolist(), frames.tolist(), strict=True)
        names = sorted({f"{self.windows.ids[k]} (frame {frame})" for k, frame in pairs})
        raise InputError(
            f"training step {step}: loss or gradient is not finite, for {', '.join(names[:5])}"
            f"{' and others' if len(names) > 5 else ''}; lower muon_rate and adamw_rate, or check these trajectories"
        )

    def validate(self) -> None:
        """Log the training loss and the validation loss of the averaged weights, and keep those if they are best."""
        reached, current = self.reached, {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.average)
        self.model.eval()
        total = total_loss(self.model.forecast, self.validation).to(self.windows.device)  # type: ignore[arg-type]
        self.team.sum([total])
        self.model.train()
        self.model.load_state_dict(current)
        loss = float(total[0] / total[1])
        reached.waited += 1
        if loss < reached.best_loss:
            reached.best_loss, reached.best_step, reached.waited = loss, reached.step, 0
            self.best = {name: tensor.clone() for name, tensor in self.average.items()}
        line = {
            "step": reached.step,
            "train": float(self.loss[0] / self.loss[1]),
            "validation": loss,
            "persistence": self.persistence,
            "rate": schedule(reached.step - 1, warmup=self.settings["warmup"], steps=self.settings["steps"]),
            "samples_per_second": reached.step * self.settings["batch"] / max(reached.seconds, 1e-9),
        }
        reached.log.append(line)
        self.loss.zero_()
        if self.team.rank == 0:
            self.track(line)

    def settled(self) -> bool:
        """Whether the validation loss has not improved for so long that going on is in vain."""
        patience = self.settings["patience"]
        return patience is not None and self.reached.waited >= patience

    def note(self) -> str:
        """For the progress line: the last validation."""
        if not self.reached.log:
            return ""
        last = self.reached.log[-1]
        return f"loss {last['train']:.3g}, validation {last['validation']:.3g}, persistence {self.persistence:.3g} Å²"

    def _asked_to_stop(self, terminated: bool) -> bool:
        if self.team.size > 1 and self.reached.step % ASK_EVERY:
            return False
        return self.team.any(terminated, self.windows.device)

    def save(self, folder: Path, details: dict[str, Any]) -> None:
        """Write a checkpoint; of several processes the first one does."""
        if self.team.rank == 0:
            save_checkpoint(folder, self.reached.step, details, *self.snapshot())

    def snapshot(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and plain values from which `restore` continues as if nothing had happened."""
        tensors = {"generator": self.generator.get_state(), "dropout": torch.get_rng_state(), "loss": self.loss}
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
        self.loss = tensors["loss"].to(self.windows.device)
        if self.team.rank == 0:  # others keep their own: the dropout of each process is its own anyway
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
