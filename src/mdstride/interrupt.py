"""SIGTERM, which comes with the end of the walltime and with scancel: save first, then go."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STATUS = 128 + signal.SIGTERM
"""Exit status of a job that saved its state and stopped because it was told to."""


@contextmanager
def told_to_stop() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM sets a flag, which the function answers, instead of killing."""
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)
