"""Every result says where it comes from, in the same words; and nothing of the machine it was made on."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import run_helpers

from mdstride.formats.provenance import (
    PACKAGE,
    SOURCES,
    by_name,
    read_record,
    record,
    record_path,
    software,
    source_hash,
    write_record,
)
from mdstride.layout import STAGES, planned_jobs

KEYS = {"stage", "settings", "inputs", "source", "software"}


@pytest.fixture
def seeds(tmp_path) -> Path:
    path = tmp_path / "seeds.csv"
    path.write_text("name,smiles\n", encoding="utf-8")
    return path


def test_a_record_holds_settings_hashes_code_and_versions(seeds):
    made = record(
        "select", {"a": 1}, {"screen.seeds": seeds, "names": None}, software("numpy"), known={"content": "12"}
    )
    assert made.keys() == KEYS
    assert made["stage"] == "select" and made["settings"] == {"a": 1}
    assert made["inputs"] == {"screen.seeds": hashlib.sha256(seeds.read_bytes()).hexdigest(), "content": "12"}
    assert made["source"] == source_hash("select")
    assert made["software"].keys() == {"python", "mdstride", "numpy"}


def test_the_same_files_elsewhere_give_the_same_record(tmp_path, seeds):
    outputs = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        given, table = folder / "seeds.csv", folder / "compounds.csv"
        given.write_bytes(seeds.read_bytes())
        table.write_text("id\n", encoding="utf-8")
        write_record(record("select", {}, by_name([given]), software()), table)
        outputs.append(record_path(table).read_bytes())
    assert outputs[0] == outputs[1]
    assert str(tmp_path).encode() not in outputs[0]
    found = json.loads(outputs[0])
    assert found["outputs"] == {"compounds.csv": hashlib.sha256(b"id\n").hexdigest()}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["r/compounds.csv", "r/scores/atom/1.h5", "r/scores/egno/1.h5"], None),
        (["r/select/1-of-2.h5", "r/select/counts.json"], ["1-of-2.h5", "counts.json"]),
        (["a/x.csv"], ["x.csv"]),
    ],
)
def test_names_are_those_below_the_folder_that_files_share(tmp_path, paths, names):
    found = by_name([tmp_path / path for path in paths])
    assert list(found) == ([path.removeprefix("r/") for path in paths] if names is None else names)
    assert list(found.values()) == [tmp_path / path for path in paths]


def test_every_planned_result_of_a_run_has_a_record(tmp_path):
    run = run_helpers.make_run(tmp_path / "toy")
    for stage, jobs in planned_jobs(run_helpers.settings(), run_helpers.IDS).items():
        for job in jobs:
            path = run / job.output
            carries = path.suffix in (".h5", ".h5md", ".json")
            found = read_record(path if carries else record_path(path))
            assert found.keys() >= KEYS, path
            assert found["stage"] == stage


def test_the_workflow_runs_a_stage_again_for_the_code_that_its_results_name():
    """`params: source` of each rule is the digest in the records that its jobs write."""
    rules = "\n".join(path.read_text("utf-8") for path in (run_helpers.ROOT / "workflow/rules").glob("*.smk"))
    found = {}
    for name, body in re.findall(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", rules, re.M | re.S):
        if said := re.search(r"source=source_hash\((.*?)\),\n", body):
            found[name] = tuple(eval(f"({said[1]},)", {"SOURCES": SOURCES}))
    assert found == SOURCES
    assert tuple(SOURCES) == STAGES


def test_the_parts_that_stand_for_a_stage_are_there():
    assert all((PACKAGE / part).exists() for parts in SOURCES.values() for part in parts)


def test_the_workflow_can_ask_for_digests_without_loading_anything_heavy():
    code = "import sys, mdstride.formats.provenance; print(*{'numpy', 'h5py', 'torch'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
