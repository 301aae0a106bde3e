import dataclasses
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mdstride.errors import InputError
from mdstride.formats.dataset import Dataset, Minimum
from mdstride.formats.dataset_file import (
    dataset_writer,
    made_from,
    open_dataset,
    open_file,
    read_dataset,
    write_dataset,
)
from mdstride.formats.hdf5 import USER_BLOCK, seal
from mdstride.formats.split import Segment, Split, split_from_json, split_to_json, whole

FIRST = "compounds/AAAAAAAAAAAAAA-UHFFFAOYSA-N"


@pytest.fixture
def stored(toy_dataset, tmp_path):
    data = toy_dataset()
    write_dataset(tmp_path / "dataset.h5", data)
    return data, tmp_path / "dataset.h5"


def assert_same(read, data):
    """Every value and type of two data sets, whether their arrays are in memory or in a file."""
    assert (
        read.splits == data.splits and read.settings == data.settings and list(read.compounds) == list(data.compounds)
    )
    for key, compound in data.compounds.items():
        for part in dataclasses.fields(compound):
            if part.name not in ("minima", "replicas", "twins"):
                np.testing.assert_array_equal(getattr(read.compounds[key], part.name), getattr(compound, part.name))
        for kind in ("minima", "replicas", "twins"):
            for one, other in zip(getattr(read.compounds[key], kind), getattr(compound, kind), strict=True):
                for part in dataclasses.fields(one):
                    value, expected = getattr(one, part.name), getattr(other, part.name)
                    value = value[()] if isinstance(value, h5py.Dataset) else value
                    np.testing.assert_array_equal(value, expected)
                    assert getattr(value, "dtype", None) == getattr(expected, "dtype", None)
    assert read.hash() == data.hash()


def rich(data):
    """The same with all that may be in one: modes, minima, twins, an import without forces, a split of frames."""
    first, second, *others = data.compounds.values()
    atoms = len(first.masses)
    modes = np.eye(3 * atoms).reshape(3 * atoms, atoms, 3)
    minima = tuple(Minimum(-3.0 + k, first.reference + 0.1 * k, np.arange(3.0 * atoms - 6), modes[6:]) for k in (1, 2))
    first = dataclasses.replace(first, frequencies=np.arange(3.0 * atoms), modes=modes, minima=minima)
    first = dataclasses.replace(first, twins=first.replicas[:1], charge=-1, licence="CC0")
    bare = dataclasses.replace(second.replicas[0], velocities=None, forces=None, energy=None, consecutive=False)
    second = dataclasses.replace(second, replicas=(bare,))
    parts = {"train": (Segment(first.id, 0, 0, 50),), "validation": (), "test": (Segment(first.id, 0, 60, 120),)}
    splits = data.splits | {"time": Split(parts, "time", "frames", settings={"gap": 20.0})}
    return Dataset({one.id: one for one in (first, second, *others)}, splits, {"reference": {"accuracy": 0.1}})


def test_round_trip(stored, tmp_path):
    data, path = stored
    assert_same(read_dataset(path), data)
    write_dataset(tmp_path / "rich.h5", rich(data))
    assert_same(read_dataset(tmp_path / "rich.h5"), rich(data))
    with open_dataset(tmp_path / "rich.h5") as opened:
        replica = opened.compounds[next(iter(data.compounds))].replicas[0]
        assert isinstance(replica.positions, h5py.Dataset)
        assert_same(opened, rich(data))


def test_same_content_same_bytes(toy_dataset, stored, tmp_path):
    write_dataset(tmp_path / "again.h5", toy_dataset())
    assert (tmp_path / "again.h5").read_bytes() == stored[1].read_bytes()


def test_the_table_is_for_people(stored):
    with h5py.File(stored[1]) as file:
        table = file["trajectories"][()]
    assert len(table) == 8 and table["id"][0] == b"AAAAAAAAAAAAAA-UHFFFAOYSA-N"
    assert table["name"][2] == b"toy 1" and table["replica"][3] == 1 and table["frames"][0] == 120
    assert table["drift"][0] == 0.01 and table["interval_fs"][0] == 2.0


def test_a_compound_is_kept_byte_for_byte(stored, toy_dataset, tmp_path):
    """Adding a compound copies the others compressed as they are, and ends as if all had been there from the start."""
    data, path = stored
    more = toy_dataset((3, 4, 5, 3, 4))
    with open_file(path) as old, dataset_writer(tmp_path / "more.h5") as writer:
        for key, compound in more.compounds.items():
            if key in data.compounds:
                writer.keep(old, key)
            else:
                writer.add(compound, "new")
        writer.finish(more.splits, more.settings, {})
    assert_same(read_dataset(tmp_path / "more.h5"), more)
    with h5py.File(path) as old, h5py.File(tmp_path / "more.h5") as new:
        assert made_from(new) == dict.fromkeys(data.compounds, "") | {list(more.compounds)[-1]: "new"}
        for key in data.compounds:
            for name in ("positions", "velocities", "forces"):
                where = f"compounds/{key}/replicas/0/{name}"
                assert new[where].id.read_direct_chunk((0, 0, 0)) == old[where].id.read_direct_chunk((0, 0, 0))


def test_splits_are_plain_values():
    split = Split({"train": whole("BA"), "validation": (), "test": (Segment("C", 1, 5, 9),)}, "time", "frames", True)
    assert split_from_json(split_to_json(split), "x") == split and split.ids("train") == ["A", "B"]
    with pytest.raises(InputError, match="x: not a split"):
        split_from_json({"parts": {"train": []}}, "x")


def test_hash_sees_each_array_and_the_splits(toy_dataset):
    data = toy_dataset()
    key = next(iter(data.compounds))
    compound = data.compounds[key]
    changed = [
        dataclasses.replace(data, splits={"compound": Split(data.splits["compound"].parts | {"train": ()}, "random")}),
        *(
            dataclasses.replace(data, compounds={**data.compounds, key: dataclasses.replace(compound, **{name: value})})
            for name, value in (("reference", compound.reference + 1e-9), ("masses", compound.masses * 2))
        ),
        rich(data),
    ]
    changed.append(edited_minimum(changed[-1], energy=-2.5))
    changed.append(edited_minimum(changed[-2], positions=compound.reference))
    assert len({data.hash(), *(other.hash() for other in changed)}) == 7


def edited_minimum(data, **changes):
    """The same with the first further minimum changed."""
    first = next(iter(data.compounds.values()))
    minima = (dataclasses.replace(first.minima[0], **changes), *first.minima[1:])
    return dataclasses.replace(data, compounds={**data.compounds, first.id: dataclasses.replace(first, minima=minima)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda minima: minima["1/positions"].__setitem__((0, 0), 0.5), "does not match its digest"),
        (lambda minima: minima["1/modes"].attrs.__setitem__("unit", np.bytes_(b"nm")), "must be in 1"),
        (lambda minima: minima["1"].__delitem__("energy"), "damaged data set"),
        (lambda minima: minima.__delitem__("1"), "minima are numbered 2"),
    ],
)
def test_edited_minima_are_refused(toy_dataset, tmp_path, change, reason):
    path = tmp_path / "rich.h5"
    write_dataset(path, rich(toy_dataset()))
    with h5py.File(path, "r+") as file:
        change(file[f"{FIRST}/minima"])
    seal(path)
    with pytest.raises(InputError, match=reason):
        read_dataset(path)


def test_flipped_bytes_are_never_read(stored, tmp_path):
    """100 random positions: the whole file is refused, and out of core what is read is right or refused."""
    data, path = stored
    content = path.read_bytes()
    damaged = tmp_path / "damaged.h5"
    refused = 0
    for position in np.random.default_rng(0).integers(0, len(content), 100):
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        damaged.write_bytes(flipped)
        if position > USER_BLOCK:  # behind the seal, in front of the content, lie zeros that nobody reads
            with pytest.raises(InputError, match=str(damaged)):
                read_dataset(damaged)
        try:
            with open_dataset(damaged) as opened:
                assert_same(opened, data)  # the byte was in the seal or a gap: nothing that is read has changed
        except InputError as error:
            assert str(damaged) in str(error)
            refused += 1
    assert refused > 60


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(stored, share):
    content = stored[1].read_bytes()
    stored[1].write_bytes(content[: int(share * len(content))])
    for read in (read_dataset, open_file, lambda path: open_dataset(path).__enter__()):
        with pytest.raises(InputError, match=str(stored[1])):
            read(stored[1])


def test_edited_array_is_refused(stored):
    with h5py.File(stored[1], "r+") as file:
        file[f"{FIRST}/replicas/0/positions"][3, 1, 2] = 0.5
    seal(stored[1])
    with pytest.raises(InputError, match="does not match its digest"):
        read_dataset(stored[1])


def edit_text(file, name, before, after):
    text = bytes(file[name][0])
    assert before in text
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = np.array([text.replace(before, after)])
    assert not attributes


@pytest.mark.parametrize(
    ("name", "before", "after", "reason"),
    [
        ("about", b"mdstride dataset", b"something else", "not a data set of this version"),
        ("about", b'"version": "3"', b'"version": "9"', "not a data set of this version"),
        ("splits/compound", b"random", b"chosen", "content does not match its hash"),
        (f"{FIRST}/about", b'"charge": 0', b'"charg": 0', "damaged data set"),
        (f"{FIRST}/replicas/0/about", b'"interval": 2.0', b'"interval": 1.0', "does not match its digest"),
    ],
)
def test_edited_text_is_refused(stored, name, before, after, reason):
    with h5py.File(stored[1], "r+") as file:
        edit_text(file, name, before, after)
    seal(stored[1])
    with pytest.raises(InputError, match=reason):
        read_dataset(stored[1])


def test_other_units_are_refused(stored):
    with h5py.File(stored[1], "r+") as file:
        file[f"{FIRST}/replicas/0/positions"].attrs["unit"] = "nm"
    seal(stored[1])
    with pytest.raises(InputError, match="must be in Å"):
        read_dataset(stored[1])


@pytest.mark.parametrize("key", ["../../e", "a/b", "", "x" * 65, "a b", "é"])
def test_a_path_is_no_id(toy_dataset, tmp_path, key):
    data = toy_dataset()
    one = dataclasses.replace(next(iter(data.compounds.values())), id=key)
    with pytest.raises(InputError, match="compound id"):
        write_dataset(tmp_path / "dataset.h5", dataclasses.replace(data, compounds={key: one}))
    assert list(tmp_path.iterdir()) == []


def test_links_and_lying_shapes_are_refused(stored, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["positions"] = np.zeros((120, 6, 3), np.float32)
    content = stored[1].read_bytes()

    def link(file):
        del file[f"{FIRST}/replicas/0/positions"]
        file[f"{FIRST}/replicas/0/positions"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "positions")

    def bomb(file):
        del file[f"{FIRST}/replicas/0/positions"]
        file.create_dataset(f"{FIRST}/replicas/0/positions", (2**31, 6, 3), "f4", chunks=(256, 6, 3), compression=4)

    def fewer_atoms(file):
        del file[f"{FIRST}/atomic_numbers"]
        file[f"{FIRST}/atomic_numbers"] = np.array([6, 1])

    for change, reason in ((link, "is a link"), (bomb, "declares"), (fewer_atoms, "has shape")):
        stored[1].write_bytes(content)
        with h5py.File(stored[1], "r+") as file:
            change(file)
        seal(stored[1])
        for read in (read_dataset, lambda path: open_dataset(path).__enter__()):
            with pytest.raises(InputError, match=reason):
                read(stored[1])


FULL_DISK = """
import resource, signal, sys
from mdstride.errors import InputError
from mdstride.formats.dataset_file import read_dataset, write_dataset
data = read_dataset(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write_dataset(sys.argv[1], data)
except InputError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_full_disk_leaves_the_previous_file(stored, share):
    """A limit on the size of files stands for a full disk: writing fails as it does there."""
    path = stored[1]
    before = path.read_bytes()
    command = [sys.executable, "-c", FULL_DISK, str(path), str(int(share * len(before)))]
    builder = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert builder.returncode == 1 and "File too large" in builder.stderr, (builder.returncode, builder.stderr)
    assert path.read_bytes() == before and [item.name for item in path.parent.iterdir()] == [path.name]


KILLED = """
import sys
import numpy as np
from mdstride.formats.dataset_file import dataset_writer, read_dataset
data = read_dataset(sys.argv[1])
with dataset_writer(sys.argv[1]) as writer:
    for compound in data.compounds.values():
        writer.add(compound)
        print("added", flush=True)
        sys.stdin.readline()
"""


def test_kill_while_building_leaves_the_previous_file(stored):
    data, path = stored
    before = path.read_bytes()
    command = [sys.executable, "-c", KILLED, str(path)]
    builder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert builder.stdout.readline() == b"added\n"
    builder.kill()
    builder.communicate(timeout=30)
    assert path.read_bytes() == before
    write_dataset(path, data)
    assert read_dataset(path).hash() == data.hash()
