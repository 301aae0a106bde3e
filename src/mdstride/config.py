"""Reading and checking the configuration: one schema, errors that name the key, the value and the remedy."""

import difflib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mdstride.errors import InputError

SCHEMA = Path(__file__).with_name("config.schema.yaml")

SECTIONS = (
    "plan",
    "library",
    "screen",
    "select",
    "reference",
    "relax",
    "simulate",
    "dataset",
    "pretrain",
    "evaluate",
    "report",
)

SPLIT_KEYS = {
    "random": ("seed", "validation", "test", "folds"),
    "scaffold": ("seed", "validation", "test", "folds"),
    "butina": ("seed", "validation", "test", "folds", "cutoff"),
    "named": ("path",),
    "replica": (),
    "md17": (),
    "time": ("validation", "test", "gap"),
}
"""What each method of `dataset.splits` needs besides `method`."""

Config = dict[str, Any]


def load(path: Path) -> Config:
    """The configuration in a file, checked.

    A YAML file must hold every section. A JSON file may hold only those that a command uses: that is how the workflow
    hands each job the values it depends on.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such configuration file; give --config the path of one, such as config.yaml")
    text = path.read_text(encoding="utf-8")
    partial = path.suffix == ".json"
    config = _parse_json(text, path) if partial else _parse_yaml(text, path)
    check(config, where=str(path), partial=partial)
    return config


def _parse_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from error


def _parse_yaml(text: str, path: Path) -> Any:
    import yaml  # not on a GPU node, which is handed JSON

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error


def check(config: Any, *, where: str = "configuration", partial: bool = False) -> None:
    """Raise InputError, one line, when `config` does not fit the schema or its values contradict each other.

    With `partial`, whole sections may be missing, but the ones that are there must be complete.
    """
    try:
        import jsonschema
        import yaml
    except ImportError:  # a GPU node has torch, numpy, h5py, safetensors only; the workflow has checked already
        sys.stderr.write("mdstride: jsonschema is not installed, so the configuration is used without checking it\n")
        return
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    if partial:
        schema["required"] = []
    not_finite = [key for key, value in _leaves(config) if isinstance(value, float) and not math.isfinite(value)]
    if not_finite:
        raise InputError(f"{where}: {not_finite[0]} must be a finite number")
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(config), key=lambda error: list(error.path))
    if errors:
        raise InputError(f"{where}: " + "; ".join(_explain(error) for error in errors[:5]))
    contradictions = list(_contradictions(config))
    if contradictions:
        raise InputError(f"{where}: " + "; ".join(contradictions))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its dotted key."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _explain(error: Any) -> str:
    """One clause for one schema error: the key, the value, and what would be valid."""
    key = ".".join(str(part) for part in error.absolute_path) or "top level"
    value = json.dumps(error.instance, default=str)
    value = value if len(value) <= 60 else value[:57] + "..."
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = [name for name in error.instance if name not in known]
        return "; ".join(f"unknown key `{name}` in {key}; {_nearest(name, known)}" for name in unknown)
    if error.validator == "required":
        return f"{key}: missing key `{error.message.split(chr(39))[1]}`; copy it from config.yaml"
    if error.validator == "enum":
        return f"{key}: {value} is not known; {_nearest(str(error.instance), [str(v) for v in error.validator_value])}"
    remedy = f" ({error.schema['description']})" if "description" in error.schema else ""
    return f"{key}: {value} is refused: {_expectation(error)}{remedy}"


def _expectation(error: Any) -> str:
    wanted = error.validator_value
    phrases = {
        "exclusiveMinimum": f"must be greater than {wanted}",
        "minimum": f"must be at least {wanted}",
        "exclusiveMaximum": f"must be less than {wanted}",
        "maximum": f"must be at most {wanted}",
        "type": f"must be {' or '.join(wanted) if isinstance(wanted, list) else wanted}",
        "minItems": f"needs at least {wanted} entries",
        "maxItems": f"takes at most {wanted} entries",
        "uniqueItems": "has an entry twice",
        "pattern": f"must match {wanted}",
        "minLength": "must not be empty",
    }
    return phrases.get(error.validator, error.message)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"valid: {', '.join(known)}"


def _contradictions(config: Config) -> Iterator[str]:
    """What a schema cannot say: relations between values."""
    ranges = {"screen": ("seed_similarity",), "pretrain": ("lags",), "evaluate": ("rollout", "drawn")}
    for section, key in ((section, key) for section, keys in ranges.items() for key in keys):
        low, high = config.get(section, {}).get(key) or (0, 1)
        if low >= high:
            yield f"{section}.{key}: the first value ({low}) must be below the second ({high})"
    if "plan" in config and config["plan"]["twins"] > config["plan"]["replicas"]:
        yield f"plan.twins: {config['plan']['twins']} are more than the {config['plan']['replicas']} replicas"
    if "library" in config:
        source, path = config["library"]["source"], config["library"]["path"]
        if path is None and source in ("csv", "smi", "pubchem-bulk"):
            yield f"library.path: source {source} reads a file; give its path"
        if path is not None and source in ("bundled", "pubchem-rest"):
            yield f"library.path: source {source} reads no file of yours; set source to csv, smi or pubchem-bulk"
    if "reference" in config:
        engine, calculator = config["reference"]["engine"], config["reference"]["calculator"]
        if (engine == "ase") != (calculator is not None):
            yield "reference.calculator: belongs to engine ase, and only to it; give both or neither"
    if "pretrain" in config:
        atom = config["pretrain"]["atom"]
        if atom["width"] % (2 * atom["heads"]):
            yield f"pretrain.atom: width {atom['width']} must be a multiple of twice the heads ({2 * atom['heads']})"
    yield from _split_contradictions(config)
    if "simulate" in config:
        simulate = config["simulate"]
        length = 1000 * simulate["production"]
        if length < simulate["timestep"] * simulate["stride"]:
            yield "simulate.production: shorter than one stored frame; lengthen it or lower simulate.stride"
        twins = config["plan"]["twin_length"] if "plan" in config else 0
        if 1000 * twins > length:
            yield f"plan.twin_length: {twins:g} ps is longer than simulate.production = {simulate['production']:g} ps"
        longest = {
            "pretrain.lags": config.get("pretrain", {}).get("lags", [0])[-1],
            "evaluate.lags": max(config.get("evaluate", {}).get("lags", [0])),
            "evaluate.rollout": (config.get("evaluate", {}).get("rollout") or [0])[-1],
            "evaluate.drawn": (config.get("evaluate", {}).get("drawn") or [0])[-1],
        }
        for key, lag in longest.items():
            if lag >= length:
                yield f"{key}: {lag:g} fs does not fit into simulate.production = {length:g} fs; change one of them"


def _split_contradictions(config: Config) -> Iterator[str]:
    splits = config.get("dataset", {}).get("splits", {})
    for name, split in splits.items():
        missing = [key for key in SPLIT_KEYS[split["method"]] if key not in split]
        if missing:
            yield f"dataset.splits.{name}: missing key `{missing[0]}`, which method {split['method']} needs"
        elif split.get("validation", 0) + split.get("test", 0) >= 1:
            yield f"dataset.splits.{name}: validation + test must stay below 1, or nothing is left to train on"
    for name in config.get("plan", {}).get("splits", ()) if splits else ():
        if name not in splits:
            yield f"plan.splits: `{name}` is not in dataset.splits; {_nearest(name, list(splits))}"


def planned_splits(config: Config) -> list[str]:
    """Names of the splits to train on: those of plan.splits, and NAME-1 .. NAME-k of one with k folds."""
    names: list[str] = []
    for name in config["plan"]["splits"]:
        folds = config["dataset"]["splits"][name].get("folds")
        names += [f"{name}-{fold}" for fold in range(1, folds + 1)] if folds else [name]
    return names
