import builtins
import sys
import types

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mdstride.errors import InputError
from mdstride.train.track import make_tracker

LINES = [{"step": 10, "train": 0.5, "validation": 0.25}, {"step": 20, "train": 0.125, "validation": 0.75}]


def test_tensorboard_reads_what_was_logged(tmp_path):
    track = make_tracker("tensorboard", tmp_path / "track", {})
    for line in LINES:
        track(line)
    events = EventAccumulator(str(tmp_path / "track"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["train", "validation"]
    assert [(event.step, event.value) for event in events.Scalars("validation")] == [(10, 0.25), (20, 0.75)]


def test_weights_and_biases_is_handed_the_settings_and_each_line(tmp_path, monkeypatch):
    """Its package is not installed for the tests: a stand-in records what it is called with."""
    calls = []

    class Run:
        def log(self, values, step):
            calls.append((step, values))

    module = types.ModuleType("wandb")
    module.init = lambda **options: calls.append(options) or Run()
    monkeypatch.setitem(sys.modules, "wandb", module)
    track = make_tracker("wandb", tmp_path / "track", {"model": "atom"})
    for line in LINES:
        track(line)
    assert calls[0] == {"project": "mdstride", "dir": str(tmp_path / "track"), "config": {"model": "atom"}}
    assert calls[1:] == [(10, {"train": 0.5, "validation": 0.25}), (20, {"train": 0.125, "validation": 0.75})]


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_tracker_that_is_not_installed_says_so(tmp_path, monkeypatch, kind):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] in ("tensorboard", "wandb") or name == "torch.utils.tensorboard":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=f"pretrain.track: {kind} is not installed; pip install {kind}"):
        make_tracker(kind, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_none_does_nothing(tmp_path):
    make_tracker(None, tmp_path, {})(LINES[0])
    assert list(tmp_path.iterdir()) == []
