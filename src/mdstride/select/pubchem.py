"""Compounds like the seeds from PubChem itself, by its web service PUG-REST; nothing is asked twice.

PubChem's similarity is the Tanimoto similarity of its own 881 substructure keys, not of ECFP: it is a net that is cast
wide, and the selection measures what it brings in.
"""

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from mdstride.errors import InputError
from mdstride.formats.atomic import write_json
from mdstride.progress import Progress, duration
from mdstride.select.pug import NOT_FOUND, Pug

BATCH = 200
"""CIDs in one request for records, which PubChem answers well within its 30 s."""

POLL_LIMIT = 900.0
"""Seconds that one similarity search may take."""

PROPERTIES = "IsomericSMILES,CanonicalSMILES,Title"
"""What is asked for. PubChem renamed the first two in 2025 to SMILES and ConnectivitySMILES, and answers with the new
names; the old ones are understood by servers of both generations."""

_SMILES_NAMES = ("SMILES", "IsomericSMILES", "ConnectivitySMILES", "CanonicalSMILES")
"""Those with stereochemistry first."""

_URL = re.compile(r"https?://[^\s?#]+")
_Value = TypeVar("_Value")


class _Unexpected(Exception):
    """JSON of another shape than PubChem documents; says what is amiss."""


class PubChem:
    """PUG-REST at `url`, with a folder `cache` that holds one file per request and answer.

    At most four requests are sent in a second, fewer when PubChem asks for that. Answers in the cache never expire:
    delete the folder to ask again. Methods raise InputError when PubChem refuses a request or cannot be reached.
    """

    def __init__(
        self,
        url: str,
        cache: Path,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds from any start; `sleep` lets that clock advance by so many seconds."""
        if not _URL.fullmatch(url):
            raise InputError(f"{url}: not the address of a web service; give one like https://HOST/rest/pug")
        self.url, self.cache, self.clock = url.rstrip("/"), cache, clock
        self.pug = Pug(sleep=sleep, clock=clock)

    def similar(self, smiles: str, *, threshold: int, max_records: int) -> list[int]:
        """CIDs of at most `max_records` compounds whose 2-D similarity to `smiles` is at least `threshold` percent.

        The order is PubChem's. Empty where there is none.
        """
        options = urlencode({"Threshold": threshold, "MaxRecords": max_records})
        address = f"{self.url}/compound/fastsimilarity_2d/smiles/cids/JSON?{options}"
        return self._answer(address, urlencode({"smiles": smiles}), _cids, self._search)

    def records(self, cids: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        """(CID, SMILES, name) of each of `cids`, in their order.

        SMILES with stereochemistry where there is any. SMILES and name are empty where PubChem has none.
        """
        address = f"{self.url}/compound/cid/property/{PROPERTIES}/JSON"
        for start in range(0, len(cids), BATCH):
            batch = cids[start : start + BATCH]
            body = urlencode({"cid": ",".join(map(str, batch))}, safe=",")
            found = self._answer(address, body, _properties, self._ask)
            yield from ((cid, *found.get(cid, ("", ""))) for cid in batch)

    def _answer(
        self,
        address: str,
        body: str,
        read: Callable[[dict[str, Any]], _Value],
        ask: Callable[[str, str], dict[str, Any]],
    ) -> _Value:
        """What `read` finds in the answer, which comes from the cache or, the first time, from `ask`."""
        path = self.cache / f"{_digest(address, body)}.json"
        if path.exists():
            try:
                entry = json.loads(path.read_bytes())
                if entry["sha256"] == _digest(address, body, entry["answer"]):
                    return read(entry["answer"])
            except (OSError, ValueError, TypeError, KeyError, RecursionError, _Unexpected):
                pass  # said in the next line, as for a wrong checksum
            sys.stderr.write(f"{path}: damaged; asking PubChem again\n")
        answer = ask(address, body)
        try:
            value = read(answer)
        except _Unexpected as error:
            raise InputError(f"{address}: not an answer of PUG-REST ({error}); check the url of the service") from error
        checksum = _digest(address, body, answer)
        write_json(path, {"address": address, "body": body, "answer": answer, "sha256": checksum})
        return value

    def _ask(self, address: str, body: str) -> dict[str, Any]:
        return self.pug.ask(address, body.encode())

    def _search(self, address: str, body: str) -> dict[str, Any]:
        """Start a search and, where PubChem answers with a list key, ask for its result until it is there."""
        answer, pause, deadline = self._ask(address, body), 1.0, self.clock() + POLL_LIMIT
        while isinstance(waiting := answer.get("Waiting"), dict):
            if self.clock() > deadline:
                raise InputError(
                    f"{address}: no result after {duration(POLL_LIMIT)}; run again later, or ask for fewer records"
                )
            self.pug.throttle.pause(pause, "PubChem is searching")
            pause = min(2.0 * pause, 30.0)
            key = quote(str(waiting.get("ListKey")), safe="")
            answer = self.pug.ask(f"{self.url}/compound/listkey/{key}/cids/JSON")
        return answer


def neighbours(seeds: Sequence[tuple[str, str]], settings: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """(CID, SMILES, name) of all compounds similar to one of `seeds` or more, each once, in ascending order of CID.

    `seeds` are (name, SMILES). `settings` has `url` and `cache` of the service, the least `similarity` in percent and
    `max_records`, the largest number of compounds per seed. Raises InputError when PubChem refuses a request or cannot
    be reached; run again, it goes on where it stopped.
    """
    pubchem = PubChem(settings["url"], Path(settings["cache"]))
    found: set[int] = set()
    progress = Progress("PubChem search", len(seeds), "seeds")
    for name, smiles in seeds:
        cids = pubchem.similar(smiles, threshold=settings["similarity"], max_records=settings["max_records"])
        if len(cids) >= settings["max_records"]:
            sys.stderr.write(
                f"PubChem search: {name} has {len(cids):,} neighbours or more, cut off at max_records; "
                "raise it, or the similarity, to see all\n"
            )
        found.update(cids)
        progress.update()
    progress.close(f"{len(found):,} compounds")
    progress = Progress("PubChem records", len(found), "compounds")
    for record in pubchem.records(sorted(found)):
        yield record
        progress.update()
    progress.close()


def _cids(answer: dict[str, Any]) -> list[int]:
    if _nothing(answer):
        return []
    found = answer.get("IdentifierList")
    cids = found.get("CID", []) if isinstance(found, dict) else None
    if not isinstance(cids, list) or not all(type(cid) is int and cid >= 0 for cid in cids):
        raise _Unexpected("no list of CIDs")
    return [cid for cid in cids if cid]  # 0 is PubChem's word for `none`


def _properties(answer: dict[str, Any]) -> dict[int, tuple[str, str]]:
    """SMILES and name by CID."""
    if _nothing(answer):
        return {}
    table = answer.get("PropertyTable")
    rows = table.get("Properties") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and type(row.get("CID")) is int for row in rows):
        raise _Unexpected("no table of properties")
    return {row["CID"]: (_text(row, *_SMILES_NAMES), _text(row, "Title")) for row in rows}


def _nothing(answer: dict[str, Any]) -> bool:
    """Whether PubChem knows no such record."""
    fault = answer.get("Fault")
    return isinstance(fault, dict) and fault.get("Code") == NOT_FOUND


def _text(row: dict[str, Any], *names: str) -> str:
    """The first of these fields that has text, without line breaks or tabs."""
    texts = (" ".join(row[name].split()) for name in names if isinstance(row.get(name), str))
    return next(filter(None, texts), "")


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
