import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from training import TRAINING

from mdstride.errors import InputError
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.tensors import read_tensors
from mdstride.models.registry import load, read_metadata
from mdstride.train.batches import mean_loss, validation_batches
from mdstride.train.stage import pretrain
from mdstride.train.trainer import Trainer
from mdstride.windows import Windows

SETTINGS = TRAINING


@pytest.fixture
def dataset(toy_dataset, tmp_path):
    write_dataset(tmp_path / "dataset.h5", toy_dataset())
    return tmp_path / "dataset.h5"


def train(dataset, folder, model="atom", seed=1, split="compound", **changes):
    settings = SETTINGS | changes
    paths = {"dataset": dataset, "output": folder / "run", "state": folder / "state"}
    pretrain(settings, model=model, seed=seed, split=split, **paths)
    return folder / "run"


def command(dataset, folder):
    paths = ["--dataset", dataset, "--output", folder / "run", "--state", folder / "state"]
    config = folder.parent / f"{folder.name}.json"
    config.write_text(json.dumps({"pretrain": SETTINGS}))
    arguments = [sys.executable, "-m", "mdstride", "pretrain", "--config", config, "--model", "atom", "--seed", "1"]
    return [*map(str, arguments), *map(str, paths)]


def start(dataset, folder):
    """The command line in a process of its own, with one thread, as soon as it has written a checkpoint."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command(dataset, folder), env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list((folder / "state").glob("*.safetensors")):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no checkpoint: {process.communicate(timeout=10)[1]}")
        time.sleep(0.005)
    return process


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_a_killed_run_resumes_to_the_same_weights(dataset, tmp_path, one_thread, capsys, number, status):
    whole = train(dataset, tmp_path / "whole")
    process = start(dataset, tmp_path / "killed")
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == status, messages
    assert not (tmp_path / "killed/run").exists()
    assert ("run again to resume" in messages) == (number == signal.SIGTERM)
    capsys.readouterr()
    killed = train(dataset, tmp_path / "killed")
    assert "resuming after step" in capsys.readouterr().err
    assert (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert len(list((tmp_path / "killed/state").glob("*.safetensors"))) == 1


def test_outputs_agree_with_each_other(dataset, tmp_path):
    """The logged validation loss is that of the saved weights, computed anew."""
    run = train(dataset, tmp_path, steps=20)
    data, details = read_dataset(dataset), json.loads((run / "run.json").read_text())
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    metadata = read_metadata(run / "weights.safetensors")
    assert [line["step"] for line in log] == [10, 20]
    assert {"step", "train", "validation", "persistence", "rate", "samples_per_second"} == set(log[0])
    best = min(log, key=lambda line: line["validation"])
    assert metadata["step"] == details["best_step"] == best["step"]
    assert metadata["dataset_hash"] == details["dataset_hash"] == data.hash()
    assert (details["model"], details["seed"], details["split"]) == ("atom", 1, "compound")
    windows = Windows(data, data.splits["compound"].parts["validation"])
    batches = validation_batches(windows, SETTINGS["times"], SETTINGS["lags"], None)
    assert mean_loss(load(run / "weights.safetensors", "cpu").forecast, batches) == pytest.approx(best["validation"])
    assert mean_loss(lambda state, lags: state.positions[:, None], batches) == pytest.approx(log[0]["persistence"])


def test_what_was_trained_to_the_end_is_not_trained_again(dataset, tmp_path, monkeypatch, capsys):
    """A workflow that was killed before it noted the end deletes the outputs, and starts the job again."""
    run = train(dataset, tmp_path, steps=20)
    written = {path.name: path.read_bytes() for path in run.iterdir()}
    shutil.rmtree(run)
    monkeypatch.delattr(Trainer, "step")
    train(dataset, tmp_path, steps=20)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == written
    assert "resuming after step 20" in capsys.readouterr().err


def test_changed_settings_do_not_resume(dataset, tmp_path, capsys):
    process = start(dataset, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    train(dataset, tmp_path, steps=20)
    messages = capsys.readouterr().err
    assert "settings.steps was 60 and is 20" in messages and "resuming" not in messages


def test_the_same_seed_gives_the_same_files(dataset, tmp_path):
    first, second, other = (train(dataset, tmp_path / str(k), steps=10, seed=seed) for k, seed in enumerate((1, 1, 2)))
    assert (first / "run.json").read_bytes() == (second / "run.json").read_bytes()
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()
    assert (first / "weights.safetensors").read_bytes() != (other / "weights.safetensors").read_bytes()


def test_a_data_set_with_nan_is_refused_by_compound_and_frame(toy_dataset, tmp_path):
    data = toy_dataset()
    key = sorted(data.compounds)[2]
    data.compounds[key].replicas[1].velocities[17, 0, 0] = float("nan")
    write_dataset(tmp_path / "dataset.h5", data)
    with pytest.raises(InputError, match=f"{key}, replica 1, frame 17 is not finite"):
        train(tmp_path / "dataset.h5", tmp_path)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"split": "scaffold"}, "no split `scaffold`; it has compound"),
        ({"lags": [8.0, 1000.0]}, "does not fit into the shortest trajectory"),
        pytest.param(
            {"device": "cuda"}, "no GPU", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
        ),
    ],
)
def test_user_errors_leave_no_output(dataset, tmp_path, changes, match):
    with pytest.raises(InputError, match=match):
        train(dataset, tmp_path, **changes)
    assert not (tmp_path / "run").exists()


def test_last_weights_are_kept_beside_the_best(dataset, tmp_path):
    run = train(dataset, tmp_path, steps=20, ema=0.0)
    best, last = (read_metadata(run / f"{name}.safetensors") for name in ("weights", "last"))
    assert last["step"] == 20 and best["step"] == json.loads((run / "run.json").read_text())["best_step"]
    assert {**best, "step": 0} == {**last, "step": 0}
    load(run / "last.safetensors", "cpu")


@pytest.mark.parametrize("model", ["atom", "egno"])
def test_fine_tuning_starts_from_the_weights(dataset, tmp_path, model):
    """With rates of next to nothing the first validation is that of the weights it starts from."""
    first = train(dataset, tmp_path / "first", model=model, steps=20)
    still = {"muon_rate": 1e-12, "adamw_rate": 1e-12, "steps": 1, "validate_every": 1}
    second = train(dataset, tmp_path / "second", model=model, start_from=str(first / "weights.safetensors"), **still)
    (line,) = [json.loads(line) for line in (second / "log.jsonl").read_text().splitlines()]
    assert line["validation"] == pytest.approx(json.loads((first / "run.json").read_text())["validation"], rel=1e-5)


def test_starting_from_what_does_not_fit_is_refused(dataset, tmp_path):
    first = str(train(dataset, tmp_path / "first", steps=10) / "weights.safetensors")
    with pytest.raises(InputError, match="holds a model `atom`; egno cannot start from it"):
        train(dataset, tmp_path / "second", model="egno", start_from=first)
    with pytest.raises(InputError, match=r"was trained with .*'width': 16"):
        train(dataset, tmp_path / "third", start_from=first, atom=SETTINGS["atom"] | {"width": 8})
    with pytest.raises(InputError, match="no such file"):
        train(dataset, tmp_path / "fourth", start_from=str(tmp_path / "absent"))


def test_out_of_core_training_ends_with_the_same_weights(dataset, tmp_path):
    first = train(dataset, tmp_path / "first", steps=10)
    second = train(dataset, tmp_path / "second", steps=10, scratch=str(tmp_path / "scratch"))
    one, other = (read_tensors(run / "weights.safetensors")[0] for run in (first, second))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_bf16_trains(dataset, tmp_path):
    run = train(dataset, tmp_path, steps=10, precision="bf16")
    assert json.loads((run / "run.json").read_text())["validation"] < float("inf")
