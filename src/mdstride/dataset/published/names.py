"""Which molecules the names of published sets stand for."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

TG80_TABLE = Path("resources/tg80/tg80.csv")
"""The 80 names of TG80; several are not the compounds they seem to be (its ethanol1 is pyridoxine)."""

# MD17: Chmiela et al., Sci. Adv. 3, e1603015 (2017); rMD17: Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol.
# 1, 045018 (2020); MD22: Chmiela et al., Sci. Adv. 9, eadf0873 (2023). Stereochemistry is read off the geometry. Where
# several are given, the one whose bonds the geometry has. The buckyball catcher and the nanotube of MD22 have SMILES of
# more than 300 characters and are not imported by name.
_MD17 = {
    "aspirin": ("CC(=O)Oc1ccccc1C(=O)O",),
    "azobenzene": ("c1ccc(N=Nc2ccccc2)cc1",),
    "benzene": ("c1ccccc1",),
    "ethanol": ("CCO",),
    "malonaldehyde": ("O=CCC=O", "O=CC=CO"),
    "naphthalene": ("c1ccc2ccccc2c1",),
    "paracetamol": ("CC(=O)Nc1ccc(O)cc1",),
    "salicylic": ("O=C(O)c1ccccc1O",),
    "salicylicacid": ("O=C(O)c1ccccc1O",),
    "toluene": ("Cc1ccccc1",),
    "uracil": ("O=c1cc[nH]c(=O)[nH]1",),
    "acala3nhme": ("CC(=O)NC(C)C(=O)NC(C)C(=O)NC(C)C(=O)NC",),
    "dha": ("CCC=CCC=CCC=CCC=CCC=CCC=CCCC(=O)O",),
    "docosahexaenoicacid": ("CCC=CCC=CCC=CCC=CCC=CCC=CCCC(=O)O",),
    "stachyose": ("OCC1OC(OCC2OC(OCC3OC(OC4(CO)OC(CO)C(O)C4O)C(O)C(O)C3O)C(O)C(O)C2O)C(O)C(O)C1O",),
    "atat": ("Nc1ncnc2[nH]cnc12.Nc1ncnc2[nH]cnc12.Cc1c[nH]c(=O)[nH]c1=O.Cc1c[nH]c(=O)[nH]c1=O",),
    "atatcgcg": (
        "Nc1ncnc2[nH]cnc12.Nc1ncnc2[nH]cnc12.Cc1c[nH]c(=O)[nH]c1=O.Cc1c[nH]c(=O)[nH]c1=O."
        "Nc1cc[nH]c(=O)n1.Nc1cc[nH]c(=O)n1.Nc1nc2[nH]cnc2c(=O)[nH]1.Nc1nc2[nH]cnc2c(=O)[nH]1",
    ),
}

_NOISE = re.compile(
    r"r?md17|md22|tg80|s?gdml|dft|ccsd|ccsdt|t|train|test|revised|2017|2018|old|frames\d*|\d{3,}|npz|h5md"
)
"""Words in a file's name that do not belong to the compound's."""


class Known(NamedTuple):
    """What a name stands for."""

    smiles: tuple[str, ...]
    """One, or tautomers that only the geometry can tell apart."""
    cid: str = ""
    flat: bool = False
    """Whether the stereochemistry is to be read off the geometry."""


def known(*names: str) -> tuple[str, Known] | None:
    """The first of some names (file names without suffix, names in a file) that a table has, and what it stands for.

    Spelling does not count: case, separators, and words such as md17 or ccsd_t.
    """
    for name in names:
        words = [word for word in re.split(r"[^a-z0-9.]+", name.lower()) if word and not _NOISE.fullmatch(word)]
        key = "".join(words)
        compact = key.replace(".", "")
        if compact in _MD17:
            return key, Known(_MD17[compact], flat=True)
        if row := _tg80().get(compact):
            return row["name"], Known((row["smiles"],), row["cid"])
    return None


def _tg80() -> dict[str, dict[str, str]]:
    """Rows by name without separators; none where the table is not at hand, as outside the repository."""
    if not TG80_TABLE.exists():
        return {}
    with TG80_TABLE.open(newline="", encoding="utf-8") as stream:
        return {re.sub(r"[^a-z0-9]", "", row["name"].lower()): row for row in csv.DictReader(stream)}
