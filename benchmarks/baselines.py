"""How good the zero-shot baselines are on real dynamics, beside an earlier measurement of the same.

    python benchmarks/baselines.py --folder DIR [--molecules uracil ethanol naphthalene aspirin]

Relaxes each molecule and runs GFN2-xTB trajectories (NVE from 300 K, 1 fs, a frame each 2 fs; kept in DIR), with a twin
of the first one. Scores the baselines on 500 windows at even distances: mean square error per coordinate of the heavy
atoms, 1e-2 Å². The time constant of `damped harmonic` is fitted on the other molecules. Flexible molecules are scored
again with every minimum that their conformers relax to (at most as many as `relax.conformers`).
Prints Markdown tables; needs nine minutes of one core.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the OpenMP library is loaded

import argparse
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdstride import config
from mdstride.constants import ACCELERATION, BOLTZMANN, LIGHT
from mdstride.dataset.stage import build_dataset
from mdstride.evaluate.floor import twin_floor
from mdstride.evaluate.metrics import mean_square_error
from mdstride.formats.dataset import CompoundData, Dataset, Minimum
from mdstride.formats.dataset_file import read_dataset
from mdstride.formats.split import Segment, whole
from mdstride.formats.structure import read_structure
from mdstride.formats.tables import write_table
from mdstride.models.baselines import make_baselines
from mdstride.models.harmonic import even_starts, fit_damping
from mdstride.models.minima import Minima
from mdstride.models.superposition import eckart
from mdstride.relax.stage import relax_compound
from mdstride.simulate.stage import simulate_replica
from mdstride.windows import Windows

ROOT = Path(__file__).resolve().parent.parent
MOLECULES = {
    "uracil": ("ISAKRJDGNUQOIC-UHFFFAOYSA-N", "O=c1cc[nH]c(=O)[nH]1", 10.0, 2),
    "ethanol": ("LFQSCWFLJHTTHZ-UHFFFAOYSA-N", "CCO", 10.0, 2),
    "naphthalene": ("UFWIBTONFRDIAS-UHFFFAOYSA-N", "c1ccc2ccccc2c1", 10.0, 1),
    "aspirin": ("BSYNRYMUTXBXSQ-UHFFFAOYSA-N", "CC(=O)Oc1ccccc1C(=O)O", 6.0, 1),
}
"""InChIKey, SMILES, ps of each trajectory, trajectories."""

LAGS = [10.0, 30.0, 100.0, 300.0, 1000.0]
SHOWN = ("persistence", "rigid", "harmonic", "damped harmonic")
WINDOWS = 500
SOFTEST = 3
"""Modes that are shown."""
TWIN = 1.1
"""ps that a twin runs beside the first trajectory."""

EARLIER: dict[str, dict[str, list[float | None]]] = {
    "uracil": {
        "persistence": [0.149, 0.416, 0.983, 0.838, 0.805],
        "rigid": [0.30, 0.30, 0.32, 0.32, 0.32],
        "harmonic": [0.0039, 0.0103, 0.0251, 0.080, 0.254],
        "twin 1e-3 Å": [None, None, 6e-5, None, 5e-4],
    },
    "ethanol": {
        "persistence": [0.077, 0.264, 0.229, 0.131, 0.156],
        "rigid": [0.064, 0.099, 0.083, 0.085, 0.107],
        "harmonic": [0.0013, 0.0043, 0.010, 0.060, 0.157],
        "twin 1e-3 Å": [None, None, 4e-5, None, 2e-3],
    },
    "naphthalene": {
        "persistence": [0.121, 0.265, 0.350, 0.295, 0.275],
        "rigid": [0.122, 0.116, 0.133, 0.117, 0.131],
        "harmonic": [0.0007, 0.0021, 0.0053, 0.014, 0.040],
    },
    "aspirin": {
        "persistence": [0.155, 0.492, 1.37, 1.81, 2.26],
        "rigid": [0.83, 0.86, 0.84, 0.90, 1.13],
        "harmonic": [0.012, 0.023, 0.152, 0.369, 0.959],
    },
}
"""1e-2 Å² at LAGS, measured independently on other trajectories at the same level of theory."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--molecules", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = config.load(ROOT / "config.yaml")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date.today()}")
    for name in options.molecules:
        make_trajectories(options.folder, name, settings)
    names = {MOLECULES[name][0]: name for name in options.molecules}
    data = gather(options.folder, names, settings)
    minima = {key: known_minima(options.folder, key) for key in data.compounds}
    show_errors(data, names, minima)
    show_energies(data, names, settings["simulate"]["temperature"])
    show_minima(data, names, minima)


def make_trajectories(folder: Path, name: str, settings: dict[str, Any]) -> None:
    """Minimum, trajectories and one twin, as far as they are not there."""
    key, smiles, length, replicas = MOLECULES[name]
    structure, reference = folder / f"structures/{key}.h5", settings["reference"]
    if not structure.exists():
        relax = settings["relax"] | {"minima": settings["relax"]["conformers"]}
        relax_compound(relax, reference, compound_id=key, smiles=smiles, output=structure)
    original = folder / f"trajectories/{key}/0.h5md"
    runs = [(number, original.with_name(f"{number}.h5md"), None) for number in range(replicas)]
    for number, output, twin_of in [*runs, (0, original.with_name("0.twin.h5md"), original)]:
        if not output.exists():
            simulate_replica(
                settings["simulate"],
                reference,
                structure=structure,
                replica=number,
                state=folder / f"state/{key}/{output.stem}",
                output=output,
                twin_of=twin_of,
                length=TWIN if twin_of else length,
            )


def gather(folder: Path, names: Mapping[str, str], settings: dict[str, Any]) -> Dataset:
    """The data set of all molecules with one minimum each; those with one trajectory are built with one."""
    compounds: dict[str, CompoundData] = {}
    for key, name in names.items():
        _, smiles, _, replicas = MOLECULES[name]
        row = {"id": key, "cid": "", "smiles": smiles, "name": name, "formula": ""}
        write_table(folder / f"{name}.csv", list(row), [row])
        build_dataset(
            settings["dataset"] | {"splits": {}},
            settings["reference"],
            compounds=folder / f"{name}.csv",
            structures=folder / "structures",
            trajectories=folder / "trajectories",
            replicas=replicas,
            twins=1,
            output=folder / f"{name}.h5",
            table=folder / f"{name}-trajectories.csv",
            card=folder / f"{name}.md",
        )
        compounds[key] = replace(read_dataset(folder / f"{name}.h5").compounds[key], minima=())
    return Dataset(compounds, {})


def known_minima(folder: Path, key: str) -> list[Minimum]:
    """Every minimum that a conformer relaxes to; the first is the one that the trajectories start from."""
    found = read_structure(folder / f"structures/{key}.h5")
    return [Minimum(found.energy, found.positions, found.frequencies, found.modes), *found.minima]


def with_minima(compound: CompoundData, known: Sequence[Minimum]) -> CompoundData:
    """The same with these minima alone."""
    first = known[0]
    changes = {"reference": first.positions, "frequencies": first.frequencies, "modes": first.modes}
    return replace(compound, **changes, minima=tuple(known[1:]))


def errors(compound: CompoundData, damping: float | None, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """[WINDOWS, P] 1e-2 Å² at LAGS of the baselines called `labels`, over windows of all trajectories of a compound."""
    windows = Windows(Dataset({compound.id: compound}, {}), whole([compound.id]))
    steps = torch.tensor([round(lag / windows.interval) for lag in LAGS])
    segment, start = even_starts(windows, int(steps.max()), WINDOWS)
    state, targets = windows.gather(segment, start, steps.expand(len(start), -1))
    lags = windows.lags(steps).expand(len(start), -1)
    known = make_baselines(compound, damping)
    return {
        label: 100 * mean_square_error(known[label].forecast(state, lags), targets, state).numpy()
        for label in labels
        if label in known
    }


def show_errors(data: Dataset, names: Mapping[str, str], minima: Mapping[str, list[Minimum]]) -> None:
    """The baselines, in each cell measured now / earlier."""
    print(f"\n| lag (fs), now / earlier | {' | '.join(f'{lag:g}' for lag in LAGS)} |\n|---|" + "---:|" * len(LAGS))
    for key, name in names.items():
        others = [Segment(other) for other in data.compounds if other != key]
        damping = fit_damping(data, others, LAGS) if others else None
        compound, known = data.compounds[key], minima[key]
        found = errors(compound, damping, SHOWN)
        rows = {label: values.mean(0) for label, values in found.items()}
        rows["harmonic, median window"] = np.median(found["harmonic"], axis=0)
        if len(known) > 1:
            for what, some in ((f"{len(known)} minima", known), ("without the right minimum", known[1:])):
                for label, values in errors(with_minima(compound, some), damping, ("rigid", "harmonic")).items():
                    rows[f"{label}, {what}"] = values.mean(0)
        rows["twin 1e-3 Å"] = 100 * twin_floor(data.compounds[key], LAGS)[0]
        for label, values in rows.items():
            before = EARLIER[name].get(label, [None] * len(LAGS))
            pairs = zip(values, before, strict=True)
            cells = [f"{value:.2g}" + ("" if old is None else f" / {old:g}") for value, old in pairs]
            suffix = f", {damping:.0f} fs" if label == "damped harmonic" else ""
            print(f"| {name}: {label}{suffix} | {' | '.join(cells)} |")


def show_energies(data: Dataset, names: Mapping[str, str], temperature: float) -> None:
    """`rigid` at this temperature in each mode, and how far the softest modes are from it, by their amplitudes."""
    print(
        "\n| molecule | K, mean of each trajectory | rigid at 300 K in each mode | softest modes, cm-1 | K of these |"
    )
    print("|---|---|---:|---|---|")
    for key, name in names.items():
        compound = data.compounds[key]
        assert compound.frequencies is not None
        means = ", ".join(f"{replica.figures['temperature']:.0f}" for replica in compound.replicas)
        modes = ", ".join(f"{value:.0f}" for value in compound.frequencies[:SOFTEST])
        hot = ", ".join(f"{value:.0f}" for value in amplitude_temperatures(compound)[:SOFTEST])
        print(f"| {name} | {means} | {100 * mode_shares(compound, temperature).sum():.2g} | {modes} | {hot} |")


def mode_shares(compound: CompoundData, temperature: float) -> np.ndarray:
    """[K] Å²: mean square displacement per coordinate of heavy atoms by each mode of mean energy kT, k_B T / w²."""
    heavy = np.asarray(compound.atomic_numbers) > 1
    weight = np.square(np.asarray(compound.modes)[:, heavy]) / np.asarray(compound.masses)[heavy, None]
    return unit_variances(compound) * temperature * weight.sum((1, 2)) / (3 * heavy.sum())


def amplitude_temperatures(compound: CompoundData) -> np.ndarray:
    """[K] kelvin of which each mode has the amplitude, w² <q²> / k_B, mean over all trajectories."""
    frames = np.concatenate([np.asarray(replica.positions, np.float64)[::10] for replica in compound.replicas])
    known, masses = Minima(compound), np.asarray(compound.masses)
    positions = torch.from_numpy(frames)
    positions = known.nearest(positions).there(positions)
    reference = torch.from_numpy(np.asarray(compound.reference))
    rotation, start, end = eckart(
        reference.expand_as(positions), positions, torch.from_numpy(masses).expand(len(frames), -1)
    )
    displacements = ((positions - end) @ rotation - (reference - start)).numpy() * np.sqrt(masses)[:, None]
    amplitudes = np.einsum("kni, fni -> fk", np.asarray(compound.modes), displacements)
    return np.square(amplitudes).mean(0) / unit_variances(compound)


def unit_variances(compound: CompoundData) -> np.ndarray:
    """[K] amu Å² per kelvin: k_B / w²."""
    angular = 2 * np.pi * LIGHT * np.abs(np.asarray(compound.frequencies))
    return BOLTZMANN * ACCELERATION / angular**2


def show_minima(data: Dataset, names: Mapping[str, str], minima: Mapping[str, list[Minimum]]) -> None:
    """Energies of the known minima, and how many frames are nearest to each."""
    print("\n| molecule | minimum | meV above the first | nearest to frames |")
    print("|---|---|---:|---:|")
    for key, name in names.items():
        compound, known = data.compounds[key], minima[key]
        frames = np.concatenate([replica.positions[::10] for replica in compound.replicas])
        positions = torch.from_numpy(frames.astype(np.float64))
        nearest = Minima(with_minima(compound, known)).nearest(positions).minimum.numpy()
        for k, one in enumerate(known):
            above = 1000 * (one.energy - known[0].energy)
            print(f"| {name} | {k + 1} | {above:.1f} | {(nearest == k).mean():.0%} |")


if __name__ == "__main__":
    main()
