"""One compound on each core, with one thread each: faster than many threads on small matrices, and reproducible.

How many threads share a sum changes its last bits. So one shares none, whatever the machine.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], device: str) -> Iterator[Result]:
    """`work` on each item, in order; as many at once as torch has threads (OMP_NUM_THREADS, or the cores).

    On a GPU, one at a time. The first exception stops the rest.
    """
    if device != "cpu":
        yield from map(work, items)
        return
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count) as pool:
            yield from pool.map(work, items)
    finally:
        torch.set_num_threads(count)
