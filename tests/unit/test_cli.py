"""The command line: help that answers at once, one line for every user error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mdstride import cli

ROOT = Path(__file__).parents[2]
STAGES = ("library", "screen", "select", "relax", "simulate", "dataset build", "pretrain", "evaluate", "report")
ACTIONS = ("add", "split", "verify", "info", "card", "export")


@pytest.mark.parametrize("stage", STAGES)
def test_help_names_every_option(stage, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([*stage.split(), "--help"])
    assert caught.value.code == 0
    assert "--config" in capsys.readouterr().out


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_on_a_data_set_need_no_configuration(action, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["dataset", action, "--help"])
    assert caught.value.code == 0
    assert "--config" not in capsys.readouterr().out


def test_export_needs_no_configuration(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "--source", "none.h5md", "--output", "x.extxyz"]) == 1
    assert "none.h5md: no such file" in capsys.readouterr().err
    assert cli.main(["export", "--source", ".", "--output", "out"]) == 1
    assert "a folder; give --format extxyz, xyz or traj" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_help_imports_nothing_heavy():
    """`--help` must not wait for torch, RDKit or tblite."""
    code = (
        "import sys, contextlib, mdstride.cli\n"
        "with contextlib.suppress(SystemExit): mdstride.cli.main(['--help'])\n"
        "heavy = {'torch', 'rdkit', 'tblite', 'ase', 'h5py', 'numpy', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_training_needs_only_torch_numpy_h5py_safetensors():
    """A GPU node has no chemistry and no workflow installed."""
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'rdkit', 'ase', 'tblite', 'snakemake', 'pandas', 'scipy', 'matplotlib',\n"
        "                                  'yaml', 'jsonschema'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import mdstride.train.stage, mdstride.evaluate.stage, mdstride.models.registry, mdstride.windows, mdstride.cli"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_user_errors_are_one_line(tmp_path, capsys):
    status = cli.main(["relax", "--config", str(tmp_path / "none.yaml"), "--id", "A", "--smiles", "C", "--output", "o"])
    lines = capsys.readouterr().err.splitlines()
    assert status == 1
    assert len(lines) == 1
    assert "none.yaml: no such configuration file" in lines[0]


def test_a_missing_section_is_named(tmp_path, capsys):
    part = tmp_path / "part.json"
    part.write_text(json.dumps({"report": {"title": "x"}}), encoding="utf-8")
    status = cli.main(["screen", "--config", str(part), "--shard", "s", "--output", str(tmp_path / "c")])
    assert status == 1
    assert "no section `screen`" in capsys.readouterr().err


def test_a_missing_input_is_named(tmp_path, capsys):
    arguments = ["--structure", str(tmp_path / "absent.h5"), "--replica", "0"]
    arguments += ["--state", str(tmp_path / "state"), "--output", str(tmp_path / "out.h5md")]
    status = cli.main(["simulate", "--config", str(ROOT / "config.yaml"), *arguments])
    assert status == 1
    assert "absent.h5: no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
