"""Whether both runs were asked for the same, of the same inputs, code and software, and are as they were made."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mdstride.formats.dataset_file import open_dataset
from mdstride.formats.provenance import Record, read_record, sha256
from mdstride.reproduce.findings import Finding, Outcome, shortened

NEUTRAL = (
    "library.shards",
    "library.pubchem.cache",
    "pretrain.device",
    "pretrain.processes",
    "pretrain.compile",
    "pretrain.atoms_per_pass",
    "pretrain.scratch",
    "pretrain.track",
    "report.title",
)
"""Keys that decide how, not what is computed."""
PLACES = ("library.path", "screen.seeds", "select.names", "select.extra_compounds", "pretrain.start_from")
"""Keys that are the paths of files: what is in them shows in what was made from them."""
LISTS = ("plan.splits", "plan.models", "plan.seeds")
COUNTS = ("plan.replicas", "plan.twins")
"""Keys whose larger values only add to a run."""

_MISSING = object()


def compare_settings(published: Mapping[str, Any], other: Mapping[str, Any]) -> Finding:
    """Key by key."""
    ours, theirs = dict(_leaves(published)), dict(_leaves(other))
    changed = [
        key
        for key in sorted(ours.keys() | theirs.keys())
        if key not in NEUTRAL and ours.get(key, _MISSING) != theirs.get(key, _MISSING)
    ]
    harmless = [key for key in changed if _harmless(key, ours.get(key), theirs.get(key))]
    texts = {key: f"{key} {json.dumps(ours.get(key))}, there {json.dumps(theirs.get(key))}" for key in changed}
    if harmful := [texts[key] for key in changed if key not in harmless]:
        return Finding("settings", Outcome.DIFFERS, f"{shortened(harmful)}. What follows from them cannot agree")
    if harmless:
        return Finding(
            "settings", Outcome.MAY, f"{shortened(texts[key] for key in harmless)}. Files, or more of the same"
        )
    return Finding("settings", Outcome.EXACT, f"all {len(ours) - len(NEUTRAL)} keys that decide what is computed")


def compare_records(published: Path, other: Path) -> Iterator[Finding]:
    """Whether the tables are still as they were written; then inputs, software and code that the results name."""
    runs = {"here": published, "there": other}
    changed = [f"{name} ({where})" for where, run in runs.items() for name in _rewritten(run)]
    detail = f"{shortened(changed)}: changed after the run; delete, and run `snakemake` again" if changed else "all"
    yield Finding("tables as written", Outcome.DIFFERS if changed else Outcome.EXACT, detail)
    ours, theirs = (list(_records(run)) for run in (published, other))
    yield _compare("inputs", _inputs(ours), _inputs(theirs), "What follows from them need not agree")
    because = "Last digits may change, and what grows from them"
    yield _compare("software", _versions(ours), _versions(theirs), because)
    yield _compare("code", _sources(ours), _sources(theirs), "See the changelog for what that changes")


def _compare(what: str, ours: dict[str, str], theirs: dict[str, str], meaning: str) -> Finding:
    shared = sorted(ours.keys() & theirs.keys())
    changed = [f"{name} {ours[name]}, there {theirs[name]}" for name in shared if ours[name] != theirs[name]]
    if changed:
        return Finding(what, Outcome.MAY, f"{shortened(changed)}. {meaning}")
    return Finding(what, Outcome.EXACT, ", ".join(f"{name} {ours[name]}" for name in shared))


def _rewritten(run: Path) -> Iterator[str]:
    """Text files that are no longer as their record says."""
    for path in [run / "select/counts.json", *sorted(run.rglob("*.provenance.json"))]:
        for name, digest in read_record(path).get("outputs", {}).items():
            output = path.with_name(name)
            if not output.is_file() or sha256(output) != digest:
                yield output.relative_to(run).as_posix()


def _records(run: Path) -> Iterator[Record]:
    """Of every stage; those of minima and trajectories as far as the data set says them of all."""
    with open_dataset(run / "dataset.h5") as dataset:
        yield {"stage": "simulate", "inputs": {}} | dataset.settings.get("trajectories", {})
        yield dataset.provenance
    for path in sorted(run.glob("runs/*/*/*/run.json")):
        yield read_record(path)
    paths = [run / "select/counts.json", *run.rglob("*.provenance.json"), *run.glob("scores/**/*.h5")]
    for path in sorted(paths):
        yield read_record(path, sealed=False)


def _inputs(records: list[Record]) -> dict[str, str]:
    """Files that the configuration names, with the start of their hashes."""
    named = {name: digest for one in records for name, digest in one.get("inputs", {}).items()}
    return {name: f"{digest[:12]}…" for name, digest in named.items() if _configured(name)}


def _configured(name: str) -> bool:
    return name in PLACES or (name.startswith("dataset.splits.") and name.endswith(".path"))


def _versions(records: list[Record]) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for one in records:
        for name, version in one.get("software", {}).items():
            found.setdefault(name, set()).add(version)
    return {name: " and ".join(sorted(versions)) for name, versions in found.items()}


def _sources(records: list[Record]) -> dict[str, str]:
    return {one["stage"]: one["source"] for one in records if "source" in one}


def _harmless(key: str, ours: Any, theirs: Any) -> bool:
    if _configured(key):
        return True
    if key in LISTS:
        return set(json.loads(ours)) <= set(json.loads(theirs))
    return key in COUNTS and ours <= theirs


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no table of values, by dotted key; lists as JSON."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    else:
        yield key, json.dumps(value) if isinstance(value, list) else value
