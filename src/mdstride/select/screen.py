"""screen: the candidates of one shard of the library, that is its records within the range of a seed."""

import heapq
from collections import Counter
from pathlib import Path
from typing import Any

from rdkit import rdBase
from rdkit.DataStructs import BitVectToBinaryText, ExplicitBitVect

from mdstride.formats.candidates import Candidate, Tally, write_candidates
from mdstride.progress import Progress
from mdstride.select.compound import fingerprinter
from mdstride.select.inputs import read_seeds
from mdstride.select.reasons import Reason
from mdstride.select.rules import CompositionFilter, SeedFilter
from mdstride.select.smiles import parse_flat, parse_reason
from mdstride.select.sources import read_lines
from mdstride.select.space import SAMPLE, lottery


def screen_shard(settings: dict[str, Any], *, shard: Path, output: Path) -> None:
    """Judge each record of a shard on its own, and write those within the range of a seed.

    `settings` is the section `screen` of the configuration.
    """
    with rdBase.BlockLogs():
        total = sum(1 for _ in read_lines(shard))
        progress = Progress("screen", total, "records")
        screen = Screen(settings)
        for line in read_lines(shard):
            screen.add(line)
            progress.update()
        screen.candidates.sort()
        rejected = {reason.name: count for reason, count in screen.rejected.items()}
        write_candidates(output, screen.candidates, Tally(total, rejected, screen.sample()))
        progress.close(f"{len(screen.candidates):,} within the range of a seed")


class Screen:
    """Judges records one after the other; none influences another."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """`settings` is the section `screen` of the configuration."""
        self.fingerprint = fingerprinter(settings["fingerprint"])
        self.fits = SeedFilter(read_seeds(settings["seeds"], self.fingerprint), settings["seed_similarity"])
        self.check = CompositionFilter(settings)
        self.candidates: list[Candidate] = []
        self.rejected: Counter[Reason] = Counter()
        self._sample: list[tuple[int, bytes]] = []  # a heap, so keys are negative: the highest one is on top

    def add(self, line: bytes) -> None:
        """Judge one line of a shard."""
        cid, smiles, name = (*line.decode().split("\t"), "")[:3]
        result = self._judge(int(cid), smiles, name)
        if isinstance(result, Reason):
            self.rejected[result] += 1
        else:
            self.candidates.append(result)

    def _judge(self, cid: int, smiles: str, name: str) -> Candidate | Reason:
        mol, complaint = parse_flat(smiles)
        if mol is None:
            return parse_reason(complaint)
        if (reason := self.check(mol, smiles)) is not None:
            return reason
        fingerprint = self.fingerprint(mol)
        self._offer(f"{cid} {smiles}", fingerprint)
        if (found := self.fits(fingerprint, mol.GetNumHeavyAtoms())) is None:
            return Reason.SEED
        return Candidate(cid, smiles, name, BitVectToBinaryText(fingerprint), *found)

    def _offer(self, record: str, fingerprint: ExplicitBitVect) -> None:
        """Keep a sample for the map of chemical space."""
        key = lottery(record)
        if len(self._sample) < SAMPLE:
            heapq.heappush(self._sample, (-key, BitVectToBinaryText(fingerprint)))
        elif -key > self._sample[0][0]:
            heapq.heapreplace(self._sample, (-key, BitVectToBinaryText(fingerprint)))

    def sample(self) -> list[tuple[int, bytes]]:
        """The sample, in ascending order of key."""
        return sorted((-key, bits) for key, bits in self._sample)
