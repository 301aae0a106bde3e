"""Charts of the reference trajectories and of training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from mdstride.report.material import Material, Run
from mdstride.report.plotting import COLOURS, SIGNED, Chart, canvas, inline, log_scale


def energy_chart(material: Material) -> Chart:
    """Total energy of every trajectory against time, with the drift that would be refused."""
    figure, axes = canvas("time (ps)", "total energy − first block (meV/atom)")
    limit = material.config["simulate"]["limits"]["drift"]
    longest, rows = 0.0, []
    for compound in material.dataset.compounds.values():
        for replica in compound.replicas:
            if replica.figures.get("block_time"):
                time, energy = replica.figures["block_time"], replica.figures["block_energy"]
                axes.plot(time, energy, color=COLOURS["blue"], lw=0.9, alpha=0.45)
                longest = max(longest, time[-1])
                rows += [(compound.id, replica.number, *point) for point in zip(time, energy, strict=True)]
    cone = np.array([0.0, longest])
    for sign in (1, -1):
        axes.plot(cone, sign * limit * cone, "--", color=COLOURS["vermillion"], lw=1.4)
    axes.text(0.6 * longest, 0.64 * limit * longest, f"limit, {limit:g} meV/atom/ps", ha="right", va="bottom")
    axes.yaxis.set_major_formatter(SIGNED)
    columns = ("compound", "replica", "time_ps", "energy_meV_per_atom")
    said = "Total energy of every trajectory against time, beside the drift limit"
    return inline(figure, "energy", said, columns, rows)


def drift_chart(material: Material) -> Chart:
    """Size of the energy drift of each trajectory, sorted, against the limit."""
    figure, axes = canvas("trajectories, sorted", "|drift of the total energy| (meV/atom/ps)")
    known = [row for row in material.trajectories if row["drift"]]
    known.sort(key=lambda row: abs(float(row["drift"])))
    for passed, marker, colour, label in (("True", "o", "blue", "passed"), ("False", "X", "vermillion", "left out")):
        points = [(k, abs(float(row["drift"]))) for k, row in enumerate(known, 1) if row["passed"] == passed]
        if points:
            axes.plot(*zip(*points, strict=True), marker, color=COLOURS[colour], label=label)
    limit = material.config["simulate"]["limits"]["drift"]
    axes.axhline(limit, ls="--", color=COLOURS["vermillion"], lw=1.4)
    axes.text(1, limit, f"limit, {limit:g}", va="bottom")
    log_scale(axes)
    axes.legend(loc="lower right", frameon=False)
    columns = ("id", "replica", "passed", "drift")
    rows = [[row[name] for name in columns] for row in known]
    said = "Energy drift of every trajectory, sorted, against the limit"
    return inline(figure, "drift", said, (*columns[:3], "drift_meV_per_atom_ps"), rows)


def temperature_chart(material: Material) -> Chart:
    """Mean temperature of each trajectory against size, and the spread that NVE from thermal starts must have.

    The energy of 3N-6 harmonic oscillators in the canonical ensemble has a relative standard deviation of
    1/sqrt(3N-6), and half of it is kinetic on average.
    """
    figure, axes = canvas("atoms", "mean temperature (K)")
    target = material.config["simulate"]["temperature"]
    known = [row for row in material.trajectories if row["temperature"]]
    sizes = np.array([int(material.compounds[row["id"]]["n_atoms"]) for row in known])
    axes.plot(sizes, [float(row["temperature"]) for row in known], "o", color=COLOURS["blue"], alpha=0.8)
    atoms = np.linspace(max(sizes.min() - 0.5, 2.5), sizes.max() + 0.5, 100)
    spread = 2 * target / np.sqrt(3 * atoms - 6)
    axes.fill_between(atoms, target - spread, target + spread, color=COLOURS["green"], alpha=0.13, lw=0)
    axes.axhline(target, color=COLOURS["green"], lw=1.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    rows: list[Any] = [
        (row["id"], row["replica"], size, row["temperature"]) for row, size in zip(known, sizes.tolist(), strict=True)
    ]
    said = "Mean temperature of every trajectory against its number of atoms"
    return inline(figure, "temperature", said, ("compound", "replica", "atoms", "temperature_K"), rows)


def training_chart(runs: Sequence[Run], name: str) -> Chart:
    """Training and validation error against step, and what persistence scores on the same validation windows."""
    figure, axes = canvas("optimiser step", "mean square error (Å²)")
    series = (("train", "sky", "-", 1.0), ("validation", "vermillion", "-", 2.4), ("persistence", "blue", "--", 1.6))
    for run in runs:
        for key, colour, line, width in series:
            points = [(row["step"], row[key]) for row in run.log if row.get(key) is not None]
            if points:
                label = key if run is runs[0] else None
                axes.plot(*zip(*points, strict=True), ls=line, lw=width, color=COLOURS[colour], label=label)
    log_scale(axes)
    axes.legend(loc="best", frameon=False)
    keys = [key for key, *_ in series]
    rows = [(run.seed, row["step"], *(row.get(key) for key in keys)) for run in runs for row in run.log]
    said = f"Training and validation error of {runs[0].model} against optimiser step"
    return inline(figure, name, said, ("seed", "step", *keys), rows)
