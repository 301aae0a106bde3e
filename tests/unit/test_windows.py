import dataclasses

import numpy as np
import pytest
import torch

from mdstride.errors import InputError
from mdstride.formats.dataset_file import open_dataset, write_dataset
from mdstride.formats.split import Segment, whole
from mdstride.windows import Windows


@pytest.fixture
def data(toy_dataset):
    return toy_dataset((3, 5, 4), frames=90)


@pytest.fixture
def windows(data):
    return Windows(data, whole(data.compounds))


def drawn(windows, batch=400, times=4, lags=(8.0, 120.0), **options):
    return windows.choose(batch, times, lags, torch.Generator().manual_seed(3), **options)


@pytest.mark.parametrize("reverse", [False, True])
def test_gather_is_plain_slicing(data, windows, reverse):
    trajectory, start, steps = drawn(windows, reverse=reverse)
    state, targets = windows.gather(trajectory, start, steps)
    flat = [(c, r) for c in (data.compounds[key] for key in windows.ids) for r in c.replicas]
    assert (steps[:, 0] < 0).any() == reverse
    for b, (t, s) in enumerate(zip(trajectory.tolist(), start.tolist(), strict=True)):
        compound, replica = flat[t]
        atoms = len(compound.masses)
        frames = s + steps[b].numpy()
        sign = -1 if steps[b, 0] < 0 else 1
        assert frames.min() >= 0 and frames.max() < len(replica.positions)
        np.testing.assert_array_equal(state.positions[b, :atoms], replica.positions[s])
        np.testing.assert_array_equal(state.velocities[b, :atoms], sign * replica.velocities[s])
        np.testing.assert_array_equal(targets[b, :, :atoms], replica.positions[frames])
        np.testing.assert_array_equal(state.atomic_numbers[b, :atoms], compound.atomic_numbers)
        np.testing.assert_array_equal(state.mask[b].numpy(), np.arange(state.mask.shape[1]) < atoms)
        bonds = {tuple(pair) for pair in state.adjacency[b].nonzero().tolist()}
        assert bonds == {pair for i, j in compound.bonds.tolist() for pair in ((i, j), (j, i))}


def test_padding_is_blank(windows):
    state, targets = windows.gather(*drawn(windows))
    assert not state.mask.all()
    for value in (state.positions, state.velocities, state.masses, state.atomic_numbers, state.reference):
        assert (value[~state.mask] == 0).all()
    assert (targets.movedim(1, 2)[~state.mask] == 0).all()


def test_batch_is_no_wider_than_its_largest_molecule(windows):
    state, _ = windows.gather(torch.tensor([0, 1]), torch.tensor([0, 0]), torch.tensor([[1], [2]]))
    assert state.mask.all()


def test_lags_are_log_uniform_and_equally_spaced(windows):
    _, _, steps = drawn(windows, batch=4000)
    longest = np.log(steps[:, -1].numpy() * windows.interval)
    quartiles = np.quantile(longest, [0.25, 0.5, 0.75])
    expected = np.log(8) + np.array([0.25, 0.5, 0.75]) * np.log(120 / 8)
    np.testing.assert_allclose(quartiles, expected, atol=0.3)  # rounded to 8 fs
    assert longest.min() >= np.log(8) - 1e-9 and longest.max() <= np.log(120) + 1e-9
    assert torch.equal(steps, steps[:, :1] * torch.arange(1, 5))


def test_compounds_are_drawn_evenly_whatever_their_number_of_replicas(data):
    few = data.compounds["AAAAAAAAAAAAAA-UHFFFAOYSA-N"]
    few = dataclasses.replace(few, replicas=few.replicas[:1])
    windows = Windows(dataclasses.replace(data, compounds={**data.compounds, few.id: few}), whole(data.compounds))
    trajectory, _, _ = drawn(windows, batch=3000)
    counts = torch.bincount(windows.compound[trajectory], minlength=3)
    assert (counts - 1000).abs().max() < 120  # 4.6 standard deviations


def test_draw_repeats_with_its_seed(windows):
    first, second, other = (windows.draw(8, 3, (8.0, 100.0), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[2], second[2]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[1], other[1])


def test_too_long_a_lag_is_refused(windows):
    with pytest.raises(InputError, match="shortest trajectory"):
        drawn(windows, lags=(178.0, 400.0))


def test_different_intervals_are_refused(data):
    key = sorted(data.compounds)[0]
    compound = data.compounds[key]
    other = dataclasses.replace(compound, replicas=(dataclasses.replace(compound.replicas[0], interval=1.0),))
    with pytest.raises(InputError, match="intervals"):
        Windows(dataclasses.replace(data, compounds={**data.compounds, key: other}), whole(data.compounds))


def test_an_empty_part_is_refused(data):
    with pytest.raises(InputError, match="no compound"):
        Windows(data, [])


def test_windows_stay_within_their_segments(data):
    key = sorted(data.compounds)[1]
    segments = (Segment(key, 1, 20, 45), Segment(key, 0, 60, 80))
    windows = Windows(data, segments)
    segment, start, steps = drawn(windows, lags=(8.0, 36.0), reverse=True)
    reached = torch.cat([start[:, None], start[:, None] + steps], 1) + windows.first[segment][:, None]
    for k, (low, stop) in enumerate(((20, 45), (60, 80))):
        mine = reached[segment == k]
        assert len(mine) > 100 and mine.min() >= low and mine.max() == stop - 1
    _, targets = windows.gather(segment, start, steps)
    replicas = data.compounds[key].replicas
    for b, k in enumerate(segment.tolist()):
        frames = replicas[1 - k].positions[reached[b, 1:].numpy()]
        np.testing.assert_array_equal(targets[b], frames)
    with pytest.raises(InputError, match="frames 80 to 91 are not in it"):
        Windows(data, (Segment(key, 0, 80, 91),))


def test_heavy_atoms_alone_are_what_heavy_gives(data):
    every, heavy = (Windows(data, whole(data.compounds), heavy=heavy) for heavy in (False, True))
    chosen = drawn(every)
    state, targets = every.gather(*chosen)
    bare, bare_targets = heavy.gather(*chosen)
    for name, value in vars(state.heavy()).items():
        assert not isinstance(value, torch.Tensor) or torch.equal(getattr(bare, name), value), name
    index, kept = state.heavy_index()
    rows = torch.arange(len(index))[:, None]
    expected = targets.movedim(1, 2)[rows, index].masked_fill(~kept[..., None, None], 0)
    assert torch.equal(bare_targets.movedim(1, 2), expected)


def test_out_of_core_is_the_same(data, windows, tmp_path):
    """Arrays of an open file, through a mapped one: the same windows, made once, and nothing half-made is used."""
    write_dataset(tmp_path / "dataset.h5", data)
    chosen = drawn(windows)
    expected = windows.gather(*chosen)
    for _ in range(2):
        with open_dataset(tmp_path / "dataset.h5") as opened:
            mapped = Windows(opened, whole(data.compounds), scratch=tmp_path / "scratch")
        state, targets = mapped.gather(*chosen)
        assert torch.equal(targets, expected[1]) and torch.equal(state.velocities, expected[0].velocities)
        files = sorted((tmp_path / "scratch").iterdir())
        assert len(files) == 2
        stamps = [path.stat().st_mtime_ns for path in files]
    with open_dataset(tmp_path / "dataset.h5") as opened:
        Windows(opened, whole(data.compounds), scratch=tmp_path / "scratch")
        Windows(opened, whole(list(data.compounds)[:1]), scratch=tmp_path / "scratch")
    assert [path.stat().st_mtime_ns for path in files] == stamps
    assert len(list((tmp_path / "scratch").iterdir())) == 4


@pytest.mark.parametrize("change", [{"consecutive": False}, {"velocities": None}])
def test_frames_that_do_not_follow_each_other_are_refused(data, change):
    key = sorted(data.compounds)[0]
    compound = data.compounds[key]
    other = dataclasses.replace(compound, replicas=(dataclasses.replace(compound.replicas[0], **change),))
    with pytest.raises(InputError, match="trajectory 0: its frames do not follow each other in time"):
        Windows(dataclasses.replace(data, compounds={**data.compounds, key: other}), whole(data.compounds))
