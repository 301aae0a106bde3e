"""The candidates that one shard of the library holds, in ascending order of CID and SMILES."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.hdf5 import create, open_checked, put
from mdstride.formats.provenance import Record

ROWS = 4096
"""Candidates that are read at a time."""


class Candidate(NamedTuple):
    """A record within the range of a seed. Candidates sort by CID, then SMILES."""

    cid: int
    """PubChem CID; 0 where the library gives none."""
    smiles: str
    """As the library writes it."""
    name: str
    """As the library writes it; may be empty."""
    fingerprint: bytes
    """The bits of its fingerprint, eight to a byte, padded with zeros."""
    seed: int
    """Place of its most similar fitting seed in the list of seeds."""
    similarity: float
    """Tanimoto similarity to that seed."""


@dataclass
class Tally:
    """What became of the records of one shard, besides the candidates."""

    records: int
    rejected: dict[str, int]
    """Counts by name of the reason."""
    sample: list[tuple[int, bytes]]
    """Fingerprints of records that pass the composition filters, those whose random key is lowest: (key, bits)."""


def write_candidates(path: Path | str, candidates: Sequence[Candidate], tally: Tally, provenance: Record) -> None:
    """Write a shard's candidates, which must be sorted, and its tally."""
    texts = [f"{candidate.smiles}\t{candidate.name}".encode() for candidate in candidates]
    with create(path) as file:
        file.attrs["records"] = tally.records
        file.attrs["rejected"] = json.dumps(tally.rejected)
        file.attrs["provenance"] = json.dumps(provenance, sort_keys=True)
        put(file, "cid", [candidate.cid for candidate in candidates], dtype=np.int64)
        put(file, "text", np.frombuffer(b"".join(texts), np.uint8))
        put(file, "offset", np.cumsum([0, *map(len, texts)]), dtype=np.int64)
        put(file, "fingerprint", _bits([candidate.fingerprint for candidate in candidates]))
        put(file, "seed", [candidate.seed for candidate in candidates], dtype=np.int32)
        put(file, "similarity", [candidate.similarity for candidate in candidates], dtype=np.float64)
        put(file, "sample/key", [key for key, _ in tally.sample], dtype=np.uint64)
        put(file, "sample/fingerprint", _bits([bits for _, bits in tally.sample]))


def read_tally(path: Path | str) -> Tally:
    """What became of the records of one shard."""
    with open_checked(path) as file:
        keys, bits = file["sample/key"][:].tolist(), file["sample/fingerprint"][:]
        sample = [(key, row.tobytes()) for key, row in zip(keys, bits, strict=True)]
        return Tally(int(file.attrs["records"]), json.loads(file.attrs["rejected"]), sample)


def read_candidates(path: Path | str) -> Iterator[Candidate]:
    """The candidates of one shard in their order, a few thousand in memory at a time."""
    with open_checked(path) as file:
        total = len(file["cid"])
        if any(len(file[name]) != total for name in ("fingerprint", "seed", "similarity")):
            raise InputError(f"{path}: its columns differ in length; make it again")
        for start in range(0, total, ROWS):
            rows = slice(start, start + ROWS)
            ends = file["offset"][start : start + ROWS + 1]
            text = file["text"][ends[0] : ends[-1]].tobytes()
            lines = [text[a:b].decode().split("\t") for a, b in zip(ends - ends[0], ends[1:] - ends[0], strict=False)]
            numbers = (file[name][rows].tolist() for name in ("cid", "seed", "similarity"))
            bits = file["fingerprint"][rows]
            for (smiles, name), row, cid, seed, similarity in zip(lines, bits, *numbers, strict=True):
                yield Candidate(cid, smiles, name, row.tobytes(), seed, similarity)


def _bits(rows: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1) if rows else np.zeros((0, 0), np.uint8)
