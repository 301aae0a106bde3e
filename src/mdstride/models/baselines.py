"""Zero-shot baselines: what a learned forecaster has to beat. None of them sees a trajectory of the molecule.

| name | forecast at lag t |
|---|---|
| persistence | x0 |
| ballistic | x0 + v0 t |
| rigid | the nearest minimum, placed on x0 by mass-weighted superposition |
| harmonic | normal modes of that minimum, on a rigid body that flies and turns freely (harmonic.py) |
| damped harmonic | the same with vibrations that decay, by a time constant fitted on training molecules |
"""

import torch

from mdstride.formats.dataset import CompoundData
from mdstride.models.harmonic import Harmonic
from mdstride.models.minima import Minima
from mdstride.models.state import Forecaster, State
from mdstride.models.superposition import superpose


class Persistence:
    """Nothing moves: x(t) = x0."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        return state.positions[:, None].repeat(1, lags.shape[1], 1, 1)


class Ballistic:
    """No forces: x(t) = x0 + v0 t."""

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        return state.positions[:, None] + state.velocities[:, None] * lags[:, :, None, None]


class Rigid:
    """No vibration and no rotation: the relaxed geometry where x0 is, the same at every lag.

    With the known minima of the one compound that all molecules of a batch then are, the nearest of their copies;
    without, the reference that each molecule carries.
    """

    def __init__(self, known: Minima | None = None) -> None:
        self._known = known

    def forecast(self, state: State, lags: torch.Tensor) -> torch.Tensor:
        """Positions [B, P, N, 3] Å at `lags` [B, P] fs."""
        reference = state.reference if self._known is None else self._nearest(self._known, state)
        placed = superpose(reference, state.positions, state.masses)
        placed = placed.masked_fill(~state.mask[..., None], 0)
        return placed[:, None].repeat(1, lags.shape[1], 1, 1)

    def _nearest(self, known: Minima, state: State) -> torch.Tensor:
        """The copy [B, N, 3] of a minimum that each molecule is nearest to, in the frame of the minimum."""
        atoms = len(known.masses)
        match = known.nearest(state.positions[:, :atoms].double())
        reference = state.positions.new_zeros(state.positions.shape)
        reference[:, :atoms] = match.back(known.positions.to(reference)[match.minimum][:, None])[:, 0]
        return reference


BASELINES: dict[str, Forecaster] = {"persistence": Persistence(), "ballistic": Ballistic(), "rigid": Rigid()}


def make_baselines(compound: CompoundData, damping: float | None = None) -> dict[str, Forecaster]:
    """All zero-shot baselines, for batches of this compound alone.

    Without normal modes there is no `harmonic`; without `damping` (fs, see fit_damping) no `damped harmonic`.
    """
    known = Minima(compound)
    baselines = BASELINES | {"rigid": Rigid(known)}
    if compound.modes is not None:
        baselines["harmonic"] = Harmonic(known)
        if damping is not None:
            baselines["damped harmonic"] = Harmonic(known, damping)
    return baselines
