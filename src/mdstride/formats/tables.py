"""CSV tables: the same rows give the same bytes; a missing file or column is named on reading."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mdstride.errors import InputError
from mdstride.formats.atomic import write_text


def write_table(path: Path | str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically; floats with repr, so that reading them back loses nothing."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def read_table(path: Path | str, required: Sequence[str]) -> Iterator[dict[str, str]]:
    """Rows of a CSV file (plain or .gz), streamed. Refuses a missing file and a header without `required`."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            found = reader.fieldnames or []
            missing = [name for name in required if name not in found]
            if missing:
                columns = ", ".join(found) or "none: the file is empty"
                raise InputError(f"{path}: no column `{missing[0]}` (columns: {columns}); add it to the header")
            yield from reader
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
