from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from split_helpers import as_set, compound

from mdstride.dataset.splits.leaks import check_split, refuse_leaks
from mdstride.dataset.splits.make import make_splits
from mdstride.dataset.splits.protocols import md17_starts
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.formats.split import PARTS, Split, split_from_json, split_to_json

OFFICIAL = Path(__file__).parents[3] / "data/egno/md17_uracil_split.npz"
URACIL = 133_770


def long(frames: int, smiles: str = "O=c1cc[nH]c(=O)[nH]1") -> CompoundData:
    """A trajectory of so many frames that takes no memory: all are the same."""
    short = compound(smiles, replicas=1)
    frame = short.replicas[0].positions[:1]
    positions = np.broadcast_to(frame, (frames, *frame.shape[1:]))
    return replace(short, replicas=(replace(short.replicas[0], positions=positions),))


def md17(*compounds: CompoundData) -> Split:
    return make_splits("md17", {"method": "md17"}, as_set(*compounds))["md17"]


def test_the_official_indices_of_uracil():
    starts = md17_starts(URACIL)
    with np.load(OFFICIAL) as official:
        assert sorted(official) == sorted(PARTS)
        for part in PARTS:
            assert np.array_equal(starts[part], official[part])
    assert [len(starts[part]) for part in PARTS] == [11376, 5688, 5688]


def test_windows_of_the_protocol():
    split = md17(long(URACIL))
    starts = md17_starts(URACIL)
    assert (split.method, split.unit, split.leaky) == ("md17", "frames", True)
    for part, count in zip(PARTS, (500, 2000, 2000), strict=True):
        assert [segment.first for segment in split.parts[part]] == starts[part][:count].tolist()
        assert {segment.stop - segment.first for segment in split.parts[part]} == {3001}
    assert split_from_json(split_to_json(split), "here") == split


def test_windows_overlap_and_the_split_says_so():
    uracil = long(URACIL)
    split = md17(uracil)
    found = check_split(split, as_set(uracil))
    assert len(found) == 3 and all("overlap" in text and "places" in text for text in found)
    refuse_leaks("md17", split, as_set(uracil))
    with pytest.raises(InputError, match=r"split md17: .*overlap"):
        refuse_leaks("md17", replace(split, leaky=False), as_set(uracil))


def test_each_molecule_has_its_own_windows():
    split = md17(long(URACIL), long(99_999, "CCO"))
    ethanol = [s.first for s in split.parts["test"] if s.compound == compound("CCO").id]
    assert ethanol == md17_starts(99_999)["test"][:2000].tolist()
    assert len(split.parts["test"]) == 4000


def test_trajectories_that_do_not_serve():
    with pytest.raises(InputError, match="has 20020 frames, and method md17 needs 20021"):
        md17(long(20_020))
    assert all(md17(long(20_021)).parts.values())
    uracil = long(URACIL)
    with pytest.raises(InputError, match="not consecutive"):
        md17(replace(uracil, replicas=(replace(uracil.replicas[0], consecutive=False),)))
