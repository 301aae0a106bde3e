"""Splits that a file lists compound by compound, such as the five folds of TG80."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdstride.dataset.splits.identity import INCHIKEY, groups, keys
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.formats.provenance import sha256
from mdstride.formats.split import PARTS, Split, whole
from mdstride.formats.tables import read_table


def named_split(where: str, settings: Mapping[str, Any], compounds: Mapping[str, CompoundData]) -> Split:
    """Each compound in the part where the TOML file settings["path"] lists it.

    The file has the lists `train`, `validation` and `test` of ids, InChIKeys or names, and may name in `names` a CSV
    file beside it (columns name, inchikey) that says what its names mean. An InChIKey stands for every compound of the
    same connectivity. Entries that the data set lacks and compounds that are not listed are left out, and standard
    error says so. Raises InputError when a compound, or its group, is in two parts, and when a part is left empty.
    """
    path = Path(settings["path"])
    listed, inchikeys = _read(where, path)
    handles = _handles(compounds)
    group = groups(compounds)
    placed: dict[str, tuple[str, str]] = {}
    parts: dict[str, set[str]] = {part: set() for part in PARTS}
    missing = []
    for part, entries in listed.items():
        for entry in entries:
            found = _find(entry, inchikeys, handles)
            if not found:
                missing.append(entry)
            for key in sorted(found):
                before, as_what = placed.setdefault(group[key], (part, entry))
                if before != part:
                    raise InputError(
                        f"{path}: {key} is in {before} (as {as_what}) and in {part} (as {entry}); keep one of them"
                    )
            parts[part] |= found
    _say(where, f"{path.name} lists compounds that the data set lacks", missing)
    _say(where, f"{path.name} does not list, so left out", sorted(set(compounds).difference(*parts.values())))
    for part, chosen in parts.items():
        if not chosen:
            raise InputError(f"{where}: {path} leaves {part} empty: the data set has none of its compounds; add some")
    segments = {part: whole(chosen) for part, chosen in parts.items()}
    return Split(segments, "named", settings={"path": path.name, "sha256": sha256(path)})


def _read(where: str, path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The entries of each part, and the InChIKeys of names."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{where}: {path} cannot be read ({error.strerror}); check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a TOML file ({error})") from error
    unknown = sorted(set(value) - {*PARTS, "names"})
    if unknown:
        raise InputError(f"{path}: unknown key `{unknown[0]}`; a split has train, validation, test and perhaps names")
    for part in PARTS:
        entries = value.get(part)
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise InputError(f"{path}: `{part}` must be a list of names, ids or InChIKeys, each in quotes")
    if "names" not in value:
        return {part: value[part] for part in PARTS}, {}
    table = read_table(path.parent / str(value["names"]), ("name", "inchikey"))
    return {part: value[part] for part in PARTS}, {row["name"]: row["inchikey"] for row in table}


def _handles(compounds: Mapping[str, CompoundData]) -> dict[str, set[str]]:
    """Ids by what an entry may call them: their own, names in lower case, and connectivities."""
    found: dict[str, set[str]] = {}
    for key, compound in compounds.items():
        connectivities = {tie for tie in keys(compound) if tie.startswith("InChIKey ")}
        for handle in {key, compound.labels.get("name", "").lower(), *connectivities} - {""}:
            found.setdefault(handle, set()).add(key)
    return found


def _find(entry: str, inchikeys: Mapping[str, str], handles: Mapping[str, set[str]]) -> set[str]:
    """Ids of the compounds that an entry means."""
    inchikey = inchikeys.get(entry, entry)
    found = set(handles.get(entry, ())) | handles.get(entry.lower(), set())
    if INCHIKEY.fullmatch(inchikey):
        found |= handles.get(f"InChIKey {inchikey[:14]}", set())
    return found


def _say(where: str, what: str, which: list[str]) -> None:
    if which:
        sys.stderr.write(f"{where}: {what}: {', '.join(which)}\n")
