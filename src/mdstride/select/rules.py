"""What makes a record a compound of the run: composition, likeness to a seed, and distance from the others.

The same rule selects close analogues (a high range of seed similarity) and diverse sets (a low one): the numbers in the
configuration decide. Nothing here depends on the order in which the library lists its records.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rdkit import Chem
from rdkit.DataStructs import BulkTanimotoSimilarity, ExplicitBitVect

from mdstride.select.compound import Compound, Seed
from mdstride.select.reasons import Reason
from mdstride.select.smiles import unfit


def judge(mol: Chem.Mol, settings: dict[str, Any]) -> Reason | None:
    """Why the composition of `mol` rules it out, or None."""
    if (reason := unfit(mol)) is not None:
        return reason
    counts = Counter(atom.GetSymbol() for atom in mol.GetAtoms())
    if any(atom.GetTotalNumHs() for atom in mol.GetAtoms()):
        counts["H"] += 1
    if not counts.keys() <= set(settings["elements"]):
        return Reason.ELEMENT
    if counts["O"] > settings["max_oxygen"]:
        return Reason.OXYGEN
    if counts["N"] > settings["max_nitrogen"]:
        return Reason.NITROGEN
    if mol.GetNumHeavyAtoms() < settings["min_heavy_atoms"]:
        return Reason.SMALL
    return None


def most_similar(fingerprint: ExplicitBitVect, seeds: list[Seed]) -> tuple[Seed, float]:
    """The seed of highest Tanimoto similarity, the first of equals, and that similarity."""
    similarities = BulkTanimotoSimilarity(fingerprint, [seed.fingerprint for seed in seeds])
    best = max(range(len(seeds)), key=lambda index: similarities[index])
    return seeds[best], similarities[best]


def match(
    fingerprint: ExplicitBitVect, n_heavy: int, seeds: list[Seed], bounds: tuple[float, float]
) -> tuple[Seed, float] | None:
    """The most similar of the seeds that are at least as large and whose similarity lies within `bounds`."""
    similarities = BulkTanimotoSimilarity(fingerprint, [seed.fingerprint for seed in seeds])
    low, high = bounds
    fitting = [
        seed
        for seed, similarity in zip(seeds, similarities, strict=True)
        if low <= similarity <= high and n_heavy <= seed.n_heavy
    ]
    return most_similar(fingerprint, fitting) if fitting else None


def drop_duplicates(candidates: Iterable[Compound], rejected: Counter[Reason]) -> list[Compound]:
    """One compound per CID and per InChIKey, that of the lowest CID, in ascending order of CID."""
    cids: set[int | None] = set()
    ids: set[str] = set()
    kept = []
    for compound in sorted(candidates, key=lambda compound: (compound.cid, compound.smiles)):
        if not compound.id:
            rejected[Reason.NO_ID] += 1
        elif compound.cid in cids:
            rejected[Reason.SAME_CID] += 1
        elif compound.id in ids:
            rejected[Reason.SAME_ID] += 1
        else:
            kept.append(compound)
            cids.add(compound.cid)
            ids.add(compound.id)
    return kept


def accept(candidates: list[Compound], max_similarity: float, rejected: Counter[Reason]) -> list[Compound]:
    """The candidates, taken in order, whose similarity to every one accepted before is at most `max_similarity`."""
    accepted: list[Compound] = []
    fingerprints: list[ExplicitBitVect] = []
    for compound in candidates:
        if max(BulkTanimotoSimilarity(compound.fingerprint, fingerprints), default=0.0) > max_similarity:
            rejected[Reason.SIMILAR] += 1
        else:
            accepted.append(compound)
            fingerprints.append(compound.fingerprint)
    return accepted
