"""Cells that several tables share."""

from collections.abc import Callable

from mdstride.formats.split import Split
from mdstride.report.markup import drawing, text
from mdstride.report.material import Material
from mdstride.statistics import Estimate

DRAWN = 100
"""Structures are drawn for all compounds up to this many, beyond it for the held-out ones alone."""


def label(material: Material, key: str) -> str:
    """Name, SMILES and formula of a compound."""
    row = material.compounds[key]
    smiles, formula = f"<code>{text(row['smiles'])}</code>", text(row["formula"])
    return f"{text(material.name(key))}{small(f'{smiles} {formula}')}"


def structure(material: Material, key: str, split: Split | None = None) -> str:
    """Drawing of a compound; empty for those of a large set that are not tested in `split`, to keep the page small."""
    if len(material.dataset.compounds) > DRAWN and (split is None or key not in split.ids("test")):
        return ""
    return drawing(material.compounds[key]["smiles"], material.name(key))


def atoms(material: Material, key: str) -> str:
    """All atoms, and the heavy ones."""
    row = material.compounds[key]
    return text(row["n_atoms"]) + small(f"{text(row['n_heavy'])} heavy")


def drift(material: Material, key: str) -> str:
    """The largest energy drift of the replicas that are in the data set, meV/atom/ps."""
    drifts = [replica.figures.get("drift") for replica in material.dataset.compounds[key].replicas]
    known = [value for value in drifts if value is not None]
    return f"{max(known, key=abs):.3f}".replace("-", "\u2212") if known else "–"


def interval(estimate: Estimate, form: Callable[[float], str]) -> str:
    """`low to high`; empty where there is none, or where it shows nothing but the value."""
    low, high = form(estimate.low), form(estimate.high)
    return "" if estimate.low != estimate.low or low == high == form(estimate.value) else f"{low} to {high}"


def small(html: str) -> str:
    """A remark under the value of a cell."""
    return f"<small>{html}</small>" if html else ""


def strong(html: str, emphasised: bool) -> str:
    """Bold where it stands out."""
    return f"<strong>{html}</strong>" if emphasised else html
