"""What every forecaster is asked about one compound, and what really happened.

All of it is made once, before the first forecast: the same windows, rotations and lags for all forecasters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from mdstride.errors import InputError
from mdstride.evaluate.choice import (
    choose_windows,
    count_windows,
    generator,
    lag_steps,
    random_rotations,
    rollout_steps,
    spectrum_steps,
)
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import Segment
from mdstride.models.state import State
from mdstride.windows import Windows

SHIFT = 5.0
"""Å: standard deviation, along each axis, of random translations."""


DRAWN_TIMES = 8
"""Forecast times of a window whose longest lag is drawn, as in all of the literature."""


@dataclass(frozen=True)
class Ask:
    """Initial states of B windows of one compound, and the true positions [B, P, N, 3] Å at `lags` [P] fs.

    Lags that each window has of its own are [B, P].
    """

    state: State
    lags: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Motions:
    """A rotation and a translation of each window: x -> x Q + s."""

    turns: torch.Tensor
    """Q [B, 3, 3]."""
    shifts: torch.Tensor
    """s [B, 3] Å."""

    def move(self, positions: torch.Tensor) -> torch.Tensor:
        """Of [B, P, N, 3] Å."""
        return positions @ self.turns[:, None] + self.shifts[:, None, None]

    def ask(self, ask: Ask) -> Ask:
        """The same windows, moved with what became of them."""
        state = ask.state
        positions = self.move(state.positions[:, None])[:, 0]
        return Ask(
            replace(state, positions=positions, velocities=state.velocities @ self.turns),
            ask.lags,
            self.move(ask.targets),
        )


@dataclass(frozen=True)
class Plan:
    """What is the same for all compounds; all steps in frames."""

    data: Dataset
    windows: Windows
    settings: dict[str, Any]
    """Section `evaluate`."""
    steps: torch.Tensor
    """[P] ascending."""
    spectrum: torch.Tensor
    """[K] equally spaced; empty if the longest lag is too short for a spectrum."""
    rollout: torch.Tensor
    """[R] ends of the steps of the roll-out; may be empty."""

    def times(self, steps: torch.Tensor) -> np.ndarray:
        """fs, float64."""
        return steps.numpy() * self.windows.interval

    def notes(self) -> list[str]:
        """What is left out for all forecasters."""
        found = [] if len(self.spectrum) else ["no spectra and no movies: the longest lag is too short for them"]
        short = [k for k in range(len(self.windows.ids)) if len(self.rollout) and not self.room(k, self.rollout)]
        if short:
            names = ", ".join(self.windows.ids[k] for k in short)
            found.append(
                f"no roll-out to {self.times(self.rollout)[-1]:g} fs, for which trajectories are short: {names}"
            )
        return found

    def room(self, number: int, steps: torch.Tensor) -> int:
        """Windows of compound `number` that have room for `steps`."""
        return count_windows(self.windows, number, int(steps[-1]))


@dataclass(frozen=True)
class Case:
    """The questions about one compound."""

    compound: CompoundData
    replica: np.ndarray
    """[W] of each window."""
    start: np.ndarray
    """[W] frame at which it starts."""
    main: Ask
    """All W windows at the lags of the evaluation."""
    motions: Motions
    """Of all W windows, at random, about their own centres of mass."""
    closer: Ask
    """The first of the windows, at the same lags."""
    drawn: Ask | None
    """Windows with lags of their own, as in training: as many as `main` has."""
    spectrum: Ask | None
    """The same as `closer` at equally spaced lags."""
    rollout: Ask | None
    """Windows with room for the roll-out, if there are any."""
    other: Ask | None
    """As many other windows as `main` has, if there are so many: how far two samples of the truth are apart."""
    other_spectrum: Ask | None
    """As many as `closer` has of those."""
    samples: int
    """Windows, the first ones, whose forecasts are kept."""


def make_plan(data: Dataset, segments: Sequence[Segment], settings: dict[str, Any], device: str) -> Plan:
    """Raises InputError when there is no segment, a lag fits into none, or a compound has too few windows."""
    windows = Windows(data, segments, device)
    steps = lag_steps(settings["lags"], windows)
    spectrum = spectrum_steps(int(steps[-1]), windows)
    plan = Plan(data, windows, settings, steps, spectrum, rollout_steps(settings["rollout"], windows))
    for number, key in enumerate(windows.ids):
        if plan.room(number, steps) < settings["windows"]:
            raise InputError(f"evaluate.windows: {key} has only {plan.room(number, steps)} windows; ask for fewer")
    return plan


def make_case(plan: Plan, number: int) -> Case:
    """The questions about compound `number` of the windows."""
    windows, settings, longest = plan.windows, plan.settings, int(plan.steps[-1])
    count, seed, key = settings["windows"], settings["seed"], windows.ids[number]
    few = min(settings["closer"], count)
    twice = 2 * count <= plan.room(number, plan.steps)
    segment, start = choose_windows(windows, number, longest, 2 * count if twice else count, seed)

    def ask(rows: slice, steps: torch.Tensor) -> Ask:
        state, targets = windows.gather(segment[rows], start[rows], steps.expand(len(segment[rows]), -1))
        return Ask(state, windows.lags(steps), targets)

    main = ask(slice(count), plan.steps)
    return Case(
        compound=plan.data.compounds[key],
        replica=windows.replica[segment[:count]].numpy(),
        start=(windows.first[segment] + start)[:count].numpy(),
        main=main,
        motions=_motions(main.state, generator(seed, key, "motions")),
        closer=ask(slice(few), plan.steps),
        drawn=_drawn(plan, number, count),
        spectrum=ask(slice(few), plan.spectrum) if len(plan.spectrum) else None,
        rollout=_rollout(plan, number, few),
        other=ask(slice(count, 2 * count), plan.steps) if twice else None,
        other_spectrum=ask(slice(count, count + few), plan.spectrum) if twice and len(plan.spectrum) else None,
        samples=settings["samples"],
    )


def _motions(state: State, random: np.random.Generator) -> Motions:
    count, like, mass = len(state.mask), state.positions, state.masses[..., None]
    centre = (mass * like).sum(1) / mass.sum(1)
    turns = torch.from_numpy(random_rotations(count, random)).to(like)
    moves = torch.from_numpy(SHIFT * random.normal(size=(count, 3))).to(like)
    return Motions(turns, centre - (centre[:, None] @ turns)[:, 0] + moves)


def _drawn(plan: Plan, number: int, count: int) -> Ask | None:
    """Equally spaced lags, the longest log-uniform in a range, as `Windows.choose` draws them for training."""
    drawn, windows = plan.settings["drawn"], plan.windows
    if drawn is None:
        return None
    random = generator(plan.settings["seed"], windows.ids[number], "drawn")
    seeded = torch.Generator().manual_seed(int(random.integers(2**63)))
    segment, start, steps = windows.choose(count, DRAWN_TIMES, tuple(drawn), seeded, compound=number)
    state, targets = windows.gather(segment, start, steps)
    return Ask(state, windows.lags(steps), targets)


def _rollout(plan: Plan, number: int, count: int) -> Ask | None:
    """Windows of their own, since few have room: at most `count`."""
    windows, steps = plan.windows, plan.rollout
    room = plan.room(number, steps) if len(steps) else 0
    if not room:
        return None
    chosen = choose_windows(windows, number, int(steps[-1]), min(room, count), plan.settings["seed"])
    state, targets = windows.gather(*chosen, steps.expand(len(chosen[0]), -1))
    return Ask(state, windows.lags(steps), targets)
