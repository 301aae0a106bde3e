"""Forecasts of ASE's molecules, against formulas, ASE's own dynamics, and the symmetries of space."""

import numpy as np
import pytest
import yaml
from ase import units
from ase.build import molecule
from ase.calculators.calculator import Calculator
from ase.md.velocitydistribution import Stationary, ZeroRotation, thermalize_momenta
from ase.md.verlet import VelocityVerlet
from forecast_helpers import METHANOL, write_run
from tblite.ase import TBLite

from mdstride.errors import InputError
from mdstride.forecast import forecast_atoms
from mdstride.forecast.settings import DEFAULTS


def thermal(name, seed=1):
    atoms = molecule(name)
    thermalize_momenta(atoms, 300, rng=np.random.default_rng(seed))
    Stationary(atoms)
    ZeroRotation(atoms)
    return atoms


class NoForces(Calculator):
    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, *others):
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


def after(atoms, calculator, time, step):
    """ASE's own dynamics for `time` fs."""
    atoms = atoms.copy()
    atoms.calc = calculator
    VelocityVerlet(atoms, step * units.fs).run(round(time / step))
    return atoms.positions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("results"))


def test_the_default_settings_are_those_of_the_default_run(request):
    config = yaml.safe_load((request.config.rootpath / "config.yaml").read_text(encoding="utf-8"))
    assert {name: config[name] for name in DEFAULTS} == DEFAULTS


def test_ballistic_is_ases_free_flight():
    """ASE counts time in sqrt(amu/eV) Å and stores momenta: no factor of the package is used here."""
    atoms = thermal("CH3OH")
    atoms.positions += 7.0
    first, second = forecast_atoms(atoms, [100, 20], "ballistic")
    assert first.info == {"time_fs": 100.0, "forecaster": "ballistic"}
    for frame in (first, second):
        expected = after(atoms, NoForces(), frame.info["time_fs"], 10.0)
        assert np.abs(expected - atoms.positions).max() > 0.05
        np.testing.assert_allclose(frame.positions, expected, atol=1e-5)


def test_harmonic_is_close_to_real_dynamics():
    """Water from near its minimum, cold: ASE's own GFN2-xTB dynamics is followed for several vibrations."""
    atoms = molecule("H2O")
    thermalize_momenta(atoms, 10, rng=np.random.default_rng(2))
    Stationary(atoms)
    (start,) = forecast_atoms(atoms, [1e-6], "harmonic", smiles="O")
    np.testing.assert_allclose(start.positions, atoms.positions, atol=1e-4)
    real = after(atoms, TBLite(verbosity=0), 30.0, 0.5)
    (found,) = forecast_atoms(atoms, [30.0], "harmonic")
    moved = np.abs(real - atoms.positions).max()
    assert np.abs(found.positions - real).max() < 0.1 * moved


def test_a_given_reference_spares_the_relaxation(monkeypatch):
    atoms = thermal("H2O")
    (own,) = forecast_atoms(atoms, [10], "rigid")
    monkeypatch.setattr("mdstride.forecast.molecule.find_minimum", None)
    (given,) = forecast_atoms(atoms, [10], "rigid", reference=own)
    np.testing.assert_allclose(given.positions, own.positions, atol=1e-5)
    (unrelaxed,) = forecast_atoms(atoms, [10], "rigid", relax=False)
    np.testing.assert_allclose(unrelaxed.positions, atoms.positions, atol=1e-5)


def test_harmonic_at_a_given_minimum_is_that_of_the_relaxed_one():
    atoms = thermal("H2O")
    (minimum,) = forecast_atoms(atoms, [10], "rigid")
    (relaxed,) = forecast_atoms(atoms, [10], "harmonic")
    (given,) = forecast_atoms(atoms, [10], "harmonic", reference=minimum.positions)
    np.testing.assert_allclose(given.positions, relaxed.positions, atol=2e-3)


def test_a_model_forecasts_and_turns_with_its_molecule(run, capsys):
    atoms = thermal("CH3OH")
    fixed = {"reference": molecule("CH3OH")}
    frames = forecast_atoms(atoms, [10, 50], run, **fixed)
    assert capsys.readouterr().err == ""
    assert [frame.info["time_fs"] for frame in frames] == [10, 50]
    assert 1e-4 < np.abs(frames[0].positions - atoms.positions).max() < 5.0
    turned = atoms.copy()
    turned.rotate(70, (1, 2, 3))
    turned.set_momenta(rotated(atoms.get_momenta()))
    turned.positions += 4.0
    for frame, other in zip(frames, forecast_atoms(turned, [10, 50], run, **fixed), strict=True):
        np.testing.assert_allclose(other.positions - 4.0, rotated(frame.positions), atol=2e-4)


def rotated(vectors):
    """As Atoms.rotate(70, (1, 2, 3)) turns them."""
    carrier = molecule("CH3OH")
    carrier.positions = vectors
    carrier.rotate(70, (1, 2, 3))
    return carrier.positions


def test_many_lags_are_forecast_in_groups(run):
    lags = np.linspace(1, 100, 70)
    frames = forecast_atoms(thermal("CH3OH"), lags, run, relax=False)
    single = forecast_atoms(thermal("CH3OH"), lags[64:], run, relax=False)
    np.testing.assert_allclose(frames[66].positions, single[2].positions, atol=1e-5)


def test_what_a_model_was_not_trained_for_is_said(run, capsys):
    forecast_atoms(thermal("CH3CH2NH2"), [1.0, 90, 500], run, relax=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "forecast: warning: atom was trained on lags of 2 to 100 fs; beyond are 1, 500 fs",
        "forecast: warning: atom has seen no N in training",
        "forecast: warning: atom was trained on at most 2 heavy atoms; this molecule has 3",
    ]
    drifting = thermal("CH3OH")
    drifting.set_velocities(drifting.get_velocities() + 0.1)
    forecast_atoms(drifting, [10], run, relax=False)
    assert "of the kinetic energy is drift and rotation" in capsys.readouterr().err


def test_a_model_away_from_its_run_is_used_with_a_word(run, tmp_path, capsys):
    weights = tmp_path / "a/b/c/d/weights.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes((run / "weights.safetensors").read_bytes())
    forecast_atoms(thermal("CH3OH"), [10], weights, relax=False)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no run.json beside" in line


@pytest.mark.parametrize("smiles", ["OC", "CO", "[H]OC([H])([H])[H]"])
def test_a_smiles_is_matched_to_the_atoms(smiles):
    """ASE's methanol has its hydrogens in another order than any of these."""
    (frame,) = forecast_atoms(thermal("CH3OH"), [10], "persistence", smiles=smiles)
    assert frame.info["smiles"] == "CO"


def test_a_smiles_that_is_another_molecule_is_refused():
    with pytest.raises(InputError, match=r"molecule C2H6O: is not `COC`: bonded otherwise are .*; correct the SMILES"):
        forecast_atoms(thermal("CH3CH2OH"), [10], "persistence", smiles="COC")


def test_a_mapped_smiles_knows_the_bond_that_vibration_has_stretched(run):
    atoms = thermal("CH3OH")
    atoms.positions[3] += 0.45 * (atoms.positions[3] - atoms.positions[1])  # O-H, atoms from 0
    with pytest.raises(InputError, match="not one molecule"):
        forecast_atoms(atoms, [10], run, relax=False)
    mapped = "[H:4][O:2][C:1]([H:3])([H:5])[H:6]"
    assert len(forecast_atoms(atoms, [10], run, smiles=mapped, relax=False)) == 1


def without_velocities():
    return molecule("H2O")


def charged():
    atoms = thermal("H2O")
    atoms.info["charge"] = 1
    return atoms


def in_two():
    atoms = thermal("H2O")
    atoms.positions[1] += 20
    return atoms


def not_finite():
    atoms = thermal("H2O")
    atoms.positions[0, 0] = np.nan
    return atoms


@pytest.mark.parametrize(
    ("atoms", "options", "message"),
    [
        (without_velocities, {}, "molecule H2O: has no velocities; give it some"),
        (charged, {}, r"has the charge \+1; only neutral"),
        (lambda: thermal("CH3"), {}, "has an unpaired electron"),
        (in_two, {}, "its atoms are not one molecule"),
        (not_finite, {}, "positions or velocities are not finite"),
        (lambda: thermal("H2O"), {"reference": np.zeros((2, 3))}, "reference geometry must have its 3 atoms"),
        (lambda: thermal("H2O"), {"model": "harmonic", "relax": False}, "harmonic needs a minimum"),
        (lambda: thermal("H2O"), {"model": "damped harmonic"}, "needs a time constant fitted on trajectories"),
        (lambda: thermal("H2O"), {"model": "atom"}, "no such weights; give the folder that `mdstride pretrain` wrote"),
        (lambda: thermal("H2O"), {"lags": []}, "0 lags; give 1 to 10,000"),
        (lambda: thermal("H2O"), {"lags": [10, 0]}, "lag 0: lags are positive numbers of fs"),
        (lambda: thermal("H2O"), {"lags": [np.inf]}, "lag inf: lags are positive"),
    ],
)
def test_what_cannot_be_forecast_is_refused(atoms, options, message):
    given = {"lags": [10], "model": "rigid"} | options
    with pytest.raises(InputError, match=message):
        forecast_atoms(atoms(), given.pop("lags"), given.pop("model"), **given)


def test_a_forecast_that_is_not_finite_is_refused(monkeypatch):
    monkeypatch.setattr("mdstride.models.baselines.Persistence.forecast", lambda self, state, lags: state.positions / 0)
    with pytest.raises(InputError, match="the forecast is not finite"):
        forecast_atoms(thermal("H2O"), [10], "persistence")


def test_masses_are_those_of_the_molecule():
    heavy = thermal("CH3OH")
    heavy.set_masses([13.003, *heavy.get_masses()[1:]])
    (frame,) = forecast_atoms(heavy, [10], "ballistic")
    np.testing.assert_allclose(frame.get_masses(), heavy.get_masses())
    assert METHANOL.masses[0] != frame.get_masses()[0]
