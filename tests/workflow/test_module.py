"""The workflow as a module of another one, in a folder that has none of its files: how snakedeploy sets it up."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workflow_helpers import ROOT, clone, jobs

pytestmark = pytest.mark.workflow

SNAKEFILE = """
configfile: "config/config.yaml"


module mdstride:
    snakefile:
        "{workflow}/workflow/Snakefile"
    config:
        config


use rule * from mdstride
"""


@pytest.fixture
def deployed(tmp_path) -> Path:
    """A folder with a Snakefile that names the workflow, and with its config/, as snakedeploy copies it."""
    workflow, folder = clone(tmp_path / "elsewhere"), tmp_path / "project"
    (workflow / "src/mdstride").mkdir(parents=True)
    shutil.copy(ROOT / "src/mdstride/config.schema.yaml", workflow / "src/mdstride")
    shutil.copytree(workflow / "config", folder / "config")  # follows links, as snakedeploy does
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(SNAKEFILE.format(workflow=workflow), encoding="utf-8")
    return folder


def snakemake(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_it_runs_as_a_module_of_another_workflow(deployed):
    """What the default configuration names is there, the selection works, and the rest is planned behind it."""
    shutil.copy(ROOT / "tests/data/library.csv", deployed / "mine.csv")
    (deployed / "mine.yaml").write_text("library: {source: csv, path: mine.csv}\n", encoding="utf-8")
    laid = ("--configfile", "config/config.yaml", "mine.yaml")
    assert jobs(snakemake(deployed, *laid, "--", "results/default/compounds.csv")) == {
        "library": 1, "screen": 2, "select": 1,
    }  # fmt: skip
    with (deployed / "results/default/compounds.csv").open(encoding="utf-8") as stream:
        compounds = list(csv.DictReader(stream))
    planned = jobs(snakemake(deployed, "--dry-run", *laid))
    assert planned["relax"] == len(compounds) > 0 and planned["report"] == 1
    assert not {"library", "screen", "select"} & planned.keys()
    assert (deployed / "resources/seeds.csv").read_bytes() == (ROOT / "resources/seeds.csv").read_bytes()
