import csv
import gzip
from pathlib import Path

import pytest

from mdstride.select.stage import select_compounds

ROOT = Path(__file__).parents[3]


def write_csv(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


@pytest.fixture(scope="session")
def records():
    """Every 40th of the bundled library's records, with all kinds of compounds: (cid, smiles)."""
    with gzip.open(ROOT / "resources/compounds/pubchem_cid_smiles_166k.csv.gz", "rt", encoding="utf-8") as stream:
        return [(row["cid"], row["smiles"]) for row in csv.DictReader(stream)][::40]


@pytest.fixture(scope="session")
def base():
    """Settings like the default ones, without a library."""
    return {
        "seeds": str(ROOT / "resources/seeds.csv"),
        "names": None,
        "extra_compounds": None,
        "seed_similarity": [0.075, 0.125],
        "max_similarity": 0.2,
        "fingerprint": {"radius": 2, "bits": 2048},
        "elements": ["C", "H", "N", "O"],
        "max_oxygen": 5,
        "max_nitrogen": 3,
        "min_heavy_atoms": 3,
        "pick": {"max_atoms": None, "count": None},
    }


@pytest.fixture
def select(tmp_path, base):
    """Runs the stage on a library given as (cid, smiles) rows or as a path; returns the rows of both tables."""

    def run(library, *, extras=None, names=None, **changes):
        if not isinstance(library, str):
            library = write_csv(tmp_path / "library.csv", ["cid", "smiles"], library)
        settings = {**base, "library": library, **changes}
        if extras is not None:
            settings["extra_compounds"] = write_csv(tmp_path / "extras.csv", ["smiles", "name"], extras)
        if names is not None:
            settings["names"] = write_csv(tmp_path / "names.csv", ["cid", "iupac_name"], names)
        paths = [tmp_path / "out" / "compounds.csv", tmp_path / "out" / "rejections.csv"]
        select_compounds(settings, compounds=paths[0], rejections=paths[1])
        return [list(csv.DictReader(path.open(encoding="utf-8"))) for path in paths]

    return run
