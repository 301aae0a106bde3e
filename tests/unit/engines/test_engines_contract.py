"""What every engine promises. A new one joins the fixture `make`."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mdstride.engines import EngineError, make_engine
from mdstride.engines.engine import check_electrons
from mdstride.errors import InputError

SAME_METHOD = 1e-5
"""eV, on up to 140 eV. ASE's hartree (CODATA 2014) makes 1.2e-6 of it."""

# Energies and forces to the bit, with many atoms so that threads would have work to share out.
CHAIN = """
{first}
import numpy as np
from mdstride.engines import make_engine
methane = 0.63 * np.array([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1.2]])
positions = np.concatenate([methane + [4.0 * (i % 2), 4.0 * (i // 2), 0] for i in range(8)])
reference = {{"engine": "{engine}", "method": "GFN2-xTB", "accuracy": 0.1}}
energy, forces = make_engine(reference, [6, 1, 1, 1, 1] * 8, 0, 1).compute(positions)
print(energy.hex(), forces.tobytes().hex())
"""


def bits(result):
    energy, forces = result
    return energy.hex(), forces.tobytes()


def overlapping(positions):
    return positions * [1, 1, 0] * 0.1


def not_finite(positions):
    return np.where(positions == positions.max(), np.nan, positions)


def pulled_apart(positions):
    return positions + 6.0 * np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0]])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (overlapping, r"^atoms 1 and 2 overlap: 0\.076 Å apart$"),
        (not_finite, "positions are not finite"),
        (pulled_apart, "not converge"),
    ],
)
def test_a_failed_call_names_its_reason_and_leaves_no_trace_in_the_next(make, water, spoil, reason):
    numbers, positions = water
    engine = make(numbers)
    clean = bits(engine.compute(positions))
    with pytest.raises(EngineError, match=reason) as failure:
        engine.compute(spoil(positions))
    assert "\n" not in str(failure.value)
    assert bits(engine.compute(positions)) == clean


def test_forgetting_makes_the_result_depend_on_its_positions_alone(make, water):
    numbers, positions = water
    engine = make(numbers)
    clean = bits(engine.compute(positions))
    engine.compute(positions * 1.1)
    assert bits(engine.compute(positions)) != clean  # the warm guess shows in the last digits
    engine.compute(positions * 1.1)
    engine.forget()
    assert bits(engine.compute(positions)) == clean


def test_engines_in_one_process_do_not_disturb_each_other(make, water):
    numbers, positions = water
    clean = bits(make(numbers).compute(positions))
    engine, other = make(numbers), make([7, 1, 1], -1, method="GFN1-xTB")
    for _ in range(2):
        engine.forget()
        other.compute(positions * 1.2)
        assert bits(engine.compute(positions)) == clean


@pytest.mark.parametrize(
    ("numbers", "charge", "multiplicity"),
    [([6, 1, 1, 1], 0, 1), ([8, 1, 1], 1, 1), ([8, 1, 1], 0, 2), ([1], 0, 4), ([1], 1, 1)],
)
def test_electrons_that_cannot_be_arranged_are_refused(make, numbers, charge, multiplicity):
    with pytest.raises(EngineError, match=f"cannot have the multiplicity {multiplicity}"):
        make(numbers, charge, multiplicity)


def test_radicals_ions_and_triplets_are_arranged():
    assert check_electrons([6, 1, 1, 1], 0, 2) == 1
    assert check_electrons([7, 1, 1, 1, 1], 1, 1) == 0
    assert check_electrons([8, 8], 0, 3) == 2


@pytest.mark.parametrize(
    ("charge", "multiplicity", "energy"), [(0, 1, -137.966), (1, 2, -119.674), (-1, 2, -131.452), (0, 3, -122.635)]
)
def test_charge_and_multiplicity_reach_the_engine(make, water, charge, multiplicity, energy):
    numbers, positions = water
    found, forces = make(numbers, charge, multiplicity).compute(positions)
    expected = make_engine({"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1}, numbers, charge, multiplicity)
    assert found == pytest.approx(energy, abs=1e-3)
    assert found == pytest.approx(expected.compute(positions)[0], abs=SAME_METHOD)
    assert forces.shape == positions.shape
    assert forces.dtype == np.float64


def test_elements_without_parameters_are_named(make, water):
    with pytest.raises(EngineError, match=r"atomic number 92|Z >86"):
        make([92, 1, 1]).compute(water[1])


@pytest.mark.parametrize("engine", ["tblite", "xtb"])
def test_the_number_of_threads_in_the_environment_changes_nothing(engine):
    # torch brings an OpenMP library of its own, which is then the one in use
    pytest.importorskip(engine)

    def run(threads, first=""):
        environment = {**os.environ, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", CHAIN.format(first=first, engine=engine)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert run("1") == run("2") == run("2", first="import torch") != ""


@pytest.mark.parametrize("engine", ["tblite", "xtb"])
def test_nothing_is_printed(capfd, water, engine):
    pytest.importorskip(engine)
    numbers, positions = water
    target = make_engine({"engine": engine, "method": "GFN2-xTB", "accuracy": 0.1}, numbers, 0, 1)
    target.compute(positions)
    with pytest.raises(EngineError):
        target.compute(pulled_apart(positions))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("key", "value"), [("engine", "vasp"), ("method", "PM6")])
def test_unknown_engines_and_methods_are_named_with_the_valid_ones(key, value):
    settings = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1} | {key: value}
    with pytest.raises(InputError, match=f"reference.{key}: `{value}` is not known.*valid: "):
        make_engine(settings, [8, 1, 1], 0, 1)
