from functools import partial

import egno_plain
import pytest
import torch
from models_helpers import SETTINGS, assert_agrees, batch, make, molecule

from mdstride.models.egno import TimeConvolution, neighbours
from mdstride.models.registry import build


@pytest.mark.parametrize(
    "lags",
    [
        [[900.0, 25.0, 3.3], [0.7, 23456.7, 5.0]],
        [[40.0]],
        [[10.0, 20.0]],
        [[500.0, 100.0, 400.0, 300.0, 200.0, 700.0, 600.0]],
    ],
    ids=lambda lags: f"P={len(lags[0])}",
)
def test_agrees_with_the_plain_reference(lags):
    """Forward and gradients, against the equations written out for one molecule at a time."""
    molecules = [molecule(4, seed=1), molecule(5, seed=2, hydrogens=3)][: len(lags)]
    assert_agrees(make("egno"), partial(egno_plain.forecast, layers=SETTINGS["egno"]["layers"]), molecules, lags)


def test_as_many_parameters_as_the_published_model():
    """252,570 at the MD17 settings; the update of h in the last layer, which nothing depends on, is left out here."""
    width, count = 64, sum(parameter.numel() for parameter in build("egno", {}).parameters())
    unused = (2 * width * width + width) + (width * width + width)
    assert count + unused == 252_570


@pytest.mark.parametrize("times", [1, 2, 3, 8])
def test_time_convolution_is_a_product_in_fourier_space(times):
    torch.manual_seed(0)
    layer, x = TimeConvolution(5, 1.0).double(), torch.randn(times, 7, 5, dtype=torch.float64)
    modes = min(2, times // 2 + 1)
    weight = torch.complex(layer.weight[0, :modes], layer.weight[1, :modes])
    mixed = torch.einsum("k...c, kcd -> k...d", torch.fft.rfft(x, dim=0)[:modes], weight)
    torch.testing.assert_close(layer(x), torch.fft.irfft(mixed, n=times, dim=0), rtol=0, atol=1e-13)


def test_edges_are_bonds_and_pairs_two_bonds_apart():
    """A chain of three: ends two apart; hydrogens and the other molecule do not matter."""
    state = batch([molecule(1, seed=1), molecule(4, seed=2)]).heavy()
    chain = [state.atomic_numbers[1].tolist().index(z) for z in (7, 8)]  # atoms 1 and 2 of the chain 6 7 8 6
    (receiver, sender), kinds = neighbours(state)
    found = {(i, j): kind for i, j, kind in zip(receiver.tolist(), sender.tolist(), kinds.tolist(), strict=True)}
    assert len(found) == len(receiver) == 6 + 4  # three bonds and two pairs, both ways
    assert all(found[j, i] == kind for (i, j), kind in found.items())
    assert found[chain[0] + 1, chain[1] + 1] == [True, False]  # the lone atom of the first molecule is number 0
    assert sum(kind == [False, True] for kind in found.values()) == 4
