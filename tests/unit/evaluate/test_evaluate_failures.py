"""What fails is recorded with its reason, costs nobody else anything, and is never averaged away."""

import numpy as np
import torch
from evaluate_helpers import LONGER, SETTINGS, Broken, Swing, measured, swinging

from mdstride.errors import InputError
from mdstride.formats.scores_file import read_scores_file, write_scores
from mdstride.models.baselines import BASELINES


class Refuses:
    """Knows one number of lags only."""

    def forecast(self, state, lags):
        if lags.shape[1] != 3:
            raise InputError("refuses: only\n fitted at three lags")
        return BASELINES["persistence"].forecast(state, lags)


class Singular:
    def forecast(self, state, lags):
        return torch.linalg.inv(torch.zeros(3, 3)).expand(state.positions.shape)


def test_forecasts_that_are_not_finite_are_recorded_and_nothing_else_changes(capsys, tmp_path):
    data = swinging()
    limit = 0.0
    whole = measured(data, {"swing": Swing()}, LONGER)
    scores = measured(data, {"broken": Broken(limit), "swing": Swing()}, LONGER)
    mse = scores.values["broken", "A", "mse"]
    replica, start = scores.windows["A"]
    first = [data.compounds["A"].replicas[r - 1].positions[s, 0, 0] for r, s in zip(replica, start, strict=True)]
    wrong = np.array(first) > limit
    assert 0 < wrong.sum() < 30
    np.testing.assert_array_equal(np.isnan(mse), np.repeat(wrong[:, None], 3, axis=1))
    np.testing.assert_array_equal(np.isnan(scores.values["broken", "A", "superposed"]), np.isnan(mse))
    np.testing.assert_allclose(scores.values["broken", "A", "valid"], 1 - wrong.mean())
    for metric in ("torsions", "pairs", "equivariance", "spectrum_overlap", "asked", "rollout"):
        assert np.isnan(scores.values["broken", "A", metric]).all()
    reasons = {f["reason"] for f in scores.about["failures"] if f["compound"] == "A"}
    assert any(reason.startswith("not finite: mse, superposed, rotated") for reason in reasons)
    entry = next(f for f in scores.about["failures"] if f["compound"] == "A" and "mse" in f["reason"])
    assert entry["windows"] >= wrong.sum()
    assert {f["forecaster"] for f in scores.about["failures"]} == {"broken"}
    assert f"evaluate: broken, A, {entry['windows']} windows: not finite: mse" in capsys.readouterr().err
    for key, value in whole.values.items():
        np.testing.assert_array_equal(value, scores.values[key])
    write_scores(tmp_path / "scores.h5", scores)
    assert read_scores_file(tmp_path / "scores.h5").about["failures"] == scores.about["failures"]


def test_infinite_forecasts_are_no_numbers():
    scores = measured(swinging(), {"broken": Broken(value=np.inf)}, SETTINGS)
    assert np.isnan(scores.values["broken", "B", "mse"]).all()
    assert (scores.values["broken", "B", "valid"] == 0).all()
    assert all(f["windows"] for f in scores.about["failures"])


def test_a_forecaster_that_raises_loses_what_it_cannot_do():
    scores = measured(swinging(), {"refuses": Refuses(), "singular": Singular(), "swing": Swing()}, LONGER)
    metrics = {name: {key[2] for key in scores.values if key[:2] == (name, "A")} for name in ("refuses", "swing")}
    assert metrics["refuses"] == {*metrics["swing"]} - {"asked", "alone", "finer", "spectrum", "spectrum_overlap"} - {
        "autocorrelation",
        "rollout",
        "direct",
    }
    reasons = [f["reason"] for f in scores.about["failures"] if (f["forecaster"], f["compound"]) == ("refuses", "A")]
    assert reasons == [
        f"no {what}: refuses: only fitted at three lags" for what in ("alone", "finer", "spectrum", "rollout")
    ]
    assert [key for key in scores.values if key[0] == "singular"] == []
    assert {f["compound"] for f in scores.about["failures"] if f["forecaster"] == "singular"} == {"A", "B"}
