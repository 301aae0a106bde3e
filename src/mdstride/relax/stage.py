"""Relax one compound: SMILES to GFN2-xTB minimum, whose bonds and stereochemistry must be those of the SMILES."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import LBFGS
from rdkit import Chem

from mdstride.bonds import bonded_pairs
from mdstride.engines import Engine, EngineError, make_engine
from mdstride.formats.provenance import software
from mdstride.formats.structure import Structure, write_structure
from mdstride.progress import Progress
from mdstride.relax.embed import (
    RelaxFailure,
    bond_graph,
    charge_and_multiplicity,
    embed,
    label,
    lost_stereo,
    mapped_smiles,
    parse,
)

LONGEST_STEP = 0.1
"""Å that an atom may move in one optimiser step."""


def relax_compound(
    settings: dict[str, Any], reference: dict[str, Any], *, compound_id: str, smiles: str, output: Path
) -> None:
    """Write the structure file of one compound: its minimum, or the reason why there is none.

    Parameters
    ----------
    settings, reference
        The configuration's sections `relax` and `reference`.
    compound_id
        InChIKey, which the SMILES must give.
    output
        structures/{id}.h5, see mdstride.formats.structure.

    Raises InputError for a SMILES that is not valid or not this compound. Everything that can go wrong with a valid
    compound (embedding, SCC, convergence, another bond graph or stereoisomer) goes into `Structure.failure`.
    """
    molecule = parse(smiles, compound_id)
    charge, multiplicity = charge_and_multiplicity(molecule)
    record: dict[str, Any] = {"id": compound_id, "smiles": smiles, "charge": charge, "multiplicity": multiplicity}
    record["software"] = software("ase", "numpy", "rdkit", reference["engine"])
    record["settings"] = {"relax": settings, "reference": reference}
    try:
        structure = Structure(**record | _minimum(molecule, charge, multiplicity, settings, reference, compound_id))
    except (RelaxFailure, EngineError) as failure:
        structure = Structure(**record, failure=str(failure))
    write_structure(output, structure)


def _minimum(
    molecule: Chem.Mol,
    charge: int,
    multiplicity: int,
    settings: dict[str, Any],
    reference: dict[str, Any],
    compound_id: str,
) -> dict[str, Any]:
    """The fields of Structure that a successful relaxation fills. Raises RelaxFailure or EngineError."""
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()], np.int64)
    if len(numbers) < 2:
        raise RelaxFailure("a single atom has no internal motion")
    engine = make_engine(reference, numbers.tolist(), charge, multiplicity)
    start, force_field = embed(molecule, conformers=settings["conformers"], seed=settings["seed"])
    progress = Progress(f"relax {compound_id}", settings["max_steps"], "steps at most")
    relaxed = minimise(
        engine, numbers, start, max_force=settings["max_force"], max_steps=settings["max_steps"], progress=progress
    )
    bonds = bond_graph(molecule)
    _check_bonds(molecule, bonds, bonded_pairs(numbers, relaxed["positions"], settings["bond_factor"]))
    if lost := lost_stereo(molecule, relaxed["positions"]):
        raise RelaxFailure(f"relaxes to another stereoisomer: {', '.join(lost)} differ from the SMILES")
    return {
        "mapped_smiles": mapped_smiles(molecule),
        "atomic_numbers": numbers,
        "positions": relaxed["positions"],
        "energy": relaxed["energy"],
        "bonds": bonds,
        "settings": {
            "relax": settings,
            "reference": reference,
            "force_field": force_field,
            "optimiser": f"LBFGS, maxstep {LONGEST_STEP} Å",
            "steps": relaxed["steps"],
            "largest_force": relaxed["largest_force"],
        },
    }


def minimise(
    engine: Engine,
    atomic_numbers: np.ndarray,
    positions: np.ndarray,
    *,
    max_force: float,
    max_steps: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Relax until no atom feels more than `max_force` (eV/Å): positions [N, 3] Å centred on the mean, energy (eV),
    steps, and the largest force left (eV/Å).

    Raises RelaxFailure when `max_steps` are not enough, EngineError when the engine has no result.
    """
    atoms = Atoms(atomic_numbers, positions)
    atoms.calc = EngineCalculator(engine)
    optimiser = LBFGS(atoms, logfile=None, maxstep=LONGEST_STEP)  # type: ignore[arg-type]  # None: no log
    if progress is not None:
        optimiser.attach(progress.update)
    converged = optimiser.run(fmax=max_force, steps=max_steps)
    engine.forget()  # so that the stored energy depends on the stored positions alone
    energy, forces = engine.compute(atoms.positions)
    largest = float(np.linalg.norm(forces, axis=1).max())
    if not converged:
        raise RelaxFailure(f"not converged in {max_steps} steps: largest force {largest:.3g} eV/Å, limit {max_force:g}")
    return {
        "positions": atoms.positions - atoms.positions.mean(0),
        "energy": energy,
        "steps": int(optimiser.nsteps),
        "largest_force": largest,
    }


class EngineCalculator(Calculator):
    """Lets ASE's optimisers call an engine."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - ASE's own convention

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        """Energy and forces in ASE's units, which are eV and eV/Å as well."""
        super().calculate(atoms, properties, system_changes)
        self.results["energy"], self.results["forces"] = self.engine.compute(atoms.positions)


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
