"""Which of two forecasters is better: a paired permutation test over compounds, corrected for how many are compared.

For each compound d = ln(error of one / error of the other), errors being means over windows, and logarithms means over
seeds. A ratio, since the errors of a floppy and of a rigid molecule differ a hundredfold: in a difference the floppiest
compound decides.
If the two are equally good, their names can be swapped in each compound, so every sign of every d is as likely as the
other. p is the share of the sign flips in which the mean of d is at least as far from zero as observed: of all of
them up to EXACT compounds, else of DRAWS seeded ones, the observed one added (Phipson and Smyth, Stat. Appl. Genet.
Mol. Biol. 9, 39 (2010)). The test takes the trained models as they are; the interval of the ratio knows about seeds.

Correction: Holm, Scand. J. Stat. 6, 65 (1979), over all pairs for S2T, and over all pairs and lags for the lags.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from mdstride.statistics.bootstrap import Resamples, interval
from mdstride.statistics.estimates import with_s2t
from mdstride.statistics.table import Table

EXACT = 16
"""Most compounds for which all sign flips are gone through: 2^15 of them, since a flip of all changes nothing."""
DRAWS = 100_000
CHUNK = 10_000
"""Sign flips at once: bounds the memory."""
SMALLEST_ERROR = 1e-12
"""Å²: smaller errors count as this, about what the rounding of a position in single precision makes."""


@dataclass(frozen=True)
class Comparison:
    """Two forecasters on the same windows."""

    one: str
    other: str
    lag: float | None
    """fs; None for S2T."""
    difference: float
    """ln(error of one / error of the other), mean over compounds; negative where `one` is better."""
    low: float
    high: float
    """95 % bootstrap interval of the difference over compounds, and over seeds from three on; NaN for one compound."""
    p: float
    """Two-sided; NaN if an error is not finite."""
    p_corrected: float
    compounds: int

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Error of one / error of the other, geometric mean over compounds, with its interval: value, low, high."""
        value, low, high = np.exp([self.difference, self.low, self.high]).tolist()
        return value, low, high


def compare_models(table: Table, metric: str = "mse") -> list[Comparison]:
    """Every model with each baseline and with the models after it: S2T of all pairs first, then lag by lag."""
    pairs = [*product(table.models, table.baselines), *combinations(table.models, 2)]
    pairs = [pair for pair in pairs if all(table.has(name, metric) for name in pair)]
    resamples = Resamples(len(table.compounds), {name: len(seeds) for name, seeds in table.seeds.items()})
    found = [one for pair in pairs for one in _compare(table, resamples, metric, *pair)]
    overall = [one for one in found if one.lag is None]
    return _corrected(overall) + _corrected([one for one in found if one.lag is not None])


def _compare(table: Table, resamples: Resamples, metric: str, one: str, other: str) -> Iterator[Comparison]:
    """At each lag, then S2T."""
    logs = [np.log(np.maximum(with_s2t(table.by_seed(name, metric)), SMALLEST_ERROR)) for name in (one, other)]
    differences = logs[0].mean(0) - logs[1].mean(0)
    count = len(differences)
    low, high = interval(resamples.means(logs[0], one) - resamples.means(logs[1], other), count)
    p = sign_flip_test(differences)
    for k, lag in enumerate([*table.lags.tolist(), None]):
        yield Comparison(
            one=one,
            other=other,
            lag=lag,
            difference=float(differences[:, k].mean()),
            low=float(low[k]),
            high=float(high[k]),
            p=float(p[k]),
            p_corrected=np.nan,
            compounds=count,
        )


def sign_flip_test(differences: np.ndarray, seed: int = 1) -> np.ndarray:
    """Two-sided p [n] of paired differences [C, n] with mean zero under the null; NaN where one is NaN."""
    count = len(differences)
    observed = np.abs(differences.sum(0))
    least = observed - 1e-12 * np.abs(differences).sum(0)  # rounding
    extreme, flips = np.zeros(observed.shape, int), 0
    for signs in _flips(count, seed):
        extreme += (np.abs(signs @ differences) >= least).sum(0)
        flips += len(signs)
    p = extreme / flips if count <= EXACT else (extreme + 1) / (flips + 1)
    return np.where(np.isnan(observed), np.nan, p)


def _flips(count: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of signs [.., C]: every one with a plus in front, or DRAWS random ones."""
    if count <= EXACT:
        numbers = np.arange(2 ** (count - 1))
        yield 1.0 - 2 * (numbers[:, None] >> np.arange(count) & 1)
        return
    generator = np.random.default_rng(seed)
    for _ in range(DRAWS // CHUNK):
        yield 1.0 - 2 * generator.integers(0, 2, (CHUNK, count))


def smallest_p(compounds: int) -> float:
    """The smallest p that so many compounds can give, before correction: 2^(1 - C), or one of all draws."""
    return 2.0 ** (1 - compounds) if compounds <= EXACT else 1 / (DRAWS + 1)


def holm(p: np.ndarray) -> np.ndarray:
    """[n] p corrected for n comparisons by Holm's steps; NaN stay NaN and do not count."""
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # NaN sort last
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1)
    return corrected


def _corrected(family: list[Comparison]) -> list[Comparison]:
    values = holm(np.array([one.p for one in family]))
    return [replace(one, p_corrected=float(p)) for one, p in zip(family, values, strict=True)]
