"""A data set, or some of it, in the formats of other programs: one file per trajectory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mdstride.errors import InputError
from mdstride.export.excerpt import Excerpt
from mdstride.export.extxyz import write_extxyz
from mdstride.export.flashmd import write_pairs
from mdstride.export.h5md import write_h5md
from mdstride.export.npz import write_md17, write_sgdml, write_tg80
from mdstride.formats.dataset import Dataset
from mdstride.formats.dataset_file import ID
from mdstride.formats.split import Segment, whole
from mdstride.progress import Progress


@dataclass(frozen=True)
class Format:
    """A format, and what it cannot do without."""

    suffix: str
    write: Callable[..., None]
    needs: tuple[str, ...] = ()
    """Of velocities, forces, energy."""
    consecutive: bool = False
    """Whether it needs frames that follow each other in time."""


FORMATS = {
    "tg80": Format(".npz", write_tg80),
    "md17": Format(".npz", write_md17),
    "sgdml": Format(".npz", write_sgdml, needs=("forces",)),
    "extxyz": Format(".extxyz", write_extxyz),
    "flashmd": Format(".extxyz", write_pairs, needs=("velocities",), consecutive=True),
    "h5md": Format(".h5md", write_h5md, needs=("velocities", "forces", "energy"), consecutive=True),
}


def export_dataset(
    dataset: Dataset,
    output: Path,
    *,
    format: str,
    compounds: Sequence[str] | None = None,
    stride: int = 1,
    every: int | None = None,
    split: str | None = None,
    part: str | None = None,
) -> list[Path]:
    """Write trajectories into the folder `output`, one at a time in memory; returns the files.

    A file is called {id}-{replica}, and where a split takes a part of a trajectory {id}-{replica}-{first}-{stop}.

    Parameters
    ----------
    format
        One of FORMATS. What it cannot do without must be there; what else a trajectory lacks is left out.
    compounds
        Ids; all compounds by default.
    stride
        Write every so many frames. For `flashmd`: frames between the two states of a pair.
    every
        For `flashmd` alone: frames between the starts of pairs; `stride` by default, so that pairs do not overlap.
    split, part
        Both, or neither: only what this part (train, validation or test) of this split may see.

    Raises InputError, before anything is written, for an unknown name, for frames, velocities, forces or energies that
    the format needs and a trajectory lacks, and when nothing is left to write.
    """
    chosen = _format(format, stride, every)
    pairs = format == "flashmd"
    segments = _segments(dataset, compounds, split, part)
    excerpts = {excerpt.name: excerpt for excerpt in _excerpts(dataset, segments, 1 if pairs else stride)}
    if not excerpts:
        raise InputError("nothing to export: no compound of that choice is in that part; choose others")
    for excerpt in excerpts.values():
        _check(excerpt, format, chosen, longest=stride if pairs else 0)
    write = partial(chosen.write, lag=stride, every=every or stride) if pairs else chosen.write
    progress = Progress(f"export {output}", sum(len(excerpt.frames) for excerpt in excerpts.values()), "frames")
    paths = []
    for name, excerpt in excerpts.items():
        paths.append(output / f"{name}{chosen.suffix}")
        write(paths[-1], excerpt)
        progress.update(len(excerpt.frames), note=name)
    progress.close()
    return paths


def _format(name: str, stride: int, every: int | None) -> Format:
    if name not in FORMATS:
        raise InputError(f"`{name}` is not a format of a data set; choose one of {', '.join(FORMATS)}")
    if stride < 1 or (every is not None and every < 1):
        raise InputError("stride and every count frames: they must be 1 or more")
    if every is not None and name != "flashmd":
        raise InputError(f"every: only flashmd writes pairs; leave it out for {name}, and give a stride")
    return FORMATS[name]


def _segments(
    dataset: Dataset, compounds: Sequence[str] | None, split: str | None, part: str | None
) -> Sequence[Segment]:
    """What may be written, as segments of a split."""
    unknown = [name for name in compounds or () if name not in dataset.compounds]
    if unknown:
        raise InputError(f"compound {unknown[0]}: not in the data set; `mdstride dataset info` lists the ids")
    if (split is None) != (part is None):
        raise InputError("split and part go together: name a split and its part train, validation or test")
    if split is None or part is None:
        return whole(compounds or dataset.compounds)
    if split not in dataset.splits:
        raise InputError(f"split {split}: not in the data set; it has {', '.join(dataset.splits) or 'none'}")
    if part not in dataset.splits[split].parts:
        raise InputError(f"part {part}: choose one of {', '.join(dataset.splits[split].parts)}")
    segments = dataset.splits[split].parts[part]
    return [segment for segment in segments if compounds is None or segment.compound in compounds]


def _excerpts(dataset: Dataset, segments: Sequence[Segment], stride: int) -> Iterator[Excerpt]:
    for segment in segments:
        compound = dataset.compounds[segment.compound]
        for replica in compound.replicas:
            if segment.replica in (None, replica.number):
                stop = len(replica.positions) if segment.stop is None else segment.stop
                yield Excerpt(compound, replica, dataset.settings, segment.first, stop, stride)


def _check(excerpt: Excerpt, name: str, chosen: Format, *, longest: int) -> None:
    """Refuse what the format cannot hold, with its reason; `longest` is the lag of a pair in frames."""
    if not ID.fullmatch(excerpt.compound.id):
        raise InputError(f"compound {excerpt.compound.id!r}: not an id, so it names no file; verify the data set")
    mend = "choose compounds without it, or another format"
    missing = [need for need in chosen.needs if getattr(excerpt.replica, need) is None]
    if chosen.consecutive and not excerpt.replica.consecutive:
        raise InputError(f"{excerpt.title}: its frames do not follow each other in time, and {name} needs that; {mend}")
    if missing:
        raise InputError(f"{excerpt.title}: has no {' and no '.join(missing)}, which {name} needs; {mend}")
    if excerpt.stop - excerpt.first <= longest:
        frames = f"{excerpt.stop - excerpt.first} frames"
        raise InputError(f"{excerpt.title}: {frames} are too few for pairs {longest} frames apart; lower the stride")
