"""What the Snakemake workflow catalogue and those who cite look for is there, and says what is so."""

import datetime
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_catalogue_finds_what_standardised_usage_asks_for():
    """https://snakemake.github.io/snakemake-workflow-catalog: files, words, and keys of its configuration."""
    for name in ("workflow/Snakefile", "config/README.md", ".snakemake-workflow-catalog.yml"):
        assert (ROOT / name).is_file(), name
    text = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in text and "workflow" in text
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    assert usage["software-stack-deployment"].keys() == {"conda", "apptainer", "apptainer+conda"}
    assert {type(value) for value in usage["software-stack-deployment"].values()} == {bool}
    assert usage["report"] is True


def test_snakedeploy_finds_the_default_configuration():
    """It copies config/ and names config/config.yaml in the Snakefile it writes: the same file as config.yaml."""
    assert (ROOT / "config/config.yaml").samefile(ROOT / "config.yaml")


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"] and citation["license"] == project["license"]
    assert datetime.date.fromisoformat(citation["date-released"])
    for work in (citation, *citation["references"]):
        assert work["title"] and work["authors"] and work["type"]
    for work in citation["references"]:  # `mdstride crate` takes what to cite from the message
        assert work.get("doi") or work["url"]
    assert citation["references"][0]["doi"] in citation["message"]
