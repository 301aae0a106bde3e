"""One attempt at a trajectory: equilibration, then production, which a later process can take up at fixed steps.

The engine carries its wavefunction from step to step, which shows in the last bits. It is dropped every so many steps,
whether the run stops there or not; only there can a run be taken up, and then every bit is as if it had never stopped.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdstride.engines import Engine
from mdstride.formats.restart import FRAME, Restart, RestartFolder
from mdstride.interrupt import STATUS
from mdstride.progress import Progress
from mdstride.rigid import centred
from mdstride.simulate.equilibrate import equilibrate, redraw_steps
from mdstride.simulate.integrate import FORGET_EVERY, State, propagate
from mdstride.simulate.thermostat import make_thermostat
from mdstride.simulate.velocities import without_rigid_motion
from mdstride.simulate.verdict import BondWatch

SAVE_EVERY = 30.0
"""Seconds between two points on the disk: what a kill can cost, and more than writing them takes."""


@dataclass(frozen=True)
class Plan:
    """An attempt in numbers of steps."""

    timestep: float
    """fs"""
    stride: int
    """Steps between two frames."""
    equilibration: int
    """Steps before the first frame."""
    production: int
    """Steps after it, a multiple of the stride."""
    thermostat: dict[str, Any]
    """Its name, temperature (K) and thermostat_time (fs)."""
    nvt: bool
    """Whether the thermostat acts in production, too."""

    @property
    def total(self) -> int:
        """All steps."""
        return self.equilibration + self.production

    def can_stop_after(self, done: int) -> bool:
        """Whether the engine's guess is dropped after `done` steps."""
        if done < self.equilibration:
            return done % redraw_steps(self.timestep) == 0
        return (done - self.equilibration) % FORGET_EVERY == 0


def make_plan(settings: dict[str, Any], *, halved: int = 0) -> Plan:
    """The plan of the section `simulate`, with its time step halved so many times and the same times otherwise."""
    timestep, stride = settings["timestep"] / 2**halved, settings["stride"] * 2**halved
    return Plan(
        timestep=timestep,
        stride=stride,
        equilibration=max(1, round(1000 * settings["equilibration"] / timestep)),
        production=round(1000 * settings["production"] / timestep) // stride * stride,
        thermostat={name: settings[name] for name in ("thermostat", "temperature", "thermostat_time")},
        nvt=settings["ensemble"] == "nvt",
    )


class Run:
    """An attempt under way: the state after `done` steps, and the frames so far."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        *,
        engine: Engine,
        masses: np.ndarray,
        watch: BondWatch,
        generator: np.random.Generator,
        done: int = 0,
    ) -> None:
        """Before the first step from `state`; with `done` = plan.equilibration, `state` is the first frame."""
        self.plan, self.state, self.done = plan, state, done
        self.engine, self.masses, self.watch, self.generator = engine, masses, watch, generator
        self.frames: list[tuple[int, State]] = [(0, state)] if done == plan.equilibration else []
        self._point = self._snapshot()

    def go(self, folder: RestartFolder, tried: list[str], progress: Progress, told: Callable[[], bool]) -> None:
        """Run to the end, saving to `folder` from time to time.

        Raises EngineError or BrokenBondError when the dynamics fails, SystemExit when `told` to stop, after saving.
        """
        saved = time.monotonic()
        for state in self._states():
            self.done += 1
            self.watch.check(state.positions)
            self.state = at_rest(state, self.masses) if self.done == self.plan.equilibration else state
            step = self.done - self.plan.equilibration
            if step >= 0 and step % self.plan.stride == 0:
                self.frames.append((step, self.state))
            progress.update(note=f"{self.done * self.plan.timestep / 1000:.2f} ps")
            if self.plan.can_stop_after(self.done):
                self._point = self._snapshot()
                if time.monotonic() - saved > SAVE_EVERY:
                    self._save(folder, tried)
                    saved = time.monotonic()
            if told():
                self._save(folder, tried)
                sys.stderr.write(f"simulate: told to stop after step {self.done}; run again to go on\n")
                raise SystemExit(STATUS)

    def _states(self) -> Iterator[State]:
        """The states from `state` on, which is looked up anew for production: `go` brings it to rest before."""
        plan = self.plan
        fixed: dict[str, Any] = {"engine": self.engine, "masses": self.masses, "timestep": plan.timestep}
        if self.done < plan.equilibration:
            yield from equilibrate(
                self.state,
                **fixed,
                **plan.thermostat,
                steps=plan.equilibration,
                done=self.done,
                generator=self.generator,
            )
        thermostat = None
        if plan.nvt:
            settings = dict(plan.thermostat)
            thermostat = make_thermostat(
                settings.pop("thermostat"),
                masses=self.masses,
                timestep=plan.timestep,
                generator=self.generator,
                **settings,
            )
        done = self.done - plan.equilibration
        yield from propagate(self.state, **fixed, steps=plan.production, done=done, thermostat=thermostat)

    def _snapshot(self) -> tuple[int, int, State, dict[str, Any], np.ndarray]:
        """Where a later process could go on: steps, frames, state, random generator, memory of the watch."""
        random = self.generator.bit_generator.state
        return self.done, len(self.frames), self.state, dict(random), self.watch.beyond

    def point(self, tried: list[str], first: int = 0) -> Restart:
        """The last point at which a later process can go on, with its frames from number `first` on."""
        done, count, state, random, beyond = self._point
        arrays = {name: np.asarray(getattr(state, name)) for name in FRAME[1:]}
        if state.momenta is not None:
            arrays["momenta"] = state.momenta
        values = {"done": done, "random": random, "tried": tried}
        return Restart(values, {**arrays, "beyond": beyond}, _arrays(self.frames[first:count]))

    def _save(self, folder: RestartFolder, tried: list[str]) -> None:
        folder.save(self.point(tried, first=folder.saved))

    def restore(self, restart: Restart) -> None:
        """Take up a run that another process has left."""
        self.done = restart.values["done"]
        self.generator.bit_generator.state = restart.values["random"]
        self.watch.beyond = restart.arrays["beyond"]
        self.state = _state(restart.arrays)
        pieces = restart.frames
        count = len(pieces["step"]) if pieces else 0
        states = (_state({name: pieces[name][place] for name in FRAME[1:]}) for place in range(count))
        self.frames = [(int(pieces["step"][place]), state) for place, state in enumerate(states)]
        self._point = self._snapshot()


def at_rest(state: State, masses: np.ndarray) -> State:
    """The state without what rounding and SCC noise left of momentum and angular momentum, centred on its mass."""
    positions = centred(state.positions, masses)
    return State(positions, without_rigid_motion(state.velocities, positions, masses), state.forces, state.energy)


def _state(arrays: dict[str, np.ndarray]) -> State:
    positions, velocities, forces = (arrays[name] for name in ("positions", "velocities", "forces"))
    return State(positions, velocities, forces, float(arrays["energy"]), arrays.get("momenta"))


def _arrays(frames: list[tuple[int, State]]) -> dict[str, np.ndarray]:
    steps = np.array([step for step, _ in frames], np.int64)
    return {"step": steps, **{name: np.array([getattr(state, name) for _, state in frames]) for name in FRAME[1:]}}
