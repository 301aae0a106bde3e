"""Every engine, through make_engine, on molecules that both GFN methods treat in milliseconds."""

import numpy as np
import pytest

from mdstride.engines import make_engine

TBLITE_BY_ASE = {
    "engine": "ase",
    "calculator": "tblite.ase:TBLite",
    "options": {"method": "GFN2-xTB", "accuracy": 0.1, "verbosity": 0},
}


def reference(engine, **changes):
    """The section `reference` of a configuration, for one of tblite, xtb, ase."""
    plain = {"engine": engine, "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
    return plain | (TBLITE_BY_ASE if engine == "ase" else {}) | changes


@pytest.fixture(params=["tblite", "xtb", "ase"])
def make(request):
    """make(numbers, charge, multiplicity, **changes of the configuration) for each engine."""
    if request.param == "xtb":
        pytest.importorskip("xtb", reason="xtb-python is not installed: pip install 'mdstride[xtb]'")

    def build(numbers, charge=0, multiplicity=1, **changes):
        return make_engine(reference(request.param, **changes), numbers, charge, multiplicity)

    build.engine = request.param
    return build


@pytest.fixture
def water():
    return [8, 1, 1], np.array([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
