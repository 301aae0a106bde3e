"""config/README.md says of every key what config.yaml and the schema say."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def readme():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "config/readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_up_to_date(readme):
    text = readme.README.read_text(encoding="utf-8")
    assert readme.renewed(text) == text, "run `python config/readme.py`"


def test_every_key_of_the_default_configuration_has_a_row_with_a_meaning(readme):
    text = readme.README.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.]+)` \|(.*)\|$", text, re.M))

    def check(value, key):
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                check(inner, f"{key}.{name}" if key else name)
        else:
            row = rows[re.sub(r"^(dataset\.splits)\.\w+", r"\1.NAME", key)]
            default, values, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", row))
            assert default and values and len(meaning) > 1, key
            assert yaml.safe_load(default.strip("`")) == value, key

    check(yaml.safe_load((ROOT / "config.yaml").read_text("utf-8")), "")
    assert "dataset.splits.NAME.cutoff" in rows  # a key that no default has


def test_bounds_are_those_of_the_schema(readme):
    text = readme.README.read_text(encoding="utf-8")
    for row in (
        "| `simulate.timestep` | `1.0` | number > 0 and ≤ 5 |",
        "| `reference.engine` | `tblite` | `tblite`, `xtb`, `ase` |",
        "| `screen.seed_similarity` | `[0.075, 0.125]` | list of 2: number ≥ 0 and ≤ 1 |",
        "| `pretrain.patience` | `null` | integer ≥ 1 or `null` |",
    ):
        assert row in text


def test_it_is_out_of_date_when_a_comment_changes(readme, monkeypatch, tmp_path):
    for name in ("config.yaml", "src/mdstride/config.schema.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("# store every so many steps", "# another meaning"), encoding="utf-8")
    text = readme.README.read_text(encoding="utf-8")
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    assert "| another meaning |" in readme.renewed(text)
