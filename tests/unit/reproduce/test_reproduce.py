"""What must agree, what need not, and that a difference of the first kind is never passed over."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import run_helpers

from mdstride.cli_run import add_reproduce
from mdstride.crate.write import write_crate
from mdstride.errors import InputError
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.scores_file import read_scores_file, write_scores
from mdstride.formats.split import Split, whole
from mdstride.formats.structure import read_structure, write_structure
from mdstride.reproduce.stage import reproduce

A = run_helpers.IDS[0]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return run_helpers.make_run(tmp_path_factory.mktemp("published") / "toy")


@pytest.fixture
def other(published, tmp_path) -> Path:
    """The same run, made again with the same bits; tests change it."""
    shutil.copytree(published, tmp_path / "again")
    return tmp_path / "again"


def rows(text: str) -> dict[str, str]:
    """Outcome by what was compared."""
    found = {}
    for line in text.splitlines()[2:]:
        for outcome in ("agrees exactly", "agrees within", "differs, as it may", "DIFFERS"):
            if f"  {outcome}" in line and not line.startswith(" "):
                found[line.split(f"  {outcome}")[0].strip()] = outcome
    return found


def edit_settings(run: Path, **changes) -> None:
    path = next((run / "config").glob("plan-*.json"))
    config = json.loads(path.read_text())
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    path.write_text(json.dumps(config))


def edit_structure(run: Path, **changes) -> None:
    path = run / f"structures/{A}.h5"
    write_structure(path, dataclasses.replace(read_structure(path), **changes))


def edit_dataset(run: Path, shift, *, split=None) -> None:
    """Add `shift` [F] Å to every position, or set another split."""
    data = read_dataset(run / "dataset.h5")
    compounds = {
        key: dataclasses.replace(
            one,
            replicas=tuple(
                dataclasses.replace(r, positions=(r.positions + shift[:, None, None]).astype(np.float32))
                for r in one.replicas
            ),
        )
        for key, one in data.compounds.items()
    }
    splits = data.splits if split is None else {"compound": split}
    write_dataset(run / "dataset.h5", dataclasses.replace(data, compounds=compounds, splits=splits, digests={}))


def edit_figures(run: Path, name: str, change) -> None:
    def apply(table):
        for k, row in enumerate(table):
            row[name] = change(k, row[name])

    run_helpers.edit_table(run / "trajectories.csv", apply)


def edit_scores(run: Path, name: str, factor: float, *, dataset: str | None = None) -> None:
    path = run / f"scores/{name}.h5"
    scores = read_scores_file(path)
    about = scores.about | ({"dataset": dataset} if dataset else {})
    values = {key: value * (factor if key[2] == "mse" else 1) for key, value in scores.values.items()}
    write_scores(path, dataclasses.replace(scores, about=about, values=values))


def edit_summary(run: Path, **changes) -> None:
    run_helpers.edit_table(run / "summary.csv", lambda table: table[0].update(changes))


def test_the_same_bits_agree_exactly(published, other):
    text, agrees = reproduce(published, other)
    assert agrees
    assert set(rows(text).values()) == {"agrees exactly"}
    assert list(rows(text)) == [
        "settings", "tables as written", "inputs", "software", "code", "compounds", "minima",
        "trajectories", "verdicts", "mean drift", "mean fluctuation", "mean temperature", "mean max force",
        "data set", "splits", "weights atom/compound/1", "scores atom/compound/1", "scores baselines/compound",
        "summary",
    ]  # fmt: skip
    assert text.endswith("\nReproduced: all that must agree agrees.\n")


def edit_record(run: Path, name: str, key: str, **changes) -> None:
    path = run / name
    record = json.loads(path.read_text())
    record[key] = record[key] | changes if isinstance(record[key], dict) else changes["to"]
    path.write_text(json.dumps(record))


ALLOWED = {
    "another seed file": (
        "inputs",
        "differs, as it may",
        lambda run: edit_record(run, "select/counts.json", "inputs", **{"screen.seeds": "f" * 64}),
    ),
    "another version": (
        "software",
        "differs, as it may",
        lambda run: edit_record(run, "compounds.provenance.json", "software", numpy="1.0"),
    ),
    "other code": (
        "code",
        "differs, as it may",
        lambda run: edit_record(run, "report.provenance.json", "source", to="0"),
    ),
    "another device": ("settings", "agrees exactly", lambda run: edit_settings(run, pretrain__device="cuda")),
    "inputs elsewhere": ("settings", "differs, as it may", lambda run: edit_settings(run, screen__seeds="x/seeds.csv")),
    "more replicas": ("settings", "differs, as it may", lambda run: edit_settings(run, plan__replicas=3)),
    "more seeds": ("settings", "differs, as it may", lambda run: edit_settings(run, plan__seeds=[3, 1])),
    "a minimum's last digits": ("minima", "agrees within", lambda run: edit_structure(run, energy=-137.9 + 1e-7)),
    "last digits of trajectories": ("trajectories", "agrees within", lambda run: edit_dataset(run, np.full(20, 1e-3))),
    "chaos": ("trajectories", "differs, as it may", lambda run: edit_dataset(run, np.repeat([0.0, 1.0], 10))),
    "chance": (
        "mean temperature",
        "agrees within",
        lambda run: edit_figures(run, "temperature", lambda k, old: float(old) + (-1) ** k * 5 + 0.1 * k),
    ),
    "other weights": (
        "weights atom/compound/1",
        "differs, as it may",
        lambda run: (run / "runs/atom/compound/1/weights.safetensors").write_text("others"),
    ),
    "rounding of scores": (
        "scores atom/compound/1",
        "agrees within",
        lambda run: edit_scores(run, "atom/compound/1", 1 + 1e-5),
    ),
    "scores of other data": (
        "scores baselines/compound",
        "differs, as it may",
        lambda run: edit_scores(run, "baselines/compound", 1.3, dataset="e" * 64),
    ),
    "within the interval": ("summary", "agrees within", lambda run: edit_summary(run, value=0.0118)),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_need_not_agree_is_told_and_allowed(published, other, case):
    what, outcome, change = ALLOWED[case]
    change(other)
    text, agrees = reproduce(published, other)
    assert rows(text)[what] == outcome
    assert agrees, text


def other_split() -> Split:
    ids = run_helpers.IDS
    return Split({"train": whole(ids[:2]), "validation": whole(ids[2:3]), "test": whole(ids[3:])}, "random")


FATAL = {
    "time step": (
        "settings",
        "simulate.timestep 1.0, there 0.5",
        lambda run: edit_settings(run, simulate__timestep=0.5),
    ),
    "fewer seeds": ("settings", "plan.seeds", lambda run: edit_settings(run, plan__seeds=[2])),
    "fewer replicas": ("settings", "plan.replicas 2, there 1", lambda run: edit_settings(run, plan__replicas=1)),
    "a compound": (
        "compounds",
        f"1 only here: {A}",
        lambda run: run_helpers.edit_table(run / "compounds.csv", lambda table: table.pop(0)),
    ),
    "a table edited by hand": (
        "tables as written",
        "trajectories.csv (there): changed after the run",
        lambda run: (run / "trajectories.csv").open("a").write("\n"),
    ),
    "a label": (
        "compounds",
        f"other columns of {A}",
        lambda run: run_helpers.edit_table(run / "compounds.csv", lambda table: table[0].update(name="x")),
    ),
    "another conformer": ("minima", "another conformer", lambda run: edit_structure(run, energy=-137.8)),
    "no minimum": ("minima", "missing there", lambda run: (run / f"structures/{A}.h5").unlink()),
    "a verdict": (
        "verdicts",
        f"{A}/0 (bond 1-2 is broken)",
        lambda run: run_helpers.edit_table(
            run / "trajectories.csv", lambda table: table[0].update(passed=False, reason="bond 1-2 is broken")
        ),
    ),
    "a hotter set": (
        "mean temperature",
        "p = ",
        lambda run: edit_figures(run, "temperature", lambda k, old: float(old) + 20 + k),
    ),
    "a split": (
        "splits",
        "compound has other members",
        lambda run: edit_dataset(run, np.zeros(20), split=other_split()),
    ),
    "no weights": (
        "weights atom/compound/1",
        "missing there",
        lambda run: (run / "runs/atom/compound/1/weights.safetensors").unlink(),
    ),
    "scores of the same": (
        "scores atom/compound/1",
        "though weights and data are the same",
        lambda run: edit_scores(run, "atom/compound/1", 1.01),
    ),
    "outside the interval": (
        "summary",
        "atom mse 10.0 is 0.01 [0.008, 0.012], there 0.02",
        lambda run: edit_summary(run, value=0.02),
    ),
    "not a number": ("summary", "there not defined", lambda run: edit_summary(run, value="")),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_must_agree_is_not_passed_over(published, other, case):
    what, detail, change = FATAL[case]
    change(other)
    text, agrees = reproduce(published, other)
    assert not agrees
    assert rows(text)[what] == "DIFFERS"
    assert detail in " ".join(text.split())
    assert what in text.splitlines()[-1].removeprefix("Not reproduced; what must agree and does not: ")


def test_chaos_is_timed(published, other):
    """Positions 1 Å apart from frame 10 on, at 2 fs a frame."""
    edit_dataset(other, np.repeat([0.0, 1.0], 10))
    text = " ".join(reproduce(published, other)[0].split())
    assert "0 bit for bit, 0 within 0.1 Å to their end, 8 until 0.02 ps (median; the first 0.02 ps)" in text


def test_three_trajectories_are_too_few_to_judge_two_by(published, other):
    for run in (published, other):
        run_helpers.edit_table(run / "trajectories.csv", lambda table: table.__delitem__(slice(2, None)))
    edit_figures(other, "drift", lambda k, old: float(old) + 1)
    text, agrees = reproduce(published, other)
    assert agrees
    assert "too few trajectories to judge by" in text


@pytest.mark.parametrize("kind", ["toy.zip", "toy"])
def test_a_crate_is_checked_and_compared(tmp_path, kind):
    run = run_helpers.make_run(tmp_path / "results/toy")
    write_crate(run, tmp_path / kind, workflow=run_helpers.ROOT)
    text, agrees = reproduce(tmp_path / kind, run)
    assert agrees
    assert set(rows(text).values()) == {"agrees exactly"}
    assert next(iter(rows(text))) == "crate"
    if kind == "toy":
        (tmp_path / "toy/Snakefile").write_text("changed")
        text, agrees = reproduce(tmp_path / kind, run)
        assert not agrees
        assert "Snakefile is not the file that was published" in text


def test_what_is_neither_crate_nor_run_is_refused(published, tmp_path):
    (tmp_path / "x.zip").write_text("no archive")
    (tmp_path / "empty").mkdir()
    for path, message in (
        ("x.zip", "neither a crate nor"),
        ("none", "neither a crate nor"),
        ("empty", "no compounds.csv"),
    ):
        with pytest.raises(InputError, match=message):
            reproduce(tmp_path / path, published)
    (published.parent / "unfinished").mkdir()
    with pytest.raises(InputError, match=r"unfinished: no compounds\.csv; give a finished run"):
        reproduce(published, published.parent / "unfinished")


@pytest.mark.parametrize("agrees", [True, False])
def test_the_exit_status_says_it(published, other, agrees, capsys):
    if not agrees:
        edit_summary(other, value=0.02)
    parser = argparse.ArgumentParser()
    add_reproduce(parser.add_subparsers())
    options = parser.parse_args(["reproduce", str(published), str(other)])
    if agrees:
        options.command(options, {})
    else:
        with pytest.raises(SystemExit) as caught:
            options.command(options, {})
        assert caught.value.code == 1
    assert capsys.readouterr().out.startswith(f"{published} against {other}\n\nsettings ")
