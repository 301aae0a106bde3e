"""Judging SMILES by their text, thousands of records at a time.

RDKit takes a tenth of a millisecond to parse a record; most records of a large library have the wrong elements or too
many atoms, and their text shows it. A block of records is classified with array operations over its bytes, about half a
microsecond per record.

The filter refuses only what the checks on the parsed molecule would refuse as well. What a text does not tell for sure
(`['Cn']`, `[#6]`, `[0C]`, `[C@OH1]`) is left to them.
"""

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from mdstride.select.reasons import Reason
from mdstride.select.smiles import LONGEST, SYMBOLS

LONGEST_CID = 18
"""Digits of a CID, so that it fits into 64 bits."""

_AROMATIC = ("b", "c", "n", "o", "p", "s", "as", "se", "si", "te")

# What one byte tells about its field; a field's flags are those of all its bytes.
_NO_DIGIT, _FOREIGN, _REFUSED, _ISOTOPE, _DOT, _UNSURE = (1 << bit for bit in range(6))

# An atom's weight: heavy atoms, nitrogen and oxygen in ten bits each. 300 characters cannot overflow one.
_HEAVY, _NITROGEN, _OXYGEN = 1, 1 << 10, 1 << 20
_COUNT = (1 << 10) - 1

_RING_BOND = re.compile(r"%\(\d+\)|%\d\d|\d")
_EXOTIC_CHIRALITY = re.compile(rb"@[ASTO]")
"""Chirality classes such as `@TH1`, whose letters would look like atoms."""


class TextFilter:
    """Lets through the records of a block that may pass the checks on the molecule, and counts the others."""

    def __init__(self, elements: Iterable[str], *, largest: int, max_nitrogen: int, max_oxygen: int) -> None:
        """Only `elements` may occur, hydrogen always; `largest` is the largest number of heavy atoms."""
        self.limits = ((Reason.LARGE, 0, largest), (Reason.NITROGEN, 10, max_nitrogen), (Reason.OXYGEN, 20, max_oxygen))
        allowed = {"H", *elements}
        self.weight = np.zeros(256, np.uint32)  # of a byte as an atom outside brackets
        self.flags = np.zeros(256, np.uint8)
        self.pair_weight = np.zeros(1 << 16, np.uint32)  # of the two bytes after an opening bracket
        self.pair_flags = np.zeros(1 << 16, np.uint8)
        self.pair_is_symbol = np.zeros(1 << 16, bool)
        self._describe_bytes(allowed)
        self._describe_pairs(allowed)

    def _describe_bytes(self, allowed: set[str]) -> None:
        for byte in range(256):
            if not 0x30 <= byte <= 0x39:
                self.flags[byte] |= _NO_DIGIT
            if not 0x21 <= byte <= 0x7E and byte not in b"\t\n":
                self.flags[byte] |= _FOREIGN
        for symbol in ("B", "C", "N", "O", "P", "S", "F", "I", "b", "c", "n", "o", "p", "s"):
            self.weight[ord(symbol)], refused = _atom(symbol, allowed)
            self.flags[ord(symbol)] |= refused
        self.flags[ord("*")] |= _REFUSED
        self.flags[ord(".")] |= _DOT

    def _describe_pairs(self, allowed: set[str]) -> None:
        for first in range(256):
            row = slice(first << 8, (first + 1) << 8)
            letter = chr(first)
            if letter.isascii() and letter.isalpha():
                known = letter in SYMBOLS or letter in _AROMATIC
                self.pair_weight[row], self.pair_flags[row] = _atom(letter, allowed) if known else (0, _UNSURE)
            elif letter in "123456789":
                self.pair_flags[row] = _ISOTOPE
            elif letter == "*":
                self.pair_flags[row] = _REFUSED
            elif letter != "\n":
                self.pair_flags[row] = _UNSURE
        for symbol in (*SYMBOLS, *_AROMATIC):
            if len(symbol) == 2:
                pair = ord(symbol[0]) << 8 | ord(symbol[1])
                self.pair_weight[pair], self.pair_flags[pair] = _atom(symbol, allowed)
                self.pair_is_symbol[pair] = True
        self.halogens = [(pair, *_atom(pair.decode(), allowed)) for pair in (b"Cl", b"Br")]

    def __call__(self, block: bytes, rejected: Counter[Reason]) -> tuple[int, list[bytes]]:
        """The number of records in `block` and the lines that pass; the others are added to `rejected`.

        `block` holds one or more whole lines of CID, tab, SMILES and, optionally, another tab and a name; a CID of 0
        means none.
        """
        data = np.frombuffer(block + b"\n", np.uint8)  # one more, to look two bytes ahead of a bracket
        starts, first, second, ends, columns = _fields(data[:-1])
        fields = np.column_stack([starts, first, second]).ravel()
        weight, flags = self._classify(data)
        weight = np.add.reduceat(weight, fields)[1::3]
        flags = np.bitwise_or.reduceat(flags, fields)
        cid_flags, flags = flags[::3], flags[1::3]
        cid_length, length = first - starts, second - first - 1
        unsure = flags & _UNSURE != 0
        reasons: list[tuple[Reason, np.ndarray]] = [
            (Reason.COLUMNS, (columns < 2) | (columns > 3)),
            (Reason.CID, (cid_flags & _NO_DIGIT != 0) | (cid_length < 1) | (cid_length > LONGEST_CID)),
            (Reason.EMPTY, length < 1),
            (Reason.LONG, length > LONGEST),
            (Reason.FOREIGN, flags & _FOREIGN != 0),
            (Reason.ISOTOPE, (flags & _ISOTOPE != 0) & ~unsure),
            (Reason.ELEMENT, (flags & _REFUSED != 0) & ~unsure),
            *((reason, (weight >> shift & _COUNT > limit) & ~unsure) for reason, shift, limit in self.limits),
        ]
        open_ = np.ones(len(starts), bool)
        for reason, applies in reasons:
            rejected[reason] += int(np.count_nonzero(applies & open_))
            open_ &= ~applies
        dots = flags & _DOT != 0
        kept = []
        for start, tab, end, dot in zip(*(array[open_].tolist() for array in (starts, first, ends, dots)), strict=True):
            if dot and not _ring_open(block[tab + 1 : block.index(b".", tab)].decode("ascii")):
                rejected[Reason.FRAGMENTS] += 1
            else:
                kept.append(block[start : end + 1])
        return len(starts), kept

    def _classify(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weight and flags of each byte, with those of an atom of several bytes at its first one."""
        weight, flags = self.weight[data], self.flags[data]
        for pair, atom, refused in self.halogens:
            at = np.flatnonzero(data == pair[1]) - 1
            at = at[data[at] == pair[0]]
            weight[at], flags[at] = atom, refused
        after = np.flatnonzero(data[:-2] == ord("[")) + 1
        pairs = data[after].astype(np.uint16) << 8 | data[after + 1]
        weight[after] = self.pair_weight[pairs]
        flags[after] = flags[after] & (_FOREIGN | _DOT) | self.pair_flags[pairs]
        second_letter = after[self.pair_is_symbol[pairs]] + 1
        weight[second_letter], flags[second_letter] = 0, 0
        for match in _EXOTIC_CHIRALITY.finditer(data.data):
            flags[match.start()] |= _UNSURE
        return weight, flags


def _atom(symbol: str, allowed: set[str]) -> tuple[int, int]:
    """Weight and flags of an atom of `symbol`, which is lower-case where it is aromatic."""
    element = symbol.capitalize()
    weight = 0 if element == "H" else _HEAVY + _NITROGEN * (element == "N") + _OXYGEN * (element == "O")
    return weight, 0 if element in allowed else _REFUSED


def _fields(data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each line: where it starts, its first and second tab, its end, and the number of its columns.

    Without a second tab the line's end stands for it; a line without any has its start for the first.
    """
    ends = np.flatnonzero(data == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    tabs = np.append(np.flatnonzero(data == ord("\t")), len(data))
    rank = np.searchsorted(tabs, starts)
    columns = np.searchsorted(tabs, ends) - rank + 1
    first = np.where(columns > 1, tabs[rank], starts)
    second = np.where(columns > 2, tabs[np.minimum(rank + 1, len(tabs) - 1)], ends)
    return starts, first, second, ends, columns


def _ring_open(part: str) -> bool:
    """Whether a ring bond is left open in `part`: it may close behind the dot, as in C1.C1, which is ethane."""
    labels = [label.strip("%()") for label in _RING_BOND.findall(re.sub(r"\[[^\]]*\]", "", part))]
    return any(labels.count(label) % 2 for label in labels)
