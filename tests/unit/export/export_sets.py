"""Small data sets for tests of the export, with what imports may lack."""

from dataclasses import replace

import numpy as np

from mdstride.formats.dataset import CompoundData, Dataset, Replica
from mdstride.formats.split import Segment, Split, whole

METHANETHIOL = "LSDPWZHWYPCBBB-UHFFFAOYSA-N"
CHLOROETHENE = "BZHJMEDXRYGGRV-UHFFFAOYSA-N"
IMPORT = "aspirin_md17"
FRAMES = 6


def replica(atoms, number=0, *, frames=FRAMES, seed=0, **changes):
    generator = np.random.default_rng([seed, number])

    def arrays(scale):
        return generator.normal(0, scale, (frames, atoms, 3)).astype(np.float32)

    made = Replica(
        number=number,
        interval=0.5,
        positions=arrays(1.0),
        velocities=arrays(0.01),
        forces=arrays(2.0),
        energy=-4711.0815 + generator.normal(size=frames),
        origin=generator.normal(0, 3.0, 3),
        figures={"passed": True, "reason": "", "drift": 0.012, "temperature": 301.5, "frames": frames},
        source={"sha256": f"{number}" * 64, "format": "mdstride", "notes": []},
    )
    return replace(made, **changes)


def compound(key, numbers, replicas, *, name="", smiles="", mapped=""):
    atoms = len(numbers)
    table = {1: 1.008, 6: 12.011, 8: 15.999, 16: 32.06, 17: 35.45}
    return CompoundData(
        id=key,
        labels={"name": name, "smiles": smiles, "mapped_smiles": mapped, "cid": "", "formula": ""},
        atomic_numbers=np.array(numbers),
        masses=np.array([table[z] for z in numbers]),
        bonds=np.array([[0, k] for k in range(1, atoms)]),
        reference=np.arange(3.0 * atoms).reshape(atoms, 3),
        replicas=tuple(replicas),
    )


def both():
    """Two compounds of a run, with two splits: by compound, and by blocks of time."""
    thiol = compound(
        METHANETHIOL,
        [6, 16, 1, 1, 1, 1],
        [replica(6, 0), replica(6, 1)],
        name="methanethiol",
        smiles="CS",
        mapped="[CH3:1][SH:2]",
    )
    chloride = compound(CHLOROETHENE, [6, 6, 17, 1, 1, 1], [replica(6, 0, seed=1)], smiles="C=CCl", mapped="C/C=C\\C")
    by_compound = Split({"train": whole([METHANETHIOL]), "validation": (), "test": whole([CHLOROETHENE])}, "random")
    blocks = (Segment(METHANETHIOL, 1, 0, 2), Segment(METHANETHIOL, 1, 4, 6))
    by_time = Split({"train": blocks, "validation": (), "test": (Segment(METHANETHIOL, 1, 2, 4),)}, "time", "frames")
    reference = {"method": "GFN2-xTB", "calculator": None, "engine": "tblite", "accuracy": 0.1, "options": {}}
    trajectories = {"timestep": 0.25, "stride": 2, "software": {"mdstride": "0.1.0"}}
    return Dataset(
        {c.id: c for c in sorted((thiol, chloride), key=lambda c: c.id)},
        {"compound": by_compound, "time": by_time},
        {"reference": reference, "trajectories": trajectories},
    )


def imported(**changes):
    """An imported set of one compound, without velocities and not in the order of time."""
    source = {"sha256": "0" * 64, "format": "rmd17", "theory": "PBE/def2-SVP", "notes": ["frames are shuffled"]}
    lacking = {"velocities": None, "consecutive": False, "source": source, "figures": {}}
    one = compound(IMPORT, [6, 8, 1, 1], [replica(4, 0, **(lacking | changes))], name="formaldehyde", smiles="C=O")
    return Dataset({IMPORT: replace(one, licence="CC BY 4.0", citation="Christensen, 2020")}, {})
