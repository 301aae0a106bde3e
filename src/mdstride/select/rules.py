"""What makes a record a candidate: composition, and likeness to a seed.

The same rule selects close analogues (a high range of seed similarity) and diverse sets (a low one): the numbers in the
configuration decide. Each record is judged on its own.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula
from rdkit.DataStructs import BulkTanimotoSimilarity, ExplicitBitVect

from mdstride.select.alerts import alarms
from mdstride.select.compound import Seed
from mdstride.select.reasons import Reason
from mdstride.select.smiles import unfit

_TERM = re.compile(r"([A-Z][a-z]?|\*)(\d*)")


class CompositionFilter:
    """The limits on what a molecule consists of."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """`settings` is the section `screen` of the configuration."""
        self.settings = settings
        self.alarm = alarms(settings["alerts"]) if settings["alerts"] else None
        self._judge_formula = functools.cache(self._formula_reason)  # thousands of molecules share a formula

    def __call__(self, mol: Chem.Mol, smiles: str) -> Reason | None:
        """Why the molecule written as `smiles` is left out, or None."""
        # charges, isotopes and radicals need a bracket, fragments a dot: the text tells where not to look at the atoms
        if ("[" in smiles or "." in smiles) and (reason := unfit(mol)) is not None:
            return reason
        if (reason := self._judge_formula(CalcMolFormula(mol))) is not None:
            return reason
        if self.alarm is not None and self.alarm(mol) is not None:
            return Reason.ALERT
        return None

    def _formula_reason(self, formula: str) -> Reason | None:
        counts = {symbol: int(count or 1) for symbol, count in _TERM.findall(formula)}
        if not counts.keys() <= set(self.settings["elements"]):
            return Reason.ELEMENT
        if counts.get("O", 0) > self.settings["max_oxygen"]:
            return Reason.OXYGEN
        if counts.get("N", 0) > self.settings["max_nitrogen"]:
            return Reason.NITROGEN
        if sum(counts.values()) - counts.get("H", 0) < self.settings["min_heavy_atoms"]:
            return Reason.SMALL
        return None


def most_similar(fingerprint: ExplicitBitVect, seeds: Sequence[Seed]) -> tuple[int, float]:
    """The place of the seed of highest Tanimoto similarity, the first of equals, and that similarity."""
    similarities = BulkTanimotoSimilarity(fingerprint, [seed.fingerprint for seed in seeds])
    place = max(range(len(seeds)), key=similarities.__getitem__)
    return place, similarities[place]


class SeedFilter:
    """The range of similarity to at least one seed."""

    def __init__(self, seeds: Sequence[Seed], bounds: tuple[float, float]) -> None:
        """The similarity must lie within `bounds`, ends included, for a seed that has at least as many heavy atoms."""
        self.low, self.high = bounds
        self.sizes = [seed.n_heavy for seed in seeds]
        self.fingerprints = [seed.fingerprint for seed in seeds]

    def __call__(self, fingerprint: ExplicitBitVect, n_heavy: int) -> tuple[int, float] | None:
        """The place of the most similar of the seeds that fit, the first of equals, and that similarity; or None."""
        found = None
        highest = -1.0
        similarities = BulkTanimotoSimilarity(fingerprint, self.fingerprints)
        for place, similarity in enumerate(similarities):
            if highest < similarity <= self.high and similarity >= self.low and n_heavy <= self.sizes[place]:
                found, highest = place, similarity
        return None if found is None else (found, highest)
