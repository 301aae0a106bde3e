"""ATOM as one would write it down first: the baseline that benchmarks compare the fast module with.

The mathematics of mdstride.models.atom in vectorised form, but every stream is repeated for all times, the molecules
are padded to the largest, and the scores between all pairs of (time, atom) tokens are stored. Shares no code with it.
"""

import math

import torch
from torch.nn import functional


def forecast(weights, state, lags, *, layers, heads, frame="centred", width=None):
    """Positions [B, P, N, 3] from the model's state_dict, a State and lags [B, P] in fs.

    width: pad to so many heavy atoms instead of to the largest number in the batch.
    """
    index, real = heavy_atoms(state, width)
    streams, axes = lift(weights, state, index, real, frame)
    moved = displacements(weights, streams, real, torch.cat([torch.zeros_like(lags[:, :1]), lags], 1), layers, heads)
    moved = moved @ axes[:, None].mT
    own = functional.one_hot(index, state.mask.shape[1]).to(moved.dtype).mT * real[:, None]
    hydrogen = (state.mask & (state.atomic_numbers == 1))[..., None]
    carriers = hydrogen * (state.adjacency.to(own.dtype) @ own)
    carriers = own + carriers / carriers.sum(-1, keepdim=True).clamp(min=1)
    return state.positions[:, None] + torch.einsum("bnh,bphx->bpnx", carriers, moved)


def heavy_atoms(state, width):
    heavy = state.mask & (state.atomic_numbers > 1)
    order = torch.argsort(heavy.int(), dim=1, descending=True, stable=True)[:, : width or int(heavy.sum(1).max())]
    return order, heavy.gather(1, order)


def lift(weights, state, index, real, frame):
    rows = torch.arange(len(index), device=index.device)[:, None]
    mass = state.masses[..., None] / state.masses.sum(1)[:, None, None]
    centre = (mass * state.positions).sum(1, keepdim=True)
    x, v = state.positions - centre, state.velocities
    reference = state.reference - (mass * state.reference).sum(1, keepdim=True)
    rotation = superposition(reference, x, mass)
    strain = x - reference @ rotation.mT
    axes = torch.eye(3, dtype=x.dtype, device=x.device).expand(len(x), 3, 3)
    if frame == "body":
        axes = rotation
    elif frame == "lab":
        x = state.positions
    vectors = torch.stack([x, 100 * v, strain / 0.1], 2)[rows, index] @ axes[:, None]
    vectors = vectors.masked_fill(~real[..., None, None], 0)
    sizes = vectors.norm(dim=-1)
    bonds = (state.adjacency[rows[..., None], index[:, :, None], index[:, None]] & real[:, None]).to(x.dtype)
    step = bonds / bonds.sum(-1, keepdim=True).clamp(min=1)
    walks = torch.stack([torch.linalg.matrix_power(step, k).diagonal(dim1=1, dim2=2) for k in range(1, 9)], -1)
    charge = state.atomic_numbers.gather(1, index).to(x.dtype)[..., None] / 8
    streams = []
    for name, some, scalars in (
        ("x", vectors[:, :, :1], sizes[..., :1]),
        ("v", vectors[:, :, 1:2], sizes[..., 1:2]),
        ("c", vectors, torch.cat([sizes, charge, walks], -1)),
    ):
        lifted = torch.einsum("hv,bnvx->bnhx", weights[f"lift_{name}.vectors"], some).flatten(2)
        linear = functional.linear(
            scalars, weights[f"lift_{name}.scalars.weight"], weights[f"lift_{name}.scalars.bias"]
        )
        streams.append(torch.cat([lifted, linear], -1))
    return streams, axes


def superposition(a, b, mass):
    """The rotation of centred a onto centred b, by singular values."""
    u, _, vt = torch.linalg.svd((mass * b).double().mT @ a.double())
    u = torch.cat([u[..., :2], u[..., 2:] * torch.det(u @ vt)[:, None, None]], -1)
    return (u @ vt).to(a.dtype)


def displacements(weights, streams, real, times, layers, heads):
    count, atoms = times.shape[1], real.shape[1]
    x, v, c = (stream.repeat(1, count, 1) for stream in streams)  # [B, T N, d]
    mask = real.repeat(1, count)
    half = x.shape[-1] // heads // 2
    frequencies = 8000.0 ** (torch.arange(half, dtype=torch.float64, device=x.device) / (half - 1)) / 24000.0
    angles = (times.double().repeat_interleave(atoms, 1)[..., None] * frequencies)[:, None]  # [B, 1, T N, d_head / 2]
    codes = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first = None
    for k in range(layers):
        x = block(weights, f"blocks.{k}.", x, v, c, codes, mask, heads)
        if first is None:
            first = x
        else:
            s = torch.sigmoid(weights["keep"][k - 1])
            x = s * x + (1 - s) * first
    head = weights["head.weight"]
    out = torch.einsum("h,bthx->btx", head, x[..., : 3 * len(head)].unflatten(-1, (-1, 3))).unflatten(1, (count, atoms))
    return out[:, 1:] - out[:, :1]


def block(weights, prefix, x, v, c, codes, mask, heads):
    x, v, c = (
        s
        * torch.rsqrt(s.square().mean(-1, keepdim=True) + torch.finfo(s.dtype).eps)
        * weights[f"{prefix}norm_{n}.weight"]
        for n, s in (("x", x), ("v", v), ("c", c))
    )
    x = x + attention(weights, f"{prefix}attention.", c, (x, v, c), codes, mask, heads)
    hidden = x
    for n in range(2):
        name = f"{prefix}feed_forward.hidden.{n}"
        gate, value = functional.linear(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"]).chunk(2, -1)
        hidden = gate * torch.sigmoid(gate) * value
    return x + hidden @ weights[f"{prefix}feed_forward.out.weight"].T


def attention(weights, prefix, queries, sources, codes, mask, heads):
    def split(stream, name):
        return (stream @ weights[f"{prefix}{name}.weight"].T).unflatten(-1, (heads, -1)).transpose(1, 2)

    query = turned(split(queries, "query"), codes)
    total = 0
    for share, source in zip(torch.softmax(weights[f"{prefix}mix"], 0), sources, strict=True):
        scores = query @ turned(split(source, "key"), codes).mT / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~mask[:, None, None], -math.inf)
        total = total + share * (torch.softmax(scores, -1) @ split(source, "value"))
    return total.transpose(1, 2).flatten(2) @ weights[f"{prefix}out.weight"].T


def turned(values, codes):
    (a, b), (cosine, sine) = values.chunk(2, -1), codes
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)
