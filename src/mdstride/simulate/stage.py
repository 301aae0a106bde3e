"""Simulate one replica of one compound: a thermal start, equilibration, stored NVE production, a verdict."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses

from mdstride.constants import BOLTZMANN
from mdstride.engines import EngineError, make_engine
from mdstride.formats.h5md import Trajectory, write_trajectory
from mdstride.formats.provenance import software
from mdstride.formats.structure import Structure, read_structure
from mdstride.progress import Progress
from mdstride.simulate.equilibrate import REDRAW_EVERY, equilibrate
from mdstride.simulate.integrate import FORGET_EVERY, State, kinetic_energy, propagate
from mdstride.simulate.velocities import centred, internal_degrees, without_rigid_motion
from mdstride.simulate.verdict import BondWatch, BrokenBondError, figures, judge


def simulate_replica(
    settings: dict[str, Any], reference: dict[str, Any], *, structure: Path, replica: int, output: Path
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
    output
        trajectories/{id}/{replica}.h5md, see mdstride.formats.h5md.

    Raises InputError when the structure file cannot be read. What goes wrong in the dynamics (SCC, a broken bond,
    drift) is in the verdict, and the frames before it are kept.
    """
    minimum = read_structure(structure)
    masses = atomic_masses[minimum.atomic_numbers]
    frames: list[tuple[int, State]] = []
    stopped = minimum.failure or _run(minimum, masses, settings, reference, replica, frames)
    arrays = _arrays(frames, masses, settings["timestep"])
    found = figures(
        atomic_numbers=minimum.atomic_numbers,
        bonds=minimum.bonds,
        time=arrays["time"],
        total_energy=arrays["potential_energy"] + arrays["kinetic_energy"],
        temperature=arrays["temperature"],
        positions=arrays["positions"],
        forces=arrays["forces"],
    )
    trajectory = Trajectory(
        id=minimum.id,
        mapped_smiles=minimum.mapped_smiles,
        charge=minimum.charge,
        multiplicity=minimum.multiplicity,
        atomic_numbers=minimum.atomic_numbers,
        masses=masses,
        bonds=minimum.bonds,
        **arrays,
        parameters=_parameters(minimum, settings, reference, replica),
        verdict=judge(found, settings["limits"], stopped),
        software=software("ase", "numpy", reference["engine"]),
    )
    write_trajectory(output, trajectory)


def random_generator(seed: int, compound_id: str, replica: int) -> np.random.Generator:
    """Random numbers that belong to this seed, compound and replica, whatever else is in the run."""
    name = int.from_bytes(hashlib.sha256(compound_id.encode()).digest()[:16], "little")
    return np.random.default_rng(np.random.SeedSequence([seed, name, replica]))


def _run(
    minimum: Structure,
    masses: np.ndarray,
    settings: dict[str, Any],
    reference: dict[str, Any],
    replica: int,
    frames: list[tuple[int, State]],
) -> str:
    """Equilibrate and produce; append (step, state) to `frames` as they come. Returns why it stopped early, or ""."""
    timestep, stride = settings["timestep"], settings["stride"]
    equilibration = max(1, round(1000 * settings["equilibration"] / timestep))
    production = round(1000 * settings["production"] / timestep) // stride * stride
    generator = random_generator(settings["seed"], minimum.id, replica)
    watch = BondWatch(minimum.atomic_numbers, minimum.bonds, settings["limits"], timestep)
    progress = Progress(f"simulate {minimum.id}/{replica}", equilibration + production, "steps")

    def count(state: State) -> None:
        watch.check(state.positions)
        progress.update(note=f"{progress.done * timestep / 1000:.2f} ps")

    try:
        engine = make_engine(reference, minimum.atomic_numbers.tolist(), minimum.charge, minimum.multiplicity)
        fixed: dict[str, Any] = {"engine": engine, "masses": masses, "timestep": timestep}
        positions = centred(minimum.positions, masses)
        energy, forces = engine.compute(positions)
        state = start = State(positions, np.zeros_like(positions), forces, energy)
        for state in equilibrate(
            start,
            **fixed,
            steps=equilibration,
            temperature=settings["temperature"],
            thermostat_time=settings["thermostat_time"],
            generator=generator,
        ):
            count(state)
        first = _at_rest(state, masses)
        frames.append((0, first))
        for step, state in enumerate(propagate(first, **fixed, steps=production), start=1):
            count(state)
            if step % stride == 0:
                frames.append((step, state))
    except (EngineError, BrokenBondError) as error:
        step = progress.done + 1
        phase = f"equilibration step {step}" if step <= equilibration else f"production step {step - equilibration}"
        return f"{error} ({phase})"
    progress.close(f"{progress.done * timestep / 1000:.2f} ps")
    return ""


def _at_rest(state: State, masses: np.ndarray) -> State:
    """The state without what rounding and SCC noise left of momentum and angular momentum, centred on its mass."""
    positions = centred(state.positions, masses)
    return State(positions, without_rigid_motion(state.velocities, positions, masses), state.forces, state.energy)


def _arrays(frames: list[tuple[int, State]], masses: np.ndarray, timestep: float) -> dict[str, np.ndarray]:
    """The fields of Trajectory that have one entry per frame."""
    step = np.array([step for step, _ in frames], np.int64)
    states = [state for _, state in frames]
    shape = (len(frames), len(masses), 3)
    kinetic = np.array([kinetic_energy(state.velocities, masses) for state in states])
    return {
        "step": step,
        "time": step * timestep,
        "positions": np.array([state.positions for state in states]).reshape(shape),
        "velocities": np.array([state.velocities for state in states]).reshape(shape),
        "forces": np.array([state.forces for state in states]).reshape(shape),
        "potential_energy": np.array([state.energy for state in states]),
        "kinetic_energy": kinetic,
        "temperature": 2.0 * kinetic / (internal_degrees(len(masses)) * BOLTZMANN),
    }


def _parameters(
    minimum: Structure, settings: dict[str, Any], reference: dict[str, Any], replica: int
) -> dict[str, Any]:
    """What it takes to make the trajectory again."""
    return {
        "replica": replica,
        "simulate": settings,
        "reference": reference,
        "integrator": "velocity Verlet, NVE",
        "equilibration": f"stochastic velocity rescaling (Bussi 2007), fresh velocities every {REDRAW_EVERY:g} fs",
        "degrees_of_freedom": internal_degrees(len(minimum.atomic_numbers)),
        "guess_dropped_every": FORGET_EVERY,
        "smiles": minimum.smiles,
        "structure": {"settings": minimum.settings, "software": minimum.software},
    }
