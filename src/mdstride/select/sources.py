"""Where the records of a library come from. Every source gives the same thing: blocks of lines of CID, tab, SMILES and,
optionally, another tab and a name. Files are streamed, never held whole; a CID of 0 means that there is none.
"""

import csv
import gzip
import itertools
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mdstride.errors import InputError

Block = tuple[int, bytes]
"""Bytes of the file read so far, and whole lines."""

BUNDLED = Path("resources/compounds/pubchem_cid_smiles_166k.csv.gz")
"""The library that comes with mdstride, relative to the project's folder."""

CHUNK = 1 << 18
"""Bytes read at a time; the arrays that a block of this size is judged with stay in the processor's cache."""

LONGEST_LINE = 1 << 16
"""Bytes kept of a line: enough to see that it is too long, and no more memory than that for a file of one line."""


def library_path(library: dict[str, Any]) -> Path | None:
    """The file behind the source, or None where PubChem is asked."""
    if library["source"] == "bundled":
        return BUNDLED
    return None if library["path"] is None else Path(library["path"])


def read_blocks(library: dict[str, Any], seeds: Iterable[tuple[str, str]]) -> Iterator[Block]:
    """The records of the source that the section `library` names; `seeds`, as name and SMILES, for `pubchem-rest`.

    Raises InputError for a missing, damaged or foreign file. Lines that are no record are passed on, to be counted.
    """
    path = library_path(library)
    if path is None:
        from mdstride.select.pubchem import neighbours

        return _from_records(neighbours(list(seeds), library["pubchem"]))
    blocks = _ahead(_lines(path))
    convert = {"bundled": _from_csv, "csv": _from_csv, "smi": _from_smi}.get(library["source"])
    return blocks if convert is None else convert(path, blocks)


def read_lines(path: Path | str) -> Iterator[bytes]:
    """The lines of a file (plain or gzip), without their ends."""
    return (line for _, block in _lines(Path(path)) for line in block.split(b"\n")[:-1])


def _lines(path: Path) -> Iterator[Block]:
    """The file (plain or gzip) in blocks of whole lines, ended by a line feed alone."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if path.suffix == ".gz" and not packed:
                raise InputError(f"{path}: named .gz but not a gzip file; download it again or rename it")
            stream = gzip.GzipFile(fileobj=file) if packed else file
            rest = _without_mark(path, stream.read(CHUNK))
            while chunk := stream.read(CHUNK):
                block, rest = _cut(rest + chunk)
                if block:
                    yield file.tell(), block
            block, rest = _cut(rest + b"\n" if rest and not rest.endswith(b"\n") else rest)
            if block:
                yield file.tell(), block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: damaged archive ({error}); download it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _cut(data: bytes) -> tuple[bytes, bytes]:
    """The whole lines of `data`, and what follows them."""
    end = data.rfind(b"\n") + 1
    block = data[:end]
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block, data[end:][:LONGEST_LINE]


def _without_mark(path: Path, start: bytes) -> bytes:
    """The start of a file without a UTF-8 byte order mark."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: written in UTF-16; save it as UTF-8")
    return start.removeprefix(b"\xef\xbb\xbf")


def _ahead(items: Iterator[Block]) -> Iterator[Block]:
    """The same items; the next one is read and unpacked in another thread while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = pool.submit(next, items, None)
            yield item


def _from_csv(path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    """From CSV with a column smiles and, optionally, cid and name. Every line is a record: no field has a line end."""
    start, first = next(blocks, (0, b""))
    head, _, rest = first.partition(b"\n")
    columns = [column.strip().lower() for column in next(csv.reader([_text(head)]), [])]
    if "smiles" not in columns:
        found = ", ".join(columns) or "none: the file is empty"
        raise InputError(f"{path}: no column `smiles` (columns: {found}); add it to the header")
    smiles = columns.index("smiles")
    cid, name = (columns.index(column) if column in columns else None for column in ("cid", "name"))

    def record(line: str) -> list[str]:
        fields = _csv_fields(line)
        if len(fields) != len(columns):
            return []
        return ["0" if cid is None else fields[cid], fields[smiles], "" if name is None else fields[name]]

    for position, block in itertools.chain([(start, rest)] if rest else [], blocks):
        yield position, _block(record(line) for line in _text(block).split("\n")[:-1])


def _csv_fields(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:  # such as a quote that is not closed
        return []


def _from_smi(_: Path, blocks: Iterator[Block]) -> Iterator[Block]:
    """From lines of SMILES and, optionally, a blank and a name."""
    for position, block in blocks:
        rows = (line.split(None, 1) for line in _text(block).split("\n")[:-1])
        yield position, _block(["0", *row] for row in rows)


def _from_records(records: Iterator[tuple[int, str, str]]) -> Iterator[Block]:
    while batch := list(itertools.islice(records, 1000)):
        yield 0, _block([str(cid), smiles, name] for cid, smiles, name in batch)


def _text(block: bytes) -> str:
    return block.decode("utf-8", "replace")  # a foreign byte in a SMILES is counted, one in a name does no harm


def _block(rows: Iterable[list[str]]) -> bytes:
    """Lines of the common form; tabs and line ends within a field become blanks."""
    return "".join("\t".join(" ".join(field.split()) for field in row) + "\n" for row in rows).encode()
