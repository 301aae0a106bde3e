import pytest

from mdstride.errors import InputError

GOOD = [("79", "N#Cc1cccnc1")]


@pytest.fixture(autouse=True)
def no_output(tmp_path):
    """Whatever is refused, nothing is written and the complaint is one line."""
    yield
    assert not (tmp_path / "out").exists()


def complaint(select, *arguments, **changes):
    with pytest.raises(InputError) as caught:
        select(*arguments, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def file(tmp_path, text, name="input.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,smiles\nethanol,CCO\nbad,C(C\n", "row 3: C(C is not a valid SMILES (extra open parentheses"),
        ("name,smiles\nbad,CC(C)(C)(C)C\n", "row 2: CC(C)(C)(C)C is not a valid SMILES (Explicit valence for atom # 1"),
        ("name,smiles\nbad,\n", "row 2: no SMILES"),
        ("name,smiles\nlong," + "C" * 301 + "\n", "row 2: a SMILES of 301 characters"),
        ("name,smiles\n,CCO\n", "row 2: no name"),
        ("name,smiles\na,CCO\na,CCC\n", "row 3: the name a occurs before"),
        ("name,smiles\n", "no seeds"),
        ("name,formula\na,C\n", "no column `smiles` (columns: name, formula)"),
        ("", "no column `name`"),
    ],
)
def test_seeds(select, tmp_path, text, expected):
    seeds = file(tmp_path, text)
    assert complaint(select, GOOD, seeds=seeds).startswith(seeds)
    assert expected in complaint(select, GOOD, seeds=seeds)


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("C(C", "row 3: C(C is not a valid SMILES (extra open parentheses"),
        ("[Na+].[Cl-]", "row 3: [Na+].[Cl-] cannot be simulated (more than one fragment)"),
        ("C[NH3+]", "(net charge)"),
        ("C[CH2]", "(unpaired electrons)"),
        ("[2H]OC", "(isotope label)"),
        ("[Ra]", "(no element from H to Rn: Ra)"),
        ("C*", "(no element from H to Rn: *)"),
        ("C" * 301, "row 3: a SMILES of 301 characters, 300 are allowed"),
        ("OCC", "row 3: OCC is the same compound as an earlier row (LFQSCWFLJHTTHZ-UHFFFAOYSA-N)"),
    ],
)
def test_extras(select, tmp_path, smiles, expected):
    found = complaint(select, GOOD, extras=[("CCO", "ethanol"), (smiles, "bad")])
    assert found.startswith(str(tmp_path / "extras.csv"))
    assert expected in found


@pytest.mark.parametrize("symbol", ["Xx", "Ra"])
def test_elements(select, symbol):
    assert f"screen.elements: {symbol} is not an element from H to Rn" in complaint(
        select, GOOD, elements=["C", symbol]
    )


@pytest.mark.parametrize("key", ["names", "extra_compounds"])
def test_labels(select, tmp_path, key):
    assert "(columns: cid, title)" in complaint(select, GOOD, **{key: file(tmp_path, "cid,title\n1,a\n")})
