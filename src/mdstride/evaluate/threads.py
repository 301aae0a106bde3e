"""One compound on each core, with one thread each: faster than many threads on small matrices, and reproducible.

How many threads share a sum changes its last bits. So one shares none, whatever the machine.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def single_threaded() -> Iterator[int]:
    """Torch with one thread; gives how many it had (OMP_NUM_THREADS, or the cores)."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield count
    finally:
        torch.set_num_threads(count)


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], count: int) -> Iterator[Result]:
    """`work` on each item, in their order, `count` at once. The first exception stops the rest."""
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, items)
