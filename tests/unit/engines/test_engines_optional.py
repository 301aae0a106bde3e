"""Calculators of ASE by import path, the optional package xtb, and the versions that files record."""

import importlib.metadata
import sys

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

from mdstride.engines import EngineError, engine_version, make_engine
from mdstride.errors import InputError

HYDROGEN = np.array([[0, 0, 0], [0, 0, 0.74]])


class Scripted(Calculator):
    """Does as its options say. Single precision, as learned potentials have it."""

    implemented_properties = ("energy", "forces")
    calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if "raises" in self.parameters:
            raise {"division": ZeroDivisionError(), "disk": OSError("disk full"), "text": ValueError("two\nlines")}[
                self.parameters.raises
            ]
        self.results = {"energy": -1.0, "forces": np.full((len(atoms), 3), self.parameters.get("force", 0), np.float32)}
        if "drift" in self.parameters:
            self.results["energy"] -= self.calls * self.parameters.drift
            self.calls += 1
        self.results["free_energy"] = -1.5


class Smeared(Scripted):
    """Tells the free energy apart, as calculators with fractional occupations do."""

    implemented_properties = ("energy", "free_energy", "forces")


def scripted(charge=0, multiplicity=1, name="Scripted", **options):
    settings = {"engine": "ase", "calculator": f"{__name__}:{name}", "options": options}
    return make_engine(settings, [1, 1], charge, multiplicity)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"raises": "division"}, "^Scripted: ZeroDivisionError$"),
        ({"raises": "text"}, "^Scripted: two lines$"),
        ({"force": np.nan}, "not finite"),
        ({"force": np.inf}, "not finite"),
    ],
)
def test_what_goes_wrong_in_a_calculator_is_the_molecules_failure(options, reason):
    with pytest.raises(EngineError, match=reason):
        scripted(**options).compute(HYDROGEN)


def test_a_full_disk_is_not_the_molecules_failure():
    with pytest.raises(OSError, match="disk full"):
        scripted(raises="disk").compute(HYDROGEN)


def test_nothing_survives_forgetting_not_even_what_a_reset_would_leave():
    engine = scripted(drift=1.0)
    assert [engine.compute(HYDROGEN * k)[0] for k in (1, 2)] == [-1.0, -2.0]
    engine.forget()
    assert engine.compute(HYDROGEN)[0] == -1.0
    with pytest.raises(EngineError):
        engine.compute(HYDROGEN * 0)
    assert engine.compute(HYDROGEN)[0] == -1.0


def test_the_energy_is_the_one_whose_derivative_the_forces_are():
    assert scripted().compute(HYDROGEN)[0] == -1.0
    assert scripted(name="Smeared").compute(HYDROGEN)[0] == -1.5


def test_single_precision_is_widened():
    assert scripted().compute(HYDROGEN)[1].dtype == np.float64


def test_charge_and_spin_are_where_calculators_look():
    atoms = scripted(1, 4 - 2)._atoms
    assert atoms.get_initial_charges().sum() == 1
    assert atoms.get_initial_magnetic_moments().sum() == 1
    assert (atoms.info["charge"], atoms.info["spin"]) == (1, 2)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (None, "not of the form module:Class"),
        ("tblite.ase.TBLite", "not of the form module:Class"),
        ("..ase:EMT", "not of the form module:Class"),
        ("os:system('true')", "not of the form module:Class"),
        ("ase.calculators.emt:EMT\n", "not of the form module:Class"),
        ("no_such_module:EMT", "No module named"),
        ("ase.calculators.emt:Nothing", "has no attribute"),
        ("os:system", "not a calculator class"),
        ("subprocess:Popen", "not a calculator class"),
    ],
)
def test_only_calculator_classes_are_taken(tmp_path, path, reason):
    trap = tmp_path / "trap"
    settings = {"engine": "ase", "calculator": path, "options": {"args": f"touch {trap}", "shell": True}}
    for ask in (engine_version, lambda given: make_engine(given, [1, 1], 0, 1)):
        with pytest.raises(InputError, match=f"^reference.calculator: .*{reason}"):
            ask(settings)
    assert not trap.exists()


def test_options_that_a_calculator_refuses_are_reported_in_one_line():
    settings = {"engine": "ase", "calculator": "ase.calculators.emt:EMT", "options": {"label": {}, "restart": "x"}}
    with pytest.raises(InputError, match=r"^reference.options: EMT cannot be made: .+$"):
        make_engine(settings, [1, 1], 0, 1)


def test_without_xtb_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "xtb", None)
    settings = {"engine": "xtb", "method": "GFN2-xTB", "accuracy": 0.1}
    for ask in (engine_version, lambda given: make_engine(given, [1, 1], 0, 1)):
        with pytest.raises(InputError, match=r"^reference.engine: .*pip install 'mdstride\[xtb\]'$"):
            ask(settings)


def test_the_version_is_that_of_what_computes():
    tblite, ase = importlib.metadata.version("tblite"), importlib.metadata.version("ase")
    assert engine_version({"engine": "tblite"}) == {"tblite": tblite}
    assert engine_version({"engine": "ase", "calculator": "tblite.ase:TBLite"}) == {"tblite": tblite}
    assert engine_version({"engine": "ase", "calculator": "ase.calculators.emt:EMT"}) == {"ase": ase}
    own = engine_version({"engine": "ase", "calculator": f"{__name__}:Scripted"})
    assert own.keys() == {__name__}
    assert own[__name__].startswith("sha256 ")
