"""Which trajectories are exported, and what is refused before anything is written."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest
from export_sets import CHLOROETHENE, FRAMES, IMPORT, METHANETHIOL, both, imported

from mdstride.errors import InputError
from mdstride.export.dataset import export_dataset
from mdstride.formats.dataset import Dataset
from mdstride.formats.h5md import read_trajectory


def test_stride_keeps_the_first_frame_and_every_so_many(tmp_path):
    (path,) = export_dataset(both(), tmp_path, format="extxyz", stride=4, compounds=[CHLOROETHENE])
    assert [atoms.info["frame"] for atoms in ase.io.read(path, ":")] == [0, 4]
    with np.load(export_dataset(both(), tmp_path, format="tg80", stride=100)[0]) as found:
        assert len(found["coords"]) == len(found["forces"]) == len(found["energy"]) == 1


def test_a_part_of_a_split_by_compound_is_its_compounds(tmp_path):
    paths = export_dataset(both(), tmp_path, format="tg80", split="compound", part="test")
    assert [path.name for path in paths] == [f"{CHLOROETHENE}-0.npz"]


def test_a_part_of_a_split_by_time_is_its_frames(tmp_path):
    paths = export_dataset(both(), tmp_path, format="h5md", split="time", part="train")
    assert [path.name for path in paths] == [f"{METHANETHIOL}-1-0-2.h5md", f"{METHANETHIOL}-1-4-6.h5md"]
    late = read_trajectory(paths[1])
    assert late.time.tolist() == [2.0, 2.5] and late.step.tolist() == [8, 10]
    assert late.verdict == {"passed": True, "reason": ""}  # the figures are those of the whole


def test_pairs_do_not_reach_out_of_their_part(tmp_path):
    paths = export_dataset(both(), tmp_path, format="flashmd", stride=1, split="time", part="train")
    assert [[atoms.info["frame"] for atoms in ase.io.read(path, ":")] for path in paths] == [[0], [4]]


def test_pairs_follow_each_other_without_overlap_by_default(tmp_path):
    (path,) = export_dataset(both(), tmp_path, format="flashmd", stride=2, compounds=[CHLOROETHENE])
    assert [atoms.info["frame"] for atoms in ase.io.read(path, ":")] == [0, 2]  # 4 has no future


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pdb"}, "`pdb` is not a format of a data set; choose one of tg80, md17, sgdml, extxyz, flashmd"),
        ({"format": "tg80", "stride": 0}, "must be 1 or more"),
        ({"format": "flashmd", "every": 0}, "must be 1 or more"),
        ({"format": "tg80", "every": 2}, "only flashmd writes pairs"),
        ({"format": "tg80", "compounds": ["X"]}, "compound X: not in the data set"),
        ({"format": "tg80", "split": "compound"}, "split and part go together"),
        ({"format": "tg80", "split": "X", "part": "test"}, "split X: not in the data set; it has compound, time"),
        ({"format": "tg80", "split": "time", "part": "X"}, "part X: choose one of train, validation, test"),
        ({"format": "tg80", "split": "compound", "part": "validation"}, "nothing to export"),
        (
            {"format": "flashmd", "stride": FRAMES},
            rf"replica 0 of {CHLOROETHENE}: 6 frames are too few for pairs 6 frames apart",
        ),
    ],
)
def test_what_cannot_be_exported_is_refused_with_nothing_written(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_dataset(both(), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("format", "changes", "message"),
    [
        ("flashmd", {}, "its frames do not follow each other in time, and flashmd needs that"),
        ("flashmd", {"consecutive": True}, "has no velocities, which flashmd needs"),
        ("h5md", {"consecutive": True, "energy": None}, "has no velocities and no energy, which h5md needs"),
        ("sgdml", {"forces": None}, "has no forces, which sgdml needs"),
    ],
)
def test_what_a_format_needs_and_an_import_lacks_is_named(tmp_path, format, changes, message):
    dataset = both()
    mixed = Dataset(dataset.compounds | imported(**changes).compounds, {}, dataset.settings)
    with pytest.raises(InputError, match=rf"replica 0 of {IMPORT} \(formaldehyde\): {message}"):
        export_dataset(mixed, tmp_path / "out", format=format)
    assert not (tmp_path / "out").exists()
    assert len(export_dataset(mixed, tmp_path / "out", format=format, compounds=[METHANETHIOL])) == 2


def test_an_id_that_is_a_path_writes_nothing(tmp_path):
    evil = replace(imported().compounds[IMPORT], id="../../evil")
    with pytest.raises(InputError, match="not an id"):
        export_dataset(Dataset({evil.id: evil}, {}), tmp_path / "a" / "b", format="tg80")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_breaks_off_leaves_no_half_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mdstride.export.extxyz.write_frame", full)
    with pytest.raises(InputError, match="No space left"):
        export_dataset(both(), tmp_path / "out", format="extxyz")
    assert list((tmp_path / "out").iterdir()) == []
