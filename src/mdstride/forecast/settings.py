"""How the reference geometry is made where no configuration says so: the sections of the default config.yaml."""

from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "reference": {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}},
    "relax": {
        "seed": 1,
        "conformers": 10,
        "minima": 3,
        "max_force": 0.001,
        "max_steps": 500,
        "hessian_step": 0.002,
        "max_imaginary": 20.0,
        "max_escapes": 5,
        "bond_factor": 1.25,
    },
}
