"""ATOM for one molecule, written straight from docs/models.md: loops, explicit repetition in time, explicit softmax.

Slow, float64, no padding, no batch; shares no code with mdstride.models.
"""

import math

import numpy as np
import torch


def forecast(weights, molecule, lags, *, layers, heads, frame="centred"):
    """[P, N, 3] from the model's state_dict, a dictionary of one molecule's arrays, and lags [P] in fs."""
    numbers, x = molecule["atomic_numbers"], molecule["positions"]
    back = superposition(molecule["reference"], x, molecule["masses"]) if frame == "body" else torch.eye(3).double()
    heavy = [i for i in range(len(numbers)) if numbers[i] > 1]
    moved = displacements(weights, molecule, heavy, [0.0, *lags], layers, heads, frame)
    rows = []
    for p in range(1, len(lags) + 1):
        atoms = []
        for i in range(len(numbers)):
            carriers = [i] if i in heavy else [j for j in heavy if molecule["adjacency"][i, j]]
            steps = [back @ (moved[p][heavy.index(j)] - moved[0][heavy.index(j)]) for j in carriers]
            atoms.append(x[i] + (sum(steps) / len(steps) if steps else 0))
        rows.append(torch.stack(atoms))
    return torch.stack(rows)


def displacements(weights, molecule, heavy, times, layers, heads, frame):
    """Head output of every (time, heavy atom): list over times of lists over atoms of [3]."""
    x, v, c = streams(weights, molecule, heavy, frame)
    # from here on every stream is repeated for all times: stream[t][i] is one token
    x, v, c = ([list(stream) for _ in times] for stream in (x, v, c))
    for k in range(layers):
        own = {name[len(f"blocks.{k}.") :]: value for name, value in weights.items() if name.startswith(f"blocks.{k}.")}
        x = block(own, x, v, c, times, heads)
        if k == 0:
            first = x
        else:
            s = 1 / (1 + torch.exp(-weights["keep"][k - 1]))
            x = [[s * a + (1 - s) * b for a, b in zip(*rows, strict=True)] for rows in zip(x, first, strict=True)]
    head = weights["head.weight"]
    return [[sum(head[h] * token[3 * h : 3 * h + 3] for h in range(len(head))) for token in row] for row in x]


def streams(weights, molecule, heavy, frame):
    x, v, mass = molecule["positions"], molecule["velocities"], molecule["masses"]
    rotation = superposition(molecule["reference"], x, mass)
    centred, reference = from_centre(x, mass), from_centre(molecule["reference"], mass)
    strain = torch.stack([a - rotation @ b for a, b in zip(centred, reference, strict=True)])
    if frame != "lab":
        x = centred
    if frame == "body":
        x, v, strain = (torch.stack([rotation.T @ row for row in rows]) for rows in (x, v, strain))
    walks = random_walks(molecule["adjacency"], heavy)
    lifted = [[], [], []]
    for a, i in enumerate(heavy):
        vectors = [x[i], 100.0 * v[i], strain[i] / 0.1]
        sizes = [vector.norm() for vector in vectors]
        scalars = [*sizes, molecule["atomic_numbers"][i] / 8.0, *walks[a]]
        for stream, name, some_vectors, some_scalars in (
            (0, "lift_x", vectors[:1], sizes[:1]),
            (1, "lift_v", vectors[1:2], sizes[1:2]),
            (2, "lift_c", vectors, scalars),
        ):
            matrix = weights[f"{name}.vectors"]
            out = [sum(matrix[h, k] * vector for k, vector in enumerate(some_vectors)) for h in range(len(matrix))]
            inputs = torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in some_scalars])
            out.append(weights[f"{name}.scalars.weight"] @ inputs + weights[f"{name}.scalars.bias"])
            lifted[stream].append(torch.cat(out))
    return lifted


def random_walks(adjacency, heavy):
    """Probability of a walk on the bonds of the heavy atoms to be back after 1..8 steps, by following it."""
    neighbours = [[b for b, j in enumerate(heavy) if adjacency[i, j]] for i in heavy]
    table = []
    for start in range(len(heavy)):
        where = np.eye(len(heavy))[start]
        returned = []
        for _ in range(8):
            after = np.zeros(len(heavy))
            for a, others in enumerate(neighbours):
                for b in others:
                    after[b] += where[a] / len(others)
            where = after
            returned.append(where[start])
        table.append(returned)
    return table


def from_centre(x, mass):
    return x - sum(m * row for m, row in zip(mass, x, strict=True)) / mass.sum()


def superposition(moving, target, mass):
    """Rotation of mass-weighted superposition by the quaternion method of Horn (1987), not by singular values."""
    a, b = from_centre(moving, mass), from_centre(target, mass)
    s = sum(m * torch.outer(p, q) for m, p, q in zip(mass / mass.sum(), a, b, strict=True))
    d = torch.stack([s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]])
    trace = s[0, 0] + s[1, 1] + s[2, 2]
    top = torch.cat([trace[None], d])[None]
    rest = torch.cat([d[:, None], s + s.T - trace * torch.eye(3, dtype=torch.float64)], 1)
    q0, q1, q2, q3 = torch.linalg.eigh(torch.cat([top, rest]))[1][:, -1]
    rows = [
        [q0**2 + q1**2 - q2**2 - q3**2, 2 * (q1 * q2 - q0 * q3), 2 * (q1 * q3 + q0 * q2)],
        [2 * (q1 * q2 + q0 * q3), q0**2 - q1**2 + q2**2 - q3**2, 2 * (q2 * q3 - q0 * q1)],
        [2 * (q1 * q3 - q0 * q2), 2 * (q2 * q3 + q0 * q1), q0**2 - q1**2 - q2**2 + q3**2],
    ]
    return torch.stack([torch.stack(row) for row in rows])


def block(w, x, v, c, times, heads):
    x, v, c = (normalised(stream, w[f"norm_{name}.weight"]) for stream, name in ((x, "x"), (v, "v"), (c, "c")))
    attended = attention(w, c, [x, v, c], times, heads)
    out = []
    for t, row in enumerate(x):
        out.append([])
        for i, token in enumerate(row):
            token = token + attended[t][i]
            out[-1].append(token + feed_forward(w, token))
    return out


def normalised(stream, weight):
    epsilon = torch.finfo(torch.float64).eps
    return [[weight * token / torch.sqrt((token**2).mean() + epsilon) for token in row] for row in stream]


def attention(w, queries, sources, times, heads):
    size = len(queries[0][0]) // heads
    mix = torch.exp(w["attention.mix"]) / torch.exp(w["attention.mix"]).sum()
    result = []
    for t, row in enumerate(queries):
        result.append([])
        for token in row:
            mixed = []
            for h in range(heads):
                part = slice(h * size, (h + 1) * size)
                query = turned((w["attention.query.weight"] @ token)[part], times[t])
                total = 0
                for weight, source in zip(mix, sources, strict=True):
                    scores, values = [], []
                    for u, others in enumerate(source):
                        for other in others:
                            key = turned((w["attention.key.weight"] @ other)[part], times[u])
                            scores.append(query @ key / math.sqrt(size))
                            values.append((w["attention.value.weight"] @ other)[part])
                    share = torch.exp(torch.stack(scores) - max(scores))
                    total = total + weight * sum(
                        a * value for a, value in zip(share / share.sum(), values, strict=True)
                    )
                mixed.append(total)
            result[-1].append(w["attention.out.weight"] @ torch.cat(mixed))
    return result


def turned(vector, time):
    half = len(vector) // 2
    out = [None] * (2 * half)
    for k in range(half):
        angle = time / 24000.0 * 8000.0 ** (k / (half - 1))
        out[k] = vector[k] * math.cos(angle) - vector[half + k] * math.sin(angle)
        out[half + k] = vector[k] * math.sin(angle) + vector[half + k] * math.cos(angle)
    return torch.stack(out)


def feed_forward(w, token):
    for k in range(2):
        both = w[f"feed_forward.hidden.{k}.weight"] @ token + w[f"feed_forward.hidden.{k}.bias"]
        half = len(both) // 2
        gate, value = both[:half], both[half:]
        token = gate / (1 + torch.exp(-gate)) * value
    return w["feed_forward.out.weight"] @ token
