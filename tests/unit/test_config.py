"""The configuration: one source of keys, errors that name the key and the remedy."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml

from mdstride import config
from mdstride.errors import InputError

ROOT = Path(__file__).parents[2]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def changed(**changes):
    """The default configuration with dotted keys replaced."""
    result = copy.deepcopy(DEFAULT)
    for key, value in changes.items():
        *parents, last = key.split("__")
        section = result
        for parent in parents:
            section = section[parent]
        section[last] = value
    return result


def test_default_is_valid():
    assert config.load(ROOT / "config.yaml") == DEFAULT


@pytest.mark.parametrize("path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.name)
def test_overlays_are_valid(path):
    """Every bundled overlay, laid over config.yaml as Snakemake does, fits the schema."""

    def merge(base, over):
        return {
            **base,
            **{k: merge(base[k], v) if isinstance(v, dict) and k in base else v for k, v in over.items()},
        }

    config.check(merge(DEFAULT, yaml.safe_load(path.read_text(encoding="utf-8"))))


def test_every_section_is_known():
    assert set(config.SECTIONS) | {"run", "results"} == set(DEFAULT)


def test_every_key_of_the_default_has_a_comment():
    """Each line that sets a key carries a comment on the same line, or opens a section whose keys do."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    bare = []
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        indent = len(line) - len(line.lstrip())
        opens = line.rstrip().endswith(":") and len(following) - len(following.lstrip()) > indent
        if "#" not in line and not opens:
            bare.append(line)
    assert bare == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"simulate__timestep": -1.0}, "simulate.timestep: -1.0 is refused: must be greater than 0"),
        ({"simulate__timestep": 0}, "simulate.timestep: 0 is refused"),
        ({"simulate__timestep": "1.0"}, "must be number"),
        ({"simulate__timestep": float("nan")}, "simulate.timestep"),
        ({"simulate__production": float("inf")}, "simulate.production"),
        ({"simulate__timstep": 1.0}, "unknown key `timstep` in simulate; did you mean `timestep`?"),
        ({"simulaet": {}}, "unknown key `simulaet` in top level; did you mean `simulate`?"),
        ({"plan__models": ["atmo"]}, 'plan.models.0: "atmo" is not known; did you mean `atom`?'),
        ({"plan__models": []}, "plan.models"),
        ({"run": "x$(touch pwned)"}, "run: "),
        ({"run": "../../e"}, "run: "),
        ({"results": "../../e"}, "results: "),
        ({"results": "x$(touch pwned)"}, "results: "),
        ({"results": "a b"}, "results: "),
        ({"screen__seed_similarity": [0.2, 0.1]}, "must be below"),
        ({"screen__seed_similarity": [0.2, 1.1]}, "must be at most 1"),
        ({"pretrain__atom__width": 97}, "multiple of twice the heads"),
        ({"evaluate__lags": [1e6]}, "does not fit"),
        ({"pretrain__lags": [8.0, 1e6]}, "does not fit"),
        ({"dataset__splits__compound__test": 0.9}, "nothing is left to train on"),
        ({"dataset__splits__compound__method": "scafold"}, "did you mean `scaffold`?"),
        (
            {"dataset__splits__compound__method": "butina"},
            "dataset.splits.compound: missing key `cutoff`, which method",
        ),
        ({"dataset__splits": {"a/b": {"method": "replica"}}}, "a/b"),
        ({"plan__splits": ["compond"]}, "plan.splits: `compond` is not in dataset.splits; did you mean `compound`?"),
        ({"dataset": {}}, "missing key `splits`"),
        ({"dataset": {}}, "missing key `max_failed`"),
        ({"library__source": "csv"}, "library.path: source csv reads a file; give its path"),
        ({"library__path": "mine.csv"}, "library.path: source bundled reads no file of yours"),
        ({"library__pubchem__url": "ftp://x"}, "must match ^https?:// (address of a PUG-REST service)"),
        ({"screen__alerts": ["peroxid"]}, "peroxid"),
    ],
)
def test_bad_values_are_refused_in_one_line(changes, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        config.check(changed(**changes))
    assert "\n" not in str(caught.value)


def test_a_json_file_may_hold_some_sections(tmp_path):
    path = tmp_path / "part.json"
    path.write_text(json.dumps({"select": DEFAULT["select"]}), encoding="utf-8")
    assert config.load(path) == {"select": DEFAULT["select"]}
    path.write_text('{"select": {}}', encoding="utf-8")
    with pytest.raises(InputError, match="missing key `names`"):
        config.load(path)
    path.write_text('{"select": ', encoding="utf-8")
    with pytest.raises(InputError, match=r"part\.json: not valid JSON"):
        config.load(path)


def test_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such configuration file"):
        config.load(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("select: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.yaml: not valid YAML"):
        config.load(broken)
    broken.write_text("just text", encoding="utf-8")
    with pytest.raises(InputError, match="must be object"):
        config.load(broken)


def test_folds_are_planned_one_by_one():
    assert config.planned_splits(DEFAULT) == ["compound"]
    assert config.planned_splits(changed(dataset__splits__compound__folds=3)) == [
        "compound-1",
        "compound-2",
        "compound-3",
    ]
