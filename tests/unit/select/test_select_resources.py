import csv
import gzip
import re
from pathlib import Path

import pytest
from rdkit import Chem

from mdstride.formats.provenance import sha256

RESOURCES = Path(__file__).parents[3] / "resources"
TABLE = re.findall(
    r"^\| \[(\S+)\]\(\1\) \|.*\| `([0-9a-f]{64})` \|$", (RESOURCES / "README.md").read_text("utf-8"), re.M
)


def test_every_bundled_file_is_in_the_table():
    bundled = {p.relative_to(RESOURCES).as_posix() for p in RESOURCES.rglob("*") if p.is_file()} - {"README.md"}
    assert sorted(bundled) == sorted(name for name, _ in TABLE)


@pytest.mark.parametrize(("name", "digest"), TABLE)
def test_checksums(name, digest):
    assert sha256(RESOURCES / name) == digest


def test_seeds():
    formulas = {
        **{"aspirin": "C9H8O4", "benzene": "C6H6", "ethanol": "C2H6O", "malonaldehyde": "C3H4O2"},
        **{"naphthalene": "C10H8", "salicylic acid": "C7H6O3", "toluene": "C7H8", "uracil": "C4H4N2O2"},
        **{"aniline": "C6H7N", "triazolopyrazine": "C5H4N4", "tropane": "C8H15N"},
    }
    with (RESOURCES / "seeds.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    found = {r["name"]: Chem.rdMolDescriptors.CalcMolFormula(Chem.MolFromSmiles(r["smiles"])) for r in rows}
    assert found == formulas
    assert [r["source"] for r in rows] == ["MD17"] * 8 + ["TG80"] * 3


@pytest.mark.parametrize(
    ("name", "columns", "records"),
    [
        ("compounds/pubchem_cid_smiles_166k.csv.gz", "cid,smiles,source", 165_770),
        ("compounds/pubchem_chno_small.csv.gz", "cid,smiles,n_atoms,n_heavy,formula,cas,iupac_name", 16_391),
    ],
)
def test_library_files(name, columns, records):
    with gzip.open(RESOURCES / name, "rt", encoding="utf-8") as stream:
        assert stream.readline() == columns + "\n"
        assert sum(1 for _ in stream) == records


def test_extra_compounds_have_no_rows():
    assert (RESOURCES.parent / "config/extra_compounds.csv").read_bytes() == b"smiles,name\n"
