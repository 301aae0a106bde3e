"""House rules that a machine can check."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
STAGES = ("select", "relax", "simulate", "dataset", "train", "evaluate", "energies", "report", "export")
UNSAFE = re.compile(
    r"pickle\.loads?\(|allow_pickle=True|weights_only=False|yaml\.load\(|torch\.load\(|torch\.save\(|shell=True"
)


def pins() -> dict[str, str]:
    lines = (ROOT / "envs/constraints.txt").read_text(encoding="utf-8").splitlines()
    return {name.lower(): version for name, _, version in (line.partition("==") for line in lines) if version}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_pickle_and_no_unsafe_loading(path):
    assert not UNSAFE.search(path.read_text(encoding="utf-8"))


def test_stages_do_not_import_each_other():
    crossings = []
    for stage in STAGES:
        for path in (ROOT / "src/mdstride" / stage).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                crossings += [
                    f"{path.name}: {name}"
                    for name in names
                    for other in STAGES
                    if other != stage and f"{name}.".startswith(f"mdstride.{other}.")
                ]
    assert crossings == []


def test_the_package_knows_nothing_of_snakemake():
    assert [
        path.name for path in SOURCES if re.search(r"^\s*(import|from) snakemake", path.read_text("utf-8"), re.M)
    ] == []


def test_every_dependency_is_pinned_and_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ranges = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        ranges += extra
    explained = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8").lower()
    for requirement in ranges:
        name = re.split(r"[<>=\[]", requirement)[0].lower()
        assert name in pins(), f"{name} is not in envs/constraints.txt; run `make lock`"
        assert f"| {name} " in explained, f"{name} is not in docs/dependencies.md"


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_pip_agree_on_versions(path):
    renamed = {"pytorch": "torch", "tblite-python": "tblite", "matplotlib-base": "matplotlib"}
    renamed["snakemake-minimal"] = "snakemake"
    environment = yaml.safe_load(path.read_text(encoding="utf-8"))
    versions = dict(entry.split("=") for entry in environment["dependencies"] if "=" in entry)
    versions.pop("python")
    assert {name: pins()[renamed.get(name, name)] for name in versions} == versions
    assert path.with_name(f"{path.stem}.post-deploy.sh").exists()


def test_container_and_pip_agree_on_the_version_of_python():
    container = (ROOT / "envs/Containerfile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^FROM \S+/python:([\d.]+)-", container, re.M)
    assert f"Python {version}." in (ROOT / "envs/constraints.txt").read_text(encoding="utf-8").splitlines()[0]


def test_files_stay_short():
    long = {path.name: len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_readme_commands_and_paths_exist():
    """Every `make` target, stage and repository path that the README names is real."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", readme, re.M):
        assert f"\n{target}:" in makefile
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for link in re.findall(r"\]\((?!http|#)([^)#]+)", readme):
        assert link in tracked or any(name.startswith(link.rstrip("/") + "/") for name in tracked), link


def test_every_promise_names_tests_that_exist():
    text = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^def (test_\w+)", text, re.M))
    for row in re.findall(r"^\| .* \| (`.*) \|$", (ROOT / "docs/reliability.md").read_text("utf-8"), re.M):
        assert {name for name in re.findall(r"`(\w+)`", row)} <= known, row
