"""Known answers of the whole measurement."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluate_helpers import INTERVAL, LONGER, OMEGA, SETTINGS, Oracle, Swing, measured, swinging, walking
from scipy.spatial.transform import Rotation

from mdstride.formats.dataset import Dataset
from mdstride.formats.scores_file import METRICS, REFERENCE
from mdstride.models.baselines import BASELINES, make_baselines
from mdstride.models.registry import build

ATOM = {"width": 16, "layers": 2, "heads": 2, "attention_dropout": 0.0, "dropout": 0.0}
PER_WINDOW = ("mse", "superposed", "rotated")


def network(name, **settings):
    """With every parameter off its initial value, so that it forecasts something."""
    torch.manual_seed(5)
    model = build(name, settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_({"atom": 0.3, "egno": 0.02}[name] * torch.randn_like(parameter))
    return model


def turned(data, matrix, shift):
    """A copy of a data set in which every trajectory is turned and moved."""

    def turn(replica):
        positions = (replica.positions @ matrix + shift).astype(np.float32)
        return replace(replica, positions=positions, velocities=(replica.velocities @ matrix).astype(np.float32))

    compounds = {
        key: replace(one, replicas=tuple(turn(replica) for replica in one.replicas))
        for key, one in data.compounds.items()
    }
    return Dataset(compounds, data.splits)


def test_the_truth_scores_zero_and_nothing_else_does():
    data = walking()
    scores = measured(data, {**BASELINES, "oracle": Oracle(data)})
    for (name, _, metric), value in scores.values.items():
        if metric in PER_WINDOW:
            assert value.shape == (30, 3)
            assert (value.max() < (1e-9 if metric == "rotated" else 1e-20)) == (name == "oracle")


def test_persistence_and_ballistic_by_hand():
    """Recomputed with NumPy from the recorded replica, start and lag; hydrogens do not count."""
    data = walking()
    scores = measured(data, BASELINES)
    for key in "AB":
        one = data.compounds[key]
        heavy = one.atomic_numbers > 1
        replica, start = scores.windows[key]
        for w, p in ((0, 0), (7, 2), (29, 1)):
            run, frame, lag = one.replicas[replica[w] - 1], start[w], scores.lags[p]
            x, v = (series[:, heavy].astype(float) for series in (run.positions, run.velocities))
            moved = x[frame + int(lag / INTERVAL)] - x[frame]
            assert scores.values["persistence", key, "mse"][w, p] == pytest.approx((moved**2).mean(), rel=1e-6)
            moved -= v[frame] * lag
            assert scores.values["ballistic", key, "mse"][w, p] == pytest.approx((moved**2).mean(), rel=1e-5)


def test_an_exact_propagator_is_exact_alone_among_others_and_fed_back():
    scores = measured(swinging(), {"swing": Swing()}, LONGER)
    for key in "AB":
        for metric in ("mse", "superposed", "asked", "alone", "finer", "direct"):
            assert scores.values["swing", key, metric].max() < 1e-11  # float32
        loss = (OMEGA * 0.5) ** 2 / 6  # of a velocity by central differences over 0.5 fs, each step
        assert scores.values["swing", key, "rollout"].max() < (3 * loss * 0.1) ** 2
        assert scores.values["swing", key, "spectrum_overlap"] > 0.999
        np.testing.assert_allclose(scores.values["swing", key, "valid"], 1)
    assert scores.axes["rollout"].tolist() == [100.0, 200.0, 300.0]


def test_free_flight_is_rolled_out_exactly():
    scores = measured(swinging(flight=0.01), BASELINES, LONGER)
    for key in "AB":
        assert scores.values["ballistic", key, "rollout"].max() < 1e-7
        assert scores.values["persistence", key, "rollout"].min() > 1e-2


def test_who_knows_the_frame_is_caught_by_the_rotated_test():
    values = measured(swinging(), {"swing": Swing(), **BASELINES}, LONGER).values
    for key in "AB":
        assert values["swing", key, "rotated"].mean() > 1.0
        assert values["swing", key, "equivariance"] > 1.0
        for name in BASELINES:
            np.testing.assert_allclose(values[name, key, "rotated"], values[name, key, "mse"], rtol=1e-3, atol=1e-9)
            assert values[name, key, "equivariance"] < 1e-5


def test_a_rotated_copy_of_the_data_set_scores_the_same():
    """Equivariant models and baselines; ATOM in the laboratory frame does not."""
    data = swinging()
    copy = turned(data, Rotation.from_rotvec([0.3, -1.1, 2.0]).as_matrix(), np.array([3.0, -2.0, 5.0]))
    one = data.compounds["A"]
    forecasters = make_baselines(one, 500.0) | {
        "egno": network("egno", width=8, layers=2),
        "body": network("atom", **ATOM, frame="body"),
        "lab": network("atom", **ATOM, frame="lab"),
    }
    scores, again = (
        measured(x, forecasters, LONGER, segments=x.splits["compound"].parts["test"][:1]) for x in (data, copy)
    )
    assert "harmonic" in scores.forecasters
    for name in forecasters:
        same = [
            np.allclose(scores.values[name, "A", metric], again.values[name, "A", metric], rtol=2e-3, atol=1e-4)
            for metric in METRICS
            if (name, "A", metric) in scores.values and metric != "equivariance"
        ]
        assert all(same) == (name != "lab"), name
        assert (scores.values[name, "A", "equivariance"] < 2e-5) == (name != "lab"), name


def test_alone_is_as_asked_for_what_treats_each_lag_by_itself():
    values = measured(swinging(), {**BASELINES, "egno": network("egno", width=8, layers=2)}, LONGER).values
    for name in BASELINES:
        np.testing.assert_array_equal(values[name, "A", "alone"], values[name, "A", "asked"])
        np.testing.assert_array_equal(values[name, "A", "finer"], values[name, "A", "asked"])
        np.testing.assert_allclose(values[name, "A", "asked"], values[name, "A", "mse"][:7].mean(0))
    assert np.abs(values["egno", "A", "alone"] / values["egno", "A", "asked"] - 1).max() > 1e-3


def test_what_can_be_said_of_the_truth():
    scores = measured(swinging(), {"swing": Swing()}, LONGER | {"windows": 200, "closer": 200}, reference=True)
    values = {metric: value for (name, key, metric), value in scores.values.items() if (name, key) == (REFERENCE, "B")}
    assert (values["valid"] == 1).all()
    assert (values["torsions"] > scores.values["swing", "B", "torsions"]).all()  # which meets the very same frames
    assert values["torsions"].max() < 0.2
    assert 0.9 < values["spectrum_overlap"] <= 1
    peak = scores.axes["spectrum"][values["spectrum"].argmax()]
    assert peak == pytest.approx(OMEGA / (2 * np.pi * 2.99792458e-5), abs=scores.axes["spectrum"][1])
    assert np.abs(values["autocorrelation"] - np.cos(OMEGA * scores.axes["autocorrelation"])).max() < 0.05


def test_what_does_not_move_has_no_spectrum():
    values = measured(swinging(), BASELINES, LONGER).values
    for name in ("persistence", "rigid"):
        assert not values[name, "A", "spectrum"].any()
        assert not values[name, "A", "autocorrelation"].any()
        assert values[name, "A", "spectrum_overlap"] == 0


def test_samples_and_movies_are_the_first_windows():
    data = swinging()
    scores = measured(data, {"oracle": Oracle(data)}, LONGER | {"rollout": None}, reference=True)
    replica, start = scores.windows["A"]
    run = data.compounds["A"].replicas[replica[0] - 1].positions
    frames = start[0] + (scores.lags / INTERVAL).astype(int)
    assert scores.samples["oracle", "A"].shape == (2, 3, 5, 3)
    np.testing.assert_array_equal(scores.samples["oracle", "A"][0], run[frames])
    np.testing.assert_array_equal(scores.samples[REFERENCE, "A"], scores.samples["oracle", "A"])
    np.testing.assert_array_equal(
        scores.movies["oracle", "A"], run[start[0] + (scores.axes["movie"] / INTERVAL).astype(int)]
    )
    assert scores.axes["movie"][:3].tolist() == [0.0, 16.0, 32.0]
    assert not measured(data, {"oracle": Oracle(data)}, SETTINGS | {"samples": 0}).samples
