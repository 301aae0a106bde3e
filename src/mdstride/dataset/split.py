"""Splitting by compound, so that a held-out molecule was never seen in any form."""

import hashlib
from collections.abc import Iterable

from mdstride.errors import InputError


def split_compounds(ids: Iterable[str], *, seed: int, validation: float, test: float) -> dict[str, list[str]]:
    """Ids (InChIKeys) of the parts train, validation and test, sorted.

    Compounds with the same first block of the InChIKey (stereoisomers, isotopologues, most tautomers) stay together.
    The groups are put in the order of sha256(seed, block); the first of them are tested, the next validate, the others
    train. So the split depends on the set of compounds alone, not on their order, and adding one compound moves at
    most the few that lie at the cuts. `validation` and `test` are shares of the groups; at least one of each.
    Raises InputError when there are fewer than three groups.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(ids)):
        groups.setdefault(name.split("-")[0], []).append(name)
    if len(groups) < 3:
        raise InputError(
            f"dataset: {len(groups)} compounds of different connectivity cannot be split into train, validation and "
            "test; at least 3 are needed, so select more or relax simulate.limits"
        )
    order = sorted(groups, key=lambda block: hashlib.sha256(f"{seed}:{block}".encode()).hexdigest())
    held_out = min(max(1, round(test * len(order))), len(order) - 2)
    validating = min(max(1, round(validation * len(order))), len(order) - 1 - held_out)
    cuts = {"test": order[:held_out], "validation": order[held_out : held_out + validating]}
    cuts["train"] = order[held_out + validating :]
    return {part: sorted(name for block in blocks for name in groups[block]) for part, blocks in cuts.items()}
