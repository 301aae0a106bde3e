import pytest
import torch

from mdstride.train.checkpoint import keep_last, load_checkpoint, save_checkpoint

MINE, OTHER = {"settings": {"steps": 3, "batch": 8}}, {"settings": {"steps": 5, "batch": 8}}


@pytest.fixture
def folder(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path / "state", step, MINE, {"a": torch.full((4,), float(step))}, {"step": step})
    return tmp_path / "state"


def test_two_are_kept_and_the_newest_is_used(folder):
    assert len(list(folder.iterdir())) == 2
    tensors, values = load_checkpoint(folder, MINE)
    assert values == {"step": 10} and (tensors["a"] == 10).all()


def damage(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_the_older_is_used_when_the_newer_is_damaged(folder, capsys):
    older, newer = sorted(folder.iterdir())
    damage(newer)
    assert load_checkpoint(folder, MINE)[1] == {"step": 2}
    assert str(newer) in capsys.readouterr().err
    damage(older)
    assert load_checkpoint(folder, MINE) is None


def test_a_truncated_one_is_passed_over(folder):
    newer = sorted(folder.iterdir())[1]
    newer.write_bytes(newer.read_bytes()[:20])
    assert load_checkpoint(folder, MINE)[1] == {"step": 2}


def test_that_of_another_run_is_ignored_with_a_message(folder, capsys):
    assert load_checkpoint(folder, OTHER) is None
    assert "settings.steps was 3 and is 5" in capsys.readouterr().err


def test_those_of_another_run_do_not_crowd_out_the_new_ones(folder):
    for step in (1, 2, 3):
        save_checkpoint(folder, step, OTHER, {"a": torch.zeros(1)}, {"step": step})
    assert load_checkpoint(folder, OTHER)[1] == {"step": 3}
    assert load_checkpoint(folder, MINE)[1] == {"step": 10}


def test_none_at_all(tmp_path):
    assert load_checkpoint(tmp_path / "absent", MINE) is None


def test_the_last_one_stays_when_all_is_done(folder, tmp_path):
    save_checkpoint(folder, 99, OTHER, {"a": torch.zeros(1)}, {"step": 99})
    (folder / ".mine-step-3.safetensors.x1y2.part").touch()
    (folder / "notes").touch()
    keep_last(folder, MINE)
    assert len(list(folder.iterdir())) == 2 and (folder / "notes").exists()
    assert load_checkpoint(folder, MINE)[1] == {"step": 10}
    keep_last(tmp_path / "absent", MINE)
