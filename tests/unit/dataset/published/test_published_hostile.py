"""Files that are damaged, lie or attack: one line that names the file, the reason and the remedy, and nothing else."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_helpers import CONSECUTIVE, arrays, in_ev, picked, xyz_text

from mdstride.dataset.published.read import read_published
from mdstride.errors import InputError

SHORT = 12
"""Frames of the files that are spoilt."""


def _zip(folder: Path, **members: bytes) -> Path:
    path = folder / "ethanol.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def _npy(value: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(value), allow_pickle=pickled)
    return stream.getvalue()


def _header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(118 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def _members(**changes: Any) -> dict[str, bytes]:
    raw = picked(slice(0, SHORT)) | changes
    return {key: value if isinstance(value, bytes) else _npy(value) for key, value in raw.items()}


class _Bomb:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, ("pwned",)


R = arrays()["R"][:SHORT]

HOSTILE_NPZ = {
    "pickled objects": (_members(R=_npy(np.array([_Bomb()], dtype=object), pickled=True)), "R holds pickled objects"),
    "pickled name": (
        _members(name=_npy(np.array([_Bomb()], dtype=object), pickled=True)),
        "name holds pickled objects",
    ),
    "enormous shape": (_members(R=_header("(4000000000, 9, 3)") + b"\0" * 64), "R declares shape"),
    "overflowing shape": (_members(R=_header("(99999999999999999999, 99999999999, 3)")), "R declares shape"),
    "negative shape": (_members(R=_header("(-12, 9, 3)") + b"\0" * 2592), "R declares shape"),
    "two negatives": (_members(R=_header("(-12, -9, 3)") + b"\0" * 2592), "R declares shape"),
    "text": (_members(R=np.full((SHORT, 9, 3), "1.0")), "R is of type <U3"),
    "complex": (_members(R=R.astype(complex)), "R is of type complex128"),
    "integers": (_members(R=R.astype(int)), "R is of type int64"),
    "dates": (_members(E=np.zeros(SHORT, "M8[s]")), "E is of type"),
    "records": (_members(R=np.zeros(SHORT, [("x", "f8")])), "R is of type"),
    "two dimensions": (_members(R=R[:, :, 0]), "not those of frames x atoms x 3"),
    "empty": (_members(R=R[:0], F=R[:0], E=np.zeros(0)), "not those of frames x atoms x 3"),
    "other frames": (_members(F=R[:-1]), r"forces of shape \(11, 9, 3\) for 12 frames"),
    "other atoms": (_members(z=np.array([6, 1], np.uint8)), "2 atomic numbers for positions of 9 atoms"),
    "mixed molecules": (_members(z=np.array([[6] * 9, [1] * 9])), "different molecules"),
    "no element": (_members(z=np.full(9, 119)), "atomic numbers must be"),
    "broken element": (_members(z=np.full(9, 6.5)), "atomic numbers must be"),
    "not finite": (_members(R=np.full_like(R, np.nan)), "no frame is sound"),
    "exploded": (_members(R=R * 1e200), "no frame is sound"),
    "all in one place": (_members(R=np.ones_like(R)), "bonded otherwise are C1"),
    "path as name": (_members(name=np.array("../../x")), "'../../x' cannot be the name"),
    "folder as name": (_members(name=np.array("a/b")), "cannot be the name"),
    "NUL in name": (_members(name=np.array("a\0b")), "cannot be the name"),
    "endless name": (_members(name=np.array("x" * 2_000_000)), "name declares"),
    "strange unit": (_members(e_unit=np.array("furlong")), "e_unit: unknown unit"),
    "other keys": ({"x": _npy(R)}, "neither R, z"),
    "no array": (_members(R=b"nothing of the kind"), "not a sound npz file"),
}


@pytest.mark.parametrize("case", HOSTILE_NPZ)
def test_hostile_npz(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    members, reason = HOSTILE_NPZ[case]
    with pytest.raises(InputError, match=reason) as caught:
        read_published(_zip(tmp_path, **members), interval=0.5)
    assert "ethanol.npz: " in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """64 MB of zeros in 60 kB: the size it declares is true, and credible for no coordinates."""
    path = tmp_path / "ethanol.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("R.npy", "w", force_zip64=True) as stream,
    ):
        stream.write(_header(f"({64 * 2**20 // 216}, 9, 3)"))
        stream.write(bytes(64 * 2**20 // 216 * 216))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("z.npy", _npy(arrays()["z"]))
    with pytest.raises(InputError, match=r"R declares .* refused as hostile"):
        read_published(path)


def test_forces_as_large_as_the_disk(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"F declares .* refused as hostile"):
        read_published(_zip(tmp_path, **_members(F=np.zeros((SHORT * 50, 9, 3)))))


@pytest.mark.parametrize(
    ("name", "remedy"), [("../../x", "--name"), ("a/b", "--name"), ("a\0b", "--name"), (".hidden", "--name")]
)
def test_names_that_are_paths(name: str, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        read_published(CONSECUTIVE, name=name)


def _xyz(frames: int = SHORT) -> str:
    _, positions, _, forces, energy = in_ev()
    comments = [f"energy={value!r}" for value in energy.tolist()[:frames]]
    return xyz_text({"pos": positions, "forces": forces}, comments, ["C", "C", "O", *"HHHHHH"])


HOSTILE_XYZ: dict[str, tuple[Callable[[str], str], str]] = {
    "more atoms than said": (lambda text: text.replace("9\n", "8\n", 1), "line 11 must be the number of atoms, 8"),
    "a billion atoms": (lambda text: text.replace("9\n", "1000000000\n", 1), "line 1 must be the number of atoms"),
    "negative count": (lambda text: text.replace("9\n", "-9\n", 1), "line 1 must be the number of atoms"),
    "lying later": (lambda text: text.replace("\n9\n", "\n10\n", 1), "line 12 must be the number of atoms, 9"),
    "cut": (lambda text: text[: len(text) // 2], "ends within a frame at line|columns instead of 7"),
    "no number": (lambda text: text.replace("H 1", "H x", 1), "no number"),
    "another molecule": (
        lambda text: text[:-2000] + text[-2000:].replace("O ", "N ", 1),
        "frame 1[01] has other atoms",
    ),
    "no element": (lambda text: text.replace("O ", "Qq "), "'Qq' is no element"),
    "no positions": (lambda text: text.replace(":pos:R:3", ":foo:R:3"), "names no species, or no pos"),
    "bad properties": (lambda text: text.replace(":pos:R:3", ":pos:R"), "`Properties` must be"),
    "energy of no number": (lambda text: text.replace("energy=-", "energy=x"), "energy='x.*no number"),
    "path as name": (lambda text: text.replace("energy", "name=../../x energy"), "cannot be the name"),
    "endless line": (lambda text: "9\n" + "x" * 100_000 + text[2:], "XYZ|line"),
    "empty": (lambda text: "", "line 1 must be the number of atoms"),
    "binary": (lambda text: "9\n\udcff\n", "not a text file|ends within"),
}


@pytest.mark.parametrize("case", HOSTILE_XYZ)
def test_hostile_xyz(tmp_path: Path, case: str) -> None:
    spoil, reason = HOSTILE_XYZ[case]
    path = tmp_path / "a.xyz"
    path.write_text(spoil(_xyz()), encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=reason) as caught:
        read_published(path)
    assert "a.xyz: " in str(caught.value) and "\n" not in str(caught.value)


def _h5md(path: Path) -> None:
    numbers, positions, *_ = in_ev()
    with h5py.File(path, "w") as file:
        group = file.create_group("particles/all")
        group["species"] = numbers
        group["position/value"], group["position/time"] = positions[:SHORT], 0.5 * np.arange(SHORT)
        group["position/value"].attrs["unit"], group["position/time"].attrs["unit"] = "Angstrom", "fs"


def _replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[f"particles/all/{name}"]
        file[f"particles/all/{name}"] = value

    return change


def _external(file: h5py.File) -> None:
    _replace("position/value", h5py.ExternalLink("/etc/passwd", "/x"))(file)


def _raw(file: h5py.File) -> None:
    del file["particles/all/position/value"]
    file["particles/all/position"].create_dataset("value", (SHORT, 9, 3), "f8", external=[("/etc/passwd", 0, 2592)])


def _huge(file: h5py.File) -> None:
    del file["particles/all/position/value"]
    file["particles/all/position"].create_dataset("value", (10**8, 9, 3), "f8", chunks=(64, 9, 3))


HOSTILE_H5MD: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "external link": (_external, "is a link"),
    "soft link": (_replace("position/value", h5py.SoftLink("/particles/all/species")), "is a link"),
    "external storage": (_raw, "keeps its data in another file"),
    "16 GB in a kilobyte": (_huge, "refused as damaged or hostile"),
    "text for numbers": (_replace("position/value", "x"), "no array of floating-point numbers"),
    "no unit": (lambda file: file["particles/all/position/value"].attrs.pop("unit"), "has no unit"),
    "wrong unit": (lambda file: file["particles/all/position/value"].attrs.update(unit="ps"), "no unit of length"),
    "no positions": (lambda file: file.pop("particles/all/position"), "has no positions"),
    "two groups": (lambda file: file.create_group("particles/more"), "has 2 groups"),
    "other atoms": (_replace("species", [1, 2]), "2 atomic numbers for positions of 9 atoms"),
    "times of another length": (lambda file: _timed(file, np.arange(3.0)), r"time of shape \(3,\)"),
    "times that jump": (lambda file: _timed(file, [*range(SHORT - 1), 99.0]), "not equally spaced after frame 10"),
    "times that stand still": (lambda file: _timed(file, np.zeros(SHORT)), "not equally spaced"),
}


def _timed(file: h5py.File, value: Any) -> None:
    _replace("position/time", value)(file)
    file["particles/all/position/time"].attrs["unit"] = "fs"


@pytest.mark.parametrize("case", HOSTILE_H5MD)
def test_hostile_h5md(tmp_path: Path, case: str) -> None:
    spoil, reason = HOSTILE_H5MD[case]
    _h5md(tmp_path / "a.h5md")
    assert read_published(tmp_path / "a.h5md").replicas[0].interval == 0.5
    with h5py.File(tmp_path / "a.h5md", "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=reason) as caught:
        read_published(tmp_path / "a.h5md")
    assert "a.h5md: " in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_intervals_that_are_none(value: float) -> None:
    for options in ({"interval": value}, {"temperature": value}):
        with pytest.raises(InputError, match="must be a positive number"):
            read_published(CONSECUTIVE, **options)


def test_unknown_format_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("9")
    with pytest.raises(InputError, match="--format"):
        read_published(tmp_path / "a.dat")
    with pytest.raises(InputError, match="no such file"):
        read_published(tmp_path / "b.npz")


def _reads_or_complains(path: Path, content: bytes, format: str) -> None:
    """The promise: any bytes give a sound compound, or an InputError of one line."""
    path.write_bytes(content)
    try:
        compound = read_published(path, format=format, interval=0.5)
    except InputError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        (replica,) = compound.replicas
        assert replica.positions.shape[1:] == (len(compound.atomic_numbers), 3)
        for value in (replica.positions, replica.velocities, replica.forces, replica.energy):
            assert value is None or np.isfinite(value).all()


def _archive() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **picked(slice(0, SHORT)))
    return stream.getvalue()


BASES = {"npz": _archive(), "extxyz": _xyz().encode()}

noise = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
edits = st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4)


@noise
@given(content=st.binary(max_size=400), format=st.sampled_from(["npz", "extxyz", "h5md"]))
def test_any_bytes(tmp_path: Path, content: bytes, format: str) -> None:
    _reads_or_complains(tmp_path / "noise", content, format)


@noise
@given(format=st.sampled_from(sorted(BASES)), edits=edits, cut=st.integers(0, 3), insert=st.booleans())
def test_spoilt_files(tmp_path: Path, format: str, edits: list[tuple[int, bytes]], cut: int, insert: bool) -> None:
    content = bytearray(BASES[format])
    for place, piece in edits:
        start = place % len(content)
        content[start : start + (0 if insert else len(piece))] = piece
    _reads_or_complains(
        tmp_path / "spoilt", bytes(content[: len(content) - (cut == 0) * edits[0][0] % len(content)]), format
    )


@noise
@given(text=st.text(alphabet='0123456789.-+eE CHONX\n=":', max_size=200), frames=st.integers(0, 2))
def test_xyz_of_noise(tmp_path: Path, text: str, frames: int) -> None:
    _reads_or_complains(tmp_path / "noise.xyz", (_xyz(SHORT)[: frames * 900] + text).encode(), "extxyz")


numbers = st.sampled_from([0.0, 1.0, -1.5, 1e-300, 1e30, 1e308, np.nan, np.inf])
shapes = st.sampled_from([(), (0,), (3,), (SHORT,), (SHORT, 1), (9,), (SHORT, 9), (SHORT, 9, 3), (1, 9, 3), (2, 1, 3)])
kinds = st.sampled_from(["<f8", ">f8", "f4", "f2", "i8", "u1", "?", "S3", "U2", "c16", "M8[s]"])


@noise
@given(
    data=st.dictionaries(
        st.sampled_from(["R", "F", "E", "z", "name", "e_unit", "r_unit", "md5", "theory"]),
        st.tuples(shapes, kinds, numbers),
        max_size=3,
    )
)
def test_arrays_of_any_kind(tmp_path: Path, data: dict[str, tuple[tuple[int, ...], str, float]]) -> None:
    values = picked(slice(0, SHORT))
    for key, (shape, kind, number) in data.items():
        with np.errstate(all="ignore"):
            filler = str(number) if kind[0] in "SU" else 0 if kind == "M8[s]" else number
            values[key] = np.full(shape, filler).astype(kind)
    stream = io.BytesIO()
    np.savez(stream, **values)
    _reads_or_complains(tmp_path / "any.npz", stream.getvalue(), "npz")


@noise
@given(place=st.tuples(st.integers(0, SHORT - 1), st.integers(0, 8)), value=numbers, shift=st.floats(-50, 50))
def test_geometries_of_any_kind(tmp_path: Path, place: tuple[int, int], value: float, shift: float) -> None:
    positions = arrays()["R"][:SHORT].copy()
    positions[place[0] :, place[1]] += shift
    positions[place] = value
    stream = io.BytesIO()
    np.savez(stream, R=positions, z=arrays()["z"])
    _reads_or_complains(tmp_path / "any.npz", stream.getvalue(), "npz")
