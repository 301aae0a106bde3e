from itertools import permutations

import numpy as np
import pytest
import torch
from rdkit import Chem
from scipy.spatial.transform import Rotation
from test_relax_stage import dihedral, key, relax

from mdstride.formats.dataset import CompoundData
from mdstride.models.minima import Minima
from mdstride.relax import further, stage
from mdstride.relax.embed import RelaxFailure, bond_graph, embed, lost_stereo, parse, with_stereo
from mdstride.relax.further import SAME_SHAPE, relabelled, shape

ETHANOL = {"conformers": 10, "seed": 10}
"""Of these conformers the first is trans, which is the second minimum."""


def conformers(smiles, count=20):
    molecule = parse(smiles, key(smiles))
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    return molecule, numbers, bond_graph(molecule), embed(molecule, conformers=count, seed=3)[0]


def test_ethanol_has_two_minima_and_the_first_is_as_if_it_were_alone(tmp_path):
    (tmp_path / "alone").mkdir()
    both, alone = relax("CCO", tmp_path, minima=3, **ETHANOL), relax("CCO", tmp_path / "alone", **ETHANOL)
    for name in ("energy", "positions", "frequencies", "modes", "bonds", "masses"):
        assert np.array_equal(getattr(both, name), getattr(alone, name)), name
    assert both.settings | {"relax": 0} == alone.settings | {"relax": 0} and alone.minima == ()
    (trans,) = both.minima
    assert trans.energy == pytest.approx(both.energy + 0.067, abs=0.01)
    by_itself = relax("CCO", tmp_path, conformers=1, seed=10)
    assert abs(dihedral(by_itself) - 180) < 5
    assert trans.energy == pytest.approx(by_itself.energy, abs=1e-5)
    np.testing.assert_allclose(trans.frequencies, by_itself.frequencies, atol=1.0)
    flat = trans.modes.reshape(len(trans.modes), -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-10)


def test_no_more_minima_are_kept_than_asked_for_and_no_more_conformers_tried(tmp_path, monkeypatch):
    glycol = relax("OCCO", tmp_path, minima=3, conformers=20)
    assert len(glycol.minima) == 2
    energies = [one.energy for one in glycol.minima]
    assert energies == sorted(energies) and energies[0] > glycol.energy - 1e-3
    shapes = [shape(glycol.atomic_numbers, one.positions) for one in (glycol, *glycol.minima)]
    assert min(np.abs(a - b).max() for a in shapes for b in shapes if a is not b) > SAME_SHAPE

    tried = []

    def fail(*arguments, label, **options):
        tried.append(label)
        raise RelaxFailure("not converged")

    monkeypatch.setattr(further, "find_minimum", fail)
    failed = relax("OCCO", tmp_path, minima=2, conformers=20)
    assert failed.failure == "" and failed.minima == ()
    assert tried == [f"{failed.id}, conformer {number}" for number in (2, 3, 4)]


def test_a_conformer_that_falls_into_a_known_minimum_is_not_kept(tmp_path, monkeypatch):
    _, numbers, _, found = conformers("CCO", 1)
    bent = found[0].copy()
    bent[numbers == 1] *= 1.15  # another geometry, of the same minimum
    assert np.abs(shape(numbers, found[0]) - shape(numbers, bent)).max() > SAME_SHAPE
    monkeypatch.setattr(stage, "embed", lambda molecule, **_: (np.stack([found[0], bent]), "none"))
    assert relax("CCO", tmp_path, minima=3).minima == ()


def test_where_the_smiles_is_open_all_minima_are_of_the_isomer_of_the_first(tmp_path):
    """2-Aminopropanol without a stated hand: each embedding takes either; and an oxime, on either side."""
    for smiles in ("CC(N)CO", "CC=NO"):
        open_ended = relax(smiles, tmp_path, minima=3, conformers=10)
        molecule = with_stereo(parse(smiles, key(smiles)), open_ended.positions)
        assert "@" in Chem.MolToSmiles(molecule) or "/" in Chem.MolToSmiles(molecule)
        assert [lost_stereo(molecule, one.positions) for one in open_ended.minima] == [[]] * len(open_ended.minima)
        assert len(open_ended.minima) == (2 if smiles == "CC(N)CO" else 0)


def test_the_shape_is_that_of_every_copy_and_of_no_other_conformer():
    _, numbers, _, found = conformers("CCO", 10)
    x = found[0]
    copy = -Rotation.random(rng=np.random.default_rng(1)).apply(x[[0, 1, 2, 4, 5, 3, 7, 6, 8]]) + 3.0
    np.testing.assert_allclose(shape(numbers, copy), shape(numbers, x), atol=1e-12)
    apart = [np.abs(shape(numbers, x) - shape(numbers, other)).max() for other in found]
    assert all(value < 0.02 or value > 0.4 for value in apart) and max(apart) > 0.4


def test_every_renaming_and_the_mirror_image_come_back_to_the_labels_of_the_first():
    """Judged by the copies that the forecasts look for: whatever the labels were, the distance to `like` is zero."""
    _, numbers, bonds, found = conformers("CC(N)CO", 1)
    like = found[0]
    masses = np.where(numbers == 1, 1.0, 12.0)
    known = Minima(CompoundData("A", {}, numbers, masses, bonds, like, ()))
    methylene = [i for i in range(len(numbers)) if numbers[i] == 1 and [3, i] in bonds.tolist()]
    methyl = [i for i in range(len(numbers)) if numbers[i] == 1 and [0, i] in bonds.tolist()]
    assert len(methylene) == 2 and len(methyl) == 3
    for order in permutations(methyl):
        for hand in (1, -1):
            other = hand * like
            other[methyl] = other[list(order)]
            other[methylene] = other[methylene[::-1]]
            back = relabelled(other, like, numbers, bonds)
            molecule = torch.from_numpy(back)[None]
            nearest = known.nearest(molecule).there(molecule)[0].numpy()
            np.testing.assert_allclose(nearest - nearest.mean(0), like - like.mean(0), atol=1e-9)


def test_a_diastereomer_cannot_be_relabelled():
    tartaric = "O[C@H](C=O)[C@H](O)C=O", "O[C@H](C=O)[C@@H](O)C=O"
    (_, numbers, bonds, first), (*_, second) = (conformers(smiles, 1) for smiles in tartaric)
    assert relabelled(first[0], first[0], numbers, bonds) is not None
    assert relabelled(second[0], first[0], numbers, bonds) is None
