"""Simulate one replica of one compound: a thermal start, equilibration, stored production, a verdict."""

import hashlib
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.constants import BOLTZMANN
from mdstride.engines import EngineError, engine_version, make_engine
from mdstride.errors import InputError
from mdstride.formats.atomic import keep_link, only_writer
from mdstride.formats.h5md import End, Trajectory, read_end, read_trajectory, stored, write_trajectory
from mdstride.formats.provenance import SOURCES, content_hash, record, software, source_hash
from mdstride.formats.restart import Restart, RestartFolder
from mdstride.formats.structure import Structure, read_structure
from mdstride.interrupt import told_to_stop
from mdstride.progress import Progress
from mdstride.rigid import centred
from mdstride.simulate.equilibrate import REDRAW_EVERY
from mdstride.simulate.events import events
from mdstride.simulate.integrate import FORGET_EVERY, State, kinetic_energy
from mdstride.simulate.run import Plan, Run, at_rest, make_plan
from mdstride.simulate.velocities import internal_degrees, without_rigid_motion
from mdstride.simulate.verdict import BondWatch, BrokenBondError, figures, judge, net_motion

TWIN_DISPLACEMENT = 1e-3
"""Å, rms over the atoms, by which the start of a twin differs."""


def simulate_replica(
    settings: dict[str, Any],
    reference: dict[str, Any],
    *,
    structure: Path,
    replica: int,
    state: Path,
    output: Path,
    twin_of: Path | None = None,
    length: float | None = None,
    previous: Path | None = None,
) -> None:
    """Write the trajectory file of one replica, with the verdict on it.

    Parameters
    ----------
    settings, reference
        The configuration's sections `simulate` and `reference`.
    structure
        structures/{id}.h5. If its relaxation failed, the trajectory has no frames and the same reason.
    replica
        Number of the replica; it decides the random numbers together with the seed and the InChIKey.
    state
        Folder from which an interrupted run goes on; it is removed at the end.
    output
        trajectories/{id}/{replica}.h5md, see mdstride.formats.h5md.
    twin_of
        The trajectory of the same replica, whose start, slightly displaced, is that of this one. How fast the two part
        is a bound on what any forecast can reach.
    length
        ps of production instead of `settings["production"]`: a twin is only looked at up to the longest lag.
    previous
        An earlier, shorter trajectory of the same settings otherwise, from whose end this one goes on: to the same
        bytes as if it had started anew. It becomes a link to the new one. Anything else there is passed over.

    Raises InputError when an input cannot be read. What goes wrong in the dynamics (SCC, a broken bond, drift) is tried
    again as `settings["retry"]` says; then it is in the verdict, and the frames before it are kept. SIGTERM saves the
    state and ends with SystemExit.
    """
    original = None if twin_of is None else read_trajectory(twin_of)
    inputs = {"structure": structure, "original": twin_of}
    if length is not None:
        if length <= 0:
            raise InputError(f"--length: {length:g} ps is refused; give a positive length")
        settings = settings | {"production": length}
    job = Job(read_structure(structure), settings, reference, replica, original, inputs)
    folder = RestartFolder(state, job.fingerprint(settings))
    with only_writer(state, wait=True):
        start = _earlier(job, previous) if previous else None
        if job.failure:
            trajectory, end = _trajectory(job, _plan(job, 0), [], job.failure, []), None
        else:
            trajectory, end = _attempts(job, folder, start)
        write_trajectory(output, trajectory, end)
        if not trajectory.verdict["passed"]:  # `mdstride status` looks for this
            sys.stderr.write(f"simulate {job.minimum.id}/{job.replica}: left out: {trajectory.verdict['reason']}\n")
        folder.clear()
        if previous:
            keep_link(output, previous)


@dataclass(frozen=True)
class Job:
    """What the trajectory is of."""

    minimum: Structure
    settings: dict[str, Any]
    reference: dict[str, Any]
    replica: int
    original: Trajectory | None
    """Of which it is the twin."""
    inputs: dict[str, Path | None]
    """The files that `minimum` and `original` were read from."""

    @property
    def masses(self) -> np.ndarray:
        """[N] amu."""
        return self.minimum.masses

    @property
    def digest(self) -> str:
        """Stands for what the dynamics takes from the structure, which is the first minimum alone."""
        minimum = self.minimum
        arrays = {name: getattr(minimum, name) for name in ("atomic_numbers", "masses", "bonds", "positions")}
        return content_hash(arrays | {"facts": np.array([minimum.id, str(minimum.charge), str(minimum.multiplicity)])})

    @property
    def failure(self) -> str:
        """Why it cannot start, or empty."""
        if self.original is not None and not self.original.verdict["passed"]:
            return f"the trajectory it is the twin of failed: {self.original.verdict['reason']}"
        return self.minimum.failure

    @property
    def open_ended(self) -> str:
        """Stands for all that the trajectory depends on but its length."""
        return self.fingerprint({name: value for name, value in self.settings.items() if name != "production"})

    def fingerprint(self, settings: dict[str, Any]) -> str:
        """Stands for all that the trajectory depends on; of the original of a twin, that is its start."""
        start = []
        if self.original is not None:
            state = {"positions": self.original.positions[:1], "velocities": self.original.velocities[:1]}
            start = [content_hash(state), self.original.parameters.get("halved"), self.original.verdict["passed"]]
        parts = [settings, self.reference, self.replica, self.digest, start, source_hash(*SOURCES["simulate"])]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def random_generator(seed: int, compound_id: str, replica: int, *more: int) -> np.random.Generator:
    """Random numbers that belong to this seed, compound and replica, whatever else is in the run."""
    name = int.from_bytes(hashlib.sha256(compound_id.encode()).digest()[:16], "little")
    return np.random.default_rng(np.random.SeedSequence([seed, name, replica, *more]))


def _earlier(job: Job, path: Path) -> Restart | None:
    """Where a shorter trajectory has ended, if this one passes there."""
    try:
        restart = read_end(path, job.open_ended)
    except InputError as error:
        sys.stderr.write(f"simulate: passing over an earlier trajectory: {error}\n")
        return None
    return restart if restart and restart.values["done"] <= _plan(job, 0).total else None


def _attempts(job: Job, folder: RestartFolder, earlier: Restart | None) -> tuple[Trajectory, End | None]:
    """The first attempt that passes, or the last one; and where a longer one may go on.

    That is after a first attempt that passed: a longer one may fail where a second one was good enough.
    """
    restart = folder.load() or earlier
    tried: list[str] = [] if restart is None else restart.values["tried"]
    most = 0 if job.original is not None else job.settings["retry"]["attempts"]
    while True:
        plan = _plan(job, len(tried))
        frames, stopped, point = _attempt(job, plan, folder, restart, tried)
        trajectory = _trajectory(job, plan, frames, stopped, tried)
        if trajectory.verdict["passed"] or len(tried) >= most:
            passed_at_once = trajectory.verdict["passed"] and not tried
            return trajectory, End(job.open_ended, point) if point and passed_at_once else None
        tried = [*tried, trajectory.verdict["reason"]]
        sys.stderr.write(f"simulate {job.minimum.id}/{job.replica}: {tried[-1]}; trying again\n")
        folder.clear()
        restart = None


def _plan(job: Job, attempt: int) -> Plan:
    if job.original is not None:
        return make_plan(job.settings, halved=job.original.parameters["halved"])
    return make_plan(job.settings, halved=attempt if job.settings["retry"]["change"] == "timestep" else 0)


def _attempt(
    job: Job, plan: Plan, folder: RestartFolder, restart: Restart | None, tried: list[str]
) -> tuple[list[tuple[int, State]], str, Restart | None]:
    """The frames, by step, why the attempt stopped early, or "", and where a longer one can go on if it did not."""
    try:
        run = _start(job, plan, len(tried))
    except EngineError as error:
        return [], f"{error} (start)", None
    if restart is not None:
        run.restore(restart)
    progress = Progress(f"simulate {job.minimum.id}/{job.replica}", plan.total, "steps", done=run.done)
    try:
        with told_to_stop() as told:
            run.go(folder, tried, progress, told)
    except (EngineError, BrokenBondError) as error:
        step = progress.done + 1 - plan.equilibration
        phase = f"production step {step}" if step > 0 else f"equilibration step {progress.done + 1}"
        return run.frames, f"{error} ({phase})", None
    progress.close(f"{plan.total * plan.timestep / 1000:.2f} ps")
    return run.frames, "", run.point(tried)


def _start(job: Job, plan: Plan, attempt: int) -> Run:
    """The run before its first step: from the minimum, or for a twin from the displaced start of the original."""
    minimum, masses = job.minimum, job.masses
    engine = make_engine(job.reference, minimum.atomic_numbers.tolist(), minimum.charge, minimum.multiplicity)
    watch = BondWatch(minimum.atomic_numbers, minimum.bonds, job.settings["limits"], plan.timestep)
    other_seed = [attempt] if attempt and job.settings["retry"]["change"] == "seed" else []
    generator = random_generator(job.settings["seed"], minimum.id, job.replica, *other_seed)
    if job.original is None:
        positions = centred(minimum.positions, masses)
        velocities, done = np.zeros_like(positions), 0
    else:
        positions, velocities = job.original.positions[0], job.original.velocities[0]
        displacement = generator.standard_normal(positions.shape)
        displacement = without_rigid_motion(displacement, positions, masses)  # a twin that is only turned never parts
        positions = positions + TWIN_DISPLACEMENT / np.sqrt(np.mean(np.sum(displacement**2, axis=1))) * displacement
        done = plan.equilibration
    energy, forces = engine.compute(positions)
    state = State(positions, velocities, forces, energy)
    if done:
        state = at_rest(state, masses)
    return Run(plan, state, engine=engine, masses=masses, watch=watch, generator=generator, done=done)


def _trajectory(job: Job, plan: Plan, frames: list[tuple[int, State]], stopped: str, tried: list[str]) -> Trajectory:
    """The frames with their verdict."""
    minimum, masses, settings = job.minimum, job.masses, job.settings
    arrays = _arrays(frames, masses, plan.timestep)
    seen = {name: arrays[name] for name in ("time", "positions")}
    found = figures(
        **seen,
        atomic_numbers=minimum.atomic_numbers,
        bonds=minimum.bonds,
        total_energy=arrays["potential_energy"] + arrays["kinetic_energy"],
        temperature=arrays["temperature"],
        forces=arrays["forces"],
        target=settings["temperature"] if plan.nvt else None,
    )
    found |= net_motion(
        masses=masses,
        positions=arrays["positions"],
        velocities=arrays["velocities"],
        temperature=settings["temperature"],
    )
    break_factor = settings["limits"]["break_factor"]
    found |= events(**seen, atomic_numbers=minimum.atomic_numbers, bonds=minimum.bonds, break_factor=break_factor)
    return Trajectory(
        id=minimum.id,
        mapped_smiles=minimum.mapped_smiles,
        charge=minimum.charge,
        multiplicity=minimum.multiplicity,
        atomic_numbers=minimum.atomic_numbers,
        masses=masses,
        bonds=minimum.bonds,
        **arrays,
        verdict=judge(found, settings["limits"], stopped) | {"tried": tried},
        provenance=record(
            "simulate" if job.original is None else "twin",
            _parameters(job, plan, len(tried)),
            job.inputs,
            software("ase", "numpy") | engine_version(job.reference),
        ),
    )


def _arrays(frames: list[tuple[int, State]], masses: np.ndarray, timestep: float) -> dict[str, np.ndarray]:
    """The fields of Trajectory that have one entry per frame."""
    step = np.array([step for step, _ in frames], np.int64)
    states = [state for _, state in frames]
    shape = (len(frames), len(masses), 3)
    # as stored, so that every figure follows from the file, and from the frames that a longer run takes from it
    arrays = {
        name: stored(name, np.array([getattr(state, name) for state in states]).reshape(shape))
        for name in ("positions", "velocities", "forces")
    }
    kinetic = np.array([kinetic_energy(velocities, masses) for velocities in arrays["velocities"]])
    return {
        "step": step,
        "time": step * timestep,
        **arrays,
        "potential_energy": np.array([state.energy for state in states]),
        "kinetic_energy": kinetic,
        "temperature": 2.0 * kinetic / (internal_degrees(len(masses)) * BOLTZMANN),
    }


def _parameters(job: Job, plan: Plan, attempt: int) -> dict[str, Any]:
    """What it takes to make the trajectory again."""
    settings, minimum = job.settings, job.minimum
    thermostat = {
        "bussi": "stochastic velocity rescaling (Bussi 2007)",
        "langevin": "Langevin dynamics (Bussi and Parrinello 2007)",
    }[settings["thermostat"]]
    return {
        "replica": job.replica,
        "twin": job.original is not None,
        "simulate": settings,
        "reference": job.reference,
        "timestep": plan.timestep,
        "stride": plan.stride,
        "halved": round(math.log2(settings["timestep"] / plan.timestep)),
        "attempt": attempt,
        "integrator": f"velocity Verlet, {settings['ensemble'].upper()}",
        "equilibration": f"{thermostat}, fresh velocities every {REDRAW_EVERY:g} fs",
        "degrees_of_freedom": internal_degrees(len(minimum.atomic_numbers)),
        "guess_dropped_every": FORGET_EVERY,
        "smiles": minimum.smiles,
        "structure": {name: minimum.provenance.get(name, {}) for name in ("settings", "software")},
    }
