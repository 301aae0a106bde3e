"""The map of chemical space against RDKit and plain linear algebra, and where there is little to project."""

import csv
import itertools

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rdkit import Chem
from rdkit.DataStructs import BitVectToBinaryText, BulkTanimotoSimilarity

from mdstride.select import space
from mdstride.select.compound import fingerprinter
from mdstride.select.space import KINDS, project, tanimoto, write_space

FINGERPRINTS = arrays(np.uint8, st.tuples(st.integers(1, 12), st.just(4)))


@pytest.fixture(scope="module")
def fingerprints(records):
    """Distinct ECFP4 of 200 library records."""
    ecfp = fingerprinter({"radius": 2, "bits": 1024})
    mols = [Chem.MolFromSmiles(smiles) for _, smiles in records[:400]]
    return list({BitVectToBinaryText(f): f for f in map(ecfp, filter(None, mols))}.values())[:200]


def packed(fingerprints):
    return np.array([np.frombuffer(BitVectToBinaryText(f), np.uint8) for f in fingerprints])


def distances(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def test_against_rdkit_and_a_plain_eigendecomposition(fingerprints):
    kernel = np.array([BulkTanimotoSimilarity(f, fingerprints) for f in fingerprints])
    np.testing.assert_allclose(tanimoto(packed(fingerprints)), kernel, atol=1e-12)

    n = len(kernel)
    centre = np.eye(n) - np.ones((n, n)) / n
    values, vectors = scipy.linalg.eigh(centre @ kernel @ centre)
    coordinates, shares = project(packed(fingerprints))
    for axis in (0, 1):
        component = vectors[:, -1 - axis] * np.sqrt(values[-1 - axis])
        component *= np.sign(component @ coordinates[:, axis])
        np.testing.assert_allclose(coordinates[:, axis], component, atol=1e-6)
        assert shares[axis] == pytest.approx(values[-1 - axis] / values[values > 0].sum(), abs=1e-6)


@given(FINGERPRINTS)
def test_far_apart_means_dissimilar(fingerprints):
    coordinates, shares = project(fingerprints)
    assert (distances(coordinates) <= np.sqrt(2 - 2 * tanimoto(fingerprints)) + 1e-6).all()
    assert 0 <= shares[1] <= shares[0]
    assert shares.sum() <= 1 + 1e-6


@given(FINGERPRINTS, st.randoms(use_true_random=False))
def test_order_does_not_matter(fingerprints, random):
    order = random.sample(range(len(fingerprints)), len(fingerprints))
    coordinates, shares = project(fingerprints)
    again, same = project(fingerprints[order])
    np.testing.assert_array_equal(again, coordinates[order])
    np.testing.assert_array_equal(same, shares)


def test_repeated_rows_count_once(fingerprints):
    once = packed(fingerprints)[:50]
    coordinates, shares = project(once)
    again, same = project(np.concatenate([once, once[:7], once[:7]]))
    np.testing.assert_array_equal(again, coordinates[[*range(50), *range(7), *range(7)]])
    np.testing.assert_array_equal(same, shares)


def test_axes_point_the_same_way(fingerprints):
    """To the side of the first fingerprint, in the order of bytes, at least half as far out as the farthest."""
    rows = packed(fingerprints)
    order = sorted(range(len(rows)), key=lambda k: rows[k].tobytes())
    for component in project(rows)[0].T:
        extreme = np.abs(component).max()
        assert next(component[k] for k in order if abs(component[k]) >= extreme / 2) > 0


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [1, 2, 3, 4]])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_nothing_varies(n, row):
    coordinates, shares = project(np.array([row] * n, np.uint8))
    np.testing.assert_array_equal(coordinates, np.zeros((n, 2)))
    np.testing.assert_array_equal(shares, [0, 0])


def test_two_points_lie_on_one_axis():
    coordinates, shares = project(np.array([[0b1110], [0b0111]], np.uint8))  # T = 2 / 4
    np.testing.assert_allclose(coordinates, [[-0.5, 0], [0.5, 0]], atol=1e-6)  # sqrt(2 - 2T) = 1 apart
    np.testing.assert_allclose(shares, [1, 0], atol=1e-6)


@pytest.mark.parametrize("rows", [[1, 2, 4], [0, 1, 2], [0b0011, 0b0110, 0b1100]])
def test_three_points_lie_in_the_plane(rows):
    fingerprints = np.array(rows, np.uint8)[:, None]
    coordinates, shares = project(fingerprints)
    np.testing.assert_allclose(distances(coordinates), np.sqrt(2 - 2 * tanimoto(fingerprints)), atol=1e-6)
    assert shares.sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [3, 4, 8])
def test_equal_axes_are_settled(n, monkeypatch):
    """All equally far apart: any rotation of the axes is a principal one, yet rounding errors do not choose it."""
    rows = (1 << np.arange(n)).astype(np.uint8)[:, None]
    plain, eigh = project(rows)[0], np.linalg.eigh
    noise = 1e-15 * np.random.default_rng(1).normal(size=(n, n))
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: eigh(matrix + noise + noise.T))
    np.testing.assert_allclose(project(rows)[0], plain, atol=1e-5)


def groups():
    """T = 1/2 between the first two; `selected` is listed among `library` as well."""
    return {
        "library": [("10", "a, b", b"\x07"), ("11", "c", b"\x0e")],
        "accepted": [],
        "selected": [("KEY", "c", b"\x0e")],
        "seed": [("s", "s", b"\x07")],
    }


def test_the_table(tmp_path):
    write_space(tmp_path / "space.csv", groups())
    assert (tmp_path / "space.csv").read_text(encoding="utf-8") == (
        "kind,id,name,x,y,x_share,y_share\n"
        'library,10,"a, b",0.5,0.0,1.0,0.0\n'
        "library,11,c,-0.5,0.0,1.0,0.0\n"
        "selected,KEY,c,-0.5,0.0,1.0,0.0\n"
        "seed,s,s,0.5,0.0,1.0,0.0\n"
    )


def test_the_same_bytes_from_any_order(tmp_path, fingerprints):
    records = [(str(k), f"compound {k}", row.tobytes()) for k, row in enumerate(packed(fingerprints))]
    cuts = itertools.pairwise((0, 150, 180, 190, 200))
    parts = {kind: records[start:end] for kind, (start, end) in zip(KINDS, cuts, strict=True)}
    write_space(tmp_path / "1.csv", parts)
    write_space(tmp_path / "2.csv", dict(reversed(parts.items())))
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    rows = list(csv.DictReader((tmp_path / "1.csv").open(encoding="utf-8")))
    assert [row["id"] for row in rows] == [key for key, _, _ in records]
    assert all(len(row[axis].partition(".")[2]) <= 4 for row in rows for axis in ("x", "y", "x_share", "y_share"))


def test_no_negative_zero(tmp_path, monkeypatch):
    monkeypatch.setattr(space, "project", lambda rows: (np.full((len(rows), 2), -1e-9), np.zeros(2)))
    space.write_space(tmp_path / "space.csv", groups())
    assert "-" not in (tmp_path / "space.csv").read_text(encoding="utf-8")
