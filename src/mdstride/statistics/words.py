"""Numbers as text, aligned columns, and what a comparison means in words."""

import math
from collections.abc import Sequence

from mdstride.statistics.estimates import Estimate
from mdstride.statistics.significance import Comparison, smallest_p

LEVEL = 0.05
"""A corrected p below this is called a difference."""


def number(value: float, digits: int = 3) -> str:
    """With so many significant digits and no exponent; `-` for NaN."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:,.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"


def with_interval(value: float, low: float, high: float) -> str:
    """`value [low, high]`, without brackets where there is no interval."""
    return number(value) if math.isnan(low) else f"{number(value)} [{number(low)}, {number(high)}]"


def spanned(estimate: Estimate, unit: float = 1.0) -> str:
    """The same of an estimate, in so many units; or how many windows keep it from being a number."""
    if math.isnan(estimate.value):
        return f"none ({estimate.missing} windows not finite)" if estimate.missing else "none"
    return with_interval(estimate.value / unit, estimate.low / unit, estimate.high / unit)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first row ruled off; two spaces between columns."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def verdict(comparison: Comparison) -> str:
    """Which of the two is better, if that can be said."""
    if math.isnan(comparison.p):
        return "not compared: forecasts missing"
    if comparison.compounds == 1:
        return "one compound: nothing to be said of others"
    if comparison.p_corrected < LEVEL:
        return f"{comparison.one if comparison.difference < 0 else comparison.other} is better"
    return "no difference shown"


def lags_of_difference(comparisons: Sequence[Comparison]) -> str:
    """At which lags a difference is shown."""
    shown = [one for one in comparisons if one.p_corrected < LEVEL]
    said = []
    for word, sign in (("better", -1), ("worse", 1)):
        lags = [f"{one.lag:g}" for one in shown if one.difference * sign > 0]
        said += [f"{word} at {', '.join(lags)} fs"] if lags else []
    return "; ".join(said) or "none shown"


def sufficiency(compounds: int, pairs: int) -> str:
    """What so many compounds can show at most."""
    if compounds == 1:
        return "One compound: there are no intervals, and nothing can be said of other compounds."
    least = smallest_p(compounds)
    text = f"{compounds} compounds: no p can be below {number(least)}"
    if pairs > 1:
        text += f", or {number(min(1.0, least * pairs))} corrected for {pairs} pairs"
    if least * pairs < LEVEL:
        return f"{text}."
    needed = math.floor(1 + math.log2(pairs / LEVEL)) + 1
    return f"{text}. That is too few to show any difference, however clear; it takes {needed}."
