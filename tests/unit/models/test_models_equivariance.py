"""Rotations, reflections and translations: exact for some models, measured for the others."""

import pytest
import torch
from models_helpers import LAGS, batch, make, molecule

from mdstride.models.baselines import BASELINES
from mdstride.models.equivariance import equivariance_error

MOTIONS = 20


def motions(*, mirrored, dtype):
    generator = torch.Generator().manual_seed(4)
    matrices = torch.linalg.qr(torch.randn(MOTIONS, 3, 3, generator=generator, dtype=torch.float64))[0]
    matrices *= torch.linalg.det(matrices)[:, None, None] * (-1 if mirrored else 1)
    return matrices.to(dtype), (5 * torch.randn(MOTIONS, 3, generator=generator)).to(dtype)


def state(dtype):
    molecules = [molecule(4, seed=1), molecule(5, seed=2, hydrogens=3)]
    return batch([{k: v.to(dtype) if v.is_floating_point() else v for k, v in one.items()} for one in molecules])


def relative_error(forecaster, *, mirrored, dtype):
    """The largest of all motions, relative to the root mean square displacement from x0."""
    start, lags = state(dtype), LAGS.to(dtype)
    moved = (forecaster.forecast(start, lags) - start.positions[:, None]).detach().square()
    scale = (moved.sum() / (3 * start.mask.sum() * lags.shape[1])).sqrt()
    return (equivariance_error(forecaster, start, lags, *motions(mirrored=mirrored, dtype=dtype)) / scale).max().item()


@pytest.mark.parametrize("mirrored", [False, True])
def test_egno_is_equivariant(mirrored):
    """To the rounding of coordinates, relative to these in float32: 1e-6."""
    assert relative_error(make("egno"), mirrored=mirrored, dtype=torch.float64) < 1e-12
    start, lags = state(torch.float32), LAGS.float()
    error = equivariance_error(make("egno").float(), start, lags, *motions(mirrored=mirrored, dtype=torch.float32))
    size = start.positions[start.mask].square().mean().sqrt()
    assert (error / size).max() < 1e-6


def test_atom_is_equivariant_to_proper_motions_in_the_body_frame():
    model = make("atom", frame="body")
    assert relative_error(model, mirrored=False, dtype=torch.float64) < 1e-10
    assert relative_error(model, mirrored=True, dtype=torch.float64) > 1e-2


def test_other_frames_of_atom_are_not_and_the_measure_tells():
    errors = {
        frame: relative_error(make("atom", frame=frame), mirrored=False, dtype=torch.float64)
        for frame in ("centred", "lab")
    }
    assert min(errors.values()) > 0.1


def test_the_measure_is_the_distance_itself():
    class Wrong:
        """Adds 0.3 Å along x, whichever way the molecule lies."""

        def forecast(self, state, lags):
            return BASELINES["persistence"].forecast(state, lags) + torch.tensor([0.3, 0.0, 0.0], dtype=torch.float64)

    start = state(torch.float64)
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64))[None]
    error = equivariance_error(Wrong(), start, LAGS, half_turn, torch.zeros(1, 3, dtype=torch.float64))
    assert error.item() == pytest.approx(0.6 / 3**0.5)
