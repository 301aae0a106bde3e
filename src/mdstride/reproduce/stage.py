"""Compare a published run with another, from its settings to its summary."""

from collections.abc import Iterator
from pathlib import Path

from mdstride.errors import InputError
from mdstride.formats.dataset_file import open_dataset
from mdstride.layout import read_settings
from mdstride.reproduce.data import (
    compare_compounds,
    compare_datasets,
    compare_minima,
    compare_trajectories,
    compare_verdicts,
)
from mdstride.reproduce.findings import Finding, Outcome, told
from mdstride.reproduce.learned import compare_scores, compare_summary, compare_weights
from mdstride.reproduce.published import opened
from mdstride.reproduce.settings import compare_records, compare_settings

NEEDED = ("compounds.csv", "trajectories.csv", "dataset.h5", "summary.csv")


def reproduce(published: Path, other: Path) -> tuple[str, bool]:
    """What agrees, as text, and whether all agrees that must.

    `published` is a crate (archive or folder) or the folder of a run, `other` the folder of a run. Raises InputError
    where one of them is none, or not finished.
    """
    with opened(published) as (run, found):
        for one in (run, other):
            missing = [name for name in NEEDED if not (one / name).is_file()]
            if missing:
                raise InputError(f"{one}: no {missing[0]}; give a finished run (`mdstride status {one}`)")
        findings = [*found, *_findings(run, other)]
    head = f"{published} against {other}\n\n"
    return head + told(findings), all(one.outcome is not Outcome.DIFFERS for one in findings)


def _findings(run: Path, other: Path) -> Iterator[Finding]:
    yield compare_settings(read_settings(run)[0], read_settings(other)[0])
    yield from compare_records(run, other)
    yield compare_compounds(run, other)
    yield compare_minima(run, other)
    with open_dataset(run / "dataset.h5") as one, open_dataset(other / "dataset.h5") as two:
        yield compare_trajectories(one, two)
        yield from compare_verdicts(run, other)
        yield from compare_datasets(one, two)
    yield from compare_weights(run, other)
    yield from compare_scores(run, other)
    yield compare_summary(run, other)
