"""library: the records of a source that their text does not rule out, dealt to shards to be screened side by side."""

import gzip
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rdkit import rdBase

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path, write_json
from mdstride.formats.provenance import record, sha256, software
from mdstride.progress import Progress
from mdstride.select.compound import fingerprinter
from mdstride.select.inputs import check_elements, read_seeds
from mdstride.select.reasons import Reason
from mdstride.select.sources import library_path, read_blocks
from mdstride.select.text import TextFilter


def deal_library(library: dict[str, Any], screen: dict[str, Any], *, shards: Sequence[Path], counts: Path) -> None:
    """Write gzip files of lines of CID, tab, SMILES and, optionally, another tab and a name: the form of PubChem's
    CID-SMILES.gz. `counts` is a JSON file of the records read and those left out, by reason, with the provenance and
    the hashes of the shards; it comes last.

    `library` and `screen` are sections of the configuration. Raises InputError for a source that cannot be read to its
    end; then nothing is written.
    """
    check_elements(screen["elements"])
    with rdBase.BlockLogs():
        seeds = read_seeds(screen["seeds"], fingerprinter(screen["fingerprint"]))
    check_text = TextFilter(
        screen["elements"],
        largest=max(seed.n_heavy for seed in seeds),
        max_nitrogen=screen["max_nitrogen"],
        max_oxygen=screen["max_oxygen"],
    )
    path = library_path(library)
    progress = Progress("library", path.stat().st_size if path is not None and path.is_file() else 0, "bytes")
    rejected: Counter[Reason] = Counter()
    total = kept = 0
    with ExitStack() as stack:
        streams = [_create(stack, shard) for shard in shards]
        blocks = read_blocks(library, [(seed.name, seed.smiles) for seed in seeds])
        for number, (position, block) in enumerate(blocks):
            records, lines = check_text(block, rejected)
            streams[number % len(streams)].writelines(lines)
            total += records
            kept += len(lines)
            progress.reach(position, f"{total:,} records, {total / progress.elapsed:,.0f}/s")
        if not total:
            raise InputError(f"{path or 'pubchem-rest'}: no records; give a library that holds some")
        progress.close(f"{total:,} records, {total / progress.elapsed:,.0f}/s, {kept:,} to be screened")
    inputs = {"library.path": path, "screen.seeds": screen["seeds"]}
    made = record("library", {"library": library, "screen": screen}, inputs, software("rdkit", "numpy"))
    made["outputs"] = {shard.name: sha256(shard) for shard in shards}
    counts_of = {reason.name: count for reason, count in rejected.items() if count}
    write_json(counts, {"records": total, "rejected": counts_of} | made)


def _create(stack: ExitStack, path: Path) -> gzip.GzipFile:
    """A gzip file that appears at `path` when the stack ends well; the same lines give the same bytes."""
    part = stack.enter_context(atomic_path(path))
    file = stack.enter_context(part.open("wb"))
    return stack.enter_context(gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0))
