import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models_helpers import batch, make, molecule

from mdstride.models.buckets import buckets


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=40), most=st.integers(20, 200), padding=st.floats(0, 0.5)
)
def test_groups_are_a_partition_within_the_limits(sizes, most, padding):
    groups = buckets(sizes, most=most, padding=padding)
    assert sorted(row for group in groups for row in group) == list(range(len(sizes)))
    for group in groups:
        inside = [sizes[row] for row in group]
        assert max(inside) <= (1 + padding) * min(inside)
        assert len(group) == 1 or len(group) * max(inside) <= most


def test_equal_sizes_fill_the_groups():
    assert [len(group) for group in buckets([8] * 10, most=32, padding=0.0)] == [4, 4, 2]


def test_gradients_of_the_groups_add_up():
    sizes = [5, 2, 3, 5, 2]
    model, state = make("atom"), batch([molecule(size, seed=k) for k, size in enumerate(sizes)])
    lags = torch.arange(1.0, 11.0, dtype=torch.float64).view(5, 2) * 10
    model.forecast(state, lags)[state.mask[:, None].expand(-1, 2, -1)].square().sum().backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for group in buckets(sizes, most=10, padding=0.0):
        rows, size = torch.tensor(group), sizes[group[0]]
        part = state.select(rows, atoms=size + 2, most_heavy=size)  # two hydrogens each
        assert part.mask.all()
        model.forecast(part, lags[rows]).square().sum().backward()
    for name, parameter in model.named_parameters():
        scale = expected[name].abs().max()
        torch.testing.assert_close(parameter.grad / scale, expected[name] / scale, rtol=0, atol=1e-11)
