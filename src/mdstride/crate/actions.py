"""Who made what from what, with which software: the run as one action, and each of its stages as one."""

import csv
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mdstride import __version__
from mdstride.crate.contents import Contents, Item
from mdstride.crate.software import Versions
from mdstride.layout import STAGES

Entity = dict[str, Any]

MAIN = "Snakefile"
COMPLETED = "http://schema.org/CompletedActionStatus"
OWN = ("mdstride", __version__)

READS = {
    "library": ("inputs",),
    "screen": ("select/",),
    "select": ("select/", "inputs"),
    "relax": ("compounds.csv",),
    "simulate": ("structures/",),
    "twin": ("structures/", "trajectories/"),
    "dataset": ("compounds.csv", "structures/", "trajectories/"),
    "pretrain": ("dataset.h5",),
    "baselines": ("dataset.h5",),
    "evaluate": ("dataset.h5", "runs/"),
    "energies": ("dataset.h5", "scores/"),
    "report": ("compounds.csv", "rejections.csv", "space.csv", "trajectories.csv", "dataset.h5", "runs/", "scores/"),
}
"""What a stage is given, besides the configuration."""


def actions(contents: Contents, software: Mapping[str, Versions]) -> list[Entity]:
    """The run of the workflow, then its stages. Times are those of the files, and of Snakemake's measurements."""
    inputs = [quote(item.path) for item in contents.inputs]
    stages: list[Entity] = []
    begun, ended = [], []
    there = set(_tops(contents, contents.results))
    for stage in STAGES:
        made = [item for item in contents.results if item.stage == stage]
        if not made:
            continue
        given = [f"{contents.folder}/{part}" for part in READS[stage] if part in there]
        given += inputs if "inputs" in READS[stage] else []
        begun.append(min(_begun(item) for item in made))
        ended.append(max(item.source.stat().st_mtime for item in made))
        stages.append(
            {
                "@id": f"#stage-{stage}",
                "@type": "CreateAction",
                "name": f"mdstride {stage}",
                "description": f"The jobs of `mdstride {stage}` that this run took; `mdstride {stage} --help`",
                "instrument": refer(_program(*one) for one in sorted(software.get(stage) or {OWN})),
                "object": refer([quote(contents.plan), *given]),
                "result": refer(f"{contents.folder}/{name}" for name in _tops(contents, made)),
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


def programs(software: Mapping[str, Versions]) -> list[Entity]:
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
        for name, version in sorted(set().union(*software.values()) | {OWN})
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


def _tops(contents: Contents, items: list[Item]) -> list[str]:
    """Names of files directly in the folder of the run, and of the folders that the others lie in."""
    names = (item.path.removeprefix(f"{contents.folder}/").partition("/") for item in items)
    return list(dict.fromkeys(first + slash for first, slash, _ in names))


def _begun(item: Item) -> float:
    """When the job behind a file was started; where Snakemake has not measured it, when the file was written."""
    stamp = item.source.stat().st_mtime
    if item.benchmark is None:
        return stamp
    with item.benchmark.open(newline="", encoding="utf-8") as stream:
        return stamp - max((float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")), default=0.0)
