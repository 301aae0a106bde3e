"""Harmonic forecasts: normal modes of the nearest minimum, on a rigid body that flies and turns freely.

With a the minimum, centred and along its principal axes, R and c its rotation and place in the Eckart frame of x0, V
the velocity of the centre of mass, and I the inertia of a:

    x(t) = c + V t + R S(t) (a + d(t)),             d_i(t) = exp(-t/tau) sum_k L_ki q_k(t) / sqrt(m_i)
    q_k(t) = q_k cos w_k t + p_k sin(w_k t) / w_k,  q_k = sum_i sqrt(m_i) L_ki . d_i,  p_k alike from the velocities
    dS/dt = S [W]_x,  W = I^-1 S^T J,  S(0) = 1     J: angular momentum of (x0, v0) about c, in the frame R

The velocities that p_k comes from are those in the turning frame, R^T (v0 - V) - W(0) x (a + d(0)).

- tau is infinite for `harmonic`; `damped harmonic` decays to the minimum in the turning frame.
- An imaginary frequency counts by its size. A minimum has at most flat ones (below 20 cm-1 here), for lags well below
  1/w the formula is free motion either way, and later cosh would grow without bounds. w = 0 is free motion.
- The body turns with the angular momentum alone. What vibrations exchange with it (Coriolis) is left out: it was worth
  5 % of the error of ethanol at 1 ps.
- I is that of the minimum, about which x0 vibrates. A linear minimum has no rotation about its axis.

Wilson, Decius, Cross, Molecular Vibrations (1955), chapters 2 and 11; Eckart, Phys. Rev. 47, 552 (1935).
"""

from collections.abc import Sequence

import numpy as np
import torch

from mdstride.constants import LIGHT
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.split import Segment
from mdstride.models.minima import Minima
from mdstride.models.state import State
from mdstride.models.superposition import eckart
from mdstride.rigid import LINEAR
from mdstride.windows import Windows

LARGEST_TURN = 0.1
"""Largest turn (rad) in one step of the rotor: fourth order, so its error is about 1e-6 rad per rad."""

TIMES = np.geomspace(10.0, 1e6, 121)
"""Time constants (fs) among which the damping is chosen; the largest does not damp."""

WINDOWS = 200
"""Windows of each compound by which the damping is chosen."""


class Harmonic:
    """Normal modes of the nearest known minimum of one compound, undamped or with a time constant `damping` in fs."""

    def __init__(self, known: Minima, damping: float | None = None) -> None:
        self._known, self._damping = known, damping
        self._bodies = [
            _Body(positions, *vibrations, known.masses)
            for positions, vibrations in zip(known.positions, known.vibrations, strict=True)
        ]

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs of molecules of this compound."""
        still, moving = self.parts(state, lags)
        if self._damping is not None:
            moving = moving * torch.exp(-lags.double() / self._damping)[..., None, None]
        forecast = torch.zeros(*lags.shape, *state.positions.shape[1:]).to(state.positions)
        forecast[:, :, : still.shape[2]] = (still + moving).to(forecast.dtype)
        return forecast

    def parts(self, state: State, lags: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The body without vibrations, and their undamped displacements: [B, P, N, 3] Å, float64, without padding."""
        atoms = len(self._known.masses)
        positions, velocities = (x[:, :atoms].double() for x in (state.positions, state.velocities))
        match = self._known.nearest(positions)
        positions, velocities = match.there(positions), match.there(velocities)
        still, moving = (positions.new_zeros(*lags.shape, atoms, 3) for _ in range(2))
        for k in match.minimum.unique().tolist():
            rows = match.minimum == k
            still[rows], moving[rows] = self._bodies[k].move(positions[rows], velocities[rows], lags[rows].double())
        return match.back(still), match.back(moving)


class _Body:
    """A minimum along its principal axes."""

    def __init__(
        self, positions: torch.Tensor, frequencies: np.ndarray | None, modes: np.ndarray | None, masses: torch.Tensor
    ) -> None:
        if frequencies is None or modes is None:
            raise ValueError("a harmonic forecast needs the normal modes of every minimum")
        vectors = torch.from_numpy(np.array(modes, np.float64))
        self._masses = masses
        centred = positions - masses @ positions / masses.sum()
        moments, axes = torch.linalg.eigh(_inertia(centred, masses))
        axes[:, 2] *= torch.linalg.det(axes).sign()
        self._positions, self._modes = centred @ axes, vectors @ axes
        self._inverse = torch.where(moments > LINEAR**2 * moments[-1], 1 / moments, 0.0)
        self._angular = 2 * torch.pi * LIGHT * torch.from_numpy(np.abs(frequencies).astype(np.float64))

    def move(self, x: torch.Tensor, v: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See Harmonic.parts, for molecules with the atoms of the minimum: x, v [B, N, 3], t [B, P]."""
        a, modes, inverse, w, m = (
            one.to(x) for one in (self._positions, self._modes, self._inverse, self._angular, self._masses)
        )
        mass = m[:, None]
        rotation, _, centre = eckart(a.expand_as(x), x, m.expand(len(x), -1))
        drift = (mass * v).sum(1, keepdim=True) / m.sum()
        placed, speed = (x - centre) @ rotation, (v - drift) @ rotation
        momentum = (mass * torch.linalg.cross(placed, speed)).sum(1)
        speed = speed - torch.linalg.cross((momentum * inverse)[:, None].expand_as(placed), placed)
        q, p = (torch.einsum("kni, bni -> bk", modes, mass.sqrt() * one)[:, None] for one in (placed - a, speed))
        angle = t[..., None] * w
        amplitude = q * torch.cos(angle) + p * t[..., None] * torch.sinc(angle / torch.pi)
        displacement = torch.einsum("bpk, kni -> bpni", amplitude, modes) / mass.sqrt()
        turned = (rotation[:, None] @ rotor(momentum, inverse, t)).mT
        return a @ turned + (centre + drift * t[..., None])[:, :, None], displacement @ turned


def _inertia(positions: torch.Tensor, masses: torch.Tensor) -> torch.Tensor:
    """Inertia tensor [3, 3] about the origin, amu Å²."""
    second = (masses[:, None] * positions).mT @ positions
    return second.trace() * torch.eye(3, dtype=second.dtype) - second


def rotor(momentum: torch.Tensor, inverse: torch.Tensor, lags: torch.Tensor) -> torch.Tensor:
    """How a free rigid body has turned: S [B, P, 3, 3] at `lags` [B, P] in fs, see the module.

    From its angular momentum [B, 3] (amu Å²/fs) and the inverses [3] of its moments of inertia, both along the
    principal axes at t = 0. Runge-Kutta of fourth order for the quaternion of S, normalised after each step, from one
    lag to the next; the angular momentum is an exact constant, as W comes from J and S.
    """
    fastest = momentum.norm(dim=-1) * inverse.max()
    ends, order = lags.sort(dim=1)
    turn, found = momentum.new_tensor([1.0, 0.0, 0.0, 0.0]).expand(len(lags), 4), []

    def rate(one: torch.Tensor) -> torch.Tensor:
        return 0.5 * _product(one, _turned_back(one, momentum) * inverse)

    for span in ends.diff(dim=1, prepend=torch.zeros_like(ends[:, :1])).unbind(1):
        count = max(1, int(torch.ceil((fastest * span).abs().max() / LARGEST_TURN)))
        step = span[:, None] / count
        for _ in range(count):
            k1 = rate(turn)
            k2 = rate(turn + 0.5 * step * k1)
            k3 = rate(turn + 0.5 * step * k2)
            k4 = rate(turn + step * k3)
            turn = torch.nn.functional.normalize(turn + step * (k1 + 2 * k2 + 2 * k3 + k4) / 6, dim=-1)
        found.append(turn)
    rows = torch.arange(len(lags), device=lags.device)[:, None]
    return _matrix(torch.stack(found, dim=1)[rows, order.argsort(dim=1)])


def _product(quaternion: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """Quaternion [..., 4] (scalar first) times the pure quaternion of `vector` [..., 3]."""
    scalar, axis = quaternion[..., :1], quaternion[..., 1:]
    first = -(axis * vector).sum(-1, keepdim=True)
    return torch.cat([first, scalar * vector + torch.linalg.cross(axis, vector)], dim=-1)


def _turned_back(quaternion: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """S^T times `vector` [..., 3], S the rotation of a quaternion [..., 4]."""
    scalar, axis = quaternion[..., :1], quaternion[..., 1:]
    across = torch.linalg.cross(axis, vector.expand_as(axis))
    return vector + 2 * (torch.linalg.cross(axis, across) - scalar * across)


def _matrix(quaternion: torch.Tensor) -> torch.Tensor:
    """Rotation matrix [..., 3, 3] of a quaternion [..., 4] of length one."""
    w, x, y, z = quaternion.unbind(-1)
    rows = (
        (w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def fit_damping(dataset: Dataset, segments: Sequence[Segment], lags: Sequence[float]) -> float:
    """The time constant (fs) of `damped harmonic` that is best for training molecules at `lags` (fs).

    Best is the lowest mean, over compounds and lags, of the logarithm of the mean square error (heavy atoms, WINDOWS
    windows at even distances in each compound): a factor counts the same wherever it is won. Compounds without normal
    modes do not count. Raises InputError when none has any, or a lag does not fit into a trajectory.
    """
    able = [s for s in segments if dataset.compounds[s.compound].modes is not None]
    if not able:
        raise InputError("damped harmonic: no training compound has normal modes; relax them here (mdstride relax)")
    logs = []
    for key in sorted({segment.compound for segment in able}):
        windows = Windows(dataset, [segment for segment in able if segment.compound == key])
        far, mixed, near = _quadratic(dataset.compounds[key], windows, lags)
        decay = torch.exp(-torch.tensor(lags, dtype=torch.float64) / torch.from_numpy(TIMES)[:, None])
        logs.append(torch.log(far - 2 * decay * mixed + decay.square() * near))
    return float(TIMES[int(torch.cat(logs, dim=1).mean(1).argmin())])


def _quadratic(compound: CompoundData, windows: Windows, lags: Sequence[float]) -> tuple[torch.Tensor, ...]:
    """Means [P] of e.e, e.u and u.u over windows and heavy atoms: with vibrations u scaled by s, e = target - still.

    The square error is e.e - 2 s e.u + s^2 u.u, so any number of time constants costs one forecast.
    """
    steps = torch.tensor([round(lag / windows.interval) for lag in lags])
    segment, start = even_starts(windows, int(steps.max()), WINDOWS)
    state, targets = windows.gather(segment, start, steps.expand(len(start), -1))
    still, moving = Harmonic(Minima(compound)).parts(state, windows.lags(steps).expand(len(start), -1))
    heavy = torch.from_numpy(np.asarray(compound.atomic_numbers) > 1)
    error, moving = (targets.double() - still)[:, :, heavy], moving[:, :, heavy]
    return tuple((a * b).mean((0, 2, 3)) for a, b in ((error, error), (error, moving), (moving, moving)))


def even_starts(windows: Windows, longest: int, most: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Segments and start frames, at most `most` at even distances, of all that have room for `longest` frames."""
    room = (windows.frames - longest).clamp(min=0)
    if not room.any():
        where = ", ".join(windows.ids)
        raise InputError(f"a lag of {longest * windows.interval:g} fs does not fit into any segment of {where}")
    total = int(room.sum())
    picked = torch.linspace(0, total - 1, min(most, total), dtype=torch.float64, device=room.device).round().long()
    segment = torch.searchsorted(room.cumsum(0), picked, right=True)
    return segment, picked - (room.cumsum(0) - room)[segment]
