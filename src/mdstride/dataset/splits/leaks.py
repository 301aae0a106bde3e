"""Whether what a split tests was seen in training.

By compound, no part may have a compound that is the same as one of another part, in whatever form and under whatever
name (identity.py). Within compounds, no frame may be in two parts. A window lies within one segment, with all its lags,
so that windows overlap only where segments do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from mdstride.dataset.splits.identity import groups, join, keys, opening
from mdstride.dataset.splits.within import gap_frames
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Replica
from mdstride.formats.split import PARTS, Segment, Split

Compounds = Mapping[str, CompoundData]
Trajectory = tuple[str, int]
"""Id of the compound and number of the replica."""


@dataclass(frozen=True, order=True)
class Piece:
    """Frames first .. stop - 1 of a trajectory, and the part that has them."""

    first: int
    stop: int
    trajectory: Trajectory
    part: str

    def __str__(self) -> str:
        return f"frames {self.first} to {self.stop - 1} ({self.part})"


def check_split(split: Split, compounds: Compounds) -> list[str]:
    """What is wrong with a split, one text for each violation: which compounds or frames, and what helps.

    Leaks are looked for in a split that fits the data set. Between the parts of a split by time must lie
    split.settings["gap"] fs, if it has one.
    """
    return faults(split, compounds) or leaks(split, compounds)


def refuse_leaks(name: str, split: Split, compounds: Compounds) -> None:
    """Raise InputError for a split that does not fit the data set, or that leaks and is not marked as leaky."""
    found = faults(split, compounds) or ([] if split.leaky else leaks(split, compounds))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InputError(f"split {name}: {found[0]}{more}")


def faults(split: Split, compounds: Compounds) -> list[str]:
    """Segments that the data set does not have, an unknown unit, and an empty test."""
    segments = [segment for part in PARTS for segment in split.parts[part]]
    found = [text for segment in segments if (text := _fault(segment, compounds))]
    if split.unit not in ("compound", "frames"):
        found.append(f"unit `{split.unit}` is unknown; it is compound or frames")
    if not split.parts["test"]:
        found.append("nothing is tested; give the part test at least one compound")
    return list(dict.fromkeys(found))


def leaks(split: Split, compounds: Compounds) -> list[str]:
    """What is in two parts of a split that has no faults."""
    search = _shared_compounds if split.unit == "compound" else _shared_frames
    return list(search(split, compounds))


def _fault(segment: Segment, compounds: Compounds) -> str:
    key, number = segment.compound, segment.replica
    if key not in compounds:
        return f"{key} is not in the data set; remove it from the split"
    if number is None:
        whole = segment == Segment(key)
        return "" if whole else f"{key}: a segment has frames but no replica; say which replica they are of"
    replicas = {replica.number: replica for replica in compounds[key].replicas}
    if number not in replicas:
        return f"{key} has no replica {number}; it has {', '.join(map(str, sorted(replicas)))}"
    frames = len(replicas[number].positions)
    stop = frames if segment.stop is None else segment.stop
    if not 0 <= segment.first < stop <= frames:
        return f"{key} replica {number}: frames {segment.first} to {stop - 1} are not all there; it has {frames} frames"
    return ""


def _shared_compounds(split: Split, compounds: Compounds) -> Iterator[str]:
    """By compound: a violation for each two compounds of one group in different parts."""
    group = groups(compounds)
    members: dict[str, list[tuple[str, str]]] = {}
    for part in PARTS:
        for key in split.ids(part):
            members.setdefault(group[key], []).append((key, part))
    for found in members.values():
        for (one, part), (other, place) in combinations(found, 2):
            if one == other:
                yield f"{_called(compounds[one])} is in {part} and in {place}; remove it from one"
            elif part != place:
                same = keys(compounds[one]) & keys(compounds[other])
                why = f"same {min(same).split()[0]}" if same else "by way of others that are the same as both"
                yield (
                    f"{_called(compounds[one])} in {part} and {_called(compounds[other])} in {place} are one compound "
                    f"({why}); put both in one part"
                )


def _called(compound: CompoundData) -> str:
    name = compound.labels.get("name", "")
    return f"{compound.id} ({name})" if name else compound.id


def _shared_frames(split: Split, compounds: Compounds) -> Iterator[str]:
    """Within compounds: a violation for each trajectory and two parts that overlap there, or come too close."""
    pieces: dict[Trajectory, list[Piece]] = {}
    replicas: dict[Trajectory, Replica] = {}
    for part in PARTS:
        for segment in split.parts[part]:
            for replica in compounds[segment.compound].replicas:
                if segment.replica in (None, replica.number):
                    stop = len(replica.positions) if segment.stop is None else segment.stop
                    trajectory = segment.compound, replica.number
                    replicas[trajectory] = replica
                    pieces.setdefault(trajectory, []).append(Piece(segment.first, stop, trajectory, part))
    gap = split.settings.get("gap", 0.0)
    for same in join({trajectory: {opening(replica)} for trajectory, replica in sorted(replicas.items())}):
        between = gap_frames(gap, replicas[same[0]].interval)
        close = _too_close([piece for trajectory in same for piece in pieces[trajectory]], between)
        for found in close.values():
            (one, other), more = found[0], len(found) - 1
            yield _overlap_text(one, other, gap) + (f" (the first of {more + 1} places)" if more else "")


def _too_close(pieces: list[Piece], between: int) -> dict[frozenset[str], list[tuple[Piece, Piece]]]:
    """Pieces of different parts with fewer than `between` frames from one to the other, by the two parts.

    In the order of their first frames, each piece is compared with the one of each other part that reaches farthest:
    if any piece before it comes too close, that one does. So time grows as n log n.
    """
    found: dict[frozenset[str], list[tuple[Piece, Piece]]] = {}
    farthest: dict[str, Piece] = {}
    for piece in sorted(pieces):
        for part, before in farthest.items():
            if part != piece.part and before.stop + between > piece.first:
                found.setdefault(frozenset((part, piece.part)), []).append((before, piece))
        if piece.part not in farthest or piece.stop > farthest[piece.part].stop:
            farthest[piece.part] = piece
    return found


def _overlap_text(one: Piece, other: Piece, gap: float) -> str:
    key, number = one.trajectory
    if one.trajectory != other.trajectory:
        copy = f"{other.trajectory[0]} replica {other.trajectory[1]}"
        return f"{key} replica {number}, {one}, and {copy}, {other}, are one trajectory; remove the copy"
    if one.stop > other.first:
        return f"{key} replica {number}: {one} and {other} overlap; cut one of them short, or split by method time"
    return f"{key} replica {number}: {one} and {other} are less than the gap of {gap:g} fs apart; cut one of them short"
