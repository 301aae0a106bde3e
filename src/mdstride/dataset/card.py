"""The data card: what a reader must know before using the set, in Markdown."""

from typing import Any

import numpy as np

from mdstride import __version__
from mdstride.formats.dataset_file import PARTS, CompoundData, Dataset

CARD = """\
# Data card: {count} compounds, molecular dynamics with {method}

## What it is
Gas-phase molecular dynamics of {count} small molecules: {trajectories} trajectories, {frames:,} frames,
{length:.1f} ps in all, one frame each {interval:g} fs. Every frame has positions, velocities, forces and the potential
energy.

## How it was made
Level of theory: {method} (semi-empirical; not a substitute for density functional or wavefunction results), engine
{engine}, SCC accuracy {accuracy:g}. Each compound was relaxed from its SMILES, equilibrated with a thermostat, then
propagated at constant energy; only the constant-energy part is stored. Settings and software versions are in the
attribute `settings` of the file. {left_out} of {total} trajectories were left out; trajectories.csv gives the reason
of each one.

## Units
Positions Å (float32, relative to the array `origin` of each trajectory), velocities Å/fs, forces eV/Å, energies eV,
masses amu, times fs. Drift is the slope of the total energy in meV/atom/ps.

## Splits
Split `compound`: a compound is in one part only, with all compounds of the same connectivity (first block of the
InChIKey).

| part | compounds | trajectories | frames |
|---|---|---|---|
{parts}

## Compounds
| compound | SMILES | formula | part | trajectories | drift | temperature (K) |
|---|---|---|---|---|---|---|
{rows}

## Use and limits
Made for forecasting trajectories of molecules that a model has not seen. It holds the gas phase near one temperature
alone, and no reaction: a trajectory in which a bond broke is left out.

## Licence and citation
MIT, as the project; PubChem records are public domain. Cite mdstride {version}, Bannwarth, Ehlert and Grimme,
J. Chem. Theory Comput. 15, 1652 (2019) for GFN2-xTB, and Kim et al., Nucleic Acids Res. 53, D1516 (2025) for PubChem.

## Content hash
`{hash}` (SHA-256 of all arrays and splits; `mdstride` compares it on reading)
"""


def card_text(dataset: Dataset, rows: list[dict[str, Any]]) -> str:
    """The card of `dataset`; `rows` are those of trajectories.csv, failed trajectories included."""
    compounds = list(dataset.compounds.values())
    replicas = [replica for compound in compounds for replica in compound.replicas]
    reference = dataset.settings["reference"]
    return CARD.format(
        count=len(compounds),
        method=reference["calculator"] or reference["method"],
        engine=reference["engine"],
        accuracy=reference["accuracy"],
        trajectories=len(replicas),
        frames=sum(len(replica.positions) for replica in replicas),
        length=sum((len(replica.positions) - 1) * replica.interval for replica in replicas) / 1000,
        interval=replicas[0].interval,
        left_out=sum(not row["passed"] for row in rows),
        total=len(rows),
        parts="\n".join(_part(dataset, part) for part in PARTS),
        rows="\n".join(_compound(dataset, compound) for compound in compounds),
        version=__version__,
        hash=dataset.hash(),
    )


def _part(dataset: Dataset, part: str) -> str:
    ids = dataset.splits["compound"][part]
    replicas = [replica for key in ids for replica in dataset.compounds[key].replicas]
    return f"| {part} | {len(ids)} | {len(replicas)} | {sum(len(replica.positions) for replica in replicas):,} |"


def _compound(dataset: Dataset, compound: CompoundData) -> str:
    part = next(part for part in PARTS if compound.id in dataset.splits["compound"][part])
    labels = {name: value.replace("|", "\\|") for name, value in compound.labels.items()}
    figures = [replica.figures for replica in compound.replicas]
    drifts = [figure["drift"] for figure in figures if figure["drift"] is not None]  # null: too few frames
    drift = f"{max(drifts, key=abs):.3f}" if drifts else "–"
    temperature = np.mean([figure["temperature"] for figure in figures])
    return (
        f"| {labels['name'] or compound.id} | `{labels['smiles']}` | {labels['formula']} | {part} "
        f"| {len(compound.replicas)} | {drift} | {temperature:.0f} |"
    )
