import copy
import csv
import gzip
from pathlib import Path

import pytest

from mdstride.select.library import deal_library
from mdstride.select.screen import screen_shard
from mdstride.select.stage import select_compounds

ROOT = Path(__file__).parents[3]


def write_csv(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


@pytest.fixture(scope="session")
def bundled():
    """The bundled library: (cid, smiles)."""
    with gzip.open(ROOT / "resources/compounds/pubchem_cid_smiles_166k.csv.gz", "rt", encoding="utf-8") as stream:
        return [(row["cid"], row["smiles"]) for row in csv.DictReader(stream)]


@pytest.fixture(scope="session")
def records(bundled):
    """Every 40th of the bundled library's records, with all kinds of compounds: (cid, smiles)."""
    return bundled[::40]


@pytest.fixture(scope="session")
def _defaults():
    return {
        "library": {"source": "csv", "path": None, "shards": 2, "pubchem": None},
        "screen": {
            "seeds": str(ROOT / "resources/seeds.csv"),
            "elements": ["C", "H", "N", "O"],
            "max_oxygen": 5,
            "max_nitrogen": 3,
            "min_heavy_atoms": 3,
            "alerts": [],
            "fingerprint": {"radius": 2, "bits": 2048},
            "seed_similarity": [0.075, 0.125],
        },
        "select": {
            "names": None,
            "extra_compounds": None,
            "max_similarity": 0.2,
            "quota": {"total": None, "seed": None, "scaffold": None},
            "pick": {"max_atoms": None, "count": None},
        },
    }


@pytest.fixture
def base(_defaults):
    """Settings like the default ones, by section, without a library."""
    return copy.deepcopy(_defaults)


@pytest.fixture
def select(tmp_path, base):
    """Runs the three commands on a library given as (cid, smiles) rows, as a path, or None.

    Other settings are given by their names, in whatever section they are. Returns the rows of both tables.
    """

    def run(library, *, extras=None, names=None, shards=2, **changes):
        settings = copy.deepcopy(base)
        if isinstance(library, list):
            library = write_csv(tmp_path / "library.csv", ["cid", "smiles"], library)
        changes["path"] = library
        if extras is not None:
            changes["extra_compounds"] = write_csv(tmp_path / "extras.csv", ["smiles", "name"], extras)
        if names is not None:
            rows = not isinstance(names, str)
            changes["names"] = write_csv(tmp_path / "names.csv", ["cid", "iupac_name"], names) if rows else names
        for key, value in changes.items():
            (section,) = (section for section in settings.values() if key in section)
            section[key] = value
        parts = [tmp_path / "parts" / f"{number}.tsv.gz" for number in range(shards)]
        counts = tmp_path / "parts" / "counts.json"
        deal_library(settings["library"], settings["screen"], shards=parts, counts=counts)
        screened = [part.with_suffix(".h5") for part in parts]
        for shard, output in zip(parts, screened, strict=True):
            screen_shard(settings["screen"], shard=shard, output=output)
        tables = [tmp_path / "out" / f"{name}.csv" for name in ("compounds", "rejections", "space")]
        select_compounds(
            settings["select"],
            settings["screen"],
            screened=screened,
            counts=counts,
            **dict(zip(("compounds", "rejections", "space"), tables, strict=True)),
        )
        return [list(csv.DictReader(path.open(encoding="utf-8"))) for path in tables[:2]]

    return run
