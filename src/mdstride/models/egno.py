"""EGNO, the equivariant graph neural operator: a graph network in space, a Fourier layer in time.

Source: Xu et al., "Equivariant Graph Neural Operator for Modeling 3D Dynamics", arXiv 2401.11037 (ICML 2024).

For the heavy atoms i of a molecule, y their positions relative to their mean, v velocities, at every forecast time p:

    h_ip <- W [|v_i|, Z_i, code(t_p)]                                   y_ip <- y_i,  v_ip <- v_i
    h <- h + LeakyReLU(K_h h),   [y, v] <- [y, v] + K_x [y, v]          K: Fourier layers in time, channels mixed
    m_ij = phi_m(h_i, h_j, |y_ij|², e_ij)                               for the edges ij, at every time
    y_i <- y_i + phi_v(h_i) v_i + mean_j y_ij phi_x(m_ij),   h_i <- phi_h(h_i, mean_j m_ij)

and the last two lines once per layer. The forecast is x0_i + y_ip - y_i. Vectors are only ever multiplied by scalars
and added up, so it turns, mirrors and moves with the molecule exactly.

The departures from the public code, with reasons:
- Edges are the bonds of the SMILES and the pairs two bonds apart, not pairs below 1.6 Å in the first frame of a
  trajectory, which misses C-S and stretched bonds. e_ij = [Z_i, Z_j, bonded, two apart, |y_ij(0)|²]: five numbers as
  there, the third and fourth instead of hop count and a flag of hand-picked pairs.
- The code of time is that of the lag in fs instead of the index p. The Fourier layers act on the index, as in the
  paper, where lags are equally spaced; lags are sorted first, so that their order does not matter. Two equal lags are
  two indices.
- Messages are averaged, not summed, for h as for y. They are not clamped (which is not equivariant), and neither they
  nor the Fourier layers mix the molecules of a batch.
- The maps onto y start at zero, so that training starts from persistence.
- phi_h of the last layer, whose result is never used, is left out: 12,416 of 252,570 parameters at width 64, 5 layers.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from mdstride.models.features import CHARGE_SCALE, VELOCITY_SCALE, full_precision
from mdstride.models.state import State

MODES = 2
"""Fourier modes of time that are kept: the mean, and one period over all forecast times."""

CODE = 32
"""Numbers that encode a lag."""

CODE_UNIT = 10.0
"""fs: the fastest code turns by one radian in this time, the slowest in 10,000 times as long."""

EDGE = 6
"""Numbers that describe an edge: two atomic numbers, two kinds, squared distance at first and now."""

Edges = tuple[torch.Tensor, torch.Tensor]
"""Receiving and sending atom of each edge, [E] int64, ordered by receiver."""


class Egno(nn.Module):
    """Heavy atoms are forecast by the network; a hydrogen moves with the heavy atom that it is bonded to.

    The keys of the configuration's section pretrain.egno; the defaults are those of the paper's MD17 experiments.
    """

    def __init__(self, *, width: int = 64, layers: int = 5) -> None:
        super().__init__()
        self.embed = nn.Linear(2 + CODE, width)
        self.blocks = nn.ModuleList(Block(width, last=k == layers - 1) for k in range(layers))

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        heavy, (ordered, order) = state.heavy(), lags.sort(dim=1, stable=True)
        real, y, v = heavy.mask, heavy.positions, heavy.velocities * VELOCITY_SCALE
        y = (y - y.sum(1, keepdim=True) / real.sum(1)[:, None, None].clamp(min=1))[real]
        v, charges = v[real], heavy.atomic_numbers[real].to(y.dtype) / CHARGE_SCALE
        edges, kinds = neighbours(heavy)
        receiver, sender = edges
        distance = (y[receiver] - y[sender]).square().sum(-1, keepdim=True)
        pair = torch.stack([charges[receiver], charges[sender]], dim=-1)
        attributes = torch.cat([pair, kinds.to(y.dtype), distance], dim=-1)
        scalars = torch.stack([v.norm(dim=-1), charges], dim=-1)
        molecule = torch.arange(len(real), device=real.device)[:, None].expand_as(real)[real]
        codes = time_codes(ordered, y.dtype).transpose(0, 1)[:, molecule]
        moved = y.new_zeros(*real.shape, lags.shape[1], 3)
        moved[real] = self(scalars, y, v, codes, edges, attributes).transpose(0, 1)
        rows, ranks = torch.arange(len(real), device=real.device)[:, None], order.argsort(dim=1)
        with full_precision(lags):
            return state.carry(moved[rows, :, ranks])

    def forward(
        self,
        scalars: torch.Tensor,
        y: torch.Tensor,
        v: torch.Tensor,
        codes: torch.Tensor,
        edges: Edges,
        attributes: torch.Tensor,
    ) -> torch.Tensor:
        """Displacements [P, V, 3] of the V heavy atoms of all molecules, without padding: the part worth compiling.

        scalars [V, 2], positions and velocities [V, 3], codes [P, V, CODE], attributes [E, EDGE - 1] of the edges.
        """
        receiver, _ = edges
        degree = torch.zeros_like(scalars[:, 0]).index_add(0, receiver, torch.ones_like(attributes[:, 0]))
        times, start = len(codes), y
        h = self.embed(torch.cat([scalars.expand(times, -1, -1), codes], dim=-1))
        y, v = y.expand(times, -1, -1), v.expand(times, -1, -1)
        for block in self.blocks:
            h, y, v = block(h, y, v, edges, attributes, degree.clamp(min=1)[:, None])
        return y - start


class Block(nn.Module):
    """Fourier layers in time for h [P, V, width] and for [y, v], then one layer of graph network."""

    def __init__(self, width: int, last: bool) -> None:
        super().__init__()
        self.time_h = TimeConvolution(width, 1 / width**2)
        self.time_x = TimeConvolution(2, 0.0)
        self.receive, self.send = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.edge = nn.Linear(EDGE, width, bias=False)
        self.message = nn.Linear(width, width)
        self.along_edges, self.along_velocity = Scalar(width), Scalar(width)
        self.update = None if last else nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(
        self,
        h: torch.Tensor,
        y: torch.Tensor,
        v: torch.Tensor,
        edges: Edges,
        attributes: torch.Tensor,
        degree: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The next h [P, V, width], y and v [P, V, 3]; the first layer of phi_m is applied to atoms, not to edges."""
        h = h + functional.leaky_relu(self.time_h(h))
        vectors = torch.stack([y, v], dim=-1)
        y, v = (vectors + self.time_x(vectors)).unbind(-1)
        receiver, sender = edges
        apart = y[:, receiver] - y[:, sender]
        fixed, by_distance = self.edge.weight.split([EDGE - 1, 1], dim=1)  # attributes are the same at all times
        about = torch.addcmul(attributes @ fixed.T, apart.square().sum(-1, keepdim=True), by_distance[:, 0])
        m = functional.silu(self.receive(h)[:, receiver] + self.send(h)[:, sender] + about)
        m = functional.silu(self.message(m))
        y = y + self.along_velocity(h) * v + mean_by(receiver, apart * self.along_edges(m), degree)
        if self.update is not None:
            h = self.update(torch.cat([h, mean_by(receiver, m, degree)], dim=-1))
        return h, y, v


class Scalar(nn.Module):
    """A multilayer perceptron to one number, which is zero at the start."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(width, width), nn.Linear(width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """[..., width] to [..., 1]."""
        return self.out(functional.silu(self.hidden(h)))


class TimeConvolution(nn.Module):
    """y = irfft(W_k rfft(x)_k) over the P times, for the lowest MODES modes k: a complex matrix W_k per mode.

    As sums over cosines and sines, which are a few products with matrices [P, MODES] where a Fourier transform would
    form all modes, and need no complex numbers. At P = 1 the second mode does not exist.
    """

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.rand(2, MODES, channels, channels))  # real and imaginary part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[P, ..., channels] to the same; never in reduced precision, which would spoil equivariance."""
        times = len(x)
        modes = min(MODES, times // 2 + 1)
        mode = torch.arange(modes, device=x.device)
        angles = 2 * math.pi / times * torch.outer(torch.arange(times, device=x.device), mode).to(self.weight.dtype)
        twice = torch.where((mode == 0) | (2 * mode == times), 1.0, 2.0).to(self.weight.dtype) / times
        cosine, sine = angles.cos(), angles.sin()
        with full_precision(x):
            x = x.to(self.weight.dtype)
            real = torch.einsum("pk, p...c -> k...c", cosine, x)
            imaginary = -torch.einsum("pk, p...c -> k...c", sine, x)
            a, b = self.weight[:, :modes]
            mixed = [
                torch.einsum("k...c, kcd -> k...d", real, a) - torch.einsum("k...c, kcd -> k...d", imaginary, b),
                torch.einsum("k...c, kcd -> k...d", real, b) + torch.einsum("k...c, kcd -> k...d", imaginary, a),
            ]
            return torch.einsum("pk, k...d -> p...d", cosine * twice, mixed[0]) - torch.einsum(
                "pk, k...d -> p...d", sine * twice, mixed[1]
            )


def neighbours(heavy: State) -> tuple[Edges, torch.Tensor]:
    """Bonds and pairs two bonds apart, in both directions; atoms are numbered over all molecules, padding left out.

    Also which of the two each edge is, [E, 2] bool.
    """
    bonds = heavy.adjacency
    itself = torch.eye(bonds.shape[1], dtype=torch.bool, device=bonds.device)
    second = ((bonds.float() @ bonds.float()) > 0) & ~bonds & ~itself
    number = heavy.mask.flatten().cumsum(0).view_as(heavy.mask) - 1
    molecule, i, j = (bonds | second).nonzero(as_tuple=True)
    kinds = torch.stack([bonds[molecule, i, j], second[molecule, i, j]], dim=-1)
    return (number[molecule, i], number[molecule, j]), kinds


def mean_by(receiver: torch.Tensor, values: torch.Tensor, degree: torch.Tensor) -> torch.Tensor:
    """Mean over the edges of each atom: [P, E, ...] to [P, V, ...], degree [V, 1]."""
    total = values.new_zeros(len(values), len(degree), values.shape[-1])
    return total.index_add(1, receiver, values) / degree


def time_codes(lags: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """[..., CODE]: sines and cosines of (t / CODE_UNIT) 10000^(-k/15), k = 0..15, of lags [...] in fs.

    Angles are formed in float64: they reach thousands.
    """
    k = torch.arange(CODE // 2, dtype=torch.float64, device=lags.device) / (CODE // 2 - 1)
    angles = lags.double()[..., None] / CODE_UNIT * torch.exp(-math.log(10000) * k)
    return torch.cat([angles.sin(), angles.cos()], dim=-1).to(dtype)
