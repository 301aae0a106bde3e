"""Units and physical constants. Inside the package: Å, fs, eV, amu, K; velocities Å/fs; forces eV/Å.

Source: CODATA 2018, https://physics.nist.gov/cuu/Constants/.
"""

BOLTZMANN = 8.617333262e-5
"""Boltzmann constant in eV/K."""

ACCELERATION = 9.648533212e-3
"""1 eV/Å/amu in Å/fs²: converts force over mass to acceleration."""

KINETIC = 1.0 / ACCELERATION
"""1 amu Å²/fs² in eV: kinetic energy is 0.5 * KINETIC * m * v²."""

FEMTOSECOND = ACCELERATION**0.5
"""1 fs in the unit of time that goes with Å, eV and amu, in which ASE measures time and momenta."""

BOHR = 0.529177210903
"""Bohr radius in Å."""

HARTREE = 27.211386245988
"""Hartree energy in eV."""

KJ_PER_MOL = 96.48533212
"""1 eV in kJ/mol."""

KCAL_PER_MOL = KJ_PER_MOL / 4.184
"""1 eV in kcal/mol, of the thermochemical calorie."""

LIGHT = 2.99792458e-5
"""Speed of light in cm/fs: a frequency in cm-1 times this is one in 1/fs."""
