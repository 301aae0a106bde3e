"""The data card: what a reader must know before using the set, in Markdown. Reads shapes and figures, no trajectory."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rdkit.DataStructs import BulkTanimotoSimilarity

from mdstride import __version__
from mdstride.chemistry import elements, fingerprint, functional_groups, molecule
from mdstride.dataset.markdown import Lines, cell, folded, histogram, table, tally
from mdstride.dataset.summary import (
    OWN,
    counted,
    drift,
    figures,
    number,
    of_compound,
    size,
    sources,
    temperature,
    theory,
)
from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import PARTS, Split

UNITS = """\
Positions Å (float32, relative to the array `origin` of each trajectory), velocities Å/fs, forces eV/Å, potential
energies eV, masses amu, times fs. Drift is the slope of the total energy in meV/atom/ps. Similarity is the Tanimoto
coefficient of ECFP4 fingerprints (2048 bits)."""

UNIT = {
    "compound": "whole compounds are held out, with all of the same connectivity (zero-shot)",
    "frames": "frames are held out of compounds that are trained on",
}
LEAKY = (
    "**Leaky**: as in the literature, what is tested overlaps what is trained on. Its scores compare with published"
    " ones alone, and say nothing about molecules or times that a model has not seen."
)
LIMITS = (
    "Semi-empirical reference: no substitute for density functional or wavefunction results.",
    "Isolated molecules in the gas phase near one temperature; classical nuclei.",
    "No reactions: a trajectory in which a bond broke is left out.",
)
LICENCE = "MIT, as mdstride; PubChem records are public domain"
GFN2 = (
    "Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 15, 1652 (2019), doi:10.1021/acs.jctc.8b01176, for GFN2-xTB"
)
PUBCHEM = "Kim et al., Nucleic Acids Res. 53, D1516 (2025), doi:10.1093/nar/gkae1059, for PubChem"

SETTINGS = (
    ("engine", ("reference", "engine")),
    ("SCC accuracy", ("reference", "accuracy")),
    ("ensemble", ("trajectories", "simulate", "ensemble")),
    ("integrator", ("trajectories", "integrator")),
    ("time step (fs)", ("trajectories", "timestep")),
    ("steps between frames", ("trajectories", "stride")),
    ("temperature of the equilibration (K)", ("trajectories", "simulate", "temperature")),
    ("equilibration", ("trajectories", "equilibration")),
    ("length of the equilibration (ps)", ("trajectories", "simulate", "equilibration")),
)
"""What the card shows of the settings, and where it stands there."""


def card_text(dataset: Dataset, rows: Sequence[Mapping[str, Any]], reports: Mapping[str, Sequence[str]]) -> str:
    """The card of `dataset`.

    `rows` are those of trajectories.csv, failed trajectories included; empty where nothing was computed. `reports` say
    in lines of Markdown how far the parts of a split are apart, by name of the split, as far as there are any.
    """
    sections = {
        "What it is": _contents(dataset),
        "How it was made": _made(dataset, rows) + _imported(dataset),
        "Units": [UNITS],
        "What is in it": _distributions(dataset),
        "Splits": _splits(dataset, reports),
        "Compounds": _compounds(dataset),
        "Use and known limits": _limits(dataset),
        "Licence": _licences(dataset),
        "How to cite": _citations(dataset),
        "Checksums": _checksums(dataset),
    }
    names = " and ".join(filter(None, (theory(dataset), *_imports(dataset))))
    title = f"# Data card: {counted(len(dataset.compounds), 'compound')}, molecular dynamics with {names}"
    return "\n\n".join([title, *("\n".join([f"## {name}", *lines]) for name, lines in sections.items())]) + "\n"


def _contents(dataset: Dataset) -> Lines:
    total, replicas = size(dataset), _replicas(dataset)
    atoms = sorted(len(compound.masses) for compound in dataset.compounds.values())
    intervals = sorted({replica.interval for replica in replicas if replica.consecutive})
    every = f", a frame every {' or '.join(f'{interval:g}' for interval in intervals)} fs" if intervals else ""
    span = f"{atoms[0]}" if atoms[0] == atoms[-1] else f"{atoms[0]} to {atoms[-1]}"
    lines = [
        f"{counted(total.compounds, 'compound')} of {span} atoms:"
        f" {counted(total.trajectories, 'trajectory')}, {counted(total.frames, 'frame')},"
        f" {total.picoseconds:,.1f} ps in all{every}.",
    ]
    twins = sum(len(compound.twins) for compound in dataset.compounds.values())
    if twins:
        lines.append(f"Beside them {counted(twins, 'twin')}: trajectories from a start 1e-3 Å away, never trained on.")
    stored = [("positions", len(replicas))]
    stored += [(name, _with(replicas, name)) for name in ("velocities", "forces", "energy")]
    return [*lines, "", *table(("each frame has", "trajectories"), stored)]


def _made(dataset: Dataset, rows: Sequence[Mapping[str, Any]]) -> Lines:
    """What mdstride computed."""
    method = theory(dataset)
    if not method:
        return []
    found = {label: _at(dataset.settings, path) for label, path in SETTINGS}
    software = _at(dataset.settings, ("trajectories", "software")) or {}
    found["software"] = ", ".join(f"{name} {version}" for name, version in sorted(software.items())) or None
    known = [(label, cell(str(value))) for label, value in found.items() if value is not None]
    lines = [
        f"Level of theory: {cell(method)}. Each compound was relaxed from its SMILES, equilibrated, and propagated;"
        " only what follows the equilibration is stored.",
        *(["", *table(("setting", "value"), known), ""] if known else []),
        "All settings are in `/about` of the file.",
    ]
    failed = Counter(cell(str(row["reason"])) for row in rows if not row["passed"])
    if rows:
        lines.append(f"{failed.total():,} of {counted(len(rows), 'trajectory')} were left out; see trajectories.csv.")
    return lines + (["", *table(("why left out", "trajectories"), failed.most_common())] if failed else [])


def _imported(dataset: Dataset) -> Lines:
    """What others published, and what the readers of their files had to mend."""
    lines: Lines = []
    for name, replicas in _imports(dataset).items():
        theories = sorted({cell(str(replica.source.get("theory", ""))) for replica in replicas} - {""})
        notes = Counter(cell(str(note)) for replica in replicas for note in replica.source.get("notes") or ())
        lines += ["", f"Imported: {counted(len(replicas), 'trajectory')} in the format `{name}`, as published."]
        lines[-1] += f" Level of theory: {', '.join(theories) or 'see the notes, or the publication'}."
        if notes:
            lines += ["", *table(("what was found, mended or left out", "trajectories"), notes.most_common())]
    return lines


def _distributions(dataset: Dataset) -> Lines:
    compounds, replicas = list(dataset.compounds.values()), _replicas(dataset)
    mols = [mol for mol in map(molecule, compounds) if mol is not None]
    prints = [fingerprint(mol) for mol in mols]
    others = (prints[:k] + prints[k + 1 :] for k in range(len(prints)))
    nearest = [max(BulkTanimotoSimilarity(own, rest)) for own, rest in zip(prints, others, strict=True) if rest]
    heavy = [int((compound.atomic_numbers[:] > 1).sum()) for compound in compounds]
    tables = [
        histogram("similarity to the nearest other compound", "compounds", nearest),
        histogram("atoms", "compounds", [len(compound.masses) for compound in compounds], whole=True),
        histogram("heavy atoms", "compounds", heavy, whole=True),
        tally("element", "compounds", (name for c in compounds for name in elements(c.atomic_numbers[:]))),
        tally("functional group", "compounds", (name for mol in mols for name in functional_groups(mol))),
        histogram("mean temperature (K)", "trajectories", figures(replicas, "temperature")),
        histogram("drift (meV/atom/ps)", "trajectories", figures(replicas, "drift")),
    ]
    lines = [line for block in tables for line in (*block, "")]
    if len(mols) < len(compounds):
        unread = counted(len(compounds) - len(mols), "compound")
        return [*lines, f"Similarity and functional groups leave out {unread} without a SMILES that can be read."]
    return lines[:-1]


def _splits(dataset: Dataset, reports: Mapping[str, Sequence[str]]) -> Lines:
    lines: Lines = []
    for name, split in dataset.splits.items():
        sizes = {part: size(dataset, split.parts[part]) for part in PARTS}
        rows = [(part, found.compounds, found.trajectories, found.frames) for part, found in sizes.items()]
        lines += [f"### `{name}`", _described(split), ""]
        lines += [*table(("part", "compounds", "trajectories", "frames"), rows), ""]
        if split.unit == "compound":
            names = {part: [_title(dataset.compounds[key]) for key in split.ids(part)] for part in PARTS[1:]}
            lines += [*folded("Compounds held out", [f"- {part}: {', '.join(names[part])}" for part in names]), ""]
        if reports.get(name):
            lines += [*reports[name], ""]
    return lines[:-1] or ["The file holds no split."]


def _described(split: Split) -> str:
    text = f"Method `{split.method}`: {UNIT.get(split.unit, split.unit)}."
    if split.settings:
        text += f" Made with {', '.join(f'{key} {cell(str(value))}' for key, value in sorted(split.settings.items()))}."
    return f"{text} {LEAKY}" if split.leaky else text


def _compounds(dataset: Dataset) -> Lines:
    header = ("compound", "SMILES", "formula", "source", "trajectories", "frames", "ps", "drift", "temperature (K)")
    rows = []
    for compound in dataset.compounds.values():
        found, smiles = of_compound(compound), cell(compound.labels.get("smiles", ""))
        about = (_title(compound), smiles and f"`{smiles}`", cell(compound.labels.get("formula", "")))
        measured = (f"{found.picoseconds:,.1f}", number(drift(compound), 3), number(temperature(compound), 0))
        rows.append((*about, ", ".join(sources(compound)), found.trajectories, found.frames, *measured))
    return table(header, rows)


def _limits(dataset: Dataset) -> Lines:
    replicas = _replicas(dataset)
    held = {element for compound in dataset.compounds.values() for element in elements(compound.atomic_numbers[:])}
    lines = [f"Molecules of {', '.join(sorted(held))} only.", *(LIMITS if theory(dataset) else ())]
    lacking = {name: len(replicas) - _with(replicas, name) for name in ("velocities", "forces", "energy")}
    lines += [f"{counted(count, 'trajectory')} without {name}." for name, count in lacking.items() if count]
    loose = sum(not replica.consecutive for replica in replicas)
    if loose:
        lines.append(
            f"{counted(loose, 'trajectory')} whose frames do not follow each other: nothing to forecast there."
        )
    leaky = [f"`{name}`" for name, split in dataset.splits.items() if split.leaky]
    if leaky:
        lines.append(f"Leaky splits, for comparison with the literature alone: {', '.join(leaky)}.")
    purpose = "Made for forecasting trajectories of molecules that a model has not seen. Know its limits:"
    return [purpose, "", *(f"- {line}" for line in lines)]


def _licences(dataset: Dataset) -> Lines:
    count: Counter[tuple[str, str]] = Counter()
    for compound in dataset.compounds.values():
        for source in sources(compound):
            count[source, cell(compound.licence) or (LICENCE if source == OWN else "not stated: ask its authors")] += 1
    return table(("source", "licence", "compounds"), [(*key, number) for key, number in sorted(count.items())])


def _citations(dataset: Dataset) -> Lines:
    compounds = dataset.compounds.values()
    cited = [
        f"mdstride {__version__}, with the content hash below",
        *sorted({cell(c.citation) for c in compounds} - {""}),
    ]
    if theory(dataset):
        cited += [GFN2] if "GFN2" in theory(dataset) else []
        cited += [PUBCHEM] if any(compound.labels.get("cid") for compound in compounds) else []
    return [f"- {text}" for text in cited]


def _checksums(dataset: Dataset) -> Lines:
    digests = {key: dataset.digests.get(key) or compound.digest() for key, compound in dataset.compounds.items()}
    rows = [(key, f"`{digest}`") for key, digest in digests.items()]
    return [
        f"Content hash `{dataset.hash()}`: SHA-256 of the digests of all compounds and of the splits, whatever the file"
        " layout. `mdstride dataset verify` computes it again.",
        "",
        *folded(f"SHA-256 of {counted(len(rows), 'compound')}", table(("compound", "SHA-256 of its arrays"), rows)),
    ]


def _replicas(dataset: Dataset) -> list[Replica]:
    return [replica for compound in dataset.compounds.values() for replica in compound.replicas]


def _with(replicas: Iterable[Replica], name: str) -> int:
    return sum(getattr(replica, name) is not None for replica in replicas)


def _imports(dataset: Dataset) -> dict[str, list[Replica]]:
    """Imported trajectories by format, sorted."""
    found: dict[str, list[Replica]] = {}
    for replica in _replicas(dataset):
        found.setdefault(str(replica.source.get("format", OWN)), []).append(replica)
    return {name: found[name] for name in sorted(found) if name != OWN}


def _title(compound: CompoundData) -> str:
    return cell(compound.labels.get("name", "")) or compound.id


def _at(settings: Any, path: Iterable[str]) -> Any:
    """A value of nested settings; None where the way there ends."""
    for key in path:
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    return settings
