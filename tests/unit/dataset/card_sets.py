"""Data sets for the tests of the card and of `info`: their trajectories have a shape and cannot be read."""

from dataclasses import replace

import numpy as np

from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Segment, Split, whole

ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
PROPANOL = "BDERNNFJNOPAEC-UHFFFAOYSA-N"
PYRIDINE = "JUJWROOIHBZHMG-UHFFFAOYSA-N"


class Unread:
    """Stands for an array of an open file: its shape is known, its content would cost time and memory."""

    def __init__(self, *shape):
        self.shape = shape

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        raise AssertionError("a trajectory was read")

    __array__ = __iter__ = __getitem__


def compound(key, name, smiles, numbers, *, replicas=2, frames=101, **changes):
    atoms = len(numbers)
    trajectories = tuple(
        Replica(
            number=k,
            interval=2.0,
            positions=Unread(frames, atoms, 3),
            velocities=Unread(frames, atoms, 3),
            forces=Unread(frames, atoms, 3),
            energy=Unread(frames),
            origin=np.zeros(3),
            figures={"passed": True, "reason": "", "drift": -0.03 + 0.02 * k, "temperature": 290.0 + 20 * k},
            source={"sha256": "0" * 64, "format": "mdstride", "notes": []},
        )
        for k in range(replicas)
    )
    made = CompoundData(
        id=key,
        labels={"name": name, "smiles": smiles, "mapped_smiles": "", "cid": "702", "formula": "C2H6O"},
        atomic_numbers=np.array(numbers),
        masses=np.ones(atoms),
        bonds=np.zeros((0, 2), np.int64),
        reference=np.zeros((atoms, 3)),
        replicas=trajectories,
    )
    return replace(made, **changes)


def imported(**changes):
    """Ethanol as others published it: frames in no order, without velocities, energies and figures."""
    one = compound("ethanol_rmd17", "ethanol", "CCO", [6, 6, 8] + [1] * 6, replicas=1)
    source = {"format": "rmd17", "theory": "PBE/def2-SVP", "notes": ["frames are not consecutive", "no | pipes\n"]}
    replica = replace(
        one.replicas[0], velocities=None, energy=None, consecutive=False, figures={"drift": None}, source=source
    )
    labels = {"name": "ethanol", "smiles": "CCO", "mapped_smiles": "", "cid": "", "formula": "C2H6O"}
    about = {"licence": "CC0", "citation": "Christensen and von Lilienfeld, 2020"}
    return replace(one, labels=labels, replicas=(replica,), **(about | changes))


def dataset(*compounds, splits=None, settings=None):
    found = {c.id: c for c in sorted(compounds, key=lambda c: c.id)}
    return Dataset(found, splits or {}, settings or {}, {key: f"{k:064d}" for k, key in enumerate(found)})


def run():
    """Three computed compounds, with a split by compound and a leaky one whose windows overlap."""
    compounds = (
        compound(ETHANOL, "ethanol", "CCO", [6, 6, 8] + [1] * 6),
        compound(PROPANOL, "propan-1-ol", "CCCO", [6, 6, 6, 8] + [1] * 8),
        compound(PYRIDINE, "pyridine", "c1ccncc1", [6, 6, 6, 7, 6, 6] + [1] * 5, replicas=1),
    )
    by_compound = Split({"train": whole([ETHANOL]), "validation": (), "test": whole([PYRIDINE])}, "random")
    windows = tuple(Segment(ETHANOL, 0, first, first + 20) for first in (0, 10, 50))
    tested = (Segment(ETHANOL, 0, 15, 35), Segment(ETHANOL, 1, 90))
    leaky = Split({"train": windows, "validation": (), "test": tested}, "md17", "frames", True, {"seed": 100})
    reference = {"method": "GFN2-xTB", "calculator": None, "engine": "tblite", "accuracy": 0.1}
    trajectories = {"timestep": 1.0, "stride": 2, "software": {"tblite": "0.8.0"}}
    return dataset(
        *compounds,
        splits={"compound": by_compound, "uracil": leaky},
        settings={"reference": reference, "trajectories": trajectories},
    )
