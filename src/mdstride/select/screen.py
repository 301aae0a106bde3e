"""screen: the candidates of one shard of the library, that is its records within the range of a seed."""

import gc
import heapq
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rdkit import Chem, rdBase
from rdkit.DataStructs import BitVectToBinaryText, ExplicitBitVect

from mdstride.formats.candidates import Candidate, Tally, write_candidates
from mdstride.formats.provenance import record, software
from mdstride.progress import Progress
from mdstride.select.compound import fingerprinter
from mdstride.select.inputs import read_seeds
from mdstride.select.reasons import Reason
from mdstride.select.rules import CompositionFilter, SeedFilter
from mdstride.select.smiles import parse_flat, parse_reason
from mdstride.select.sources import read_lines
from mdstride.select.space import SAMPLE, lottery

BATCH = 128
"""Records that are judged together, for speed."""


def screen_shard(settings: dict[str, Any], *, shard: Path, output: Path) -> None:
    """Judge each record of a shard on its own, and write those within the range of a seed.

    `settings` is the section `screen` of the configuration.
    """
    with rdBase.BlockLogs(), _no_collection():
        total = sum(1 for _ in read_lines(shard))
        progress = Progress("screen", total, "records")
        screen = Screen(settings)
        lines = read_lines(shard)
        while batch := list(itertools.islice(lines, BATCH)):
            screen.add(batch)
            progress.update(len(batch))
        screen.candidates.sort()
        rejected = {reason.name: count for reason, count in screen.rejected.items()}
        inputs = {"shard": shard, "screen.seeds": settings["seeds"]}
        made = record("screen", {"screen": settings}, inputs, software("rdkit", "numpy"))
        write_candidates(output, screen.candidates, Tally(total, rejected, screen.sample()), made)
        progress.close(f"{len(screen.candidates):,} within the range of a seed")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for cycles of garbage: screening makes none, and the search takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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

    def add(self, lines: Sequence[bytes]) -> None:
        """Judge some lines of a shard.

        Each step is taken for all of them before the next: its code then stays in the processor's cache.
        """
        records = [(*line.decode().split("\t"), "")[:3] for line in lines]
        parsed = [(record, mol) for record in records if (mol := self._parse(record[1])) is not None]
        passed = [(record, mol) for record, mol in parsed if self._passes(mol, record[1])]
        fingerprints = [self.fingerprint(mol) for _, mol in passed]
        for ((cid, smiles, name), mol), fingerprint in zip(passed, fingerprints, strict=True):
            self._offer(f"{cid} {smiles}", fingerprint)
            found = self.fits(fingerprint, mol.GetNumHeavyAtoms())
            if found is None:
                self.rejected[Reason.SEED] += 1
            else:
                self.candidates.append(Candidate(int(cid), smiles, name, BitVectToBinaryText(fingerprint), *found))

    def _parse(self, smiles: str) -> Chem.Mol | None:
        mol, complaint = parse_flat(smiles)
        if mol is None:
            self.rejected[parse_reason(complaint)] += 1
        return mol

    def _passes(self, mol: Chem.Mol, smiles: str) -> bool:
        if (reason := self.check(mol, smiles)) is not None:
            self.rejected[reason] += 1
        return reason is None

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
