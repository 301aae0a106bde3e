"""Why a record of the library is left out: every reason of rejections.csv, in the order of the steps."""

from enum import Enum


class Reason(Enum):
    """A step of the selection and what it found, as (step, reason). One record is counted under one reason."""

    COLUMNS = ("record", "wrong number of columns")
    CID = ("record", "CID is not a whole number")
    EMPTY = ("record", "no SMILES")
    LONG = ("record", "SMILES longer than 300 characters")
    FOREIGN = ("record", "blank or foreign character in the SMILES")
    SYNTAX = ("record", "not a SMILES")
    VALENCE = ("record", "impossible valence")
    AROMATICITY = ("record", "aromatic ring without a Kekulé structure")
    FRAGMENTS = ("composition", "more than one fragment")
    ISOTOPE = ("composition", "isotope label")
    ELEMENT = ("composition", "element outside screen.elements")
    LARGE = ("composition", "more heavy atoms than the largest seed")
    NITROGEN = ("composition", "more N than screen.max_nitrogen")
    OXYGEN = ("composition", "more O than screen.max_oxygen")
    CHARGED = ("composition", "net charge")
    RADICAL = ("composition", "unpaired electrons")
    SMALL = ("composition", "fewer heavy atoms than screen.min_heavy_atoms")
    ALERT = ("composition", "structural alert of screen.alerts")
    SEED = ("seed", "no seed of at least its size within screen.seed_similarity")
    SAME_CID = ("rule", "CID of another record within the range of a seed")
    SIMILAR = ("rule", "more similar than select.max_similarity to a compound accepted before")
    NO_ID = ("rule", "no InChIKey")
    SAME_ID = ("rule", "InChIKey of a compound accepted before")
    SEED_QUOTA = ("rule", "beyond select.quota.seed")
    SCAFFOLD_QUOTA = ("rule", "beyond select.quota.scaffold")
    ACCEPTED = ("rule", "beyond select.quota.total")
    MANY_ATOMS = ("pick", "more atoms than select.pick.max_atoms")
    NOT_PICKED = ("pick", "beyond select.pick.count")
