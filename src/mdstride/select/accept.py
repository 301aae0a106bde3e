"""From the candidates of all shards to the accepted compounds: greedy, in the order of CIDs.

The order of acceptance is the ascending order of CID, then of the SMILES text. So the result is a function of the set
of records: it does not depend on the order of the library, on the number of shards, or on which was finished first.
"""

import math
from collections import Counter
from typing import Any

import numpy as np
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles
from rdkit.DataStructs import CreateFromBinaryText

from mdstride.errors import InputError
from mdstride.formats.candidates import Candidate
from mdstride.select.compound import Compound, Seed
from mdstride.select.reasons import Reason
from mdstride.select.smiles import parse


def on_bits(fingerprint: bytes) -> np.ndarray:
    """The places of the bits that a packed fingerprint sets."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(fingerprint, np.uint8), bitorder="little"))


class Similarity:
    """Exact Tanimoto similarity of one fingerprint to all that were added before.

    The bits are held by column: the counts in common with all others are a sum over the few columns that the
    fingerprint sets, some 20 of 1024.
    """

    def __init__(self, n_bits: int) -> None:
        self.columns = np.zeros((n_bits, 64), np.uint8)
        self.sizes = np.zeros(64, np.int64)
        self.count = 0

    def highest(self, bits: np.ndarray) -> float:
        """Highest similarity of the fingerprint that sets `bits` to those added; 0 where there is none."""
        if not self.count:
            return 0.0
        common = self.columns[bits, : self.count].sum(axis=0, dtype=np.uint16)
        union = self.sizes[: self.count] + len(bits) - common
        return float((common / np.maximum(union, 1)).max())

    def add(self, bits: np.ndarray) -> None:
        """Add the fingerprint that sets `bits`."""
        if self.count == len(self.sizes):
            self.columns = np.hstack([self.columns, np.zeros_like(self.columns)])
            self.sizes = np.hstack([self.sizes, np.zeros_like(self.sizes)])
        self.columns[bits, self.count] = 1
        self.sizes[self.count] = len(bits)
        self.count += 1


class Acceptance:
    """Takes candidates one after the other, in ascending order, and keeps those that the rule accepts."""

    def __init__(self, settings: dict[str, Any], seeds: list[Seed], rejected: Counter[Reason]) -> None:
        """`settings` is the section `select` of the configuration; those left out are added to `rejected`."""
        self.seeds = seeds
        self.limit = settings["max_similarity"]
        self.quota = {key: math.inf if most is None else most for key, most in settings["quota"].items()}
        self.accepted: list[Compound] = []
        self.rejected = rejected
        self._similarity = Similarity(seeds[0].fingerprint.GetNumBits())
        self._last_cid = 0
        self._ids: set[str] = set()
        self._by_seed: Counter[int] = Counter()
        self._by_scaffold: Counter[str] = Counter()

    def add(self, candidate: Candidate) -> None:
        """Accept `candidate` or count why not."""
        result = self._judge(candidate)
        self._last_cid = candidate.cid
        if isinstance(result, Reason):
            self.rejected[result] += 1
        else:
            self.accepted.append(result)

    def _judge(self, candidate: Candidate) -> Compound | Reason:
        if candidate.cid == self._last_cid != 0:
            return Reason.SAME_CID
        if len(self.accepted) >= self.quota["total"]:
            return Reason.ACCEPTED
        if self._by_seed[candidate.seed] >= self.quota["seed"]:
            return Reason.SEED_QUOTA
        bits = on_bits(candidate.fingerprint)
        if self._similarity.highest(bits) > self.limit:
            return Reason.SIMILAR
        compound = self._compound(candidate)
        if not compound.id:
            return Reason.NO_ID
        if compound.id in self._ids:
            return Reason.SAME_ID
        scaffold = MurckoScaffoldSmiles(mol=compound.mol)
        if scaffold and self._by_scaffold[scaffold] >= self.quota["scaffold"]:  # without rings there is no scaffold
            return Reason.SCAFFOLD_QUOTA
        self._similarity.add(bits)
        self._ids.add(compound.id)
        self._by_seed[candidate.seed] += 1
        self._by_scaffold[scaffold] += 1
        return compound

    def _compound(self, candidate: Candidate) -> Compound:
        mol, complaint = parse(candidate.smiles)
        if mol is None:
            raise InputError(f"CID {candidate.cid}: {candidate.smiles} no longer parses ({complaint}); screen again")
        fingerprint = CreateFromBinaryText(candidate.fingerprint)  # type: ignore[arg-type]  # its stub says str
        seed = self.seeds[candidate.seed].name
        return Compound(candidate.cid or None, mol, fingerprint, seed, candidate.similarity, candidate.name)
