import re

import numpy as np
import pytest
from ase import Atoms
from rdkit import Chem
from relax_helpers import FLAT_AMMONIA

from mdstride.bonds import bonded_pairs
from mdstride.errors import InputError
from mdstride.formats.structure import read_structure
from mdstride.relax import stage
from mdstride.relax.embed import lost_stereo, mapped_smiles, parse
from mdstride.relax.stage import relax_compound

SETTINGS = {
    "seed": 1,
    "conformers": 3,
    "minima": 1,
    "max_force": 0.001,
    "max_steps": 300,
    "hessian_step": 0.005,
    "max_imaginary": 20.0,
    "max_escapes": 5,
    "bond_factor": 1.25,
}
REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}


def key(smiles):
    return Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))


def relax(smiles, folder, **changes):
    path = folder / "structure.h5"
    relax_compound(SETTINGS | changes, REFERENCE, compound_id=key(smiles), smiles=smiles, output=path)
    return read_structure(path)


def test_methanol_relaxes_and_records_what_it_takes(tmp_path):
    methanol = relax("CO", tmp_path)
    assert methanol.failure == ""
    assert methanol.atomic_numbers.tolist() == [6, 8, 1, 1, 1, 1]
    assert methanol.bonds.tolist() == [[0, 1], [0, 2], [0, 3], [0, 4], [1, 5]]
    assert methanol.energy == pytest.approx(-223.8, abs=0.3)
    assert 0 < methanol.settings["largest_force"] < 0.001
    assert methanol.settings["escapes"] == 0
    assert 0 < methanol.settings["hessian_asymmetry"] < 0.02
    assert methanol.settings["force_field"] == "MMFF94"
    assert np.linalg.norm(methanol.positions[0] - methanol.positions[1]) == pytest.approx(1.41, abs=0.03)
    assert {"tblite", "rdkit", "ase"} <= set(methanol.provenance["software"])
    assert methanol.provenance["stage"] == "relax" and methanol.provenance["source"]
    assert methanol.settings["relax"] and methanol.settings["reference"]


def test_methanol_has_twelve_vibrations_in_the_order_a_chemist_expects(tmp_path):
    methanol = relax("CO", tmp_path)
    assert methanol.frequencies.shape == (12,) and methanol.modes.shape == (12, 6, 3)
    assert methanol.masses.tolist() == [12.011, 15.999, 1.008, 1.008, 1.008, 1.008]
    torsion, *_, bend, first, second, third, hydroxyl = methanol.frequencies
    assert 150 < torsion < 400 and bend < 1600  # cm-1
    assert 2700 < first < second < third < 3200 < hydroxyl < 3800
    moved = np.linalg.norm(methanol.modes[-1], axis=1)
    assert moved.argmax() == 5  # the hydrogen on oxygen


def test_a_linear_molecule_is_made_linear_and_has_one_vibration_more(tmp_path):
    dioxide = relax("O=C=O", tmp_path)
    assert np.linalg.svd(dioxide.positions)[1][1] < 1e-12
    assert len(dioxide.frequencies) == 4
    assert dioxide.frequencies[0] == pytest.approx(dioxide.frequencies[1], abs=0.5)


def test_the_conformer_is_the_lowest_in_reference_energy_not_in_the_force_field(tmp_path):
    # MMFF94 puts trans ethanol lowest, GFN2-xTB gauche, by 67 meV.
    gauche = relax("CCO", tmp_path, conformers=10, seed=10)  # the first of them is trans
    trans = relax("CCO", tmp_path, conformers=1, seed=10)
    assert abs(dihedral(trans) - 180) < 5 < 60 < abs(dihedral(gauche) - 180)
    assert trans.energy > gauche.energy + 0.05
    assert "lowest in reference energy of 10 ETKDGv3 conformers" in gauche.settings["start"]


def dihedral(ethanol):
    """C-C-O-H in degrees, 0 to 360."""
    return Atoms(ethanol.atomic_numbers, ethanol.positions).get_dihedral(0, 1, 2, 8)


def test_a_saddle_point_that_is_not_left_is_recorded_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "embed", lambda molecule, **_: (FLAT_AMMONIA[None], "none"))
    flat = relax("N", tmp_path, max_escapes=0)
    assert re.fullmatch(r"at a saddle point, after leaving 0 .* imaginary mode of \d+ cm-1, limit 20", flat.failure)
    assert len(flat.frequencies) == len(flat.modes) == 0
    assert relax("N", tmp_path).settings["escapes"] == 1


def test_the_mapped_smiles_gives_the_order_of_the_atoms(tmp_path):
    structure = relax("C/C=N/O", tmp_path)
    parameters = Chem.SmilesParserParams()
    parameters.removeHs = False
    molecule = Chem.MolFromSmiles(structure.mapped_smiles, parameters)
    order = {atom.GetAtomMapNum() - 1: atom for atom in molecule.GetAtoms()}
    assert [order[i].GetAtomicNum() for i in range(len(order))] == structure.atomic_numbers.tolist()
    bonds = {
        tuple(sorted(a.GetAtomMapNum() - 1 for a in (b.GetBeginAtom(), b.GetEndAtom()))) for b in molecule.GetBonds()
    }
    assert bonds == set(map(tuple, structure.bonds.tolist()))
    for atom in molecule.GetAtoms():
        atom.SetAtomMapNum(0)
    assert Chem.MolToInchiKey(molecule) == structure.id


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        relax("CCO", tmp_path / name)
    assert (tmp_path / "a/structure.h5").read_bytes() == (tmp_path / "b/structure.h5").read_bytes()


def test_a_zwitterion_that_becomes_another_molecule_is_recorded_with_its_bonds(tmp_path):
    glycine = relax("[NH3+]CC(=O)[O-]", tmp_path)
    assert re.fullmatch(r"relaxes to another bond graph: lost N1-H(\d+); formed O4-H\1", glycine.failure)
    assert len(glycine.positions) == 0 and glycine.id == key("[NH3+]CC(=O)[O-]")


@pytest.mark.parametrize(
    ("smiles", "changes", "reason"),
    [
        ("CCO", {"max_steps": 1}, "not converged in 1 steps: largest force"),
        ("[He]", {}, "a single atom has no internal motion"),
        ("O=[U]=O", {}, "no parameters for the element with atomic number 92"),
    ],
)
def test_other_failures_are_recorded_with_their_reason(tmp_path, smiles, changes, reason):
    assert reason in relax(smiles, tmp_path, **changes).failure


def test_a_radical_is_a_doublet(tmp_path):
    methyl = relax("[CH3]", tmp_path)
    assert (methyl.failure, methyl.multiplicity) == ("", 2)


def test_stereochemistry_of_the_smiles_is_checked(tmp_path):
    alanine = relax("C[C@H](N)C=O", tmp_path)
    assert alanine.failure == ""
    molecule = parse("C[C@H](N)C=O", alanine.id)
    assert lost_stereo(molecule, alanine.positions) == []
    assert lost_stereo(molecule, alanine.positions * [1, 1, -1]) == ["centre C2"]


def test_a_double_bond_on_the_other_side_is_noticed(tmp_path):
    cis = relax("F/C=C\\F", tmp_path)
    assert cis.failure == ""
    assert lost_stereo(parse("F/C=C\\F", cis.id), cis.positions) == []
    swapped = cis.positions.copy()
    carbon = parse("F/C=C\\F", cis.id).GetAtomWithIdx(2)
    ends = [atom.GetIdx() for atom in carbon.GetNeighbors() if atom.GetIdx() != 1]
    swapped[ends] = swapped[ends[::-1]]
    assert lost_stereo(parse("F/C=C\\F", cis.id), swapped) == ["double bond C2=C3"]


@pytest.mark.parametrize(
    ("compound_id", "smiles", "message"),
    [
        (key("CCO"), "CO", "has the InChIKey OKKJLVBELUTLKV-UHFFFAOYSA-N; id and SMILES must agree"),
        (key("CCO"), "C(C", "is not a valid SMILES"),
        (key("CCO"), "", "is not a valid SMILES"),
        (key("CCO"), "C" * 20000, "SMILES of 20000 characters; at most 300 are taken"),
        (key("CCO"), "*", "has the InChIKey"),
    ],
)
def test_a_wrong_record_is_refused_by_name_and_leaves_nothing_behind(tmp_path, compound_id, smiles, message):
    with pytest.raises(InputError, match=compound_id) as caught:
        relax_compound(SETTINGS, REFERENCE, compound_id=compound_id, smiles=smiles, output=tmp_path / "out/s.h5")
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_mapped_smiles_keeps_the_stereochemistry():
    molecule = parse("C[C@H](N)C=O", key("C[C@H](N)C=O"))
    assert "@" in mapped_smiles(molecule)


def test_bonds_are_pairs_closer_than_the_factor_times_the_radii():
    numbers = np.array([6, 1, 1])  # radii 0.76 and 0.31: bonded below 1.3375
    positions = np.array([[0, 0, 0], [1.33, 0, 0], [0, 1.35, 0]])
    assert bonded_pairs(numbers, positions, 1.25).tolist() == [[0, 1]]
