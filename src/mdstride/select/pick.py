"""What one run takes of the accepted compounds: cheap and well-known ones, spread out."""

from collections import Counter
from typing import Any

from rdkit.SimDivFilters.rdSimDivPickers import MaxMinPicker

from mdstride.errors import InputError
from mdstride.select.compound import Compound
from mdstride.select.reasons import Reason

POOL = 2
"""MaxMin chooses among this many compounds for each one wanted, those of lowest CID.

Low CIDs are the common compounds. Over all accepted ones MaxMin prefers the exotic: ozone, benzvalene, benzyne.
"""


def pick(accepted: list[Compound], settings: dict[str, Any], rejected: Counter[Reason]) -> list[Compound]:
    """At most `count` compounds of at most `max_atoms` atoms, in ascending order of CID, as `accepted` must be.

    MaxMin (Ashton et al., Quant. Struct.-Act. Relat. 21, 598 (2002)) starts from the lowest CID and adds the compound
    whose similarity to its nearest neighbour among those chosen is lowest.
    """
    limit, count = settings["max_atoms"], settings["count"]
    cheap = [compound for compound in accepted if limit is None or compound.n_atoms <= limit]
    rejected[Reason.MANY_ATOMS] += len(accepted) - len(cheap)
    if not cheap:
        raise InputError(
            f"select.pick.max_atoms: none of the {len(accepted)} accepted compounds has at most {limit} atoms; raise it"
        )
    if count is None or count >= len(cheap):
        return cheap
    pool = [compound.fingerprint for compound in cheap[: POOL * count]]
    # LazyBitVectorPick draws a random number for its first compound only, which is given here
    chosen = MaxMinPicker().LazyBitVectorPick(pool, len(pool), count, firstPicks=[0])
    rejected[Reason.NOT_PICKED] += len(cheap) - count
    return [cheap[index] for index in sorted(chosen)]
