"""A crate follows RO-Crate 1.1, holds what it says it holds, and nothing is published that is not whole."""

import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import run_helpers

from mdstride.crate.check import faults, read_metadata
from mdstride.crate.metadata import NAME, read_citation
from mdstride.crate.write import write_crate
from mdstride.errors import InputError
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.scores_file import write_scores
from mdstride.formats.structure import read_structure, write_structure


@pytest.fixture(scope="module")
def workflow(tmp_path_factory) -> Path:
    """The folder that the workflow is run in, as far as a crate needs it."""
    folder = tmp_path_factory.mktemp("workflow")
    for part in ("Snakefile", "workflow", "config.yaml", "config", "envs", "resources", "CITATION.cff", "LICENSE"):
        source = run_helpers.ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    run = run_helpers.make_run(tmp_path_factory.mktemp("finished") / "toy")
    for path in run.rglob("*"):
        os.utime(path, (1.7e9, 1.7e9))
    return run


@pytest.fixture(scope="module")
def crate(finished, workflow, tmp_path_factory) -> Path:
    """To look at."""
    crate = tmp_path_factory.mktemp("crates") / "crate"
    write_crate(finished, crate, workflow=workflow)
    return crate


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """To change and to pack."""
    shutil.copytree(finished, tmp_path / "results/toy")
    return tmp_path / "results/toy"


def graph_of(crate: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads((crate / NAME).read_text("utf-8"))["@graph"]}


def many(value) -> list:
    return value if isinstance(value, list) else [value]


def found_faults(crate: Path) -> list[str]:
    def open_file(path):
        return (crate / path).open("rb")

    return list(faults(read_metadata(open_file, crate), open_file))


def test_what_the_specification_requires_is_there(crate):
    document = json.loads((crate / NAME).read_text("utf-8"))
    assert document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    graph = graph_of(crate)
    assert len(graph) == len(document["@graph"])
    assert graph[NAME]["@type"] == "CreativeWork"
    assert graph[NAME]["about"] == {"@id": "./"}
    assert {"@id": "https://w3id.org/ro/crate/1.1"} in graph[NAME]["conformsTo"]
    root = graph["./"]
    assert root["@type"] == "Dataset"
    assert root["name"] and root["description"] and root["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    assert root["datePublished"] == "2023-11-14T22:13:20+00:00"
    assert [graph[one["@id"]]["name"] for one in many(root["author"])] == ["The mdstride developers"]
    assert {"@id": "https://doi.org/10.1021/acs.jctc.8b01176"} in root["citation"]
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.5"} in root["conformsTo"]
    assert all("@type" in entity for entity in graph.values())


def test_everything_that_is_referred_to_is_described(crate):
    graph = graph_of(crate)
    for entity in graph.values():
        for value in entity.values():
            for one in many(value):
                assert (
                    not isinstance(one, dict)
                    or one["@id"] in graph
                    or one["@id"].startswith("https://w3id.org/ro/crate")
                )


def test_every_file_is_listed_with_its_hash_and_size(crate):
    graph = graph_of(crate)
    files = {path.relative_to(crate).as_posix(): path for path in crate.rglob("*") if path.is_file()}
    files.pop(NAME)
    listed = {id: entity for id, entity in graph.items() if "File" in many(entity["@type"])}
    assert listed.keys() == files.keys()
    for id, path in files.items():
        assert listed[id]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert listed[id]["contentSize"] == str(path.stat().st_size)
        assert listed[id]["encodingFormat"]
    reached, folders = set(), ["./"]
    while folders:
        for one in many(graph[folders.pop()]["hasPart"]):
            reached.add(one["@id"])
            folders += [one["@id"]] if graph[one["@id"]]["@type"] == "Dataset" else []
    assert files.keys() <= reached


def test_results_workflow_and_inputs_are_in_it_and_nothing_else(crate):
    names = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    for name in (
        "Snakefile", "workflow/rules/simulate.smk", "config.yaml", "LICENSE", "resources/seeds.csv",
        "resources/compounds/pubchem_cid_smiles_166k.csv.gz", "config/extra_compounds.csv", "results/toy/report.html",
        "results/toy/dataset.h5", f"results/toy/trajectories/{run_helpers.IDS[0]}/0.twin.h5md",
    ):  # fmt: skip
        assert name in names
    assert not [name for name in names if "state" in name.split("/") or "logs" in name.split("/") or "/." in name]


def test_actions_name_the_workflow_and_the_recorded_software(crate):
    graph = graph_of(crate)
    run = graph["#run"]
    assert run["instrument"] == graph["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert "ComputationalWorkflow" in graph["Snakefile"]["@type"]
    assert {"@id": "resources/seeds.csv"} in run["object"]
    mentioned = [one["@id"] for one in graph["./"]["mentions"]]
    assert mentioned[0] == "#run"
    assert "#stage-simulate" in mentioned
    programs = {
        graph[one["@id"]]["name"]: graph[one["@id"]]["softwareVersion"] for one in graph["#stage-relax"]["instrument"]
    }
    assert programs == run_helpers.VERSIONS
    assert {"@id": "#torch-2.13.0"} in graph["#stage-pretrain"]["instrument"]
    assert graph["#stage-dataset"]["result"] == [
        {"@id": f"results/toy/{name}"} for name in ("dataset.h5", "trajectories.csv", "trajectories.provenance.json")
    ]


def test_actions_name_the_inputs_and_the_code_that_were_recorded(crate):
    graph = graph_of(crate)
    given = {
        stage: [one["@id"] for one in graph[f"#stage-{stage}"]["object"][1:]]
        for stage in ("library", "select", "relax", "twin", "evaluate", "report")
    }
    assert given == {
        "library": ["resources/seeds.csv"],
        "select": ["results/toy/select/"],
        "relax": ["results/toy/compounds.csv"],
        "twin": ["results/toy/structures/", "results/toy/trajectories/"],
        "evaluate": ["results/toy/runs/"],
        "report": ["results/toy/compounds.csv"],
    }
    assert {"@id": "results/toy/dataset.h5"} in graph["#stage-pretrain"]["object"]  # known by its content hash
    assert graph["#stage-simulate"]["description"].endswith("Digest of the code: 0123456789abcdef")


def test_times_are_those_of_files_and_measurements(run, workflow, tmp_path):
    path = run / "benchmarks/report.tsv"
    path.parent.mkdir()
    path.write_text("s\th:m:s\n90.0\t0:01:30\n")
    write_crate(run, tmp_path / "crate", workflow=workflow)
    action = graph_of(tmp_path / "crate")["#stage-report"]
    assert (action["startTime"], action["endTime"]) == ("2023-11-14T22:11:50+00:00", "2023-11-14T22:13:20+00:00")


def test_the_same_run_gives_the_same_archive(run, workflow, tmp_path):
    for name in ("one.zip", "two.zip"):
        write_crate(run, tmp_path / name, workflow=workflow)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_archive_and_folder_hold_the_same(run, workflow, tmp_path, crate):
    write_crate(run, tmp_path / "toy.zip", workflow=workflow)
    with ZipFile(tmp_path / "toy.zip") as archive:
        assert archive.testzip() is None
        for path in (path for path in crate.rglob("*") if path.is_file()):
            assert archive.read(path.relative_to(crate).as_posix()) == path.read_bytes()


def test_logs_on_request(run, workflow, tmp_path):
    write_crate(run, tmp_path / "crate", workflow=workflow, logs=True)
    assert (tmp_path / "crate/results/toy/logs/select.log").is_file()
    assert not (tmp_path / "crate/results/toy/state").exists()
    assert found_faults(tmp_path / "crate") == []


def test_configurations_that_were_changed_since_stay_out(run, workflow, tmp_path):
    (run / "config/simulate-old.json").write_text('{"simulate": {"timestep": 9}}')
    (run / "config/report-now.json").write_text(json.dumps({"report": run_helpers.settings()["report"]}))
    write_crate(run, tmp_path / "crate", workflow=workflow)
    names = [path.name for path in (tmp_path / "crate/results/toy/config").iterdir()]
    assert sorted(names) == ["plan-0123456789ab.json", "report-now.json"]


@pytest.mark.parametrize("name", ["report.html", f"trajectories/{run_helpers.IDS[2]}/1.h5md", "compounds.csv"])
def test_an_unfinished_run_is_refused(run, workflow, tmp_path, name):
    (run / name).unlink()
    with pytest.raises(InputError, match=r"not finished .*; `mdstride status"):
        write_crate(run, tmp_path / "crate.zip", workflow=workflow)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_what_is_damaged_is_not_published(run, workflow, tmp_path):
    path = run / f"trajectories/{run_helpers.IDS[2]}/1.h5md"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=path.name):
        write_crate(run, tmp_path / "crate", workflow=workflow)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def rewrite_structure(run: Path) -> None:
    path = run / f"structures/{run_helpers.IDS[1]}.h5"
    write_structure(path, dataclasses.replace(read_structure(path), energy=-1.0))


def rewrite_dataset(run: Path) -> None:
    data = read_dataset(run / "dataset.h5")
    write_dataset(run / "dataset.h5", dataclasses.replace(data, splits={}))


CHANGED = {
    "table": (lambda run: relabel(run / "compounds.csv"), r"/compounds\.csv: not as it was written; delete it"),
    "verdicts": (lambda run: append(run / "trajectories.csv"), r"/trajectories\.csv: not as it was written"),
    "report": (lambda run: append(run / "report.html"), r"/report\.html: not as it was written"),
    "shard": (lambda run: append(run / "select/2-of-2.tsv.gz"), r"/select/2-of-2\.tsv\.gz: not as it was written"),
    "structure": (
        rewrite_structure,
        r"BBBB-.*h5md: made from another `structure` than there is now; put that back, or",
    ),
    "data set": (rewrite_dataset, r"run\.json: made from another `content of dataset\.h5` than there is now"),
    "weights": (
        lambda run: append(run / "runs/atom/compound/1/weights.safetensors"),
        r"scores/atom/compound/1\.h5: made from another `weights` than there is now",
    ),
    "no record": (
        lambda run: (run / "report.provenance.json").unlink(),
        r"report\.html: nothing says where it comes from; delete it, and run `snakemake` again",
    ),
}


def relabel(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("compound A", "mine"), encoding="utf-8")


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("case", CHANGED)
def test_what_was_changed_after_the_run_is_not_published(run, workflow, tmp_path, case):
    change, message = CHANGED[case]
    change(run)
    with pytest.raises(InputError, match=message):
        write_crate(run, tmp_path / "crate.zip", workflow=workflow)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_an_input_that_was_changed_after_the_run_is_not_published(run, workflow, tmp_path):
    shutil.copytree(workflow, tmp_path / "workflow")
    append(tmp_path / "workflow/resources/seeds.csv")
    with pytest.raises(InputError, match=r"counts\.json: made from another `screen\.seeds` than there is now"):
        write_crate(run, tmp_path / "crate.zip", workflow=tmp_path / "workflow")


def test_what_an_earlier_configuration_left_behind_is_not_held_against_the_run(run, workflow, tmp_path):
    left = run / "scores/egno/compound/1.h5"
    left.parent.mkdir(parents=True)
    one = run_helpers.scores("egno", 1, np.random.default_rng(2))
    write_scores(
        left,
        dataclasses.replace(one, about=one.about | run_helpers.made("evaluate") | {"inputs": {"weights": "0" * 64}}),
    )
    write_crate(run, tmp_path / "crate", workflow=workflow)
    assert (tmp_path / "crate/results/toy/scores/egno/compound/1.h5").is_file()


def test_a_missing_input_is_named(run, workflow, tmp_path):
    config = run_helpers.settings()
    config["screen"]["seeds"] = "mine.csv"
    run_helpers.note(run, config)
    with pytest.raises(InputError, match=r"mine\.csv: an input of the run is no longer there"):
        write_crate(run, tmp_path / "crate", workflow=workflow)


def test_another_folder_than_that_of_the_workflow_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"Snakefile: no such file; give --workflow"):
        write_crate(run, tmp_path / "crate", workflow=tmp_path)


def test_a_folder_that_is_there_is_not_written_into(run, workflow, tmp_path):
    (tmp_path / "crate").mkdir()
    with pytest.raises(InputError, match="is there already"):
        write_crate(run, tmp_path / "crate", workflow=workflow)


def test_a_whole_crate_has_no_faults(crate):
    assert found_faults(crate) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda crate: (crate / "LICENSE").write_text("mine"), "LICENSE is not the file that was published"),
        (lambda crate: (crate / "LICENSE").unlink(), "LICENSE is missing"),
        (lambda crate: swap(crate, '"@id": "LICENSE"', '"@id": "../LICENSE"'), "../LICENSE lies outside the crate"),
        (lambda crate: swap(crate, '"@id": "#run",', '"@id": "#walk",'), "./ refers to #run, which is not described"),
    ],
    ids=["changed", "missing", "outside", "reference"],
)
def test_faults_are_found(crate, tmp_path, change, fault):
    shutil.copytree(crate, tmp_path / "crate")
    change(tmp_path / "crate")
    assert fault in found_faults(tmp_path / "crate")


def swap(crate: Path, old: str, new: str) -> None:
    text = (crate / NAME).read_text("utf-8")
    assert old in text
    (crate / NAME).write_text(text.replace(old, new), encoding="utf-8")


def test_people_are_named_with_their_orcid(run, workflow, tmp_path):
    orcid = "https://orcid.org/0000-0002-1825-0097"
    text = (workflow / "CITATION.cff").read_text("utf-8")
    people = f'authors:\n  - {{family-names: Doe, given-names: Jane, orcid: "{orcid}"}}\n'
    folder = tmp_path / "workflow"
    shutil.copytree(workflow, folder)
    (folder / "CITATION.cff").write_text(text[: text.index("authors:")] + people, encoding="utf-8")
    write_crate(run, tmp_path / "crate", workflow=folder)
    graph = graph_of(tmp_path / "crate")
    assert graph["./"]["author"] == {"@id": orcid}
    assert graph[orcid] == {"@id": orcid, "@type": "Person", "name": "Jane Doe"}


def test_a_citation_without_a_licence_is_refused(tmp_path):
    (tmp_path / "CITATION.cff").write_text("title: x\nmessage: y\nversion: 1\nauthors: [{name: z}]\n")
    with pytest.raises(InputError, match="no `license`"):
        read_citation(tmp_path / "CITATION.cff")


def test_an_independent_reader_agrees(crate):
    rocrate = pytest.importorskip("rocrate.rocrate", reason="needs the package rocrate (extra `dev`)")
    read = rocrate.ROCrate(crate)
    assert read.mainEntity.id == "Snakefile"
    assert read.root_dataset["license"].id == "https://spdx.org/licenses/MIT"
    assert len(read.data_entities) > 50
    assert all((crate / entity.id).exists() for entity in read.data_entities)
    assert read.dereference("#run")["instrument"] is read.mainEntity
