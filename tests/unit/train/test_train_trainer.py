import dataclasses

import numpy as np
import pytest
import torch
from training import TRAINING

from mdstride.errors import InputError
from mdstride.formats.split import whole
from mdstride.models.registry import build
from mdstride.train.batches import heavy_error, random_orthogonal, turn
from mdstride.train.trainer import Trainer
from mdstride.windows import Windows

SETTINGS = TRAINING | {"atom": TRAINING["atom"] | {"layers": 2}, "steps": 12, "warmup": 2, "validate_every": 4}


def trainer(data, seed=1, **changes):
    torch.manual_seed(seed)
    settings, split = SETTINGS | changes, data.splits["compound"].parts
    model = build("atom", settings["atom"])
    return Trainer(model, settings, Windows(data, split["train"]), Windows(data, split["validation"]), seed)


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_interrupted_in_the_middle_it_ends_with_the_same_bits(toy_dataset, tmp_path):
    """Dropout, windows, augmentation, optimisers and averages all continue: 5 + 7 = 12 steps."""
    whole = trainer(toy_dataset())
    whole.run(tmp_path, {})
    before = trainer(toy_dataset())
    for _ in range(5):
        before.step()
        before.reached.seconds = 1.0
        if before.reached.step == 4:
            before.validate()
    snapshot = before.snapshot()
    after = trainer(toy_dataset(), seed=2)
    after.restore(snapshot)
    while after.reached.step < 12:
        after.step()
        if after.reached.step % 4 == 0:
            after.reached.seconds = 1.0
            after.validate()
    assert same(whole.model.state_dict(), after.model.state_dict()) and same(whole.best, after.best)
    for one, other in zip(whole.reached.log, after.reached.log, strict=True):
        assert one | {"samples_per_second": 0} == other | {"samples_per_second": 0}


def test_seeds_differ(toy_dataset, tmp_path):
    first, second = trainer(toy_dataset(), seed=1), trainer(toy_dataset(), seed=2)
    first.run(tmp_path / "1", {})
    second.run(tmp_path / "2", {})
    assert not same(first.best, second.best)
    assert first.persistence == second.persistence  # the same validation windows


def test_it_learns(toy_dataset, tmp_path):
    quiet = SETTINGS["atom"] | {"dropout": 0.0, "attention_dropout": 0.0}
    one = trainer(toy_dataset(), steps=120, validate_every=40, batch=16, muon_rate=0.02, atom=quiet)
    one.run(tmp_path, {})
    assert one.reached.log[-1]["step"] == 120
    assert one.reached.best_loss < 0.8 * one.persistence


def test_best_weights_are_those_that_validated_best(toy_dataset):
    one = trainer(toy_dataset())
    one.reached.best_loss, one.reached.seconds = 0.0, 1.0
    before = {name: tensor.clone() for name, tensor in one.best.items()}
    one.step()
    one.validate()
    assert same(one.best, before) and one.reached.best_step == 0
    one.reached.best_loss, one.loss = float("inf"), torch.ones(2, dtype=torch.float64)
    one.validate()
    assert same(one.best, one.average) and not same(one.best, before) and one.reached.best_step == 1


def test_averages_follow_the_weights(toy_dataset):
    one = trainer(toy_dataset())
    start = {name: tensor.clone() for name, tensor in one.average.items()}
    one.step()  # decay 1 / 10
    for name, tensor in one.model.state_dict().items():
        torch.testing.assert_close(one.average[name], 0.1 * start[name] + 0.9 * tensor)


def test_nan_stops_with_the_step_and_the_compound(toy_dataset):
    data = toy_dataset((3, 4, 5, 3, 4))
    key = data.splits["compound"].ids("train")[1]
    compound = data.compounds[key]
    broken = tuple(
        dataclasses.replace(replica, velocities=np.full_like(replica.velocities, np.nan))
        for replica in compound.replicas
    )
    compounds = {**data.compounds, key: dataclasses.replace(compound, replicas=broken)}
    one = trainer(dataclasses.replace(data, compounds=compounds))
    with pytest.raises(InputError, match=f"training step 1: .*{key}") as caught:
        one.step()
    assert not any(other in str(caught.value) for other in data.compounds if other != key)
    assert one.reached.step == 0


def test_error_counts_heavy_atoms_only(toy_dataset):
    data = toy_dataset()
    windows = Windows(data, whole(data.compounds))
    state, _, targets = windows.draw(16, 3, (8.0, 60.0), torch.Generator().manual_seed(0))
    forecast = targets + torch.randn(targets.shape, generator=torch.Generator().manual_seed(1))
    for b, error in enumerate(heavy_error(forecast, targets, state)):
        heavy = state.atomic_numbers[b].numpy() > 1
        expected = ((forecast - targets)[b].numpy()[:, heavy] ** 2).mean()
        assert error.item() == pytest.approx(expected, rel=1e-5)


def test_augmentation_is_orthogonal_uniform_and_changes_no_distance(toy_dataset):
    matrices = random_orthogonal(4000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3).expand(4000, 3, 3), rtol=0, atol=1e-5)
    assert matrices.mean(0).abs().max() < 0.05  # 1/sqrt(3 * 4000) = 0.009
    assert (matrices.square().mean(0) - 1 / 3).abs().max() < 0.03
    assert abs((torch.linalg.det(matrices) > 0).float().mean().item() - 0.5) < 0.05
    data = toy_dataset()
    state, _, targets = Windows(data, whole(data.compounds)).draw(8, 2, (8.0, 60.0), torch.Generator().manual_seed(0))
    turned, goals = turn(state, targets, matrices[:8])
    for now, was in ((turned.positions, state.positions), (turned.reference, state.reference), (goals, targets)):
        torch.testing.assert_close(torch.cdist(now, now), torch.cdist(was, was), rtol=0, atol=2e-3)
    torch.testing.assert_close(goals[:, 0] - turned.positions, (targets[:, 0] - state.positions) @ matrices[:8])


def test_a_batch_in_several_passes_has_the_same_gradient(toy_dataset):
    """Molecules of 3, 4 and 5 heavy atoms: one by one, by size, or all together."""
    quiet = SETTINGS["atom"] | {"dropout": 0.0, "attention_dropout": 0.0}
    ends = []
    for atoms in (1, 12, None):
        one = trainer(toy_dataset((3, 4, 5, 3, 4, 5)), atoms_per_pass=atoms, atom=quiet, batch=16)
        for _ in range(3):
            one.step()
        ends.append(one.model.state_dict())
    for other in ends[1:]:
        for name, tensor in ends[0].items():
            torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("augment", [[], ["rotation"], ["reversal"]])
def test_augmentation_is_what_the_settings_say(toy_dataset, augment, monkeypatch):
    one = trainer(toy_dataset(), augment=augment)
    seen = []
    gather = one.windows.gather
    monkeypatch.setattr(one.windows, "gather", lambda *chosen: seen.append(chosen[2]) or gather(*chosen))
    turned = []
    forecast = one.model.forecast
    monkeypatch.setattr(one.model, "forecast", lambda state, lags: turned.append(state) or forecast(state, lags))
    one.step()
    assert any((steps < 0).any() for steps in seen) == ("reversal" in augment)
    references = [torch.from_numpy(c.reference).float() for c in toy_dataset().compounds.values()]
    upright = all(
        any(len(r) <= state.reference.shape[1] and torch.allclose(state.reference[0, : len(r)], r) for r in references)
        for state in turned
    )
    assert upright == ("rotation" not in augment)


def test_patience_ends_a_run_that_does_not_improve(toy_dataset, tmp_path):
    one = trainer(toy_dataset(), steps=400, validate_every=1, patience=3, muon_rate=1e-12, adamw_rate=1e-12)
    one.run(tmp_path, {})
    assert one.reached.step - one.reached.best_step >= 3 and one.reached.step < 400
    assert one.reached.waited == 3 and one.settled()


def test_a_late_look_still_finds_what_was_not_finite(toy_dataset):
    """On a GPU losses are looked at some steps later; the step and the compounds are those of then."""
    one = trainer(toy_dataset())
    one.step()
    chosen = one.windows.choose(8, 2, (8.0, 60.0), one.generator)
    losses = torch.ones(8)
    losses[3] = torch.nan
    one._watched.append((7, torch.tensor(False), losses, chosen))
    one.watch(1)
    with pytest.raises(InputError, match=f"training step 7: .*{one.windows.ids[one.windows.compound[chosen[0][3]]]}"):
        one.watch(0)
