"""Libraries in all forms, sound and broken: nothing crashes, nothing is lost, and a damaged archive is named."""

import gzip
import random
import resource
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdstride.errors import InputError
from mdstride.select import sources
from mdstride.select.sources import read_blocks

GOOD = [("79", "N#Cc1cccnc1", "nicotinonitrile"), ("4", "CC(O)CN", "a name, with comma"), ("702", "CCO", "")]
FORMS = {
    "pubchem-bulk": lambda rows: "".join("\t".join(row) + "\n" for row in rows),
    "csv": lambda rows: "cid,smiles,name\n" + "".join(f'{cid},{smiles},"{name}"\n' for cid, smiles, name in rows),
    "smi": lambda rows: "".join(f"{smiles} {name}\n" for _, smiles, name in rows),
}


def lines(path, source):
    blocks = read_blocks({"source": source, "path": str(path)}, [])
    return [line for _, block in blocks for line in block.decode().split("\n")[:-1]]


@pytest.fixture(params=["plain", "gzip", "two gzip members"])
def write(request, tmp_path):
    def run(content, name="library"):
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / f"{name}.gz" if "gzip" in request.param else tmp_path / name
        if request.param == "gzip":
            data = gzip.compress(data)
        elif request.param == "two gzip members":
            data = gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
        path.write_bytes(data)
        return path

    return run


@pytest.mark.parametrize("source", FORMS)
@pytest.mark.parametrize("change", ["none", "windows", "mark", "no last line end"])
def test_forms(write, source, change):
    text = FORMS[source](GOOD)
    text = {
        "none": text,
        "windows": text.replace("\n", "\r\n"),
        "mark": "\ufeff" + text,
        "no last line end": text.rstrip("\n"),
    }[change]
    expected = ["\t".join(row) for row in GOOD]
    if source == "smi":
        expected = ["\t".join(("0", *row[1:])).rstrip("\t") for row in GOOD]
    assert lines(write(text), source) == expected


def test_blocks_end_with_lines_whatever_their_size(write, monkeypatch):
    rows = [(str(cid), "C" * (cid % 50), f"name {cid}") for cid in range(500)]
    path = write(FORMS["pubchem-bulk"](rows).replace("\n", "\r\n"))
    for size in (1, 7, 64, 1 << 18):
        monkeypatch.setattr(sources, "CHUNK", size)
        assert lines(path, "pubchem-bulk") == ["\t".join(row) for row in rows]


def test_csv_columns(write):
    assert lines(write("SMILES\nCCO\nCC\n"), "csv") == ["0\tCCO\t", "0\tCC\t"]
    assert lines(write("mass, Smiles ,cid\n1,CCO,702\n"), "csv") == ["702\tCCO\t"]
    assert lines(write('name,smiles\n"a\tb",CCO\n'), "csv") == ["0\tCCO\ta b"]
    rows = 'cid,smiles\n1\n1,C,x\n\n1,"C\n"1",C\n'
    assert lines(write(rows), "csv") == ["", "", "", "", "1\tC\t"]  # counted as rows with the wrong columns
    for header, found in (("", "none: the file is empty"), ("cid,formula\n1,C\n", "cid, formula")):
        with pytest.raises(InputError, match=rf"no column `smiles` \(columns: {found}\)"):
            lines(write(header), "csv")


@given(st.binary(max_size=2000), st.sampled_from([*FORMS]))
def test_noise_loses_no_line(tmp_path_factory, noise, source):
    path = tmp_path_factory.mktemp("noise") / "library"
    head = b"cid,smiles\n" if source == "csv" else b""
    path.write_bytes(head + b"1\n" + noise)
    expected = noise.count(b"\n") + (not noise.endswith(b"\n") and noise != b"")
    found = read_blocks({"source": source, "path": str(path)}, [])
    assert sum(block.count(b"\n") for _, block in found) == 1 + expected


def test_broken_archives(tmp_path):
    text = "".join(f"{cid}\t{'CNO'[cid % 3] * (cid % 7 + 1)}\n" for cid in range(200_000))
    good = gzip.compress(text.encode(), mtime=0)
    path = tmp_path / "CID-SMILES.gz"
    damaged = [good[: len(good) // 2], good[:-1], good[:5], good + b"trailing", *_flipped(good, 20)]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"CID-SMILES\.gz: damaged archive \(.*\); download it again"):
            lines(path, "pubchem-bulk")
    path.write_bytes(text.encode())
    with pytest.raises(InputError, match=r"named \.gz but not a gzip file"):
        lines(path, "pubchem-bulk")


def _flipped(good, count):
    for place in random.Random(0).sample(range(20, len(good)), count):
        yield good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="absent: no such file"):
        lines(tmp_path / "absent", "smi")
    path = tmp_path / "library"
    path.write_bytes("1\tCCO\n".encode("utf-16"))
    with pytest.raises(InputError, match="written in UTF-16; save it as UTF-8"):
        lines(path, "pubchem-bulk")


def test_a_file_of_one_line_takes_no_memory(tmp_path):
    """A gigabyte of C without a line end, which gzip packs into a megabyte, is one record that is too long."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"1\t")
        for _ in range(1 << 8):
            stream.write(b"C" * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    blocks = list(read_blocks({"source": "pubchem-bulk", "path": str(path)}, []))
    assert len(blocks) == 1
    assert blocks[0][1].count(b"\n") == 1
    assert len(blocks[0][1]) > 300
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def malformed():
    """240 lines of a library, most of which are no records."""
    chance = random.Random(1)
    yield from ["", "\t", "\t\t", "\t\t\t", "1", "CCO", "1\tCCO\tname\tmore", "1\t", "1.5\tCCO", "-3\tCCO", "x\tC"]
    yield from [
        "9" * 40 + "\tC",
        "1\t" + "C" * 100_000,
        "1\tC\0C",
        "\0\0\0",
        "1\tC C",
        "1\tC\u2013C",
        "2244\t]",
        "3\t[",
        "4\t(",
    ]
    yield from [
        "5\t%",
        "6\t1",
        "7\t[Xx]",
        "8\tC1CC",
        "9\tcc",
        "10\tC(C)(C)(C)(C)C",
        "11\t" + "[" * 299,
        "12\t" + "(" * 299,
    ]
    yield from [
        "13\t" + "C1" * 149,
        "14\tN" + "=N" * 140,
        "79\tN#Cc1cccnc1",
        "79\tCC(O)CN",
        "79\tN#Cc1cccnc1",
        "4\tCC(O)CN",
    ]
    while True:
        yield "".join(chance.choices("CNOcno()[]=#123@+-.%\t \0", k=chance.randint(0, 60)))


def test_malformed_records_are_counted(select, tmp_path):
    path = tmp_path / "library.tsv"
    lines = [line for line, _ in zip(malformed(), range(240), strict=False)]
    noise = [random.Random(seed).randbytes(60).replace(b"\n", b"") for seed in range(60)]
    data = b"\xef\xbb\xbf" + b"".join(
        line.encode() + end for line, end in zip(lines, [b"\n", b"\r\n"] * 120, strict=True)
    )
    path.write_bytes(data + b"\n".join(noise))
    rows, counts = select(str(path), source="pubchem-bulk", shards=3)
    assert [row["cid"] for row in rows] == ["4"]  # of CID 79 the text that sorts first counts, and that is CID 4
    assert int(counts[0]["count"]) == 300 == len(rows) + sum(int(row["count"]) for row in counts[1:])
    found = {row["reason"] for row in counts if row["count"] != "0"}
    assert len(found) >= 12, found
