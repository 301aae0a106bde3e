"""A GPU that is asked for, or was given, and is not there."""

import pytest
import torch

from mdstride.errors import InputError
from mdstride.train.device import GIVEN, choose_device


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("built", "remedy"), [(False, "built for CPUs alone, install a build for GPUs"), (True, "ask the scheduler")]
)
def test_cuda_without_a_gpu_is_refused_in_one_line(monkeypatch, built, remedy):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: built)
    with pytest.raises(
        InputError, match=r"^pretrain\.device: cuda, but there is no GPU here: .*auto or cpu$"
    ) as caught:
        choose_device("cuda")
    assert remedy in str(caught.value)


@pytest.mark.parametrize("name", GIVEN)
def test_a_gpu_that_was_given_and_is_not_seen_is_said(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "0")
    assert choose_device("auto") == torch.device("cpu")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pretrain: warning: training on the CPU, though this job was given a GPU ({name}=0): ")


@pytest.mark.parametrize(("device", "given"), [("auto", None), ("auto", ""), ("auto", "-1"), ("cpu", "0")])
def test_a_cpu_that_is_wanted_needs_no_word(monkeypatch, capsys, device, given):
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert choose_device(device) == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_a_gpu_is_taken_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 1)
