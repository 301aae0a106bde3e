"""Muon for the matrices of the hidden layers, AdamW for everything else."""

import math
from collections.abc import Iterable

import torch
from torch import nn

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum, then the nearest semi-orthogonal matrix to it, as the update of a matrix W [m, n].

    B <- beta B + (1 - beta) G; U = (1 - beta) G + beta B (Nesterov); W <- (1 - lr wd) W - lr sqrt(max(1, m / n)) NS(U).
    The factor of the rate is the original one (`adjust_lr_fn="original"` of torch.optim.Muon). NS is five quintic
    Newton-Schulz steps, in the precision of W: torch.optim.Muon does them in bfloat16, which takes 20 times as long
    as float32 on a CPU without bfloat16 arithmetic, more than the rest of a training step.

    Source: K. Jordan, https://kellerjordan.github.io/posts/muon/ (2024).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})
        if any(parameter.ndim != 2 for group in self.param_groups for parameter in group["params"]):
            raise ValueError("Muon takes matrices only")

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure: nothing here evaluates the loss again
        """One update of every parameter that has a gradient; matrices of one shape together, which a GPU needs."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[torch.Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.shape, []).append(weight)
            for shape, weights in alike.items():
                updates = orthogonalise(torch.stack([self._direction(weight) for weight in weights]))
                rate = group["lr"] * math.sqrt(max(1.0, shape[0] / shape[1]))
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(updates), alpha=-rate)

    def _direction(self, weight: torch.Tensor) -> torch.Tensor:
        """Momentum with Nesterov's look ahead."""
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
        return weight.grad.lerp(state["momentum"], MOMENTUM)


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """U S' V^T for matrices U S V^T [..., m, n], with all singular values S' near 1 (0.5 to 1.5)."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def make_optimisers(
    model: nn.Module, *, muon_rate: float, adamw_rate: float, weight_decay: float
) -> dict[str, torch.optim.Optimizer]:
    """Muon for the matrices inside `model.blocks`, AdamW for all other parameters: each is in exactly one of them."""
    hidden: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (hidden if name.startswith("blocks.") and parameter.ndim == 2 else rest).append(parameter)
    return {
        "muon": Muon(hidden, muon_rate, weight_decay),
        "adamw": torch.optim.AdamW(rest, adamw_rate, weight_decay=weight_decay),
    }


def schedule(step: int, *, warmup: int, steps: int) -> float:
    """Factor of the learning rates at step 0, 1, ...: linear warm-up, then half a cosine down to zero at `steps`."""
    return min(1.0, (step + 1) / max(warmup, 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))
