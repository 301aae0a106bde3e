"""Two processes on the CPU train what one does."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from training import TRAINING

from mdstride.config import SCHEMA
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.tensors import read_tensors

QUIET = TRAINING["atom"] | {"attention_dropout": 0.0, "dropout": 0.0}
SETTINGS = TRAINING | {"atom": QUIET, "steps": 12, "batch": 9, "validate_every": 4, "processes": 2}


@pytest.fixture
def dataset(toy_dataset, tmp_path):
    write_dataset(tmp_path / "dataset.h5", toy_dataset())
    return tmp_path / "dataset.h5"


def launch(dataset: Path, folder: Path, processes: int, **changes: object) -> subprocess.Popen[str]:
    config = folder.parent / f"{folder.name}.json"
    config.write_text(json.dumps({"pretrain": SETTINGS | changes}))
    options = ["--config", config, "--model", "atom", "--seed", "1", "--dataset", dataset]
    options += ["--output", folder / "run", "--state", folder / "state"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", "mdstride", "pretrain", *map(str, options)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def test_two_processes_end_with_the_weights_of_one(dataset, tmp_path):
    """The same batches, an odd number of windows among them; gradients are added in another order."""
    runs = [launch(dataset, tmp_path / str(processes), processes) for processes in (1, 2)]
    for run in runs:
        _, messages = run.communicate(timeout=120)
        assert run.returncode == 0, messages
    assert "on cpu x 2" in messages
    one, two = (read_tensors(tmp_path / f"{k}/run/weights.safetensors")[0] for k in (1, 2))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5)
    logs = [(tmp_path / f"{k}/run/log.jsonl").read_text().splitlines() for k in (1, 2)]
    for first, second in zip(*logs, strict=True):
        for name in ("train", "validation", "persistence"):
            assert json.loads(first)[name] == pytest.approx(json.loads(second)[name], rel=1e-3)
    assert len(list((tmp_path / "2/state").glob("*.safetensors"))) == 1


def children(parent: int) -> list[int]:
    """Processes that torchrun has started, by number."""
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def test_a_dead_process_fails_the_job_and_the_next_run_goes_on(dataset, tmp_path):
    folder = tmp_path / "run"
    job = launch(dataset, folder, 2, steps=100000)
    deadline = time.monotonic() + 60
    while not list((folder / "state").glob("*.safetensors")):
        assert job.poll() is None and time.monotonic() < deadline, job.communicate(timeout=10)[1]
        time.sleep(0.05)
    os.kill(children(job.pid)[-1], signal.SIGKILL)
    start = time.monotonic()
    try:
        job.communicate(timeout=60)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode != 0 and time.monotonic() - start < 60
    assert not (folder / "run").exists() and list((folder / "state").glob("*.safetensors"))


def test_the_settings_of_these_tests_are_complete():
    """What the schema requires is there, so that a new key is not forgotten here."""
    required = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["properties"]["pretrain"]["required"]
    assert set(SETTINGS) == set(required)
