"""Where a model is trained; and what is missing where it is not on the GPU that was asked for."""

import os
import sys

import torch

from mdstride.errors import InputError
from mdstride.train.parallel import local_rank

GIVEN = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS", "CUDA_VISIBLE_DEVICES")
"""Environment variables in which a scheduler names the GPUs that a job was given."""


def choose_device(name: str) -> torch.device:
    """The device of `pretrain.device`: auto takes a GPU where there is one.

    A job that was given a GPU and cannot use it says so: it would take days on the CPU. Raises InputError for cuda
    where there is no GPU.
    """
    if name == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    if name == "cuda":
        raise InputError(f"pretrain.device: cuda, but there is no GPU here: {_missing()}; or set it to auto or cpu")
    given = next((f"{key}={os.environ[key]}" for key in GIVEN if os.environ.get(key, "") not in ("", "-1")), None)
    if given:
        sys.stderr.write(
            f"pretrain: warning: training on the CPU, though this job was given a GPU ({given}): {_missing()}\n"
        )
    return torch.device("cpu")


def _missing() -> str:
    """Why PyTorch sees no GPU, and what to do about it."""
    if not torch.backends.cuda.is_built():
        return f"PyTorch {torch.__version__} is built for CPUs alone, install a build for GPUs (docs/cluster.md)"
    return (
        f"PyTorch {torch.__version__} finds none, or no driver that is new enough: "
        "see what `nvidia-smi` says in such a job, and ask the scheduler for a GPU (`gpu: 1` in the profile)"
    )
