"""The data set: how fast it is built and extended, how large it is, how fast windows are read, what precision costs.

    python benchmarks/dataset.py --folder DIR [--parts build add windows precision] [--compounds 80] [--frames 30000]

build      `mdstride dataset build` on trajectories of TG80's size: seconds, peak memory, size beside raw float32
add        the same command again with one compound more, and how many of the others' bytes have changed
windows    random windows of 8 lags per second and core: from memory, mapped from disk, one at a time from Python
precision  what single precision and rounded forces change, on a GFN2-xTB trajectory of ethanol in double precision

The trajectories are SYNTHETIC: molecules of TG80 whose normal modes (random directions, 100 to 3,500 cm-1, thermal
amplitudes at 300 K) oscillate at 1 fs while the molecule turns; made once in DIR (1.2 GB) and kept there. Their bytes
are as hard to compress as those of real dynamics, of which `build` shows the size too when given --real RUN, the
folder of a finished run. Prints Markdown tables.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the OpenMP library is loaded

import argparse
import csv
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import yaml
from ase.data import atomic_masses
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolDescriptors
from scipy.spatial.transform import Rotation

from mdstride.constants import ACCELERATION, BOLTZMANN, LIGHT
from mdstride.dataset.collect import force_step
from mdstride.engines import make_engine
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import open_dataset, read_dataset
from mdstride.formats.h5md import Trajectory, write_trajectory
from mdstride.formats.split import whole
from mdstride.formats.structure import Structure, read_structure, write_structure
from mdstride.formats.tables import write_table
from mdstride.relax.stage import relax_compound
from mdstride.simulate.integrate import State, propagate
from mdstride.simulate.velocities import thermal_velocities
from mdstride.windows import Windows

ROOT = Path(__file__).resolve().parent.parent
TG80 = ROOT / "resources/tg80/tg80.csv"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
TEMPERATURE = 300.0
ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
ADDED = "ZVHAANQOQZVVFD-UHFFFAOYSA-N"
"""5-methylhexan-1-ol, which is not in TG80: the compound that is added."""


def main() -> None:
    parts = {"build": build, "add": add, "windows": windows, "precision": precision}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for the trajectories (1.2 GB) and data sets (1 GB)")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--compounds", type=int, default=80)
    parser.add_argument("--frames", type=int, default=30000)
    parser.add_argument("--real", type=Path, metavar="RUN", help="folder of a finished run, to show its sizes too")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    torch.set_num_threads(1)
    make_inputs(options.folder, options.compounds + 1, options.frames)
    for part in options.parts:
        parts[part](options)


def build(options: argparse.Namespace) -> None:
    for name in ("dataset.h5", "plus-one.h5"):
        (options.folder / name).unlink(missing_ok=True)
    seconds, memory = run_build(options.folder, options.compounds, "dataset.h5", previous=None)
    print("\n| data set | seconds | peak memory, MB | file, MB | raw float32, MB | file / raw |")
    print("|---|---:|---:|---:|---:|---:|")
    name = f"{options.compounds} compounds x {options.frames:,} frames (synthetic)"
    show_size(name, options.folder / "dataset.h5", f"{seconds:.1f}", f"{memory:.0f}")
    if options.real:
        show_size("a finished run (real)", options.real / "dataset.h5", "-", "-")


def show_size(name: str, path: Path, seconds: str, memory: str) -> None:
    with open_dataset(path) as dataset:
        raw = sum(4 * count_values(dataset, key) for key in dataset.compounds)
    size = path.stat().st_size
    print(f"| {name} | {seconds} | {memory} | {size / 1e6:.0f} | {raw / 1e6:.0f} | {size / raw:.3f} |")


def count_values(dataset: Dataset, key: str) -> int:
    """Numbers in the trajectories of one compound: positions, velocities, forces and energies."""
    replicas = dataset.compounds[key].replicas
    return sum(getattr(r, name).size for r in replicas for name in ("positions", "velocities", "forces", "energy"))


def add(options: argparse.Namespace) -> None:
    """One compound more; what was there must be there again, compressed byte for byte."""
    if not (options.folder / "dataset.h5").exists():
        run_build(options.folder, options.compounds, "dataset.h5", previous=None)
    (options.folder / "previous.h5").unlink(missing_ok=True)
    os.link(options.folder / "dataset.h5", options.folder / "previous.h5")  # the build lets it name the new one
    seconds, memory = run_build(options.folder, options.compounds + 1, "plus-one.h5", previous="previous.h5")
    changed = total = 0
    with h5py.File(options.folder / "dataset.h5") as old, h5py.File(options.folder / "plus-one.h5") as new:
        for key in old["compounds"]:
            for name in ("positions", "velocities", "forces"):
                before, after = (file[f"compounds/{key}/replicas/0/{name}"].id for file in (old, new))
                for k in range(before.get_num_chunks()):
                    corner = before.get_chunk_info(k).chunk_offset
                    total += 1
                    changed += before.read_direct_chunk(corner) != after.read_direct_chunk(corner)
    print(
        f"\nOne compound more: {seconds:.1f} s, {memory:.0f} MB; {changed} of {total:,} compressed chunks have changed"
    )


def run_build(folder: Path, compounds: int, name: str, previous: str | None) -> tuple[float, float]:
    """Seconds and peak MB of the command, its start included."""
    rows = (folder / "all.csv").read_text(encoding="utf-8").splitlines()
    (folder / "compounds.csv").write_text("\n".join(rows[: compounds + 1]) + "\n", encoding="utf-8")
    sections = {"dataset": CONFIG["dataset"], "reference": CONFIG["reference"]}
    (folder / "sections.json").write_text(json.dumps(sections), encoding="utf-8")
    command = [sys.executable, "-m", "mdstride", "dataset", "build", "--config", "sections.json"]
    for option in ("compounds.csv", "structures", "trajectories"):
        command += [f"--{option.removesuffix('.csv')}", option]
    command += ["--replicas", "1", "--output", name, "--table", "trajectories.csv", "--card", "card.md"]
    command += ["--previous", previous] if previous else []
    before = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    return time.perf_counter() - before, usage.ru_maxrss / 1024


def windows(options: argparse.Namespace) -> None:
    path = options.folder / "dataset.h5"
    print("\n| windows of 8 lags, one core | windows per second of | |\n|---|---|---:|")
    dataset = read_dataset(path)
    lags = (8.0, min(24000.0, options.frames / 2))
    for name, heavy in (("all atoms", False), ("heavy atoms", True)):
        held = Windows(dataset, whole(dataset.compounds), heavy=heavy)
        show_rate(f"from memory, {name}, batches of 1,000", drawer(held, lags), 1000)
        del held
    show_rate("from memory, one at a time in NumPy", one_by_one(dataset), 1)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch, open_dataset(path) as opened:
        start = time.perf_counter()
        mapped = Windows(opened, whole(opened.compounds), scratch=Path(scratch))
        made = f"out of core, mapped file (made in {time.perf_counter() - start:.1f} s), batches of 1,000"
        show_rate(made, drawer(mapped, lags), 1000, wall=True)
        for file in Path(scratch).iterdir():  # forget the pages, as if the set were larger than the memory
            with file.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        show_rate("the same from a cold cache, first batch", drawer(mapped, lags), 1000, wall=True, once=True)
        show_rate("out of core, straight from the HDF5 file, one at a time", one_by_one(opened), 1, wall=True)
    print(f"\nLargest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def drawer(held: Windows, lags: tuple[float, float]) -> Callable[[], Any]:
    generator = torch.Generator().manual_seed(0)
    return lambda: held.draw(1000, 8, lags, generator, reverse=True)


def one_by_one(dataset: Dataset) -> Callable[[], Any]:
    generator = np.random.default_rng(0)
    replicas = [replica for compound in dataset.compounds.values() for replica in compound.replicas]
    steps = np.arange(1, 9) * (len(replicas[0].positions) // 16)

    def draw() -> Any:
        replica = replicas[generator.integers(len(replicas))]
        start = int(generator.integers(len(replica.positions) - steps[-1]))
        assert replica.velocities is not None
        return replica.positions[start], replica.velocities[start], replica.positions[start + steps]

    return draw


def show_rate(name: str, draw: Callable[[], Any], count: int, *, wall: bool = False, once: bool = False) -> None:
    """Windows per second, of the processor or of the clock: the best of five times 0.5 s, or of the first call."""
    clock = time.perf_counter if wall else time.process_time
    best = 0.0
    for _ in range(1 if once else 5):
        start, calls = clock(), 0
        while clock() - start < 0.5 and not (once and calls):
            draw()
            calls += 1
        best = max(best, count * calls / (clock() - start))
    print(f"| {name} | {'the clock' if wall else 'the processor'} | {best:,.0f} |")


def precision(options: argparse.Namespace) -> None:
    """What is stored beside what was computed: 300 steps of ethanol, every tenth frame, wavefunctions from scratch."""
    reference = CONFIG["reference"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ethanol.h5")
        relax_compound(CONFIG["relax"], reference, compound_id=ETHANOL, smiles="CCO", output=path)
        minimum = read_structure(path)
    masses, start = minimum.masses, minimum.positions
    engine = make_engine(reference, minimum.atomic_numbers.tolist(), 0, 1)
    velocities = thermal_velocities(
        start, masses, temperature=2 * TEMPERATURE, generator=np.random.default_rng(0)
    )  # equipartition halves it
    energy, forces = engine.compute(start)
    states = list(
        propagate(State(start, velocities, forces, energy), engine=engine, masses=masses, timestep=1.0, steps=300)
    )[::10]

    def cold(positions: np.ndarray) -> np.ndarray:
        engine.forget()
        return engine.compute(positions)[1]

    def change(stored: Callable[[np.ndarray], np.ndarray]) -> str:
        shift = max(np.abs(stored(s.positions) - s.positions).max() for s in states)
        force = max(np.abs(cold(stored(s.positions)) - cold(s.positions)).max() for s in states)
        return f"{shift:.1e} Å | {force:.1e} eV/Å"

    def near(positions: np.ndarray) -> np.ndarray:
        return positions.astype(np.float32).astype(np.float64)

    def far(positions: np.ndarray) -> np.ndarray:
        return (positions + 500).astype(np.float32).astype(np.float64) - 500

    warm = max(np.abs(s.forces - cold(s.positions)).max() for s in states)
    step = force_step(reference)
    assert step is not None
    drift = max(np.abs(near(s.velocities) - s.velocities).max() for s in states) * 1000
    print("\n| stored | largest error | largest change of a force |\n|---|---:|---:|")
    print(f"| positions, float32 about the centre of mass of the first frame | {change(near)} |")
    print(f"| positions, float32 at 500 Å from the origin, for comparison | {change(far)} |")
    print(f"| velocities, float32 | {drift:.1e} Å after 1 ps | - |")
    print(f"| forces, rounded to {step:.2e} eV/Å | {step / 2:.1e} eV/Å | - |")
    print(f"| for comparison: forces from a warm and a cold wavefunction | - | {warm:.1e} eV/Å |")


def make_inputs(folder: Path, compounds: int, frames: int) -> None:
    """Structures, trajectories and all.csv of molecules of TG80 and one more, unless they are there."""
    done = folder / f"inputs-{compounds}-{frames}"
    if done.exists():
        return
    with TG80.open(newline="", encoding="utf-8") as stream:
        known = {row["inchikey"]: row for row in csv.DictReader(stream)}
    rows = [{"id": key, "cid": "", "smiles": row["smiles"], "name": row["name"]} for key, row in known.items()]
    rows = [*rows[: compounds - 1], {"id": ADDED, "cid": "", "smiles": "CC(C)CCCCO", "name": "5-methylhexan-1-ol"}]
    for count, row in enumerate(rows, start=1):
        molecule = Chem.AddHs(Chem.MolFromSmiles(row["smiles"]))
        if rdDistGeom.EmbedMolecule(molecule, randomSeed=1) < 0:
            sys.exit(f"{row['smiles']}: cannot be embedded")
        row["formula"] = rdMolDescriptors.CalcMolFormula(molecule)
        structure, trajectory = imagine(row, molecule, frames)
        write_structure(folder / f"structures/{row['id']}.h5", structure)
        write_trajectory(folder / f"trajectories/{row['id']}/0.h5md", trajectory)
        sys.stderr.write(f"\rmaking inputs: {count} of {len(rows)} ")
    write_table(folder / "all.csv", ["id", "cid", "smiles", "name", "formula"], rows)
    sys.stderr.write("\n")
    done.touch()


def imagine(row: dict[str, str], molecule: Chem.Mol, frames: int) -> tuple[Structure, Trajectory]:
    """A molecule whose modes oscillate independently while it turns, in the files of `relax` and `simulate`."""
    generator = np.random.default_rng(len(row["id"]) + sum(map(ord, row["smiles"])))
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    masses = atomic_masses[numbers]
    reference = molecule.GetConformer().GetPositions()
    reference = reference - masses @ reference / masses.sum()
    rest = 3 * len(numbers) - 6
    modes = np.linalg.qr(generator.normal(size=(3 * len(numbers), rest)))[0].T.reshape(rest, -1, 3)
    wavenumbers = np.sort(np.exp(generator.uniform(np.log(100), np.log(3500), rest)))
    omega = 2 * np.pi * LIGHT * wavenumbers  # rad/fs
    time_ = np.arange(frames) * 1.0
    angle = omega * time_[:, None] + generator.uniform(0, 2 * np.pi, rest)
    size = np.sqrt(2 * BOLTZMANN * TEMPERATURE * ACCELERATION) / omega  # Å sqrt(amu): <q²> = kT / omega²
    shape = (modes / np.sqrt(masses)[:, None]).reshape(rest, -1)
    still = reference.reshape(1, -1) + (size * np.cos(angle)) @ shape
    moving = (-size * omega * np.sin(angle)) @ shape
    pulling = (-size * omega**2 * np.cos(angle)) @ (modes * np.sqrt(masses)[:, None]).reshape(rest, -1) / ACCELERATION
    turn = Rotation.from_rotvec(time_[:, None] * generator.normal(0, 2e-3, 3)).as_matrix()  # rad/fs, as at 300 K
    positions, velocities, forces = (
        np.einsum("fij, fnj -> fni", turn, values.reshape(frames, -1, 3)) for values in (still, moving, pulling)
    )
    energy = 0.5 * ((size * omega * np.cos(angle)) ** 2).sum(1) / ACCELERATION
    bonds = np.array([(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()])
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(atom.GetIdx() + 1)
    shared: dict[str, Any] = {
        "id": row["id"],
        "mapped_smiles": Chem.MolToSmiles(molecule),
        "charge": 0,
        "multiplicity": 1,
        "atomic_numbers": numbers,
        "bonds": bonds,
        "masses": masses,
    }
    figures = {"passed": True, "reason": "", "frames": frames, "drift": 0.0, "temperature": TEMPERATURE}
    structure = Structure(
        **shared,
        smiles=row["smiles"],
        energy=0.0,
        positions=reference,
        frequencies=wavenumbers,
        modes=modes,
    )
    trajectory = Trajectory(
        **shared,
        step=np.arange(frames),
        time=time_,
        positions=positions,
        velocities=velocities,
        forces=forces,
        potential_energy=energy,
        kinetic_energy=energy,
        temperature=np.full(frames, TEMPERATURE),
        provenance={"settings": {"replica": 0, "reference": CONFIG["reference"], "synthetic": True}},
        verdict=figures | {"fluctuation": 0.0, "max_force": float(np.abs(forces).max())},
    )
    return structure, trajectory


if __name__ == "__main__":
    main()
