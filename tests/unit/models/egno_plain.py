"""EGNO for one molecule, written straight from the equations: loops over times, atoms, edges and Fourier modes.

Slow, float64, no padding, no batch; shares no code with mdstride.models.
"""

import cmath
import math

import torch


def forecast(weights, molecule, lags, *, layers):
    """[P, N, 3] from the model's state_dict, a dictionary of one molecule's arrays, and lags [P] in fs."""
    numbers, positions, bonded = molecule["atomic_numbers"], molecule["positions"], molecule["adjacency"]
    heavy = [i for i in range(len(numbers)) if numbers[i] > 1]
    ranks = sorted(range(len(lags)), key=lambda p: lags[p])
    moved = displacements(weights, molecule, heavy, [lags[p] for p in ranks], layers)
    rows = []
    for p in range(len(lags)):
        steps = dict(zip(heavy, moved[ranks.index(p)], strict=True))
        row = []
        for i in range(len(numbers)):
            carriers = [i] if i in heavy else [j for j in heavy if bonded[i, j]]
            row.append(positions[i] + (sum(steps[j] for j in carriers) / len(carriers) if carriers else 0))
        rows.append(torch.stack(row))
    return torch.stack(rows)


def displacements(weights, molecule, heavy, lags, layers):
    """List over times of lists over heavy atoms of [3]."""
    z = [float(molecule["atomic_numbers"][i]) / 8 for i in heavy]
    start = [molecule["positions"][i] for i in heavy]
    centre = sum(start) / len(start)
    v0 = [100 * molecule["velocities"][i] for i in heavy]
    edges = find_edges(molecule["adjacency"], heavy)
    attributes = {
        (a, b): [z[a], z[b], float(hops == 1), float(hops == 2), ((start[a] - start[b]) ** 2).sum()]
        for (a, b), hops in edges.items()
    }
    h = [[embedded(weights, v, charge, lag) for v, charge in zip(v0, z, strict=True)] for lag in lags]
    y = [[x - centre for x in start] for _ in lags]
    v = [list(v0) for _ in lags]
    for k in range(layers):
        own = {name[len(f"blocks.{k}.") :]: value for name, value in weights.items() if name.startswith(f"blocks.{k}.")}
        h, y, v = in_time(own, h, y, v)
        done = [in_space(own, *row, attributes, last=k == layers - 1) for row in zip(h, y, v, strict=True)]
        h, y = [row[0] for row in done], [row[1] for row in done]
    return [[x + centre - x0 for x, x0 in zip(row, start, strict=True)] for row in y]


def find_edges(bonded, heavy):
    """{(a, b): 1 for a bond, 2 for two bonds apart}, by walking."""
    edges = {}
    for a, i in enumerate(heavy):
        for b, j in enumerate(heavy):
            if bonded[i, j]:
                edges[a, b] = 1
            elif a != b and any(bonded[i, k] and bonded[k, j] for k in heavy):
                edges[a, b] = 2
    return edges


def embedded(weights, v, charge, lag):
    angles = [lag / 10.0 / 10000.0 ** (k / 15) for k in range(16)]
    code = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    length = torch.sqrt((v**2).sum())
    rest = torch.tensor([charge, *code], dtype=torch.float64)
    return linear(weights, "embed", torch.cat([length[None], rest]))


def in_time(w, h, y, v):
    atoms = range(len(h[0]))
    mixed = [fourier(w["time_h.weight"], [row[i] for row in h]) for i in atoms]
    h = [[row[i] + leaky(mixed[i][p]) for i in atoms] for p, row in enumerate(h)]
    turned = []
    for i in atoms:
        columns = [
            fourier(w["time_x.weight"], [torch.stack([y[p][i][axis], v[p][i][axis]]) for p in range(len(y))])
            for axis in range(3)
        ]
        turned.append([torch.stack([columns[axis][p] for axis in range(3)]) for p in range(len(y))])
    y, v = (
        [[row[i] + turned[i][p][:, part] for i in atoms] for p, row in enumerate(rows)]
        for part, rows in ((0, y), (1, v))
    )
    return h, y, v


def fourier(weight, series):
    """Discrete Fourier transform of a list over times, two modes mixed by complex matrices, and back."""
    times = len(series)
    out = [0.0] * times
    for k in range(min(2, times // 2 + 1)):
        mode = sum(x * cmath.exp(-2j * math.pi * k * p / times) for p, x in enumerate(series))
        mode = mode @ torch.complex(weight[0, k], weight[1, k])
        for p in range(times):
            wave = mode * cmath.exp(2j * math.pi * k * p / times) / times
            conjugate = k != 0 and 2 * k != times  # the mode -k of a real series
            out[p] = out[p] + (wave + wave.conj() if conjugate else wave).real
    return out


def leaky(x):
    return torch.where(x > 0, x, 0.01 * x)


def in_space(w, h, y, v, attributes, last):
    messages = [[] for _ in h]
    forces = [[] for _ in h]
    for (a, b), about in attributes.items():
        apart = y[a] - y[b]
        square = (apart**2).sum()
        edge = torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in [*about, square]])
        first = linear(w, "receive", h[a]) + linear(w, "send", h[b]) + linear(w, "edge", edge)
        message = silu(linear(w, "message", silu(first)))
        messages[a].append(message)
        forces[a].append(apart * number(w, "along_edges", message))
    new_h, new_y = [], []
    for a in range(len(h)):
        degree = max(len(messages[a]), 1)
        new_y.append(y[a] + number(w, "along_velocity", h[a]) * v[a] + sum(forces[a]) / degree)
        if not last:
            mean = sum(messages[a], torch.zeros_like(h[a])) / degree
            new_h.append(linear(w, "update.2", silu(linear(w, "update.0", torch.cat([h[a], mean])))))
    return new_h or h, new_y


def number(w, name, h):
    return linear(w, f"{name}.out", silu(linear(w, f"{name}.hidden", h)))


def linear(w, name, x):
    out = w[f"{name}.weight"] @ x
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def silu(x):
    return x / (1 + torch.exp(-x))
