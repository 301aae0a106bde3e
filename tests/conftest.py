import os

import pytest

# Snakemake's plugin for Slurm asks for Slurm's settings at every start, ten seconds long where that does not answer.
os.environ["SLURM_CONF"] = os.devnull


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what takes minutes in one process, so that it is not left for the end: the workflow on Slurm, then the
    other tests with the real workflow. (pytest-xdist keeps to it with --no-loadscope-reorder.)"""
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("slurm", "workflow")])
