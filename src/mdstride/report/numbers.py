"""Figures as text."""

import math

UNIT = 1e-2
"""Å²: errors are shown in units of 1e-2 Å², as in the literature."""
SMALL = 1e-4
"""Numbers smaller than this are written with a power of ten."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands set apart, a true minus; a dash for NaN and infinity."""
    if not math.isfinite(value):
        return "–"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    if 0 < abs(value) < SMALL:
        raised = str(int(power)).translate(RAISED)
        return f"{mantissa}×10{raised}".removeprefix("1×").replace("-", "\u2212")
    decimals = max(digits - 1 - int(power), 0) if value else 0
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "\u2212")


def error(value: float, digits: int = 3) -> str:
    """A mean square error (Å²) in 10⁻² Å²."""
    return number(value / UNIT, digits)


def whole(value: int) -> str:
    """A count with thousands set apart."""
    return f"{value:,}".replace(",", "\u202f")


def signed(value: float) -> str:
    """A skill or a drift: two decimals with a true minus; from -10 on whole numbers; a dash for NaN."""
    if not math.isfinite(value):
        return "–"
    return whole(round(value)).replace("-", "\u2212") if value <= -10 else f"{value:.2f}".replace("-", "\u2212")


def percent(share: float) -> str:
    """A share in per cent: 100 % is all, and nothing else is rounded up to it."""
    if not math.isfinite(share):
        return "–"
    shown = min(round(100 * share, 1), 99.9) if share < 1 else 100.0
    return f"{shown:g}\u202f%"


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def plural(count: int, noun: str) -> str:
    """`1 compound`, `4 compounds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
