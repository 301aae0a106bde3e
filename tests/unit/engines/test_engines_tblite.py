import os
import subprocess
import sys

import numpy as np
import pytest

from mdstride.engines import EngineError, make_engine
from mdstride.engines.engine import check_electrons
from mdstride.errors import InputError

REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1}
WATER = ([8, 1, 1], np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]))

# Energies and forces to the bit, with many atoms so that OpenMP would have work to share out.
CHAIN = """
{first}
import numpy as np
from mdstride.engines import make_engine
methane = 0.63 * np.array([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1.2]])
positions = np.concatenate([methane + [4.0 * i, 0, 0] for i in range(8)])
engine = make_engine({reference}, [6, 1, 1, 1, 1] * 8, 0, 1)
energy, forces = engine.compute(positions)
print(energy.hex(), forces.tobytes().hex())
"""


def bits(threads, first=""):
    environment = {**os.environ, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-c", CHAIN.format(first=first, reference=REFERENCE)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def water():
    return make_engine(REFERENCE, WATER[0], 0, 1)


def test_the_number_of_threads_in_the_environment_changes_nothing():
    # torch brings an OpenMP library of its own, which is then the one that tblite uses
    assert bits("1") == bits("2") == bits("2", first="import torch") != ""


def test_a_failed_call_leaves_no_trace_in_the_next(water):
    clean = water.compute(WATER[1])
    overlapping = WATER[1].copy()
    overlapping[1] = overlapping[0]
    with pytest.raises(EngineError, match="GFN2-xTB: Too close interatomic distances"):
        water.compute(overlapping)
    energy, forces = water.compute(WATER[1])
    assert energy == clean[0]
    assert forces.tobytes() == clean[1].tobytes()


def test_forgetting_makes_the_result_depend_on_its_positions_alone(water):
    clean = water.compute(WATER[1])[1].tobytes()
    water.compute(WATER[1] * 1.1)
    assert water.compute(WATER[1])[1].tobytes() != clean  # the warm guess shows in the last digits
    water.compute(WATER[1] * 1.1)
    water.forget()
    assert water.compute(WATER[1])[1].tobytes() == clean


def test_positions_that_are_not_finite_are_refused(water):
    positions = WATER[1].copy()
    positions[0, 0] = np.nan
    with pytest.raises(EngineError, match="positions are not finite"):
        water.compute(positions)


@pytest.mark.parametrize(
    ("numbers", "charge", "multiplicity"),
    [([6, 1, 1, 1], 0, 1), ([8, 1, 1], 1, 1), ([8, 1, 1], 0, 2), ([1], 0, 4), ([1], 1, 1)],
)
def test_electrons_that_cannot_be_arranged_are_refused(numbers, charge, multiplicity):
    with pytest.raises(EngineError, match=f"cannot have the multiplicity {multiplicity}"):
        make_engine(REFERENCE, numbers, charge, multiplicity)


def test_radicals_ions_and_triplets_are_arranged():
    assert check_electrons([6, 1, 1, 1], 0, 2) == 1
    assert check_electrons([7, 1, 1, 1, 1], 1, 1) == 0
    assert check_electrons([8, 8], 0, 3) == 2


def test_elements_without_parameters_are_named():
    with pytest.raises(EngineError, match="atomic number 92"):
        make_engine(REFERENCE, [92, 1], 0, 2)


@pytest.mark.parametrize(("key", "value"), [("engine", "vasp"), ("method", "PM6")])
def test_unknown_engines_and_methods_are_named_with_the_valid_ones(key, value):
    with pytest.raises(InputError, match=f"reference.{key}: `{value}` is not known.*valid: "):
        make_engine(REFERENCE | {key: value}, [8, 1, 1], 0, 1)
