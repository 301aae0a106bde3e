"""Making splits. By compound: a held-out molecule was never seen in any form; within compounds: held-out frames.

    method    what it holds out                                       settings
    random    compounds                                               seed, validation, test, folds
    scaffold  all compounds of a Bemis-Murcko scaffold                seed, validation, test, folds
    butina    all compounds of a cluster of similar ones              seed, validation, test, folds, cutoff
    named     the compounds that a file lists                         path
    replica   the last trajectories of each compound                  -
    time      the last frames of each trajectory                      validation, test, gap
    md17      frames at random, as the literature does (leaky)        -

docs/splits.md explains them.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from rdkit import Chem
from rdkit.DataStructs import BulkTanimotoSimilarity
from rdkit.ML.Cluster import Butina

from mdstride.chemistry import fingerprint, molecule, scaffold
from mdstride.config import SPLIT_KEYS
from mdstride.dataset.splits.identity import groups, join
from mdstride.dataset.splits.named import named_split
from mdstride.dataset.splits.protocols import md17_split
from mdstride.dataset.splits.within import replica_split, time_split
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData
from mdstride.formats.split import Split, whole

Compounds = Mapping[str, CompoundData]
Settings = Mapping[str, Any]
Clusters = dict[str, list[str]]
"""Names of the groups of compounds (identity.py) that stay together, by the name of the cluster."""


def make_splits(name: str, settings: Settings, compounds: Compounds) -> dict[str, Split]:
    """The split `name`, or with `folds` the splits `name`-1 .. `name`-k, by name.

    The result depends on what the compounds are, not on their order. Raises InputError where the settings leave a
    part empty. Writes to standard error which compounds are left out.
    """
    where, method = f"dataset.splits.{name}", settings["method"]
    if method in DIRECT:
        return {name: DIRECT[method](where, settings, compounds)}
    group = groups(compounds)
    clusters = _clusters(where, settings, compounds, group)
    if settings["folds"] is None:
        dealt = {name: hold_out(clusters, settings["validation"], settings["test"])}
    else:
        folds = deal_folds(clusters, settings["validation"], settings["folds"])
        dealt = {f"{name}-{k}": parts for k, parts in enumerate(folds, start=1)}
    made = {key: settings[key] for key in SPLIT_KEYS[method]}
    return {
        key: Split(
            {part: whole(one for one in compounds if group[one] in chosen) for part, chosen in parts.items()},
            method,
            settings=made,
        )
        for key, parts in dealt.items()
    }


DIRECT: dict[str, Callable[[str, Settings, Compounds], Split]] = {
    "named": named_split,
    "replica": replica_split,
    "time": time_split,
    "md17": md17_split,
}
"""Methods without clusters of compounds to be dealt."""


def hold_out(clusters: Clusters, validation: float, test: float) -> dict[str, set[str]]:
    """The groups of each part: the first clusters are tested, the next validate, the others train.

    The shares are of groups; each part has at least one cluster.
    """
    tested = _take(clusters, list(clusters), test, leave=2)
    rest = [name for name in clusters if name not in tested]
    return _parts(clusters, tested, rest, validation)


def deal_folds(clusters: Clusters, validation: float, folds: int) -> list[dict[str, set[str]]]:
    """The groups of each part, for each fold; every group is tested in one fold.

    Folds are consecutive runs of clusters, about equal in groups, so that a new compound moves few others. The
    clusters that follow upon a fold, at the end from the start, validate; the others train.
    """
    order, sizes = list(clusters), np.array([len(members) for members in clusters.values()])
    middles, least = sizes.cumsum() - sizes / 2, _least(folds)
    starts = [0]
    for k in range(1, folds):
        level = int((middles < sizes.sum() * k / folds).sum())
        starts.append(min(max(level, starts[-1] + least), len(order) - least * (folds - k)))
    runs = [order[start:stop] for start, stop in pairwise([*starts, len(order)])]
    return [
        _parts(clusters, tested, [name for run in runs[k + 1 :] + runs[:k] for name in run], validation)
        for k, tested in enumerate(runs)
    ]


def _least(folds: int) -> int:
    """Clusters of each fold at least, so that two are left to train and to validate when it is tested."""
    return 2 if folds == 2 else 1


def _parts(clusters: Clusters, tested: list[str], rest: list[str], validation: float) -> dict[str, set[str]]:
    """The groups of each part, when `tested` clusters are tested and the first of the `rest` validate."""
    validating = _take(clusters, rest, validation, leave=1)
    training = [name for name in rest if name not in validating]
    named = {"train": training, "validation": validating, "test": tested}
    return {part: {group for name in names for group in clusters[name]} for part, names in named.items()}


def _take(clusters: Clusters, order: list[str], share: float, *, leave: int) -> list[str]:
    """The first clusters of `order` that fit into a share of all groups; at least one, and at most all but `leave`."""
    room = max(1, round(share * sum(map(len, clusters.values()))))
    taken: list[str] = []
    for name in order:
        if len(clusters[name]) <= room and len(taken) < len(order) - leave:
            taken.append(name)
            room -= len(clusters[name])
    return taken or [min(order, key=lambda name: len(clusters[name]))]


def _clusters(where: str, settings: Settings, compounds: Compounds, group: Mapping[str, str]) -> Clusters:
    """Groups that stay together, by the name of the first, in the order of sha256(seed, name).

    That order is random, and a new compound does not change it among the others.
    """
    similar = SIMILAR[settings["method"]](settings, compounds)
    clusters: Clusters = {}
    for members in join({key: {group[key], *similar.get(key, ())} for key in compounds}):
        names = sorted({group[key] for key in members})
        clusters[names[0]] = names
    needed = 3 if settings["folds"] is None else max(3, settings["folds"] * _least(settings["folds"]))
    if len(clusters) < needed:
        raise InputError(
            f"{where}: {len(compounds)} compounds make {len(clusters)} of different {UNLIKE[settings['method']]}, and "
            f"{needed} are needed; select more compounds, relax simulate.limits or take another method"
        )
    order = sorted(clusters, key=lambda name: hashlib.sha256(f"{settings['seed']}:{name}".encode()).hexdigest())
    return {name: clusters[name] for name in order}


def _molecules(compounds: Compounds) -> dict[str, Chem.Mol]:
    """By id, sorted; says which compounds have none."""
    found = {key: molecule(compounds[key]) for key in sorted(compounds)}
    unknown = [key for key, mol in found.items() if mol is None]
    if unknown:
        sys.stderr.write(f"note: no structure is known of {', '.join(unknown)}; each counts as unlike all others\n")
    return {key: mol for key, mol in found.items() if mol is not None}


def _same_scaffold(settings: Settings, compounds: Compounds) -> dict[str, list[str]]:
    """Key of the scaffold of each compound; none where there is no ring, so that those are kept apart."""
    return {key: [f"scaffold {text}"] if (text := scaffold(mol)) else [] for key, mol in _molecules(compounds).items()}


def _same_cluster(settings: Settings, compounds: Compounds) -> dict[str, list[str]]:
    """Key of the Butina cluster of each compound: Butina, J. Chem. Inf. Comput. Sci. 39, 747 (1999).

    Each member is within settings["cutoff"] (Tanimoto distance of ECFP4) of the centre of its cluster.
    """
    molecules = _molecules(compounds)
    prints = [fingerprint(mol) for mol in molecules.values()]
    distances = [1 - s for k in range(1, len(prints)) for s in BulkTanimotoSimilarity(prints[k], prints[:k])]
    clusters = Butina.ClusterData(distances, len(prints), settings["cutoff"], isDistData=True)
    ids = list(molecules)
    return {ids[k]: [f"cluster {number}"] for number, members in enumerate(clusters) for k in members}


SIMILAR: dict[str, Callable[[Settings, Compounds], dict[str, list[str]]]] = {
    "random": lambda settings, compounds: {},
    "scaffold": _same_scaffold,
    "butina": _same_cluster,
}
"""What ties compounds beside their identity, by method: keys by id."""

UNLIKE = {"random": "connectivity", "scaffold": "scaffold", "butina": "cluster"}
