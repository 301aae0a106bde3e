"""Bootstrap over compounds, and over seeds where a model has three or more.

Compounds are drawn with replacement, the same for all forecasters, so whatever compares two of them is paired. With
three or more seeds of a model these are drawn too, independently of the compounds (the pigeonhole bootstrap of a
table with two random factors: Owen, Ann. Appl. Stat. 1, 386 (2007)).

The interval is the expanded percentile interval (Hesterberg, Am. Stat. 69, 371 (2015), section 4.2): percentiles of
the resamples at the level a' = ndtr(sqrt(n / (n - 1)) t(a; n - 1)) instead of a, where t is the quantile of Student's
distribution. For a mean of n normal values that makes up for what the plain percentile interval is too narrow by:
the factor sqrt((n - 1) / n) of the plug-in variance, and the normal instead of Student's quantile.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr, stdtrit

RESAMPLES = 10_000
LEVEL = 0.95
"""Share that the interval is to cover."""
FEWEST_SEEDS = 3
"""With fewer seeds they are averaged and not drawn: two say too little about the spread."""


class Resamples:
    """What is drawn: R resamples of C compounds, and of the seeds of each model. The same seed draws the same."""

    def __init__(self, compounds: int, seeds: Mapping[str, int], seed: int = 1) -> None:
        """`seeds`: how many each model has."""
        generator = np.random.default_rng(seed)
        self.compounds = _shares(generator, compounds)
        """[R, C], how often each was drawn, over C."""
        self.seeds = {name: _shares(generator, count) for name, count in seeds.items() if count >= FEWEST_SEEDS}
        """[R, K] of each model."""

    def means(self, values: np.ndarray, model: str, chosen: np.ndarray | None = None) -> np.ndarray:
        """[R, ...] from [K, C, ...]: means over the compounds and seeds of each resample.

        Of the `chosen` compounds ([C] bool) alone, NaN in a resample without any of them. A value that is NaN makes
        all of them NaN.
        """
        shares = self.compounds
        if chosen is not None:
            shares, values = shares[:, chosen], values[:, chosen]
            with np.errstate(invalid="ignore"):
                shares = shares / shares.sum(1, keepdims=True)
        count, size, *rest = values.shape
        draws = self.seeds.get(model, np.full((len(shares), count), 1 / count))
        found = np.zeros((len(shares), int(np.prod(rest))))
        for k in range(count):
            found += draws[:, k, None] * (shares @ values[k].reshape(size, -1))
        return found.reshape(-1, *rest)


def _shares(generator: np.random.Generator, count: int) -> np.ndarray:
    return generator.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count


def interval(resampled: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end [...] from resamples [R, ...] of `count` compounds; NaN for one compound, and where all are NaN.

    Resamples in which a quantity is not defined (NaN) are left out.
    """
    ends = np.full((2, *resampled.shape[1:]), np.nan)
    defined = ~np.isnan(resampled).all(0)
    if count > 1 and defined.any():
        tail = expanded_tail(count)
        ends[:, defined] = np.nanquantile(resampled[:, defined], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]


def expanded_tail(count: int) -> float:
    """Share of the resamples below the interval, for a sample of `count`."""
    return float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - LEVEL) / 2)))
