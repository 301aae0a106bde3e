"""All that is measured of one forecaster on one compound: metrics of formats/scores_file.py, and geometries to keep.

Each part is measured for itself, so that what fails in one does not cost the others.
"""

from collections.abc import Callable

import numpy as np
import torch

from mdstride.evaluate.case import Ask, Case
from mdstride.evaluate.forecasting import forecast, forecast_alone
from mdstride.evaluate.geometry import topology
from mdstride.evaluate.metrics import mean_square_error, superposed_square_error
from mdstride.evaluate.rollout import roll_out
from mdstride.evaluate.shapes import divergences, shares_valid
from mdstride.evaluate.spectra import spectrum_overlap, velocity_autocorrelation, vibrational_spectrum
from mdstride.models.state import Forecaster

SAMPLES, MOVIE = "samples", "movie"
"""Positions to keep: [S, P, N, 3] of the first windows at the lags, [K, N, 3] of the first one as a movie."""

EVERY = 2
"""Positions of a spectrum that make one picture of a movie."""

Values = dict[str, np.ndarray]


def accuracy(forecaster: Forecaster, case: Case) -> Values:
    """Errors of each window, as it is and turned and moved, and the shapes of the forecasts.

    Equivariance compares the forecasts of both, f(x Q + s) with f(x) Q + s: root mean square over windows, lags and
    the coordinates of heavy atoms.
    """
    ask, moved = case.main, case.motions.ask(case.main)
    found, there = (forecast(forecaster, one.state, one.lags) for one in (ask, moved))
    about, positions, targets = topology(case.compound, heavy=True), _double(found), _double(ask.targets)
    change = mean_square_error(there, case.motions.move(found), ask.state)
    return {
        "mse": _numpy(mean_square_error(found, ask.targets, ask.state)),
        "superposed": _numpy(superposed_square_error(found, ask.targets, ask.state)),
        "rotated": _numpy(mean_square_error(there, moved.targets, ask.state)),
        "equivariance": _numpy(change.mean().sqrt()),
        **shares_valid(positions, about),
        **divergences(positions, targets, about),
        SAMPLES: _numpy(found[: case.samples].clone()),
    }


def lag_by_lag(forecaster: Forecaster, case: Case) -> Values:
    """Errors with the lags as given, and with each alone."""
    ask = case.closer
    asked, alone = (ways(forecaster, ask.state, ask.lags) for ways in (forecast, forecast_alone))
    return {"asked": _mean_error(asked, ask), "alone": _mean_error(alone, ask)}


def more_lags(forecaster: Forecaster, case: Case) -> Values:
    """Errors at the same lags when a further one is asked for between every two, their geometric mean."""
    ask = case.closer
    lags = torch.cat([ask.lags, (ask.lags[1:] * ask.lags[:-1]).sqrt()]).sort().values
    return {"finer": _mean_error(forecast(forecaster, ask.state, lags)[:, ::2], ask)}


def drawn(forecaster: Forecaster, case: Case) -> Values:
    """Error at lags that are drawn for each window."""
    ask = case.drawn
    if ask is None:
        return {}
    errors = mean_square_error(forecast(forecaster, ask.state, ask.lags), ask.targets, ask.state)
    return {"drawn": _numpy(errors.mean())}


def motion(forecaster: Forecaster, case: Case) -> Values:
    """Vibrations of forecasts at equally spaced lags, beside those of the truth."""
    ask = case.spectrum
    if ask is None:
        return {}
    found = forecast(forecaster, ask.state, ask.lags)
    values = vibrations(found, ask)
    return values | {"spectrum_overlap": np.array(spectrum_overlap(values["spectrum"], _spectrum(ask)))}


def fed_back(forecaster: Forecaster, case: Case) -> Values:
    """Errors of a roll-out, and of forecasts of the same windows and times at once."""
    ask = case.rollout
    if ask is None:
        return {}
    forecasts = {
        "rollout": roll_out(forecaster, ask.state, ask.lags[0], len(ask.lags)),
        "direct": forecast(forecaster, ask.state, ask.lags),
    }
    return {name: _mean_error(x, ask) for name, x in forecasts.items()}


PARTS: dict[str, Callable[[Forecaster, Case], Values]] = {
    "mse": accuracy,
    "alone": lag_by_lag,
    "finer": more_lags,
    "drawn": drawn,
    "spectrum": motion,
    "rollout": fed_back,
}
"""By the metric that names what is missing when one fails."""


def truth(case: Case) -> Values:
    """What can be said of the reference itself: how far it is from another sample of itself bounds all divergences."""
    ask, about = case.main, topology(case.compound, heavy=True)
    targets = _double(ask.targets)
    values = shares_valid(targets, about) | {SAMPLES: _numpy(ask.targets[: case.samples].clone())}
    if case.other is not None:
        values |= divergences(_double(case.other.targets), targets, about)
    if case.spectrum is not None:
        values |= vibrations(case.spectrum.targets, case.spectrum)
        if case.other_spectrum is not None:
            spectra = (_spectrum(one) for one in (case.spectrum, case.other_spectrum))
            values["spectrum_overlap"] = np.array(spectrum_overlap(*spectra))
    return values


def vibrations(positions: torch.Tensor, ask: Ask) -> Values:
    """Spectrum, autocorrelation and, of the first window, the movie, from positions [B, K, N, 3] Å."""
    found, masses = _double(positions), _masses(ask)
    return {
        "spectrum": vibrational_spectrum(found, masses),
        "autocorrelation": velocity_autocorrelation(found, masses),
        MOVIE: _numpy(torch.cat([ask.state.positions[:1], positions[0]])[::EVERY]),
    }


def _spectrum(ask: Ask) -> np.ndarray:
    return vibrational_spectrum(_double(ask.targets), _masses(ask))


def _masses(ask: Ask) -> np.ndarray:
    """amu, of heavy atoms; zero of the others."""
    return _double(ask.state.masses[0] * (ask.state.atomic_numbers[0] > 1))


def _mean_error(forecasts: torch.Tensor, ask: Ask) -> np.ndarray:
    """[P] Å², over the windows."""
    return _numpy(mean_square_error(forecasts, ask.targets, ask.state).mean(0))


def _numpy(values: torch.Tensor) -> np.ndarray:
    return values.cpu().numpy()


def _double(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
