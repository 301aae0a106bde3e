import h5py
import numpy as np
import pytest

from mdstride.errors import InputError
from mdstride.formats import hdf5


def write(path, fill):
    with h5py.File(path, "w", userblock_size=hdf5.USER_BLOCK) as file:
        file["good"] = np.arange(3)
        fill(file, path)
    hdf5.seal(path)


def soft_link(file, path):
    file["group/link"] = h5py.SoftLink("/good")


def external_link(file, path):
    file["group/link"] = h5py.ExternalLink("/etc/other.h5", "/data")


def dangling_link(file, path):
    file["link"] = h5py.SoftLink("/nowhere")


def external_storage(file, path):
    secret = path.with_suffix(".secret")
    secret.write_bytes(b"secret!!")
    file.create_dataset("raw", shape=(1,), dtype="f8", external=[(str(secret), 0, 8)])


def virtual(file, path):
    layout = h5py.VirtualLayout(shape=(3,), dtype="i8")
    layout[:] = h5py.VirtualSource("other.h5", "data", shape=(3,))
    file.create_virtual_dataset("view", layout)


def bomb(file, path):
    file.create_dataset("bomb", shape=(2**31,), dtype="f8", chunks=(2**20,), compression="gzip")


def compressed_bomb(file, path):
    file.create_dataset("bomb", data=np.zeros((2**24,)), chunks=(2**22,), compression="gzip", compression_opts=9)
    file.create_dataset("more", shape=(2**29,), dtype="f8", chunks=(2**22,), compression="gzip", fillvalue=1.0)


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (soft_link, "/group/link is a link"),
        (external_link, "/group/link is a link"),
        (dangling_link, "/link is a link"),
        (external_storage, "/raw keeps its data in another file"),
        (virtual, "/view keeps its data in another file"),
        (bomb, "/bomb declares 17,179,869,184 bytes and stores 0"),
        (compressed_bomb, "refused as damaged or hostile"),
    ],
)
def test_what_reaches_out_of_the_file_or_is_too_large_is_refused_by_name(tmp_path, fill, message):
    path = tmp_path / "hostile.h5"
    write(path, fill)
    with pytest.raises(InputError) as caught, hdf5.open_checked(path):
        pass
    assert str(caught.value).startswith(str(path)) and message in str(caught.value)


def test_a_hard_link_to_itself_does_not_hang(tmp_path):
    path = tmp_path / "loop.h5"
    write(path, lambda file, _: file.create_group("a").__setitem__("loop", file["/"]))
    with hdf5.open_checked(path) as file:
        assert file["good"].shape == (3,)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (5000,), (130, 4, 3)])
def test_arrays_of_any_shape_come_back(tmp_path, shape):
    data = np.random.default_rng(0).normal(size=shape)
    with hdf5.create(tmp_path / "a.h5") as file:
        hdf5.put(file, "x", data, unit="Å")
    with hdf5.open_checked(tmp_path / "a.h5") as file:
        assert file["x"].attrs["unit"] == "Å"
        np.testing.assert_array_equal(file["x"][()], data)


def test_time_series_lie_in_chunks_of_many_frames_with_checksums(tmp_path):
    with hdf5.create(tmp_path / "a.h5") as file:
        dataset = hdf5.put(file, "x", np.zeros((1000, 9, 3)))
        assert dataset.chunks == (64, 9, 3)
        assert dataset.fletcher32 and dataset.compression == "gzip"


def test_constant_data_is_not_taken_for_a_bomb(tmp_path):
    with hdf5.create(tmp_path / "a.h5") as file:
        hdf5.put(file, "x", np.zeros((20000, 9, 3)))
    with hdf5.open_checked(tmp_path / "a.h5") as file:
        assert file["x"].shape == (20000, 9, 3)


def test_a_file_from_elsewhere_is_refused_before_hdf5_sees_it(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
    with pytest.raises(InputError, match=r"other\.h5: damaged, or not a file of mdstride"), hdf5.open_checked(path):
        pass


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5: no such file"), hdf5.open_checked(tmp_path / "none.h5"):
        pass


def test_an_error_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), hdf5.create(tmp_path / "a.h5") as file:
        hdf5.put(file, "x", np.zeros(3))
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
