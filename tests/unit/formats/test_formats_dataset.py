import dataclasses

import h5py
import numpy as np
import pytest

from mdstride.errors import InputError
from mdstride.formats.dataset_file import read_dataset, write_dataset
from mdstride.formats.hdf5 import seal


@pytest.fixture
def stored(toy_dataset, tmp_path):
    data = toy_dataset()
    write_dataset(tmp_path / "dataset.h5", data)
    return data, tmp_path / "dataset.h5"


def test_round_trip(stored):
    data, path = stored
    read = read_dataset(path)
    assert read.splits == data.splits and read.settings == data.settings
    assert list(read.compounds) == sorted(data.compounds)
    for key, compound in data.compounds.items():
        for part in dataclasses.fields(compound):
            if part.name != "replicas":
                np.testing.assert_array_equal(getattr(read.compounds[key], part.name), getattr(compound, part.name))
        for one, other in zip(read.compounds[key].replicas, compound.replicas, strict=True):
            for part in dataclasses.fields(one):
                np.testing.assert_array_equal(getattr(one, part.name), getattr(other, part.name))
                if isinstance(getattr(other, part.name), np.ndarray):
                    assert getattr(one, part.name).dtype == getattr(other, part.name).dtype
    assert read.hash() == data.hash()


def test_same_content_same_bytes(toy_dataset, stored, tmp_path):
    write_dataset(tmp_path / "again.h5", toy_dataset())
    assert (tmp_path / "again.h5").read_bytes() == stored[1].read_bytes()


def test_hash_sees_each_array_and_the_splits(toy_dataset):
    data = toy_dataset()
    key = next(iter(data.compounds))
    compound = data.compounds[key]
    changed = [
        dataclasses.replace(data, splits={"compound": data.splits["compound"] | {"train": []}}),
        *(
            dataclasses.replace(data, compounds={**data.compounds, key: dataclasses.replace(compound, **{name: value})})
            for name, value in (("reference", compound.reference + 1e-9), ("masses", compound.masses * 2))
        ),
    ]
    assert len({data.hash(), *(other.hash() for other in changed)}) == 4


def test_flipped_bytes_are_never_read(stored, tmp_path):
    data, path = stored
    content = path.read_bytes()
    damaged = tmp_path / "damaged.h5"
    refused = 0
    for position in np.random.default_rng(0).integers(0, len(content), 60):
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        damaged.write_bytes(flipped)
        try:
            assert read_dataset(damaged).hash() == data.hash()  # a byte of padding: nothing changed
        except InputError as error:
            assert str(damaged) in str(error)
            refused += 1
    assert refused > 30


def test_edited_array_is_refused(stored):
    with h5py.File(stored[1], "r+") as file:
        file["compounds/AAAAAAAAAAAAAA-UHFFFAOYSA-N/replicas/0/positions"][3, 1, 2] = 0.5
    seal(stored[1])
    with pytest.raises(InputError, match="content does not match its hash"):
        read_dataset(stored[1])


@pytest.mark.parametrize("attribute", ["kind", "schema_version"])
def test_other_kinds_of_file_are_refused(stored, attribute):
    with h5py.File(stored[1], "r+") as file:
        file.attrs[attribute] = "other"
    seal(stored[1])
    with pytest.raises(InputError, match="not a data set of this version"):
        read_dataset(stored[1])


def test_other_units_are_refused(stored):
    with h5py.File(stored[1], "r+") as file:
        file["compounds/AAAAAAAAAAAAAA-UHFFFAOYSA-N/replicas/0/positions"].attrs["unit"] = "nm"
    seal(stored[1])
    with pytest.raises(InputError, match="must be in Å"):
        read_dataset(stored[1])
