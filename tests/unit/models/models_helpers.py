"""Molecules and models that the tests of all models share."""

import torch

from mdstride.models.registry import build
from mdstride.models.state import State

SETTINGS = {
    "atom": {
        "width": 16,
        "layers": 2,
        "heads": 2,
        "attention_dropout": 0.0,
        "dropout": 0.0,
        "frame": "centred",
    },
    "egno": {"width": 8, "layers": 3},
}
"""One small model for each name in the registry."""

SPREAD = {"atom": 0.3, "egno": 0.03}
"""How far `make` moves the parameters: far enough that each matters, and no further than forecasts stay near x0."""


def make(name, *, trained=True, **changes):
    """A float64 model; `trained` moves every parameter off its initial value, zero-initialised ones included."""
    torch.manual_seed(5)
    model = build(name, SETTINGS[name] | changes).double().eval()
    if trained:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(SPREAD[name] * torch.randn_like(parameter))
    return model


def molecule(heavy, seed, hydrogens=2):
    """One random molecule, unpadded: a chain of heavy atoms with hydrogens at its ends, shuffled. A dictionary."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    count = heavy + hydrogens
    numbers = torch.tensor([6, 7, 8, 6, 6][:heavy] + [1] * hydrogens)
    adjacency = torch.zeros(count, count, dtype=torch.bool)
    for i, j in [(k, k + 1) for k in range(heavy - 1)] + [(k % heavy, heavy + k) for k in range(hydrogens)]:
        adjacency[i, j] = adjacency[j, i] = True
    reference = 1.5 * normal(count, 3)
    order = torch.randperm(count, generator=generator)
    return {
        "atomic_numbers": numbers[order],
        "masses": (2.0 * numbers.double())[order],
        "positions": (reference + 0.1 * normal(count, 3) + 3.0)[order],
        "velocities": (0.005 * normal(count, 3))[order],
        "mask": torch.ones(count, dtype=torch.bool),
        "adjacency": adjacency[order][:, order],
        "reference": reference[order],
    }


def batch(molecules, width=None):
    """A State of the molecules, padded with zeros to the largest or to `width` atoms."""
    width = width or max(len(one["mask"]) for one in molecules)
    fields = {}
    for name in molecules[0]:
        padded = []
        for one in molecules:
            value = one[name]
            shape = [
                width if axis < (2 if name == "adjacency" else 1) else size for axis, size in enumerate(value.shape)
            ]
            padded.append(value.new_zeros(shape))
            padded[-1][tuple(slice(size) for size in value.shape)] = value
        fields[name] = torch.stack(padded)
    return State(**fields)


LAGS = torch.tensor([[10.0, 25.0, 333.3], [700.0, 8.0, 8.0]], dtype=torch.float64)


def needing_gradients(one):
    """The same molecule, with positions, velocities and relaxed geometry to differentiate for."""
    return one | {key: one[key].clone().requires_grad_() for key in ("positions", "velocities", "reference")}


def assert_agrees(model, plain, molecules, lags, tolerance=1e-10):
    """Forecasts agree to `tolerance` Å; gradients for all parameters and inputs, relative to the largest of each.

    plain(weights, molecule, lags) forecasts one molecule; lags is a list of P numbers per molecule.
    """
    weights = {name: p.detach().clone().requires_grad_() for name, p in model.named_parameters()}
    ours, theirs = ([needing_gradients(one) for one in molecules] for _ in range(2))
    state = batch(ours)
    fast = model.forecast(state, torch.tensor(lags, dtype=torch.float64))
    slow = [plain(weights, one, own) for one, own in zip(theirs, lags, strict=True)]
    for forecast, expected in zip(fast, slow, strict=True):
        torch.testing.assert_close(forecast[:, : expected.shape[1]], expected, rtol=0, atol=tolerance)
    sum((expected - 1.0).square().sum() for expected in slow).backward()
    ((fast - 1.0).square() * state.mask[:, None, :, None]).sum().backward()
    pairs = [(name, p, weights[name]) for name, p in model.named_parameters()]
    pairs += [(key, a[key], b[key]) for a, b in zip(ours, theirs, strict=True) for key in ("positions", "velocities")]
    if weights.keys() >= {"lift_c.vectors"}:  # no other model looks at the relaxed geometry
        pairs += [("reference", a["reference"], b["reference"]) for a, b in zip(ours, theirs, strict=True)]
    for name, one, other in pairs:
        scale = one.grad.abs().max()
        assert scale > 1e-6, name
        torch.testing.assert_close(
            one.grad / scale, other.grad / scale, rtol=0, atol=tolerance, msg=lambda m, n=name: f"{n}: {m}"
        )
