"""How far the tested compounds are from those that a model has seen: a score means little without it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rdkit.DataStructs import BulkTanimotoSimilarity

from mdstride.dataset.chemistry import elements, fingerprint, functional_groups, molecule, scaffold
from mdstride.dataset.markdown import Lines, cell, table
from mdstride.formats.dataset import CompoundData
from mdstride.formats.split import Split


@dataclass(frozen=True)
class Novelty:
    """What of a test compound is new. Training includes validation here: both were seen when a model was made."""

    compound: str
    """Id."""
    nearest: str
    """Id of the most similar compound in training; "" where no structure is known."""
    similarity: float | None
    """ECFP4 Tanimoto similarity to it."""
    scaffold: str
    """Bemis-Murcko scaffold, SMILES; "" without rings."""
    scaffold_seen: bool
    """Whether a compound in training has the same scaffold; False without rings."""
    elements: tuple[str, ...]
    """Symbols of those that no compound in training has."""
    groups: tuple[str, ...]
    """Functional groups that no compound in training has."""


def novelty(split: Split, compounds: Mapping[str, CompoundData]) -> list[Novelty]:
    """One entry for each test compound, in the order of their ids."""
    seen_ids = sorted({*split.ids("train"), *split.ids("validation")})
    mols = {key: molecule(compounds[key]) for key in {*seen_ids, *split.ids("test")}}
    seen = {key: mol for key in seen_ids if (mol := mols[key]) is not None}
    prints = [fingerprint(mol) for mol in seen.values()]
    scaffolds = {scaffold(mol) for mol in seen.values()}
    known_elements = {symbol for key in seen_ids for symbol in elements(compounds[key].atomic_numbers)}
    known_groups = {name for mol in seen.values() for name in functional_groups(mol)}
    found = []
    for key in split.ids("test"):
        mol = mols[key]
        similarity = BulkTanimotoSimilarity(fingerprint(mol), prints) if mol is not None else []
        rings = scaffold(mol) if mol is not None else ""
        found.append(
            Novelty(
                compound=key,
                nearest=list(seen)[int(np.argmax(similarity))] if similarity else "",
                similarity=max(similarity) if similarity else None,
                scaffold=rings,
                scaffold_seen=rings != "" and rings in scaffolds,
                elements=tuple(sorted(elements(compounds[key].atomic_numbers) - known_elements)),
                groups=tuple(sorted(functional_groups(mol) - known_groups)) if mol is not None else (),
            )
        )
    return found


def distance_report(split: Split, compounds: Mapping[str, CompoundData]) -> Lines:
    """The same in Markdown: a line that sums it up, and a table, the least similar compound first."""
    if split.unit != "compound":
        return ["The tested compounds are trained on: other frames of them are held out."]
    found = sorted(novelty(split, compounds), key=lambda row: (row.similarity or 0.0, row.compound))
    rows = [
        (
            _called(compounds[row.compound]),
            "unknown" if row.similarity is None else f"{row.similarity:.2f}",
            _called(compounds[row.nearest]) if row.nearest else "",
            ("seen" if row.scaffold_seen else "new") if row.scaffold else "no rings",
            ", ".join(row.elements),
            ", ".join(row.groups),
        )
        for row in found
    ]
    header = ("test compound", "similarity", "nearest in training", "scaffold", "unseen elements", "unseen groups")
    return [_summary(found), "", *table(header, rows)]


def _summary(rows: list[Novelty]) -> str:
    known = [row.similarity for row in rows if row.similarity is not None]
    rings = [row for row in rows if row.scaffold]
    nearest = f"median {np.median(known):.2f}, highest {max(known):.2f}" if known else "unknown"
    return (
        f"ECFP4 Tanimoto similarity of the {len(rows)} test compounds to the nearest in training or validation: "
        f"{nearest}. Scaffold seen there: {sum(row.scaffold_seen for row in rings)} of {len(rings)} with rings. With "
        f"an unseen element: {sum(bool(row.elements) for row in rows)}; with an unseen functional group: "
        f"{sum(bool(row.groups) for row in rows)}."
    )


def _called(compound: CompoundData) -> str:
    return cell(compound.labels.get("name") or compound.id)
