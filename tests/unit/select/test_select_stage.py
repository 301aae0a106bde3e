import csv
import gzip
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pubchem_server import running
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from mdstride.errors import InputError
from mdstride.formats.provenance import read_record, sha256
from mdstride.formats.tables import read_table, write_table
from mdstride.select.stage import COLUMNS

SMALL = Path(__file__).parents[3] / "resources/compounds/pubchem_chno_small.csv.gz"
REPEATED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def library():
    """Every 40th small compound, then a duplicate CID, a duplicate compound and records of other kinds."""
    with gzip.open(SMALL, "rt", encoding="utf-8") as stream:
        rows = [(row["cid"], row["smiles"]) for row in csv.DictReader(stream)][::40]
    others = [("4", "OCCN"), ("900001", "NCC(C)O"), ("900002", "CCCl"), ("", "CCO"), ("900003", "C(C"), ("x1", "C")]
    return [*rows, *others]


def bits(smiles):
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    return set(generator.GetFingerprint(Chem.MolFromSmiles(smiles)).GetOnBits())


def tanimoto(a, b):
    return len(a & b) / len(a | b)


def without_nearest(rows):
    return [{key: value for key, value in row.items() if not key.startswith("nearest")} for row in rows]


def test_tables(select, library, base):
    rows, counts = select(library)
    assert tuple(rows[0]) == COLUMNS
    assert list(counts[0].values()) == ["read", "records read", str(len(library))]
    assert [int(row["cid"]) for row in rows] == sorted(int(row["cid"]) for row in rows)
    seeds = {row["name"]: row["smiles"] for row in read_table(base["screen"]["seeds"], ["name", "smiles"])}
    found = [bits(row["smiles"]) for row in rows]
    assert len(rows) > 20
    for index, row in enumerate(rows):
        mol = Chem.AddHs(Chem.MolFromSmiles(row["smiles"]))
        assert int(row["n_atoms"]) == mol.GetNumAtoms()
        assert int(row["n_heavy"]) == sum(atom.GetAtomicNum() > 1 for atom in mol.GetAtoms())
        assert row["id"] == Chem.MolToInchiKey(mol)
        assert row["source"] == "library"
        seed = seeds[row["seed"]]
        assert float(row["seed_similarity"]) == tanimoto(found[index], bits(seed))
        assert 0.075 <= float(row["seed_similarity"]) <= 0.125
        assert int(row["n_heavy"]) <= Chem.MolFromSmiles(seed).GetNumHeavyAtoms()
        similarities = {rows[i]["id"]: tanimoto(found[index], other) for i, other in enumerate(found) if i != index}
        assert float(row["nearest_similarity"]) == max(similarities.values()) == similarities[row["nearest"]]
        assert max(similarities.values()) <= 0.2


def test_neither_order_nor_shards_matter(select, library, tmp_path):
    """Byte for byte, in all three tables."""

    def tables(records, shards, **changes):
        select(records, shards=shards, **changes)
        return [path.read_bytes() for path in sorted((tmp_path / "out").glob("*.csv"))]

    for changes in ({}, {"pick": {"max_atoms": 16, "count": 7}, "quota": {"total": 20, "seed": 4, "scaffold": 1}}):
        expected = tables(library, 1, **changes)
        for seed, shards in enumerate([1, 2, 3, 7]):
            shuffled = random.Random(seed).sample(library, len(library))
            assert tables(shuffled, shards, **changes) == expected


def test_every_output_says_what_it_was_made_from(select, library, base, tmp_path):
    """From the library to the tables, each by the hashes of its own inputs; the shards and tables by theirs."""
    select(library)
    parts, shards, seeds = tmp_path / "parts", ["0.tsv.gz", "1.tsv.gz"], sha256(base["screen"]["seeds"])
    counts = read_record(parts / "counts.json")
    assert counts["inputs"] == {"library.path": sha256(tmp_path / "library.csv"), "screen.seeds": seeds}
    assert counts["outputs"] == {name: sha256(parts / name) for name in shards}
    screened = read_record(parts / "0.tsv.h5")
    assert screened["inputs"] == {"shard": sha256(parts / "0.tsv.gz"), "screen.seeds": seeds}
    chosen = read_record(tmp_path / "out/compounds.provenance.json")
    names = ("counts.json", "0.tsv.h5", "1.tsv.h5")
    assert chosen["inputs"] == {"screen.seeds": seeds} | {name: sha256(parts / name) for name in names}
    assert chosen["outputs"].keys() == {"compounds.csv", "rejections.csv", "space.csv"}
    assert chosen["settings"]["screen"] == screened["settings"]["screen"] == base["screen"]
    assert "rdkit" in chosen["software"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    select(library)
    assert {path: path.read_bytes() for path in before} == before


def test_records_without_cid_are_taken_by_their_text(select, library, tmp_path):
    texts = [smiles for _, smiles in library]
    found = []
    for seed in range(3):
        path = tmp_path / "mine.smi"
        path.write_text("".join(f"{text} mol-{text}\n" for text in random.Random(seed).sample(texts, len(texts))))
        found.append(select(str(path), source="smi"))
    assert found[0] == found[1] == found[2]
    rows, _ = found[0]
    assert len(rows) > 20
    assert {row["cid"] for row in rows} == {""}
    assert all(row["name"].startswith("mol-") for row in rows)


RECORDS = st.tuples(
    st.sampled_from(["1", "2", "3", "007", "7", "", "x", "-1", "1.5", "9" * 30, "٣"]),
    st.sampled_from(
        ["", "CCO", "C(C", "CC(O)CN", "c1ccccc1", "C.C", "CCS", "[2H]OC", "C[NH3+]", "C[CH2]", "CCCCCCC", "cc", "C1.C1"]
    )
    | st.text(max_size=6),
)


@REPEATED
@given(st.lists(RECORDS, max_size=30))
def test_every_record_is_accounted_for(select, records):
    records = [(cid, smiles) for cid, smiles in records if not set(smiles) & set("\r\n")]
    library = [*records, ("5", "N#Cc1cccnc1")]
    rows, counts = select(library)
    assert int(counts[0]["count"]) == len(library)
    assert len(library) == sum(int(row["count"]) for row in counts[1:]) + len(rows)


def test_from_pubchem_itself(select, library, tmp_path):
    """The same compounds as from a file with the same records, named as PubChem names them; a rerun asks nothing."""
    records = {int(cid): smiles for cid, smiles in library if cid.isdigit()}
    seeds = {"aspirin": "CC(=O)Oc1ccccc1C(=O)O", "tropane": "CN1C2CCC1CCC2"}
    file = str(tmp_path / "seeds.csv")
    write_table(file, ["name", "smiles"], [{"name": name, "smiles": smiles} for name, smiles in seeds.items()])
    expected, counts = select([*records.items()], seeds=file)
    with running() as server:
        server.records = {cid: {"IsomericSMILES": smiles, "Title": f"no. {cid}"} for cid, smiles in records.items()}
        server.neighbours = dict(zip(seeds.values(), ([*records][::2], [*records][1::2]), strict=True))
        settings = {"url": server.url, "similarity": 80, "max_records": 1000, "cache": str(tmp_path / "cache")}
        for requests in (5, 5):  # two searches and three batches; then none
            rows, again = select(None, source="pubchem-rest", pubchem=settings, seeds=file)
            assert len(server.seen) == requests
    assert again == counts
    assert len(rows) > 20
    assert [{**row, "name": ""} for row in rows] == [{**row, "name": ""} for row in expected]
    assert [row["name"] for row in rows] == [f"no. {row['cid']}" for row in rows]


def test_reasons(select):
    library = [
        *[("79", "N#Cc1cccnc1"), ("80", "c1cncc(C#N)c1"), ("79", "N#Cc1cccnc1"), ("81", "c1cccnc1C#N")],
        *[("1", ""), ("2", "C" * 301), ("3", "C.C"), ("5", "CCCl"), ("6", "C" * 14), ("7a", "CCO"), ("7", "C\x00O")],
        *[
            ("8", "C(C"),
            ("9", "CC(C)(C)(C)C"),
            ("10", "c1cccc1"),
            ("11", "C[NH3+]"),
            ("12", "[2H]OC"),
            ("13", "C[CH2]"),
        ],
        *[("14", "OOOOOO"), ("15", "NNNN"), ("16", "CC"), ("17", "CCCCO"), ("18", "CCOOC")],
    ]
    rows, counts = select(library, alerts=["peroxide"])
    assert [row["cid"] for row in rows] == ["79"]
    found = {(row["step"], row["reason"]): int(row["count"]) for row in counts if row["count"] != "0"}
    assert found == {
        ("read", "records read"): 22,
        ("record", "CID is not a whole number"): 1,
        ("record", "no SMILES"): 1,
        ("record", "SMILES longer than 300 characters"): 1,
        ("record", "blank or foreign character in the SMILES"): 1,
        ("record", "not a SMILES"): 1,
        ("record", "impossible valence"): 1,
        ("record", "aromatic ring without a Kekulé structure"): 1,
        ("composition", "more than one fragment"): 1,
        ("composition", "isotope label"): 1,
        ("composition", "element outside screen.elements"): 1,
        ("composition", "more heavy atoms than the largest seed"): 1,
        ("composition", "more N than screen.max_nitrogen"): 1,
        ("composition", "more O than screen.max_oxygen"): 1,
        ("composition", "net charge"): 1,
        ("composition", "unpaired electrons"): 1,
        ("composition", "fewer heavy atoms than screen.min_heavy_atoms"): 1,
        ("composition", "structural alert of screen.alerts"): 1,
        ("seed", "no seed of at least its size within screen.seed_similarity"): 1,
        ("rule", "CID of another record within the range of a seed"): 1,
        ("rule", "more similar than select.max_similarity to a compound accepted before"): 2,
    }


def test_high_range_selects_analogues(select):
    acetyl = [("1", "CC(=O)Oc1ccccc1"), ("2", "CC(=O)Oc1ccccc1C=O"), ("3", "CC(=O)Oc1cccc(C)c1")]
    rows, _ = select([*acetyl, ("240", "O=Cc1ccccc1"), ("702", "CCO")], seed_similarity=[0.5, 0.9], max_similarity=0.8)
    assert [(row["cid"], row["seed"]) for row in rows] == [("1", "aspirin"), ("2", "aspirin")]


def test_extra_compounds(select, library):
    plain, counts = select(library, pick={"max_atoms": 16, "count": 6})
    twin = Chem.MolToSmiles(Chem.MolFromSmiles(plain[2]["smiles"]), doRandom=True)
    extras = [("ClC(Cl)Cl", "chloroform"), (twin, "mine"), ("CCO", "")]
    rows, again = select(library, extras=extras, pick={"max_atoms": 16, "count": 6})
    assert again == counts
    assert [row["source"] for row in rows] == ["library"] * 6 + ["extra"] * 2
    for before, after in zip(without_nearest(plain), without_nearest(rows), strict=False):
        assert {**before, "name": ""} == {**after, "name": ""}
    assert [row["name"] for row in rows[6:]] == ["chloroform", "CCO"]
    assert rows[2]["name"] == "mine"
    assert [row["cid"] for row in rows[6:]] == ["", ""]
    assert (rows[7]["seed"], rows[7]["seed_similarity"]) == ("ethanol", "1.0")


def test_names(select):
    library = [("79", "N#Cc1cccnc1"), ("4", "CC(O)CN")]
    names = [("79", ""), ("79", "pyridine-3-carbonitrile"), ("79", "other"), ("x", "none")]
    rows, _ = select(library, names=names, extras=[("N#Cc1cccnc1", "nicotinonitrile")])
    assert [row["name"] for row in rows] == ["CC(O)CN", "pyridine-3-carbonitrile"]


def test_one_compound_has_no_neighbour(select):
    rows, _ = select([("79", "N#Cc1cccnc1")])
    assert (rows[0]["nearest"], rows[0]["nearest_similarity"]) == ("", "")


def test_rdkit_is_silent(select, capfd):
    select([("79", "N#Cc1cccnc1"), ("1", "C(C"), ("2", "c1cccc1"), ("3", "CC(C)(C)(C)C"), ("4", "[H+]")])
    captured = capfd.readouterr()
    assert captured.out == ""
    assert all(line.startswith(("library: ", "screen: ", "select: ")) for line in captured.err.splitlines())


def test_nothing_accepted(select, tmp_path):
    with pytest.raises(InputError, match=r"none of the 2 records of the library is accepted \(more than one frag"):
        select([("1", "C.C"), ("2", "C.CC")])
    assert not (tmp_path / "out").exists()
