"""What a comparison has found, and how it is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from textwrap import wrap

WIDTH = 118
"""Characters of a line."""


class Outcome(Enum):
    """How far something agrees. The last one alone means that the run has not been reproduced."""

    EXACT = "agrees exactly"
    WITHIN = "agrees within"
    MAY = "differs, as it may"
    DIFFERS = "DIFFERS"


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    what: str
    outcome: Outcome
    detail: str
    """How far, with numbers; what the difference means."""


def told(findings: Sequence[Finding]) -> str:
    """The table, and what it comes to."""
    first = max(len(one.what) for one in findings)
    second = max(len(outcome.value) for outcome in Outcome)
    margin = first + second + 4
    lines = []
    for one in findings:
        head, *rest = wrap(one.detail, WIDTH - margin, break_on_hyphens=False) or [""]
        lines.append(f"{one.what:<{first}}  {one.outcome.value:<{second}}  {head}".rstrip())
        lines += [" " * margin + more for more in rest]
    differ = [one.what for one in findings if one.outcome is Outcome.DIFFERS]
    verdict = (
        f"Not reproduced; what must agree and does not: {', '.join(differ)}."
        if differ
        else "Reproduced: all that must agree agrees."
    )
    return "".join(f"{line}\n" for line in [*lines, "", verdict])


def shortened(items: Iterable[str], most: int = 5) -> str:
    """The first few of them, and how many more there are."""
    found = list(items)
    return "; ".join(found[:most]) + (f"; and {len(found) - most} more" if len(found) > most else "")
