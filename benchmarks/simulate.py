"""How fast trajectories are made: beside ASE's loop, beside the xtb program, on all cores, and for 80 compounds.

    python benchmarks/simulate.py [--parts ase xtb stage cost] [--cores 2]

ase     steps per second of one core, interleaved with ASE's VelocityVerlet on tblite's ASE calculator, from the same
        start, and how far apart the two trajectories are at most
xtb     the same beside the program xtb, where it is installed
stage   the stage `simulate` of the workflow on 24 compounds of 7 to 30 atoms: share of cores x wall time that would do
        for the same steps at the rate of a single core, and at that of as many busy at once (they share a memory)
cost    core-hours of 80 compounds x 31 ps, extrapolated from ten of them

Rates count processor time of one thread at GFN2-xTB, accuracy 0.1, 1 fs. Prints Markdown tables.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the OpenMP library is loaded

import argparse
import csv
import gzip
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import tblite.ase
import yaml
from ase import Atoms
from ase.md.velocitydistribution import Stationary, ZeroRotation, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from ase.optimize import LBFGS
from rdkit import Chem
from rdkit.Chem import rdDistGeom

from mdstride.constants import BOHR, FEMTOSECOND, HARTREE
from mdstride.engines import make_engine
from mdstride.formats.h5md import read_trajectory
from mdstride.formats.structure import read_structure
from mdstride.simulate.integrate import State, propagate

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "resources/compounds/pubchem_chno_small.csv.gz"
TG80 = ROOT / "resources/tg80/tg80.csv"
REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
TIMESTEP = 1.0
"""fs"""
ORBITALS = {1: 1, 6: 4, 7: 4, 8: 4, 16: 9, 17: 9}
"""Basis functions of GFN2-xTB per atom."""

# The calculator converts with CODATA 2014 and the package with CODATA 2018: the same numbers for both.
tblite.ase.Bohr, tblite.ase.Hartree = BOHR, HARTREE


def main() -> None:
    parts = {"ase": beside_ase, "xtb": beside_xtb, "stage": whole_stage, "cost": cost}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--cores", type=int, default=2, help="of the stage (default: 2)")
    parser.add_argument("--repeats", type=int, default=7, help="of each loop beside ASE (default: 7)")
    parser.add_argument("--length", type=float, default=0.8, help="ps of each trajectory of the stage (default: 0.8)")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    for part in options.parts:
        parts[part](options)


def beside_ase(options: argparse.Namespace) -> None:
    print("\n| molecule | atoms | steps/s | ASE's loop | ratio, median (range) | target | largest difference, Å |")
    print("|---|---:|---:|---:|---|---:|---:|")
    for name, smiles, target, steps in (
        ("methanol", "CO", 2.0, 400),
        ("ethanol", "CCO", 1.5, 300),
        ("uracil", "O=c1cc[nH]c(=O)[nH]1", 1.15, 150),
        ("aspirin", "CC(=O)Oc1ccccc1C(=O)O", 1.05, 80),
    ):
        atoms = start(smiles)
        own, plain, apart = [], [], 0.0
        for _ in range(options.repeats):
            seconds, positions = own_loop(atoms, steps)
            own.append(seconds)
            seconds, others = ase_loop(atoms, steps)
            plain.append(seconds)
            apart = max(apart, float(np.abs(positions - others).max()))
        ratios = sorted(b / a for a, b in zip(own, plain, strict=True))
        rates = [steps / statistics.median(seconds) for seconds in (own, plain)]
        print(
            f"| {name} | {len(atoms)} | {rates[0]:.0f} | {rates[1]:.0f} | {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {target} | {apart:.1g} over {steps} steps |",
            flush=True,
        )


def start(smiles: str) -> Atoms:
    """A molecule near its minimum, with velocities that make about 300 K once shared with the vibrations."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=1)
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    atoms = Atoms(numbers, molecule.GetConformer().GetPositions())
    atoms.calc = ase_calculator()
    LBFGS(atoms, logfile=None).run(fmax=0.05, steps=300)
    thermalize_momenta(atoms, temperature_K=600.0, rng=np.random.default_rng(1))
    Stationary(atoms)
    ZeroRotation(atoms)
    return atoms


def ase_calculator() -> tblite.ase.TBLite:
    return tblite.ase.TBLite(method=REFERENCE["method"], accuracy=REFERENCE["accuracy"], verbosity=0)


def own_loop(atoms: Atoms, steps: int) -> tuple[float, np.ndarray]:
    """Processor time of so many steps, and the positions [steps, N, 3] in Å after each."""
    engine = make_engine(REFERENCE, atoms.numbers.tolist(), 0, 1)
    energy, forces = engine.compute(atoms.positions)
    first = State(atoms.positions, atoms.get_velocities() * FEMTOSECOND, forces, energy, atoms.get_momenta())
    positions = []
    begin = time.process_time()
    for state in propagate(first, engine=engine, masses=atoms.get_masses(), timestep=TIMESTEP, steps=steps):
        positions.append(state.positions)
    return time.process_time() - begin, np.array(positions)


def ase_loop(atoms: Atoms, steps: int) -> tuple[float, np.ndarray]:
    """The same with ASE's integrator and tblite's calculator, which keeps the wavefunction from step to step too."""
    atoms = atoms.copy()
    atoms.calc = ase_calculator()
    atoms.get_forces()
    atoms.calc._res = None  # the other loop drops the wavefunction before its first step
    positions: list[np.ndarray] = []
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP * FEMTOSECOND)
    dynamics.attach(lambda: positions.append(atoms.get_positions()))
    begin = time.process_time()
    dynamics.run(steps)
    return time.process_time() - begin, np.array(positions[1:])


def beside_xtb(options: argparse.Namespace) -> None:
    if shutil.which("xtb") is None:
        print("\nThe program xtb is not installed (Debian: apt-get install xtb).")
        return
    version = subprocess.run(["xtb", "--version"], capture_output=True, text=True, check=True).stdout
    number = version.partition("version")[2].split()[0]
    print(f"\n| molecule | atoms | steps/s | xtb {number}, steps/s | ratio |\n|---|---:|---:|---:|---:|")
    for name, smiles, steps in (("ethanol", "CCO", 400), ("aspirin", "CC(=O)Oc1ccccc1C(=O)O", 100)):
        atoms = start(smiles)
        rate = steps / statistics.median(own_loop(atoms, steps)[0] for _ in range(3))
        # the difference of two lengths leaves out what happens before the first step
        other = steps / statistics.median(xtb_seconds(atoms, 2 * steps) - xtb_seconds(atoms, steps) for _ in range(3))
        print(f"| {name} | {len(atoms)} | {rate:.0f} | {other:.0f} | {rate / other:.2f} |", flush=True)


def xtb_seconds(atoms: Atoms, steps: int) -> float:
    """Processor time of the program xtb for NVE dynamics without constraints or heavy hydrogen atoms."""
    settings = {
        "time": steps * TIMESTEP / 1000,
        "step": TIMESTEP,
        "temp": 120,  # xtb starts at three times this from the minimum, and levels off near 300 K
        "nvt": "false",
        "velo": "false",
        "shake": 0,
        "hmass": 1,
        "dump": 100 * TIMESTEP,
        "sccacc": REFERENCE["accuracy"],
    }
    with tempfile.TemporaryDirectory() as folder:
        ase.io.write(f"{folder}/start.xyz", atoms, plain=True)
        lines = ["$md", *(f"  {key}={value}" for key, value in settings.items()), "$end"]
        Path(folder, "md.inp").write_text("\n".join(lines) + "\n", encoding="utf-8")
        before = children_seconds()
        command = ["xtb", "start.xyz", "--gfn", "2", "--md", "--input", "md.inp", "--parallel", "1"]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return children_seconds() - before


def children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def whole_stage(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = stage_config(folder, options.length)
        results = folder / "results/benchmark"
        snakemake(config, options.cores, [results / "compounds.csv"])
        with (results / "compounds.csv").open(newline="", encoding="utf-8") as stream:
            ids = [row["id"] for row in csv.DictReader(stream)]
        structures = {id: results / f"structures/{id}.h5" for id in ids}
        snakemake(config, options.cores, list(structures.values()))
        relaxed = {id: path for id, path in structures.items() if not read_structure(path).failure}
        before = {id: stage_seconds_per_step(path) for id, path in relaxed.items()}
        with ProcessPoolExecutor(options.cores) as pool:
            busy = dict(zip(relaxed, pool.map(stage_seconds_per_step, relaxed.values()), strict=True))
        begin = time.perf_counter()
        snakemake(config, options.cores, [results / f"trajectories/{id}/0.h5md" for id in relaxed])
        wall = time.perf_counter() - begin
        after = {id: stage_seconds_per_step(path) for id, path in relaxed.items()}
        steps = {id: steps_done(results / f"trajectories/{id}/0.h5md") for id in relaxed}
        work = sum(count * (before[id] + after[id]) / 2 for id, count in steps.items())
        at_once = sum(count * busy[id] for id, count in steps.items())
        jobs = []
        for path in (results / "benchmarks/simulate").rglob("*.tsv"):
            with path.open(newline="", encoding="utf-8") as stream:
                jobs += [float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")]
    share = 100 / (options.cores * wall)
    print("\n| trajectories | ps each | cores | wall, s | steps at the rate of one core, s | efficiency |", end="")
    print(" of cores that are all busy | in jobs |\n|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {len(jobs)} | {options.length} | {options.cores} | {wall:.0f} | {work:.0f} | {share * work:.0f} % "
        f"(target 90 %) | {share * at_once:.0f} % | {share * sum(jobs):.0f} % |"
    )
    start, rest = start_of_a_job(), (options.cores * wall - sum(jobs)) / len(jobs)
    percent = 100 * start * len(jobs) / sum(jobs)
    print(
        f"\nOverhead per job: {start:.2f} s to start Python and import, {percent:.1f} % of it; "
        f"{rest:.2f} s of a core between jobs: start of Snakemake, its graph, the end when one core has nothing left",
        flush=True,
    )


def start_of_a_job() -> float:
    """Seconds until the command has everything imported that it works with; median of 9."""
    command = [sys.executable, "-c", "import mdstride.cli, mdstride.simulate.stage, mdstride.engines.tblite"]
    seconds = []
    for _ in range(9):
        begin = time.perf_counter()
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))


def stage_config(folder: Path, length: float) -> Path:
    """24 compounds, one for each number of atoms from 7 to 30, that of the lowest CID."""
    chosen: dict[int, str] = {}
    with gzip.open(LIBRARY, "rt", encoding="utf-8", newline="") as stream:
        for row in sorted(csv.DictReader(stream), key=lambda row: int(row["cid"])):
            chosen.setdefault(int(row["n_atoms"]), row["smiles"])
    extra = "".join(f"{chosen[atoms]},{atoms} atoms\n" for atoms in range(7, 31) if atoms != 14)
    (folder / "extra.csv").write_text(f"smiles,name\n{extra}", encoding="utf-8")
    (folder / "library.csv").write_text(f"smiles\n{chosen[14]}\n", encoding="utf-8")  # it may not be empty
    settings: dict[str, Any] = {
        "run": "benchmark",
        "results": str(folder / "results"),
        "plan": {"replicas": 1, "twin_length": 0.1},
        "library": {"source": "csv", "path": str(folder / "library.csv"), "shards": 1},
        "screen": {"seed_similarity": [0.0, 1.0]},
        "select": {"names": None, "extra_compounds": str(folder / "extra.csv"), "max_similarity": 1.0},
        "reference": REFERENCE,
        "relax": {"conformers": 1},  # not measured
        "simulate": {"timestep": TIMESTEP, "equilibration": 0.1, "production": length - 0.1, "retry": {"attempts": 0}},
        # not run, but the defaults are longer than these trajectories
        "pretrain": {"lags": [10.0, 100.0]},
        "evaluate": {"lags": [100.0], "rollout": None},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "config.yaml"


def snakemake(config: Path, cores: int, targets: list[Path]) -> None:
    command = [sys.executable, "-m", "snakemake", *map(str, targets), "--cores", str(cores), "--nolock"]
    command += ["--rerun-triggers", "mtime"]  # the code is not expected to change in between
    done = subprocess.run(
        [*command, "--configfile", str(config)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(done.stdout)


def stage_seconds_per_step(structure: Path) -> float:
    """Processor time of one step of one core, from the minimum that the stage starts from too."""
    minimum = read_structure(structure)
    atoms = Atoms(minimum.atomic_numbers, minimum.positions)
    thermalize_momenta(atoms, temperature_K=600.0, rng=np.random.default_rng(1))
    return own_loop(atoms, 100)[0] / 100


def steps_done(trajectory: Path) -> int:
    stored = read_trajectory(trajectory, arrays=False)
    settings = stored.parameters["simulate"]
    return round(1000 * settings["equilibration"] / settings["timestep"]) + int(stored.step[-1])


def cost(options: argparse.Namespace) -> None:
    with TG80.open(newline="", encoding="utf-8") as stream:
        compounds = sorted(
            (basis_functions(row["smiles"]), row["name"], row["smiles"]) for row in csv.DictReader(stream)
        )
    print("\n| compound | basis functions | ms per step |\n|---|---:|---:|")
    sizes, seconds = [], []
    for size, name, smiles in compounds[4::8]:  # the middle of each tenth
        atoms = start(smiles)
        sizes.append(size)
        seconds.append(own_loop(atoms, 200)[0] / 200)
        print(f"| {name} | {size} | {1000 * seconds[-1]:.2f} |", flush=True)
    power, offset = np.polyfit(np.log(sizes), np.log(seconds), 1)
    scatter = float(np.std(np.log(seconds) - power * np.log(sizes) - offset, ddof=2))
    steps = round(31_000 / TIMESTEP)
    total = sum(np.exp(offset) * size**power for size, *_ in compounds) * steps / 3600
    print(
        f"\n80 compounds x 31 ps at {TIMESTEP:g} fs: {total:.1f} core-hours "
        f"(time per step as basis functions to the {power:.2f}, scatter {100 * scatter:.0f} % per compound)"
    )


def basis_functions(smiles: str) -> int:
    return sum(ORBITALS[atom.GetAtomicNum()] for atom in Chem.AddHs(Chem.MolFromSmiles(smiles)).GetAtoms())


if __name__ == "__main__":
    main()
