"""Which compounds of a data set are the same: told from what they are made of, whatever they are called.

Two compounds are tied when they share a key: connectivity (first block of the InChIKey, of the id or computed from the
SMILES), constitution (atoms and bonds as stored), or the first frames of a trajectory. What is tied to the same
compound is tied to each other.
"""

import hashlib
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np

from mdstride.chemistry import connectivity, constitution, molecule
from mdstride.formats.dataset import CompoundData, Replica

INCHIKEY = re.compile(r"[A-Z]{14}-[A-Z]{10}-[A-Z]")

OPENING = 2
"""Frames by which a trajectory is recognised. Two that agree in positions for so long also agree in velocity: they are
the same, or one is the other cut short. To read them whole would take minutes from a large file."""

Item = TypeVar("Item", bound=Hashable)


def keys(compound: CompoundData) -> set[str]:
    """What ties a compound to others; each key begins with its kind."""
    found = {f"constitution {constitution(compound)}"}
    if INCHIKEY.fullmatch(compound.id):
        found.add(f"InChIKey {compound.id[:14]}")
    mol = molecule(compound)
    if mol is not None and (block := connectivity(mol)):
        found.add(f"InChIKey {block}")
    return found | {opening(replica) for replica in compound.replicas}


def opening(replica: Replica) -> str:
    """Key of a trajectory: digest of its first frames."""
    frames = np.ascontiguousarray(replica.positions[:OPENING], dtype=np.float32)
    return f"trajectory {hashlib.sha256(repr(frames.shape).encode() + frames.tobytes()).hexdigest()}"


def groups(compounds: Mapping[str, CompoundData]) -> dict[str, str]:
    """Name of the group of each compound, by id: the compounds of a group are the same but for stereochemistry.

    A group has the name of its first member: the first block of the InChIKey, or the id if that is none.
    """
    found: dict[str, str] = {}
    for members in join({key: keys(compound) for key, compound in compounds.items()}):
        name = min(key[:14] if INCHIKEY.fullmatch(key) else key for key in members)
        found |= dict.fromkeys(members, name)
    return found


def join(keys: Mapping[Item, Iterable[str]]) -> list[list[Item]]:
    """The items, those together that share a key or are tied through others, in the order of `keys`."""
    parent: dict[Item, Item] = {item: item for item in keys}

    def root(item: Item) -> Item:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    owner: dict[str, Item] = {}
    for item, own in keys.items():
        for key in own:
            parent[root(item)] = root(owner.setdefault(key, item))
    found: dict[Item, list[Item]] = {}
    for item in keys:
        found.setdefault(root(item), []).append(item)
    return list(found.values())
