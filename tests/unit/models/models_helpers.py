"""Molecules and models that the tests of all models share."""

import dataclasses

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
    }
}
"""One small model for each name in the registry."""


def make(name, *, trained=True, **changes):
    """A float64 model; `trained` moves every parameter off its initial value, zero-initialised ones included."""
    torch.manual_seed(5)
    model = build(name, SETTINGS[name] | changes).double().eval()
    if trained:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
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
    for name in (field.name for field in dataclasses.fields(State)):
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
