"""Structural alerts: groups that a user may want to leave out of a set of molecules for gas-phase dynamics, by name.

An alert marks what as a substance explodes, falls apart, rearranges, polymerises or does not last in moist air. Groups
that react with particular partners (aldehydes, Michael acceptors, acetals) are none: a single molecule meets none.
Carbenes and nitrenes need no alert: they are left out as radicals.

The patterns are our own. Lists that warn of the same groups are named with each alert:
Brenk: Brenk et al., ChemMedChem 3, 435 (2008). Bretherick: Bretherick's Handbook of Reactive Chemical Hazards.
Hann: Hann et al., J. Chem. Inf. Comput. Sci. 39, 897 (1999). Lilly: Bruns and Watson, J. Med. Chem. 55, 9763 (2012).
Wiseman: Wiseman, J. Am. Chem. Soc. 89, 5966 (1967).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rdkit import Chem
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogEntry, SmartsMatcher


@dataclass(frozen=True)
class Alert:
    """A group, how to find it, and why one may not want it."""

    name: str
    what: str
    """The group in words."""
    smarts: str
    """Pattern for a molecule that RDKit has sanitised: nitro groups and azides are charge-separated."""
    why: str
    """What the group does."""
    source: str
    """Who warns of it as well; empty where it is our own addition."""


# An atom from which three paths of m, n and o atoms lead to a second one: a bridgehead of bicyclo[m.n.o]. A double bond
# there is trans in one of the rings; in these four that ring has fewer than eight atoms, Wiseman's limit.
_BRIDGEHEAD = ",".join(
    f"$(*~1~2{'~*' * m}~*({'~*' * n}~1){'~*' * o}~2)" for m, n, o in ((2, 2, 1), (3, 1, 1), (2, 2, 2), (3, 2, 1))
)

_TABLE = (
    Alert("peroxide", "O–O bond: peroxide, hydroperoxide, peracid, ozonide", "[#8]~[#8]",
          "weak bond, explosive", "Brenk, Bretherick, Hann"),
    Alert("azide", "organic azide, hydrazoic acid", "[#7;X1,X2]~[#7X2+]~[#7;X1,X2]",
          "explosive, loses N2 to a nitrene", "Brenk, Bretherick, Hann"),
    Alert("diazo", "diazo or diazonium group", "[#6]~[#7X2+]~[#7X1]",
          "explosive, loses N2 to a carbene or cation", "Brenk, Bretherick"),
    Alert("polynitro", "two or more NO2 groups, on any atom", "[NX3+](=O)[O-].[NX3+](=O)[O-]",
          "high explosive", "Bretherick"),
    Alert("nitro", "NO2 on carbon or nitrogen", "[#6,#7][NX3+](=O)[O-]",
          "energetic, more so on nitrogen or with another NO2", "Brenk, Bretherick"),
    Alert("nitrate_ester", "organic nitrate", "[#6][OX2][NX3+](=O)[O-]",
          "weak O–N bond, explosive", "Bretherick"),
    Alert("nitrite_ester", "organic nitrite", "[#6][OX2][NX2]=O",
          "weak O–N bond, decomposes to NO", "Bretherick"),
    Alert("nitroso", "N=O on carbon or nitrogen", "[#6,#7][NX2]=O",
          "dimerises or turns into the oxime; on nitrogen loses NO", "Brenk, Bretherick, Hann"),
    Alert("azo", "alkyl azo compound, triazene, tetrazene", "[CX4,NX3][NX2]=[NX2][#6,#7]",
          "loses N2 to radicals; aryl azo dyes are stable and not meant", "Brenk, Bretherick"),
    Alert("heteroatom_halide", "halogen on nitrogen or oxygen", "[#7,#8][F,Cl,Br,I]",
          "weak bond, explosive", "Brenk, Bretherick"),
    Alert("acyl_halide", "acyl halide, haloformate, phosgene", "[#6X3](=[O,S])[F,Cl,Br,I]",
          "hydrolyses", "Brenk, Hann, Lilly"),
    Alert("sulfonyl_halide", "sulfonyl halide, halosulfate", "[#16X4](=O)(=O)[F,Cl,Br,I]",
          "hydrolyses; fluorides slowly", "Hann"),
    Alert("anhydride", "carboxylic or carbonic anhydride", "[#6X3](=O)[#8X2][#6X3]=O",
          "hydrolyses", "Brenk, Hann"),
    Alert("isocyanate", "isocyanate", "[NX2]=[CX2]=[OX1]",
          "hydrolyses, trimerises", "Brenk, Hann"),
    Alert("isothiocyanate", "isothiocyanate", "[NX2]=[CX2]=[SX1]",
          "adds amines, and water slowly", "Hann"),
    Alert("carbodiimide", "carbodiimide", "[NX2]=[CX2]=[NX2]",
          "adds water, polymerises", "Hann"),
    Alert("ketene", "ketene, thioketene, ketenimine", "[#6]=[CX2]=[OX1,SX1,NX2]",
          "dimerises, adds water", "Brenk"),
    Alert("allene", "allene, cumulene", "[#6]=[CX2]=[#6]",
          "rearranges to alkynes or dienes, dimerises; cumulenes polymerise", ""),
    Alert("polyyne", "conjugated triple bonds between carbons", "[CX2]#[CX2][CX2]#[CX2]",
          "polymerises, explosive when short", "Bretherick"),
    Alert("epoxide", "oxirane, oxirene", "[#8]~1~[#6]~[#6]~1",
          "strained ring of three", "Brenk, Bretherick, Hann"),
    Alert("aziridine", "aziridine, azirine", "[#7]~1~[#6]~[#6]~1",
          "strained ring of three, polymerises", "Brenk, Hann"),
    Alert("three_membered_heterocycle", "any ring of three with a heteroatom", "[!#6]~1~*~*~1",
          "strained; dioxiranes and oxaziridines oxidise, diazirines lose N2", "Brenk"),
    Alert("cyclopropene", "cyclopropene, cyclopropenone, cyclopropabenzene", "[#6]~1=,:[#6]~[#6]~1",
          "strained double bond, polymerises", "Bretherick"),
    Alert("fused_small_rings", "two rings of three or four atoms that share a bond",
          "[$(*~1~2~*~*~1~*~2),$(*~1~2~*~*~1~*~*~2),$(*~1~2~*~*~*~1~*~*~2)]",
          "over 200 kJ/mol of strain, the shared bond opens", "Bretherick"),
    Alert("small_ring_alkyne", "triple bond in a ring of at most seven; aryne",
          "[#6;r3,r4,r5,r6,r7]#;@[#6]",
          "bent triple bond, most exist only as intermediates", ""),
    Alert("anti_bredt", "double bond at a bridgehead of bicyclo[2.2.1], [3.1.1], [2.2.2], [3.2.1]",
          f"[#6;x3;{_BRIDGEHEAD}]=;@*",
          "twisted double bond, dimerises", "Wiseman"),
    Alert("zwitterion", "hydrogen on a cation, and an anion not bonded to it", "[+;!H0].[-;!$(*~[+])]",
          "made by water; in the gas phase the proton tends to move to the anion", ""),
)  # fmt: skip

ALERTS = {alert.name: alert for alert in _TABLE}
"""The alerts by name. The first that fits is the one reported: special ones precede general ones."""


def alarms(names: Iterable[str]) -> Callable[[Chem.Mol], str | None]:
    """A function that names the first of the chosen alerts, in the order of the table, that a molecule shows, or None.

    Raises KeyError for a name that is not in the table. An alert takes 2 to 5 µs per small molecule,
    `fused_small_rings` and `anti_bredt` 10 to 16 µs, all together 60 µs.
    """
    chosen = {ALERTS[name].name for name in names}
    catalog = FilterCatalog()  # one call for all patterns: half of the time of a loop in Python
    for alert in _TABLE:
        if alert.name in chosen:
            catalog.AddEntry(FilterCatalogEntry(alert.name, SmartsMatcher(alert.name, alert.smarts)))

    def alarm(mol: Chem.Mol) -> str | None:
        entry = catalog.GetFirstMatch(mol)
        return None if entry is None else entry.GetDescription()

    return alarm
