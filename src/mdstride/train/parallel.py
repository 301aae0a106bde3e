"""Several processes that train one model, started by torchrun; one alone needs nothing of this.

Every process draws the same batch of windows and takes its share of them, so the number of processes changes nothing
but the order in which gradients are added up.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

PATIENCE = timedelta(seconds=45)
"""How long one process waits for the others before it takes them for dead. Between two exchanges lies one step."""


@dataclass(frozen=True)
class Team:
    """The processes of a run."""

    rank: int = 0
    size: int = 1

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes; one message for all of them."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set in one of the processes."""
        if self.size == 1:
            return flag
        count = torch.tensor(float(flag), device=device)
        dist.all_reduce(count)
        return bool(count)


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """The processes that torchrun has started together with this one: this one alone without torchrun."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Team(dist.get_rank(), size)
        dist.barrier()  # nobody leaves while another one still exchanges
    finally:
        dist.destroy_process_group()


def local_rank() -> int:
    """Number of this process among those of its node, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))
