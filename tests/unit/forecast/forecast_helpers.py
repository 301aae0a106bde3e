"""Runs of small untrained models, as `mdstride pretrain` and the workflow would leave them."""

import json

import numpy as np
import torch

from mdstride.formats.dataset import CompoundData
from mdstride.models.registry import build, save

SETTINGS = {"width": 16, "layers": 1, "heads": 2, "attention_dropout": 0.0, "dropout": 0.0, "frame": "body"}

METHANOL = CompoundData(
    id="OKKJLVBELUTLKV-UHFFFAOYSA-N",
    labels=dict.fromkeys(("name", "smiles", "mapped_smiles", "cid", "formula"), ""),
    atomic_numbers=np.array([6, 8, 1, 1, 1, 1]),
    masses=np.array([12.011, 15.999, 1.008, 1.008, 1.008, 1.008]),
    bonds=np.array([[0, 1], [0, 2], [0, 3], [0, 4], [1, 5]]),
    reference=np.eye(6, 3),
    replicas=(),
)


def write_run(root, *, lags=(8.0, 100.0)):
    """The folder of a model trained on methanol; its head is random, so that it does forecast something."""
    run = root / "runs/atom/compound/1"
    torch.manual_seed(1)
    model = build("atom", SETTINGS)
    weights = {name: value + 0.05 * torch.randn(value.shape) for name, value in model.state_dict().items()}
    about = {"model": "atom", "settings": SETTINGS, "split": "compound", "seed": 1, "step": 10}
    save(run / "weights.safetensors", weights, about | {"dataset_hash": ""})
    seen = {"settings": {"lags": lags, "times": 4}, "elements": [1, 6, 8], "most_heavy": 2}
    (run / "run.json").write_text(json.dumps(seen), encoding="utf-8")
    return run
