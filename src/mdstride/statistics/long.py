"""All values of score files as one long table, for pandas, R or a spreadsheet.

| column | content |
|---|---|
| split, model, seed | of the evaluation; model is the forecaster, seed empty for baselines |
| compound | id |
| replica, start | trajectory and first frame of the window; empty for metrics that have one value per compound |
| lag | fs; for curves the value on their axis (fs, cm-1), empty for metrics without lags |
| metric, value | see METRICS of formats/scores_file.py; `nan` where a forecast was not finite |
"""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstride.errors import InputError
from mdstride.formats.atomic import atomic_path
from mdstride.formats.scores_file import METRICS, Scores, read_scores_file
from mdstride.progress import Progress

COLUMNS = ("split", "model", "seed", "compound", "replica", "start", "lag", "metric", "value")
SUFFIXES = (".csv", ".csv.gz", ".parquet")
LEVEL = 3
"""Of gzip: 6 saves 6 % more and takes twice as long."""
ROWS = 1_000_000
"""In a row group of Parquet: bounds the memory."""


@dataclass(frozen=True)
class _Block:
    """All values of one metric of one forecaster on one compound."""

    split: str
    model: str
    seed: int | None
    compound: str
    metric: str
    windows: list[tuple[int, int]] | None
    """Replica and start of each."""
    lags: list[float] | None
    value: np.ndarray
    """[windows, lags], without the axes that are None."""


def write_long(paths: Sequence[Path], output: Path) -> None:
    """Write the values of score files in their order; the same files give the same bytes. One file is held in memory.

    The name of `output` decides: .csv, .csv.gz, or .parquet, which needs pyarrow. Raises InputError for another name,
    without pyarrow, and for a file that cannot be read.
    """
    check_name(output)
    progress = Progress("long table", len(paths), "files")

    def files() -> Iterator[Scores]:
        for path in paths:
            yield read_scores_file(path)
            progress.update()

    write_long_scores(files(), output)
    progress.close()


def check_name(output: Path) -> None:
    """Refuse a name that does not say a format, or one that is not installed."""
    if not output.name.endswith(SUFFIXES):
        raise InputError(f"{output}: the name must end in {', '.join(SUFFIXES)}")
    if output.suffix == ".parquet":
        _pyarrow(output)


def write_long_scores(scores: Iterable[Scores], output: Path) -> None:
    """The same of scores in memory."""
    blocks = (block for one in scores for block in _blocks(one))
    with atomic_path(output) as part:
        if output.suffix == ".parquet":
            _write_parquet(part, output, blocks)
        elif output.suffix == ".gz":
            with part.open("wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as stream:
                _write_csv(stream, blocks)
        else:
            with part.open("wb") as stream:
                _write_csv(stream, blocks)


def _blocks(scores: Scores) -> Iterator[_Block]:
    about = scores.about
    windows = {
        key: list(zip(replica.tolist(), start.tolist(), strict=True))
        for key, (replica, start) in scores.windows.items()
    }
    axes = {"lag": scores.lags.tolist()} | {name: axis.tolist() for name, axis in scores.axes.items()}
    for (model, compound, metric), value in scores.values.items():
        names = METRICS[metric].axes
        yield _Block(
            about["split"],
            model,
            about["seed"],
            compound,
            metric,
            windows=windows[compound] if "window" in names else None,
            lags=next((axes[name] for name in names if name != "window"), None),
            value=value,
        )


def _write_csv(stream: Any, blocks: Iterable[_Block]) -> None:
    stream.write(f"{','.join(COLUMNS)}\n".encode())
    for block in blocks:
        head = _cells(block.split, block.model, block.seed, block.compound)
        starts = [f"{head},,"] if block.windows is None else [f"{head},{a},{b}" for a, b in block.windows]
        ends = [f",,{block.metric},"] if block.lags is None else [f",{lag},{block.metric}," for lag in block.lags]
        rows = zip(starts, block.value.reshape(len(starts), len(ends)).tolist(), strict=True)
        text = "".join([f"{a}{b}{v}\n" for a, values in rows for b, v in zip(ends, values, strict=True)])
        stream.write(text.encode())


def _cells(*values: Any) -> str:
    """Joined by commas, quoted where they must be."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def _pyarrow(output: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{output}: Parquet needs pyarrow; install it, or give a name that ends in .csv.gz") from error
    return pyarrow


def _write_parquet(part: Path, output: Path, blocks: Iterable[_Block]) -> None:
    """Row groups of about ROWS rows; text as dictionaries, empty cells as nulls."""
    arrow = _pyarrow(output)
    text, whole, real = arrow.dictionary(arrow.int32(), arrow.string()), arrow.int64(), arrow.float64()
    schema = arrow.schema(list(zip(COLUMNS, (text, text, whole, text, whole, whole, real, text, real), strict=True)))
    with arrow.parquet.ParquetWriter(part, schema) as writer:
        held: list[Any] = []
        count = 0
        for block in blocks:
            held.append(_batch(arrow, schema, block))
            count += held[-1].num_rows
            if count >= ROWS:
                writer.write_table(arrow.Table.from_batches(held, schema), row_group_size=count)
                held, count = [], 0
        if held:
            writer.write_table(arrow.Table.from_batches(held, schema), row_group_size=count)


def _batch(arrow: Any, schema: Any, block: _Block) -> Any:
    size = block.value.size
    first = arrow.array(np.zeros(size, np.int32))
    columns = {
        name: arrow.DictionaryArray.from_arrays(first, [getattr(block, name)])
        for name in ("split", "model", "compound", "metric")
    }
    columns["value"] = arrow.array(block.value.reshape(-1))
    if block.seed is not None:
        columns["seed"] = arrow.array(np.full(size, block.seed))
    rows = 1 if block.windows is None else len(block.windows)
    if block.lags is not None:
        columns["lag"] = arrow.array(np.tile(block.lags, rows))
    for k, name in enumerate(("replica", "start")):
        if block.windows is not None:
            columns[name] = arrow.array(np.repeat([window[k] for window in block.windows], size // rows))
    arrays = [columns.get(field.name, arrow.nulls(size, field.type)) for field in schema]
    return arrow.RecordBatch.from_arrays(arrays, schema=schema)
