"""Whether both runs were asked for the same, of the same software."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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


def compare_software(published: Path, other: Path) -> Finding:
    """Versions that the trainings and the data sets have recorded, and the code that trained."""
    ours, theirs = (_versions(run) for run in (published, other))
    shared = ours.keys() & theirs.keys()
    changed = [f"{name} {ours[name]}, there {theirs[name]}" for name in sorted(shared) if ours[name] != theirs[name]]
    if changed:
        return Finding(
            "software", Outcome.MAY, f"{shortened(changed)}. Last digits may change, and what grows from them"
        )
    return Finding("software", Outcome.EXACT, ", ".join(f"{name} {ours[name]}" for name in sorted(shared)))


def _versions(run: Path) -> dict[str, str]:
    from mdstride.formats.dataset_file import open_dataset

    with open_dataset(run / "dataset.h5") as dataset:
        found = dict(dataset.settings.get("trajectories", {}).get("software", {}))
    for path in sorted(run.glob("runs/*/*/*/run.json")):
        details = json.loads(path.read_text(encoding="utf-8"))
        found |= details["software"] | {"source of training": details["source"]}
    return found


def _harmless(key: str, ours: Any, theirs: Any) -> bool:
    if key in PLACES or (key.startswith("dataset.splits.") and key.endswith(".path")):
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
