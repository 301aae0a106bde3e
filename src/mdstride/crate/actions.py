"""Who made what from what, with which software: the run as one action, and each of its stages as one."""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mdstride.crate.contents import Contents, Item
from mdstride.crate.records import Recorded
from mdstride.layout import STAGES

Entity = dict[str, Any]

MAIN = "Snakefile"
COMPLETED = "http://schema.org/CompletedActionStatus"
HANDED = {"relax": ("compounds.csv",)}
"""From which the workflow hands a job values, not the file."""


def actions(contents: Contents, recorded: Mapping[str, Recorded]) -> list[Entity]:
    """The run of the workflow, then its stages, with what their results say that they were made from and with.

    Times are those of the files, and of Snakemake's measurements.
    """
    inputs = [quote(item.path) for item in contents.inputs]
    stages: list[Entity] = []
    begun, ended = [], []
    for stage in STAGES:
        if (one := recorded.get(stage)) is None:
            continue
        made = [item for item in contents.results if item.stage == stage]
        given = sorted(one.inputs | {f"{contents.folder}/{name}" for name in HANDED.get(stage, ())})
        begun.append(min(_begun(item) for item in made))
        ended.append(max(item.source.stat().st_mtime for item in made))
        stages.append(
            {
                "@id": f"#stage-{stage}",
                "@type": "CreateAction",
                "name": f"mdstride {stage}",
                "description": f"The jobs of stage `{stage}` that this run took. Digest of the code: "
                f"{', '.join(sorted(one.sources))}",
                "instrument": refer(_program(*program) for program in sorted(one.software)),
                "object": refer([quote(contents.plan), *_tops(contents, given)]),
                "result": refer(_tops(contents, [item.path for item in made])),
                "startTime": moment(begun[-1]),
                "endTime": moment(ended[-1]),
                "actionStatus": COMPLETED,
            }
        )
    whole = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run {contents.name} of the workflow",
        "description": "All stages, from the library of compounds to the report, as the configuration says",
        "instrument": refer([MAIN]),
        "object": refer([quote(contents.plan), *inputs]),
        "result": refer([f"{contents.folder}/"]),
        "startTime": moment(min(begun)),
        "endTime": moment(max(ended)),
        "actionStatus": COMPLETED,
    }
    return [whole, *stages]


def programs(recorded: Iterable[Recorded]) -> list[Entity]:
    """Every program in every version that was recorded."""
    addresses = {"python": "https://www.python.org/"}
    return [
        {
            "@id": _program(name, version),
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
            "url": addresses.get(name, f"https://pypi.org/project/{quote(name)}/"),
        }
        for name, version in sorted(set[tuple[str, str]]().union(*(one.software for one in recorded)))
    ]


def refer(ids: Iterable[str]) -> Entity | list[Entity]:
    """References to entities; a single one stands for itself, as RO-Crate recommends."""
    found = [{"@id": id} for id in ids]
    return found[0] if len(found) == 1 else found


def moment(stamp: float) -> str:
    """A time stamp as ISO 8601, in UTC."""
    return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")


def _program(name: str, version: str) -> str:
    return f"#{quote(name)}-{quote(version)}"


def _tops(contents: Contents, paths: Iterable[str]) -> list[str]:
    """Ids of files, and of the folders of the run in place of all that lies in them."""
    found = []
    for path in paths:
        inside = path.removeprefix(f"{contents.folder}/")
        first, slash, _ = inside.partition("/")
        found.append(quote(path if inside == path else f"{contents.folder}/{first}{slash}"))
    return list(dict.fromkeys(found))


def _begun(item: Item) -> float:
    """When the job behind a file was started; where Snakemake has not measured it, when the file was written."""
    stamp = item.source.stat().st_mtime
    if item.benchmark is None:
        return stamp
    with item.benchmark.open(newline="", encoding="utf-8") as stream:
        return stamp - max((float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")), default=0.0)
