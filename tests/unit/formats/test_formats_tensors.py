import pytest
import safetensors.torch
import torch

from mdstride.errors import InputError
from mdstride.formats.tensors import read_tensors, write_tensors

TENSORS = {"a/b": torch.arange(6.0).reshape(2, 3), "scalar": torch.tensor(2.5), "bytes": torch.arange(5).byte()}
METADATA = {"step": 3, "nested": {"rate": 0.1, "names": ["x", "é"]}}


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_tensors(path, TENSORS, METADATA)
    return path


def test_round_trip(stored):
    tensors, metadata = read_tensors(stored)
    assert metadata == METADATA and sorted(tensors) == sorted(TENSORS)
    assert all(
        torch.equal(tensors[name], value) and tensors[name].dtype == value.dtype for name, value in TENSORS.items()
    )


def test_same_content_same_bytes(stored, tmp_path):
    for k in range(5):
        write_tensors(tmp_path / str(k), TENSORS, METADATA)
        assert (tmp_path / str(k)).read_bytes() == stored.read_bytes()


def test_every_flipped_byte_is_refused(stored):
    content = stored.read_bytes()
    harmless = 0
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 0x10
        stored.write_bytes(flipped)
        try:
            tensors, metadata = read_tensors(stored)
        except InputError as error:
            assert str(stored) in str(error) and "\n" not in str(error)
            continue
        harmless += 1  # padding of the header
        assert metadata == METADATA and all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert harmless < 10


def test_truncated_missing_and_foreign_files_are_refused(stored, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_tensors(tmp_path / "absent")
    safetensors.torch.save_file({"a": torch.zeros(2)}, tmp_path / "foreign")
    with pytest.raises(InputError, match="not one of mdstride's"):
        read_tensors(tmp_path / "foreign")
    stored.write_bytes(stored.read_bytes()[:-3])
    with pytest.raises(InputError, match="damaged"):
        read_tensors(stored)
