"""How far the tested compounds are from those that a model has seen: a score means little without it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rdkit.DataStructs import BulkTanimotoSimilarity

from mdstride.chemistry import elements, fingerprint, functional_groups, molecule, scaffold
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
