import csv
import gzip
import sys

import numpy as np
import pandas as pd
import pytest
from score_helpers import full_scores, scores, write_run

from mdstride.errors import InputError
from mdstride.formats.scores_file import METRICS, write_scores
from mdstride.statistics.long import COLUMNS, write_long


def files(folder):
    paths = [folder / "b.h5", folder / "1.h5"]
    for path, one in zip(paths, full_scores(2), strict=True):
        write_scores(path, one)
    return paths


def test_every_value_is_there_once(tmp_path):
    write_long(files(tmp_path), tmp_path / "long.csv.gz")
    found = pd.read_csv(tmp_path / "long.csv.gz")
    assert tuple(found.columns) == COLUMNS
    assert not found.duplicated(list(COLUMNS[:-1])).any()
    expected = {}
    for one in full_scores(2):
        for (model, key, metric), value in one.values.items():
            axes = METRICS[metric].axes
            starts = list(zip(*one.windows[key], strict=True)) if "window" in axes else [("", "")]
            name = next((axis for axis in axes if axis != "window"), None)
            lags = [""] if name is None else one.lags if name == "lag" else one.axes[name]
            for (replica, start), row in zip(starts, value.reshape(len(starts), -1), strict=True):
                for lag, cell in zip(lags, row, strict=True):
                    expected[model, one.about["seed"] or "", key, replica, start, lag, metric] = cell
    rows = found.astype(object).where(found.notna(), "")
    assert set(rows["split"]) == {"compound"}
    assert {tuple(row[1:8]): row[8] for row in rows.itertuples(index=False)} == expected


def test_the_same_scores_give_the_same_bytes(tmp_path):
    paths = files(tmp_path)
    for name in ("a.csv.gz", "b.csv.gz", "c.csv"):
        write_long(paths, tmp_path / name)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == (tmp_path / "c.csv").read_bytes()


def test_odd_names_and_missing_values(tmp_path):
    one = scores({'a "b", c': [[1.0, np.nan]]})
    write_scores(tmp_path / "b.h5", one)
    write_long([tmp_path / "b.h5"], tmp_path / "long.csv")
    with (tmp_path / "long.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["model"] for row in rows} == {'a "b", c'}
    assert [row["value"] for row in rows] == ["0.5", "nan", "1.0", "nan", "1.5", "nan"]
    assert [row["seed"] for row in rows] == [""] * 6


def test_parquet_holds_the_same(tmp_path):
    pytest.importorskip("pyarrow")
    paths = [*files(tmp_path), *write_run(tmp_path, {"rigid": [[np.nan, 1.0]]}, {}, split="other")]
    for name in ("long.csv", "long.parquet"):
        write_long(paths, tmp_path / name)
    found, expected = pd.read_parquet(tmp_path / "long.parquet"), pd.read_csv(tmp_path / "long.csv")
    for name in COLUMNS:
        assert found[name].astype(expected[name].dtype).equals(expected[name]) or np.allclose(
            found[name], expected[name], equal_nan=True
        )


def test_without_pyarrow_parquet_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"long\.parquet: Parquet needs pyarrow; install it, or give a name .*csv\.gz"):
        write_long([tmp_path / "missing.h5"], tmp_path / "long.parquet")
    with pytest.raises(InputError, match=r"long\.xlsx: the name must end in \.csv, \.csv\.gz, \.parquet"):
        write_long([tmp_path / "missing.h5"], tmp_path / "long.xlsx")
    with pytest.raises(InputError, match="no such file"):
        write_long([tmp_path / "missing.h5"], tmp_path / "long.csv.gz")
    assert list(tmp_path.iterdir()) == []
