import contextlib

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdstride.errors import InputError
from mdstride.formats.hdf5 import seal
from mdstride.formats.structure import Structure, read_structure, write_structure


@pytest.fixture
def stored(tmp_path, make_structure):
    path = tmp_path / "s.h5"
    write_structure(path, make_structure())
    return path


def test_what_is_written_is_read_to_the_bit(stored, make_structure, equal):
    assert equal(read_structure(stored), make_structure())
    assert read_structure(stored).positions.tobytes() == make_structure().positions.tobytes()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(failure=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200))
def test_any_reason_of_failure_survives(tmp_path, equal, failure):
    structure = Structure(id="A", smiles="C", failure=failure)
    write_structure(tmp_path / "f.h5", structure)
    assert equal(read_structure(tmp_path / "f.h5"), structure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file["positions"].attrs.__setitem__("unit", "nm"), "positions must be in Å"),
        (lambda file: file["energy"].attrs.__setitem__("unit", "kJ/mol"), "energy must be in eV, not kJ/mol"),
        (lambda file: file["frequencies"].attrs.__setitem__("unit", "THz"), "frequencies must be in cm-1"),
        (lambda file: file["masses"].attrs.__delitem__("unit"), "masses must be in amu, not None"),
        (lambda file: file["modes"].attrs.__setitem__("unit", "Å"), "modes must be in 1"),
        (lambda file: file["minima/2/modes"].attrs.__setitem__("unit", b"cm"), "/minima/2/modes must be in 1, not"),
        (lambda file: file["minima"].move("2", "3"), "minima are numbered 1, 3 instead of 1 to 2"),
        (lambda file: file["minima/1"].__delitem__("energy"), "damaged or not the expected HDF5 file"),
        (lambda file: file.attrs.__setitem__("kind", "mdstride trajectory"), "not a structure file of this version"),
        (lambda file: file.attrs.__setitem__("schema_version", "2"), "not a structure file of this version"),
        (lambda file: file.__delitem__("bonds"), "damaged or not the expected HDF5 file"),
    ],
)
def test_another_file_is_refused_by_name(stored, change, message):
    with h5py.File(stored, "r+") as file:
        change(file)
    seal(stored)
    with pytest.raises(InputError) as caught:
        read_structure(stored)
    assert str(caught.value).startswith(f"{stored}: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((4, 3))}, "positions must have the shape (3, 3)"),
        ({"masses": np.zeros(2)}, "masses must have the shape (3,)"),
        ({"modes": np.zeros((3, 2, 3))}, "modes must have the shape (3, 3, 3)"),
        ({"modes": np.full((3, 3, 3), np.nan)}, "modes must have the shape (3, 3, 3) and be finite"),
        ({"frequencies": np.zeros(2), "modes": np.zeros((2, 3, 3))}, "2 normal modes do not fit 3 atoms"),
        ({"frequencies": np.zeros(0), "modes": np.zeros((0, 3, 3))}, "0 normal modes do not fit 3 atoms"),
        ({"minima": ({"positions": np.zeros((4, 3))},)}, "minima/1/positions must have the shape (3, 3) and be finite"),
        ({"minima": ({"energy": np.nan},)}, "minima/1/energy must have the shape () and be finite"),
        ({"minima": ({}, {"modes": np.zeros((2, 3, 3))})}, "minima/2/modes must have the shape (3, 3, 3)"),
        (
            {"minima": ({"frequencies": np.zeros(2), "modes": np.zeros((2, 3, 3))},)},
            "minima/1: 2 normal modes do not fit 3 atoms",
        ),
        ({"failure": "why"}, "3 normal modes do not fit 3 atoms of a failed relaxation"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused_by_name(
    tmp_path, make_structure, make_minimum, changes, message
):
    if "minima" in changes:
        changes = {"minima": tuple(make_minimum(**one) for one in changes["minima"])}
    write_structure(tmp_path / "s.h5", make_structure(**changes))
    with pytest.raises(InputError) as caught:
        read_structure(tmp_path / "s.h5")
    assert str(caught.value).startswith(f"{tmp_path / 's.h5'}: ") and message in str(caught.value)


def test_a_linear_molecule_has_one_mode_more(tmp_path, make_structure):
    write_structure(tmp_path / "s.h5", make_structure(frequencies=np.zeros(4), modes=np.zeros((4, 3, 3))))
    assert len(read_structure(tmp_path / "s.h5").frequencies) == 4


def test_flipped_bytes_are_refused_or_harmless(stored, equal):
    whole, original = stored.read_bytes(), read_structure(stored)
    for position in range(0, len(whole), 29):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        stored.write_bytes(damaged)
        with contextlib.suppress(InputError):
            assert equal(read_structure(stored), original), f"byte {position}"


def test_a_file_that_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "s.h5").write_text("id,smiles\n")
    with pytest.raises(InputError, match=r"s\.h5: damaged, or not a file of mdstride"):
        read_structure(tmp_path / "s.h5")


def test_a_failed_structure_has_no_energy(tmp_path):
    write_structure(tmp_path / "f.h5", Structure(id="A", smiles="C", failure="why"))
    assert np.isnan(read_structure(tmp_path / "f.h5").energy)
