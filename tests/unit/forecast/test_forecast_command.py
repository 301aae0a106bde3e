"""`mdstride forecast`: its files as other programs read them, its seeds, and what it says when something is wrong."""

import json
import shutil

import h5py
import MDAnalysis
import numpy as np
import pytest
import yaml
from ase import units
from ase.io import read
from forecast_helpers import write_run

from mdstride import cli
from mdstride.forecast.stage import parse_lags

WATER = ("--smiles", "O", "--lags", "10", "50", "--model")


def forecast(*arguments):
    return cli.main(["forecast", *map(str, arguments)])


@pytest.fixture(scope="module")
def water(tmp_path_factory):
    """Three starts, as extended XYZ."""
    path = tmp_path_factory.mktemp("water") / "water.extxyz"
    assert forecast(*WATER, "ballistic", "--count", 3, "--output", path) == 0
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("results"))


def test_ase_reads_start_and_forecasts(water):
    frames = read(water, ":")
    assert [(frame.info["start"], frame.info["time_fs"]) for frame in frames] == [
        (start, time) for start in range(3) for time in (0, 10, 50)
    ]
    assert {frame.info["forecaster"] for frame in frames} == {"ballistic"}
    assert "positions Angstrom, time_fs fs" in frames[0].info["units"]
    for start in range(3):
        first, near, far = frames[3 * start : 3 * start + 3]
        velocity = first.get_velocities()
        np.testing.assert_allclose(near.positions, first.positions + 10 * units.fs * velocity, atol=1e-6)
        np.testing.assert_allclose(far.positions, first.positions + 50 * units.fs * velocity, atol=1e-6)
        assert not near.has("momenta")


def test_starts_are_thermal_and_at_rest(tmp_path):
    """Water has 3 internal degrees of freedom, so 2 K / kT has the mean 3 and the variance 6."""
    path = tmp_path / "many.xyz"
    assert forecast(*WATER, "persistence", "--count", 400, "--temperature", 500, "--no-relax", "--output", path) == 0
    starts = [frame for frame in read(path, ":") if frame.info["time_fs"] == 0]
    kinetic = np.array([frame.get_kinetic_energy() for frame in starts])
    assert abs(np.mean(2 * kinetic / (units.kB * 500)) - 3) < 4 * np.sqrt(6 / 400)
    for frame in starts[:5]:
        np.testing.assert_allclose(frame.get_momenta().sum(0), 0, atol=1e-12)
        np.testing.assert_allclose(frame.get_angular_momentum(), 0, atol=1e-12)


def test_the_same_seed_gives_the_same_bytes_and_start_k_does_not_depend_on_the_count(water, tmp_path):
    same, one, other = (tmp_path / f"{name}.extxyz" for name in ("same", "one", "other"))
    assert forecast(*WATER, "ballistic", "--count", 3, "--seed", 1, "--output", same) == 0
    assert same.read_bytes() == water.read_bytes()
    assert forecast(*WATER, "ballistic", "--output", one) == 0
    assert one.read_bytes() == water.read_bytes()[: one.stat().st_size]
    assert forecast(*WATER, "ballistic", "--seed", 2, "--output", other) == 0
    assert other.read_bytes() != one.read_bytes()


def test_mdanalysis_reads_h5md_with_its_times(tmp_path):
    path, again, xyz = tmp_path / "water.h5md", tmp_path / "again.h5md", tmp_path / "water.xyz"
    for output in (path, again, xyz):
        assert forecast("--smiles", "O", "--lags", 5, 1000, 70, "--model", "harmonic", "--output", output) == 0
    assert path.read_bytes() == again.read_bytes()
    universe = MDAnalysis.Universe.empty(n_atoms=3, trajectory=True)
    universe.load_new(str(path))
    expected = read(xyz, ":")
    found = [(frame.time * 1000, frame.positions.copy()) for frame in universe.trajectory]
    np.testing.assert_allclose([time for time, _ in found], [0, 5, 70, 1000])
    for (_, positions), frame in zip(found, expected, strict=True):
        np.testing.assert_allclose(positions, frame.positions, atol=1e-5)
    with h5py.File(path) as file:
        settings = json.loads(file["parameters"].attrs["settings"])
        assert settings["start"] == {"smiles": "O", "temperature": 300.0, "seed": 1, "count": 1}
        assert file["parameters"].attrs["forecaster"] == "harmonic"


def test_a_forecast_can_start_from_a_frame_of_another(water, run, tmp_path, capsys):
    path = tmp_path / "next.xyz"
    assert forecast("--start", f"{water}@3", "--lags", 50, 10, "--model", "ballistic", "--output", path) == 0
    assert f"{path}: forecaster ballistic, lags: 2 (10 to 50 fs), starts: 1, frames: 3" in capsys.readouterr().out
    for frame, original in zip(read(path, ":"), read(water, "3:6"), strict=True):
        np.testing.assert_allclose(frame.positions, original.positions, atol=1e-6)
    smiles = read(water, 0).info["smiles"]
    given = ("--smiles", smiles, "--lags", 10, "--model", run, "--no-relax", "--output", path)
    assert forecast("--start", f"{water}@0", *given) == 0
    assert read(path, 1).info["smiles"] == smiles
    assert read(path, 1).info["forecaster"] == "atom"


def test_a_configuration_sets_how_the_reference_is_relaxed(tmp_path, capsys, request):
    config = tmp_path / "part.json"
    whole = yaml.safe_load((request.config.rootpath / "config.yaml").read_text(encoding="utf-8"))
    sections = {name: whole[name] for name in ("relax", "reference")}
    sections["relax"]["max_steps"] = 1
    config.write_text(json.dumps(sections), encoding="utf-8")
    arguments = ("--config", config, "--output", tmp_path / "out.xyz")
    assert forecast(*WATER, "rigid", *arguments) == 1
    assert "`O`: not converged in 1 steps" in capsys.readouterr().err
    config.write_text(json.dumps({"relax": sections["relax"]}), encoding="utf-8")
    assert forecast(*WATER, "rigid", *arguments) == 1
    assert "part.json: no section `reference`" in capsys.readouterr().err


def test_ranges_of_lags():
    assert parse_lags(["10:50:20", "3"]) == [10, 30, 50, 3]
    assert parse_lags(["0.1:0.3:0.1"]) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--smiles", "C("), "`C(` is not a valid SMILES; check it for typing errors, and quote it in the shell"),
        (("--smiles", ""), "`` is not a valid SMILES"),
        (("--smiles", "[OH-]"), "`[OH-]` has the charge -1; only neutral closed-shell molecules"),
        (("--smiles", "[CH3]"), "`[CH3]` is a radical (unpaired electrons: 1); only neutral"),
        (("--smiles", "O.O"), "`O.O`: more than one molecule; give them one by one"),
        (("--smiles", "[He]"), "`[He]`: a single atom has no internal motion"),
        (("--smiles", "C" * 301), "SMILES of 301 characters; at most 300 are taken"),
        (("--lags", "0"), "lag 0: lags are positive numbers of fs"),
        (("--lags", "-5"), "lag -5: lags are positive numbers of fs"),
        (("--lags", "ten"), "--lags: `ten` is neither a number of fs nor a range FIRST:LAST:STEP"),
        (("--lags", "1:2"), "--lags: `1:2` is neither"),
        (("--lags", "nan"), "--lags: `nan` is neither"),
        (("--lags", "10:1:1"), "--lags: `10:1:1` must go up from FIRST to LAST in steps of STEP fs"),
        (("--lags", "1:1e9:1"), "--lags: `1:1e9:1` must go up"),
        (("--lags", "1:99999:1"), "99999 lags; give 1 to 10,000"),
        (("--model", "nowhere"), "nowhere: no such weights; give the folder that `mdstride pretrain` wrote"),
        (("--output", "x.pdb"), "x.pdb: `.pdb` is not a format of forecasts; end it in .xyz, .extxyz or .h5md"),
        (("--output", "x.h5md", "--count", "2"), "x.h5md: H5MD holds one trajectory; write the forecasts of 2 starts"),
        (("--count", "0"), "--count 0: must be 1 or more"),
        (("--temperature", "-1"), "--temperature -1: must be a positive number of K"),
        (("--model", "harmonic", "--no-relax"), "harmonic needs a minimum; leave out --no-relax"),
        (("--start", "none.xyz"), "none.xyz: no such file"),
        (
            ("--start", "none.xyz", "--seed", "2"),
            "--seed is of random velocities, and those of --start are in the file",
        ),
        (("--config", "none.yaml"), "none.yaml: no such configuration file"),
    ],
)
def test_errors_are_one_line_that_names_the_remedy(change, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"--smiles": "O", "--lags": "10", "--model": "persistence", "--output": "x.xyz"}
    flags = [text for text in change if text == "--no-relax"]
    pairs = [text for text in change if text not in flags]
    options |= dict(zip(pairs[::2], pairs[1::2], strict=True))
    assert forecast(*(f"{name}={value}" for name, value in options.items()), *flags) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_something_to_start_from_is_needed(capsys):
    assert forecast("--lags", 10, "--model", "persistence", "--output", "x.xyz") == 1
    assert "nothing to forecast; give --smiles, or --start" in capsys.readouterr().err


def test_files_that_are_no_start(water, tmp_path, capsys):
    options = ("--lags", 10, "--model", "persistence", "--output", tmp_path / "x.xyz")
    assert forecast("--start", water, *options) == 1
    assert "has no velocities" in (error := capsys.readouterr().err) and "such as @0 for the first" in error
    assert forecast("--start", f"{water}@:", *options) == 1
    assert "9 frames; choose one, such as @0 for the first" in capsys.readouterr().err
    (tmp_path / "bad.extxyz").write_text("two\n\n", encoding="utf-8")
    assert forecast("--start", tmp_path / "bad.extxyz", *options) == 1
    assert "bad.extxyz: ASE cannot read it" in capsys.readouterr().err


def test_damaged_weights_are_refused(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    weights = tmp_path / "run/weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert forecast(*WATER, tmp_path / "run", "--output", tmp_path / "x.xyz") == 1
    assert "weights.safetensors: content does not match its SHA-256" in capsys.readouterr().err
    shutil.copy(run / "weights.safetensors", weights)
    (tmp_path / "run/run.json").write_text("{", encoding="utf-8")
    assert forecast(*WATER, tmp_path / "run", "--no-relax", "--output", tmp_path / "x.xyz") == 1
    assert "run.json: damaged" in capsys.readouterr().err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        forecast("--help")
    text = capsys.readouterr().out
    for word in ("mdstride forecast --smiles CCO", "harmonic", "--config", "FIRST:LAST:STEP"):
        assert word in text
