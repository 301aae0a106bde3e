"""The distance of the tested compounds from those that a model has seen, in Markdown."""

from collections.abc import Mapping

import numpy as np

from mdstride.dataset.markdown import Lines, cell, table
from mdstride.formats.dataset import CompoundData
from mdstride.formats.split import Split
from mdstride.novelty import Novelty, novelty


def distance_report(split: Split, compounds: Mapping[str, CompoundData]) -> Lines:
    """A line that sums it up, and a table, the least similar compound first."""
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
