"""Why a library record is left out: every reason of rejections.csv, in the order in which the steps are applied."""

from enum import Enum


class Reason(Enum):
    """A step of the selection and what it found, as (step, reason). One record is counted under one reason."""

    CID = ("text", "CID is not a whole number")
    EMPTY = ("text", "no SMILES")
    LONG = ("text", "SMILES longer than 300 characters")
    DOTS = ("text", "more than one fragment")
    ELEMENT_TEXT = ("text", "element outside select.elements")
    LARGE_TEXT = ("text", "more heavy atoms than the largest seed")
    SYNTAX = ("parse", "not a SMILES")
    VALENCE = ("parse", "impossible valence")
    AROMATICITY = ("parse", "aromatic ring without a Kekulé structure")
    FRAGMENTS = ("molecule", "more than one fragment")
    CHARGED = ("molecule", "net charge")
    ISOTOPE = ("molecule", "isotope label")
    RADICAL = ("molecule", "unpaired electrons")
    ELEMENT = ("molecule", "element outside select.elements")
    OXYGEN = ("molecule", "more O than select.max_oxygen")
    NITROGEN = ("molecule", "more N than select.max_nitrogen")
    SMALL = ("molecule", "fewer heavy atoms than select.min_heavy_atoms")
    SEED = ("rule", "no seed of at least its size within select.seed_similarity")
    NO_ID = ("duplicate", "no InChIKey")
    SAME_CID = ("duplicate", "CID of another record")
    SAME_ID = ("duplicate", "InChIKey of a lower CID")
    SIMILAR = ("rule", "more similar than select.max_similarity to a compound accepted before")
    MANY_ATOMS = ("pick", "more atoms than select.pick.max_atoms")
    NOT_PICKED = ("pick", "beyond select.pick.count")
