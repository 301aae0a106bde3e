"""How fast PubChem may be asked: its usage policy, and what its answers say about the load.

Source: https://pubchem.ncbi.nlm.nih.gov/docs/programmatic-access and .../docs/dynamic-request-throttling.
"""

import re
import sys
import time
from collections import deque
from collections.abc import Callable
from email.message import Message
from email.utils import mktime_tz, parsedate_tz

from mdstride.progress import duration

PER_SECOND = 4
"""Requests in any second; the policy allows 5. This also keeps below its 400 requests a minute, at 4 x 60 = 240, and,
with one request at a time, below its 300 s of running time a minute."""

PAUSES = {"green": 0.0, "yellow": 1.0, "red": 5.0, "black": 60.0}
"""Seconds to the next request after an answer with this status: from 50 % of a limit, from 75 %, and blocked. The
limits count by the minute, so a minute of silence lifts a block."""

WORTH_A_LINE = 5.0
"""Waiting longer than this (s) is announced."""

_STATUS = re.compile(r"status:\s*(green|yellow|red|black)")


class Throttle:
    """Waits before each request until it may be sent."""

    def __init__(self, *, sleep: Callable[[float], object], clock: Callable[[], float]) -> None:
        """`clock` gives seconds from any start; `sleep` lets that clock advance by so many seconds."""
        self.sleep, self.clock = sleep, clock
        self.sent: deque[float] = deque(maxlen=PER_SECOND)
        self.next = clock()
        self.reason = ""

    def pause(self, seconds: float, reason: str) -> None:
        """Send nothing for so many seconds from now, or for longer where an earlier call asked for that."""
        if self.clock() + seconds > self.next:
            self.next, self.reason = self.clock() + seconds, reason

    def wait(self) -> None:
        """Return when the next request may be sent, which counts as sent then."""
        due = max(self.next, self.sent[0] + 1.0) if len(self.sent) == PER_SECOND else self.next
        if due - self.clock() > WORTH_A_LINE:
            sys.stderr.write(f"PubChem: waiting {duration(due - self.clock())}: {self.reason}\n")
        while (left := due - self.clock()) > 0:
            self.sleep(left)
        self.sent.append(self.clock())


def load_pause(headers: Message) -> float:
    """Seconds that X-Throttling-Control calls for, by the worst of its statuses (own requests, own time, service).

    An address that PubChem has blocked may read green three times, with `too many requests per second or blacklisted`
    or `Remaining blocking time` at the end.
    """
    text = str(headers.get("X-Throttling-Control", "")).lower()
    found = _STATUS.findall(text) + (["black"] if "blacklisted" in text or "blocking" in text else [])
    return max((PAUSES[status] for status in found), default=0.0)


def retry_after(headers: Message) -> float:
    """Seconds that Retry-After asks for, given as seconds or as a date; 0 without it or where it makes no sense."""
    text = str(headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_tz(text)
        return max(0.0, mktime_tz(date) - time.time()) if date else 0.0
    except (ValueError, OverflowError):  # a date that no calendar has
        return 0.0
