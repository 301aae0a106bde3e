"""Compounds, minima, trajectories, data set and splits of two runs.

A trajectory is chaotic: what differs by a last bit at the start (another processor, another library of linear algebra)
has grown to ångströms some ps later. So positions need not agree, and what must is what they are a sample of: the
verdicts, and the figures on average over all trajectories.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import ttest_1samp

from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import split_to_json
from mdstride.formats.structure import read_structure
from mdstride.progress import Progress
from mdstride.reproduce.findings import Finding, Outcome, shortened

ENERGY, FREQUENCY = 1e-4, 1.0
"""eV and cm-1 within which two relaxations have found the same minimum."""
APART = 0.1
"""Å, of the atom that moved most, from which on two trajectories are no longer the same."""
SIGNIFICANT = 1e-3
"""A mean difference this unlikely by chance is one."""
FEWEST = 3
"""Trajectories from which on chance can be judged."""
FIGURES = {"drift": "meV/atom/ps", "fluctuation": "meV/atom", "temperature": "K", "max_force": "eV/Å"}
"""Of trajectories.csv, with their units."""

Rows = dict[tuple[str, str], dict[str, str]]


def compare_compounds(published: Path, other: Path) -> Finding:
    """compounds.csv, row by row. Selection is exact on any machine."""
    ours, theirs = (_rows(run / "compounds.csv") for run in (published, other))
    if list(ours) == list(theirs):
        changed = [key[0] for key in ours if ours[key] != theirs[key]]
        if not changed:
            return Finding("compounds", Outcome.EXACT, f"{len(ours):,}, in the same order, every column")
        return Finding("compounds", Outcome.DIFFERS, f"the same ids, but other columns of {shortened(changed)}")
    lost, new = ([key[0] for key in one if key not in another] for one, another in ((ours, theirs), (theirs, ours)))
    parts = [
        f"{len(some)} only {where}: {shortened(some, 3)}" for some, where in ((lost, "here"), (new, "there")) if some
    ]
    detail = "; ".join(parts) or "another order"
    return Finding("compounds", Outcome.DIFFERS, f"{detail}. Another library, other seeds, or another version of RDKit")


def compare_minima(published: Path, other: Path) -> Finding:
    """Energies and frequencies of structures/ID.h5."""
    names = [path.name for path in sorted((published / "structures").glob("*.h5"))]
    progress = Progress("reproduce: minima", len(names), "compounds")
    energy, frequency, wrong = 0.0, 0.0, []
    for name in names:
        progress.update()
        if not (other / "structures" / name).is_file():
            wrong.append(f"{name} is missing there")
            continue
        one, two = (read_structure(run / "structures" / name) for run in (published, other))
        if bool(one.failure) != bool(two.failure):
            wrong.append(f"{one.id} {one.failure or 'has a minimum'}, there {two.failure or 'has one'}")
        elif not one.failure:
            if one.frequencies.shape != two.frequencies.shape:
                wrong.append(f"{one.id} has another number of atoms")
                continue
            gap, shift = abs(one.energy - two.energy), float(np.abs(one.frequencies - two.frequencies).max(initial=0))
            energy, frequency = max(energy, gap), max(frequency, shift)
            if gap > ENERGY or shift > FREQUENCY:
                wrong.append(f"{one.id} differs by {gap:.2g} eV and {shift:.2g} cm-1: another conformer")
    if wrong:
        return Finding("minima", Outcome.DIFFERS, shortened(wrong))
    if energy == frequency == 0:
        return Finding("minima", Outcome.EXACT, f"energies and frequencies of {len(names):,}")
    return Finding("minima", Outcome.WITHIN, f"{energy:.2g} eV and {frequency:.2g} cm-1, {len(names):,} compounds")


def compare_verdicts(published: Path, other: Path) -> list[Finding]:
    """trajectories.csv: who passed, and the figures on average."""
    ours, theirs = (_rows(run / "trajectories.csv") for run in (published, other))
    shared = [key for key in ours if key in theirs]
    wrong = [f"{'/'.join(key)} is missing there" for key in ours if key not in theirs]
    wrong += [
        f"{'/'.join(key)} ({ours[key]['reason'] or theirs[key]['reason']})"
        for key in shared
        if ours[key]["passed"] != theirs[key]["passed"]
    ]
    passed = [key for key in shared if ours[key]["passed"] == theirs[key]["passed"] == "True"]
    detail = f"{len(passed):,} of {len(ours):,} trajectories passed in both"
    if wrong:
        detail += f"; not the same: {shortened(wrong)}"
    outcome = Outcome.DIFFERS if wrong else Outcome.EXACT
    return [Finding("verdicts", outcome, detail), *(_figure(name, ours, theirs, passed) for name in FIGURES)]


def _figure(name: str, ours: Rows, theirs: Rows, passed: Sequence[tuple[str, str]]) -> Finding:
    """One figure of the verdict over all trajectories that passed: equal, or with a mean difference that is chance."""
    what, unit = f"mean {name.replace('_', ' ')}", FIGURES[name]
    pairs = [(ours[key][name], theirs[key][name]) for key in passed if ours[key][name] and theirs[key][name]]
    values = np.array(pairs, float).reshape(-1, 2)
    change = values[:, 1] - values[:, 0]
    if not change.any():
        return Finding(what, Outcome.EXACT, f"{values[:, 0].mean():.6g} {unit}" if len(values) else "none")
    means = f"{values[:, 0].mean():.4g}, there {values[:, 1].mean():.4g} {unit}"
    if len(values) < FEWEST:
        return Finding(what, Outcome.MAY, f"{means}; too few trajectories to judge by")
    test = ttest_1samp(change, 0.0)
    error = change.std(ddof=1) / np.sqrt(len(change))
    detail = f"{means}: {change.mean():+.2g} ± {error:.2g}, p = {test.pvalue:.2g}"
    return Finding(what, Outcome.DIFFERS if test.pvalue < SIGNIFICANT else Outcome.WITHIN, detail)


def compare_trajectories(published: Dataset, other: Dataset) -> Finding:
    """Positions in the data sets, bit for bit; of those that differ, how long they were the same."""
    same, times = 0, []
    progress = Progress("reproduce: trajectories", len(published.compounds), "compounds")
    for key, one in published.compounds.items():
        progress.update()
        if key not in other.compounds:
            continue  # the verdicts say why
        if published.digests[key] == other.digests[key]:
            same += len(one.replicas)
            continue
        equal, parted = _compare_replicas(one, other.compounds[key])
        same += equal
        times += parted
    if not times:
        return Finding("trajectories", Outcome.EXACT, f"{same:,}, every position")
    near = sum(time == np.inf for time in times)
    detail = f"{same:,} bit for bit, {near:,} within {APART:g} Å"
    if near == len(times):
        return Finding("trajectories", Outcome.WITHIN, f"{detail} to their end")
    apart = [time for time in times if time < np.inf]
    return Finding(
        "trajectories",
        Outcome.MAY,
        f"{detail} to their end, {len(apart):,} until {np.median(apart):.3g} ps "
        f"(median; the first {min(apart):.3g} ps). They are chaotic: verdicts and means are what counts",
    )


def _compare_replicas(one: CompoundData, two: CompoundData) -> tuple[int, list[float]]:
    """How many replicas have the same positions, and for each of the others when they part, in ps, or infinity."""
    theirs = {replica.number: replica for replica in two.replicas}
    equal, times = 0, []
    for replica in one.replicas:
        if replica.number not in theirs:
            continue
        positions, others = replica.positions[()], theirs[replica.number].positions[()]
        frames = min(len(positions), len(others))
        if np.array_equal(positions, others):
            equal += 1
            continue
        apart = np.linalg.norm(positions[:frames] - others[:frames], axis=-1).max(axis=1) > APART
        times.append(int(apart.argmax()) * replica.interval / 1000 if apart.any() else np.inf)
    return equal, times


def compare_datasets(published: Dataset, other: Dataset) -> list[Finding]:
    """Content hash, and the splits."""
    one, two = published.hash(), other.hash()
    if one == two:
        found = Finding("data set", Outcome.EXACT, f"content hash {one[:16]}…")
    else:
        found = Finding("data set", Outcome.MAY, f"{one[:12]}…, there {two[:12]}…: as do its trajectories")
    wrong = []
    for name, split in published.splits.items():
        if name not in other.splits:
            wrong.append(f"{name} is missing there")
        elif split_to_json(split) != split_to_json(other.splits[name]):
            wrong.append(f"{name} has other members")
    names = ", ".join(published.splits)
    return [found, Finding("splits", Outcome.DIFFERS if wrong else Outcome.EXACT, shortened(wrong) or names)]


def _rows(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return {(row["id"], row.get("replica", "")): row for row in csv.DictReader(stream)}
