"""From the candidates of all shards to the accepted compounds: greedy, in the order of CIDs.

The order of acceptance is the ascending order of CID, then of the SMILES text. So the result is a function of the set
of records: it does not depend on the order of the library, on the number of shards, or on which was finished first.
"""

import math
from collections import Counter, deque
from typing import Any

import numpy as np
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles
from rdkit.DataStructs import CreateFromBinaryText

from mdstride.errors import InputError
from mdstride.formats.candidates import Candidate
from mdstride.select.compound import Compound, Seed
from mdstride.select.reasons import Reason
from mdstride.select.smiles import parse

RECENT = 32
"""Accepted compounds that are compared first: a few common ones keep most candidates out."""


class Neighbours:
    """Whether a fingerprint has a Tanimoto similarity above `limit` to one that was added before, exactly."""

    def __init__(self, n_bits: int, limit: float) -> None:
        self.limit = limit
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT)  # bits as one number, and how many are set
        self._columns = np.zeros((n_bits, 64), np.uint8)  # one row per bit, one column per fingerprint
        self._sizes = np.zeros(64, np.int64)
        self._numbers: list[int] = []

    def reach(self, fingerprint: bytes) -> bool:
        """Whether one of those added is more similar than the limit."""
        number = int.from_bytes(fingerprint, "little")
        size = number.bit_count()
        for place, (other, other_size) in enumerate(self._recent):
            common = (number & other).bit_count()
            if common / (size + other_size - common) > self.limit:
                if place:
                    self._recent.rotate(-place)
                return True
        return self._reach_of_all(fingerprint, size)

    def _reach_of_all(self, fingerprint: bytes, size: int) -> bool:
        """The bits in common with all others are a sum over the few rows that belong to bits of the fingerprint."""
        count = len(self._numbers)
        if not count:
            return False
        common = self._columns[on_bits(fingerprint), :count].sum(axis=0, dtype=np.uint16).astype(np.int64)
        similarity = common / (size + self._sizes[:count] - common)
        nearest = int(similarity.argmax())
        if similarity[nearest] > self.limit:
            self._recent.appendleft((self._numbers[nearest], int(self._sizes[nearest])))
            return True
        return False

    def add(self, fingerprint: bytes) -> None:
        """Add a fingerprint to compare with."""
        place = len(self._numbers)
        if place == len(self._sizes):
            self._columns = np.hstack([self._columns, np.zeros_like(self._columns)])
            self._sizes = np.hstack([self._sizes, np.zeros_like(self._sizes)])
        bits = on_bits(fingerprint)
        self._columns[bits, place] = 1
        self._sizes[place] = len(bits)
        self._numbers.append(int.from_bytes(fingerprint, "little"))


def on_bits(fingerprint: bytes) -> np.ndarray:
    """The places of the bits that a packed fingerprint sets."""
    return np.flatnonzero(np.unpackbits(np.frombuffer(fingerprint, np.uint8), bitorder="little"))


class Acceptance:
    """Takes candidates one after the other, in ascending order, and keeps those that the rule accepts."""

    def __init__(self, settings: dict[str, Any], seeds: list[Seed], rejected: Counter[Reason]) -> None:
        """`settings` is the section `select` of the configuration; those left out are added to `rejected`."""
        self.seeds = seeds
        self.quota = {key: math.inf if most is None else most for key, most in settings["quota"].items()}
        self.accepted: list[Compound] = []
        self.rejected = rejected
        self._neighbours = Neighbours(seeds[0].fingerprint.GetNumBits(), settings["max_similarity"])
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
        if self._neighbours.reach(candidate.fingerprint):
            return Reason.SIMILAR
        compound = self._compound(candidate)
        if not compound.id:
            return Reason.NO_ID
        if compound.id in self._ids:
            return Reason.SAME_ID
        scaffold = MurckoScaffoldSmiles(mol=compound.mol)
        if scaffold and self._by_scaffold[scaffold] >= self.quota["scaffold"]:  # without rings there is no scaffold
            return Reason.SCAFFOLD_QUOTA
        self._neighbours.add(candidate.fingerprint)
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
