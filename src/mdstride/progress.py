"""Progress lines with rate and time left, readable on a terminal and in a log file alike."""

import sys
import time
from typing import TextIO


class Progress:
    """Prints at most one line every `interval` seconds: label, done/total, rate and time left.

    Lines end in a newline rather than a carriage return, so that log files stay readable.
    """

    def __init__(
        self, label: str, total: int, unit: str, *, done: int = 0, interval: float = 5.0, stream: TextIO | None = None
    ) -> None:
        """`done` units were finished before, by a run that this one goes on with; they do not count for the rate."""
        self.label, self.total, self.unit, self.interval = label, total, unit, interval
        self.stream = stream or sys.stderr
        self.done = self.before = done
        self.start = self.last = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start, never zero."""
        return max(time.monotonic() - self.start, 1e-9)

    def update(self, count: int = 1, note: str = "") -> None:
        """Add `count` finished units; `note` is shown at the end of the line."""
        self.reach(self.done + count, note)

    def reach(self, done: int, note: str = "") -> None:
        """`done` units are finished in all."""
        self.done = done
        now = time.monotonic()
        if now - self.last >= self.interval and self.done < self.total:
            self.last = now
            self._print(now, note)

    def close(self, note: str = "") -> None:
        """Print the last line, with the mean rate."""
        self._print(time.monotonic(), note)

    def _print(self, now: float, note: str) -> None:
        elapsed = max(now - self.start, 1e-9)
        rate = (self.done - self.before) / elapsed
        left = (self.total - self.done) / rate if rate > 0 else float("inf")
        share = 100.0 * self.done / self.total if self.total else 100.0
        ending = f"{duration(left)} left" if self.done < self.total else f"took {duration(elapsed)}"
        line = f"{self.label}: {self.done:,}/{self.total:,} {self.unit} ({share:.0f} %), {rate:,.4g}/s, {ending}"
        self.stream.write(f"{line}{'; ' + note if note else ''}\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """Seconds as a short text, such as `42 s`, `3 min 5 s` or `2 h 10 min`."""
    if seconds == float("inf"):
        return "unknown time"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
