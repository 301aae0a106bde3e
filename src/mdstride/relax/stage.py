"""Relax one compound: SMILES to minima of the reference method with their normal modes.

Their bonds and stereochemistry must be those of the SMILES. Trajectories start from the first of them.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_masses
from rdkit import Chem

from mdstride.bonds import bonded_pairs
from mdstride.engines import EngineError, engine_version, make_engine
from mdstride.formats.provenance import record, software
from mdstride.formats.structure import Structure, write_structure
from mdstride.relax.embed import (
    RelaxFailure,
    bond_graph,
    charge_and_multiplicity,
    embed,
    label,
    lost_stereo,
    mapped_smiles,
    parse,
    with_stereo,
)
from mdstride.relax.further import further_minima
from mdstride.relax.minimise import LONGEST_STEP
from mdstride.relax.search import find_minimum, ranked


def relax_compound(
    settings: dict[str, Any], reference: dict[str, Any], *, compound_id: str, smiles: str, output: Path
) -> None:
    """Write the structure file of one compound: its minima, or the reason why there is none.

    Parameters
    ----------
    settings, reference
        The configuration's sections `relax` and `reference`.
    compound_id
        InChIKey, which the SMILES must give.
    output
        structures/{id}.h5, see mdstride.formats.structure.

    Raises InputError for a SMILES that is not valid or not this compound. Everything that can go wrong with a valid
    compound (embedding, SCC, convergence, a saddle point, another bond graph or isomer) goes into `Structure.failure`.
    """
    molecule = parse(smiles, compound_id)
    charge, multiplicity = charge_and_multiplicity(molecule)
    facts: dict[str, Any] = {"id": compound_id, "smiles": smiles, "charge": charge, "multiplicity": multiplicity}
    versions = software("ase", "numpy", "rdkit") | engine_version(reference)
    made = {"relax": settings, "reference": reference}
    try:
        found, how = _minimum(molecule, charge, multiplicity, settings, reference, compound_id)
        facts |= found
        made |= how
    except (RelaxFailure, EngineError) as failure:
        facts["failure"] = str(failure)
    structure = Structure(**facts, provenance=record("relax", made, {}, versions))
    if structure.failure:
        sys.stderr.write(f"relax {compound_id}: left out: {structure.failure}\n")  # `mdstride status` looks for this
    write_structure(output, structure)


def _minimum(
    molecule: Chem.Mol,
    charge: int,
    multiplicity: int,
    settings: dict[str, Any],
    reference: dict[str, Any],
    compound_id: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of Structure that a successful relaxation fills, and how. Raises RelaxFailure or EngineError."""
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], np.int64)
    if len(numbers) < 2:
        raise RelaxFailure("a single atom has no internal motion")
    engine = make_engine(reference, numbers.tolist(), charge, multiplicity)
    conformers, force_field = embed(molecule, conformers=settings["conformers"], seed=settings["seed"])
    conformers = conformers[ranked(engine, conformers)]
    bonds, masses = bond_graph(molecule), atomic_masses[numbers]

    def check(positions: np.ndarray) -> None:
        _check_bonds(molecule, bonds, bonded_pairs(numbers, positions, settings["bond_factor"]))
        if lost := lost_stereo(fixed, positions):
            raise RelaxFailure(f"relaxes to another stereoisomer: {', '.join(lost)} differ from the SMILES")

    fixed = molecule
    common: dict[str, Any] = {"settings": settings, "check": check, "label": compound_id}
    found = find_minimum(engine, numbers, masses, conformers[0], **common)
    first = found.relaxed.positions
    fixed = with_stereo(molecule, first)  # where the SMILES leaves it open, all minima are of one isomer
    further = further_minima(engine, numbers, masses, bonds, first, conformers, **common)
    fields = {
        "mapped_smiles": mapped_smiles(molecule),
        "atomic_numbers": numbers,
        "masses": masses,
        "positions": first,
        "energy": found.relaxed.energy,
        "bonds": bonds,
        "frequencies": found.vibrations.frequencies,
        "modes": found.vibrations.modes,
        "minima": further,
    }
    how = {
        "force_field": force_field,
        "start": f"lowest in reference energy of {len(conformers)} ETKDGv3 conformers minimised by {force_field}",
        "optimiser": f"BFGS, maxstep {LONGEST_STEP} Å",
        "steps": found.relaxed.steps,
        "largest_force": found.relaxed.largest_force,
        "escapes": found.escapes,
        "hessian_asymmetry": found.vibrations.asymmetry,
    }
    return fields, how


def _check_bonds(molecule: Chem.Mol, expected: np.ndarray, found: np.ndarray) -> None:
    """Raise RelaxFailure, naming the bonds, when the two graphs [M, 2] differ."""
    wanted, present = set(map(tuple, expected.tolist())), set(map(tuple, found.tolist()))
    differences = [
        f"{word} {', '.join(_pair(molecule, *pair) for pair in sorted(pairs))}"
        for word, pairs in (("lost", wanted - present), ("formed", present - wanted))
        if pairs
    ]
    if differences:
        raise RelaxFailure(f"relaxes to another bond graph: {'; '.join(differences)}")


def _pair(molecule: Chem.Mol, first: int, second: int) -> str:
    return "-".join(label(molecule.GetAtomWithIdx(index)) for index in (first, second))
