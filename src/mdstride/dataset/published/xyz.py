"""Extended XYZ, as ASE, mdstride and many others write it, and plain XYZ.

| read | from | unit |
|---|---|---|
| atomic numbers | species, or Z | |
| positions | pos | Å |
| forces | forces, force | eV/Å |
| velocities | velocities, velo, vel; or momenta over mass | Å/fs, or ASE's unit: the temperature tells which |
| energy, time, smiles, name | energy, time, smiles, name in the comment | eV, fs |

Five times faster than ase.io.read: a block of frames becomes one array.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from ase.data import atomic_masses, atomic_numbers

from mdstride.chemistry import LARGEST
from mdstride.dataset.published.frames import Frames
from mdstride.errors import InputError

BLOCK = 100_000
"""Lines read at a time."""

LONGEST_LINE = 10_000
"""Bytes."""

_PAIR = re.compile(r'(?<![\w-])([A-Za-z_][\w-]*)=(?:"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|(\S+))')
_COLUMNS = {"pos": "pos", "forces": "forces", "force": "forces", "momenta": "momenta"} | dict.fromkeys(
    ("velocities", "velo", "vel"), "velocities"
)
_SERIES = ("energy", "time")
_LABELS = ("smiles", "name")


@dataclass
class _Layout:
    """What the first frame says; all others must say the same."""

    atoms: int
    width: int
    """Columns of an atom's line."""
    species: int
    """Column of the element."""
    columns: dict[str, int]
    """First of three columns, by the names that are values of _COLUMNS."""


def read_xyz(path: Path) -> Frames:
    """Read all frames of one molecule. Raises InputError, naming the line."""
    try:
        with path.open("rb") as stream:
            return _read(path, stream)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a text file that can be read ({error}); get it again") from error


def _read(path: Path, stream: BinaryIO) -> Frames:
    first = [stream.readline(LONGEST_LINE) for _ in range(2)]
    layout = _layout(path, *first)
    stream.seek(0)
    species: np.ndarray | None = None
    numbers: list[np.ndarray] = []
    comments: list[dict[str, str]] = []
    for start, lines in _blocks(path, stream, layout.atoms + 2):
        own, values = _parse(path, start, lines, layout)
        species = own[0] if species is None else species
        if (own != species).any():
            frame = len(comments) + int((own != species).any(axis=1).argmax())
            raise InputError(f"{path}: frame {frame} has other atoms, or in another order; import one molecule a file")
        numbers.append(values)
        comments += [_comment(line) for line in lines[1 :: layout.atoms + 2]]
    assert species is not None
    return _frames(path, _elements(species, path), np.concatenate(numbers), comments, list(layout.columns))


def _layout(path: Path, count: bytes, comment: bytes) -> _Layout:
    if not count.strip().isdigit() or len(count) > 20 or not 0 < int(count) <= LARGEST:
        raise InputError(f"{path}: line 1 must be the number of atoms, 1 to {LARGEST}; this is not XYZ of one molecule")
    pairs = _comment(comment)
    parts = pairs.get("Properties", "species:S:1:pos:R:3").split(":")
    layout, column = _Layout(int(count), 0, -1, {}), 0
    if len(parts) % 3 or not all(part.isdigit() and len(part) < 4 for part in parts[2::3]):
        raise InputError(f"{path}: line 2: `Properties` must be name:type:columns, repeated; correct the file")
    for name, kind, width in zip(parts[::3], parts[1::3], map(int, parts[2::3]), strict=True):
        if name in ("species", "Z") and width == 1 and layout.species < 0:
            layout.species = column
        elif name in _COLUMNS and kind == "R" and width == 3:
            layout.columns.setdefault(_COLUMNS[name], column)
        column += width
    layout.width = column
    if layout.species < 0 or "pos" not in layout.columns:
        raise InputError(f"{path}: line 2: `Properties` names no species, or no pos of 3 columns; correct the file")
    return layout


def _blocks(path: Path, stream: BinaryIO, size: int) -> Iterator[tuple[int, list[bytes]]]:
    """Number of the first line, counted from 1, and the lines of frames of `size` lines; the last may be cut."""
    start = 1
    bounded = iter(lambda: stream.readline(LONGEST_LINE), b"")
    while lines := list(islice(bounded, max(1, BLOCK // size) * size)):
        while len(lines) % size and not lines[-1].strip():  # blank lines at the end of the file
            lines.pop()
        if lines:
            yield start, lines
        start += len(lines)


def _parse(path: Path, start: int, lines: list[bytes], layout: _Layout) -> tuple[np.ndarray, np.ndarray]:
    """Species [B, N] as text and the columns of layout.columns [B, N, 3 K] of a block of B frames."""
    size, atoms = layout.atoms + 2, layout.atoms
    for k, count in enumerate(lines[::size]):
        if count.strip() != b"%d" % atoms:
            raise InputError(
                f"{path}: line {start + k * size} must be the number of atoms, {atoms}, and is "
                f"{count.decode(errors='replace').strip()[:40]!r}; an earlier frame is longer or shorter than it says"
            )
    if len(lines) % size:
        raise InputError(f"{path}: ends within a frame at line {start + len(lines)}; get it again or cut that frame")
    rows = [line.split() for k, line in enumerate(lines) if k % size > 1]
    wide = next((k for k, row in enumerate(rows) if len(row) != layout.width), None)
    if wide is not None:
        where = start + wide // atoms * size + wide % atoms + 2
        raise InputError(
            f"{path}: line {where} has {len(rows[wide])} columns instead of {layout.width}; correct the file"
        )
    table = np.array(rows)
    wanted = [column + k for column in layout.columns.values() for k in range(3)]
    try:
        values = table[:, wanted].astype(np.float64)
    except ValueError as error:
        wrong = next(k for k, row in enumerate(rows) if not all(_is_number(row[column]) for column in wanted))
        where = start + wrong // atoms * size + wrong % atoms + 2
        raise InputError(f"{path}: line {where} holds what is no number ({error}); correct the file") from error
    return table[:, layout.species].reshape(-1, atoms), values.reshape(-1, atoms, len(wanted))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _comment(line: bytes) -> dict[str, str]:
    found = {}
    for key, quoted, single, bare in _PAIR.findall(line.decode()):
        found[key] = re.sub(r"\\(.)", r"\1", quoted) or single or bare
    return found


def _elements(species: np.ndarray, path: Path) -> np.ndarray:
    """[N] atomic numbers of symbols or numbers; 0 for X."""
    found = []
    for item in species.tolist():
        text = item.decode("ascii", errors="replace")
        number = int(text) if text.isdigit() and len(text) < 4 else atomic_numbers.get(text.capitalize(), -1)
        if not 0 <= number <= 118:
            raise InputError(f"{path}: {text[:20]!r} is no element; correct the file")
        found.append(number)
    return np.array(found, np.int64)


def _frames(
    path: Path, elements: np.ndarray, values: np.ndarray, comments: list[dict[str, str]], columns: list[str]
) -> Frames:
    arrays: dict[str, Any] = {name: values[:, :, 3 * k : 3 * k + 3] for k, name in enumerate(columns)}
    series: dict[str, Any] = {}
    notes = []
    for name in _SERIES:
        given = [comment[name] for comment in comments if name in comment]
        if len(given) == len(comments):
            series[name] = np.array([_number(text, name, path) for text in given])
        elif given:
            notes.append(f"{name} was left out: only {len(given)} of {len(comments)} frames have it")
    momenta = arrays.pop("momenta", None)
    if momenta is not None and "velocities" not in arrays:
        with np.errstate(divide="ignore", invalid="ignore"):
            arrays["velocities"] = momenta / atomic_masses[elements][:, None]
    if any(" ".join(comment.get("pbc", "F F F").split()).upper() != "F F F" for comment in comments):
        notes.append("the periodic cell was left out: the molecule is taken to be alone")
    labels: dict[str, Any] = {name: comments[0].get(name, "") for name in _LABELS}
    positions = arrays.pop("pos")
    return Frames(
        path, "extxyz", elements, positions, **arrays, **series, velocity_unit="", notes=tuple(notes), **labels
    )


def _number(text: str, name: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{path}: {name}={text[:40]!r} in a comment is no number; correct the file") from error
