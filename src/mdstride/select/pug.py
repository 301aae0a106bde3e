"""One request to PUG-REST, PubChem's web service: sent politely, repeated where that may help, answered in JSON.

Faults and status codes: https://pubchem.ncbi.nlm.nih.gov/docs/pug-rest, section `Status Codes`.
"""

import json
import random
import re
import time
from collections.abc import Callable
from email.message import Message
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.parse import unquote_plus
from urllib.request import HTTPErrorProcessor, Request, build_opener

from mdstride import __version__
from mdstride.errors import InputError
from mdstride.progress import duration
from mdstride.select.throttle import Throttle, load_pause, retry_after

AGENT = f"mdstride/{__version__}"
TIMEOUT = 30.0
"""Seconds for one request; PubChem itself gives up after 30."""
ATTEMPTS = 6
LONGEST_PAUSE = 600.0
"""Seconds; when PubChem asks for a longer pause, the run stops instead."""
LARGEST = 64 * 2**20
"""Bytes of one answer at most."""

NOT_FOUND = "PUGREST.NotFound"
_PASSING_FAULTS = frozenset(f"PUGREST.{name}" for name in ("ServerBusy", "Timeout", "ServerError", "Unknown"))
_PASSING_STATUS = frozenset((200, 202, 429, 500, 502, 503, 504))
"""Without a fault in JSON: overload and maintenance, often a page in HTML; with 200, an answer that was cut short."""


class _EveryStatus(HTTPErrorProcessor):
    """Hands every answer over as it is.

    So redirects are not followed: urllib would repeat a POST as a GET without its body, perhaps at another host.
    """

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class _Passing(Exception):
    """Trouble that may be over when asked again."""


class Pug:
    """Asks PUG-REST one request at a time."""

    def __init__(self, *, sleep: Callable[[float], object], clock: Callable[[], float]) -> None:
        self.throttle = Throttle(sleep=sleep, clock=clock)
        self.opener = build_opener(_EveryStatus)
        self.random = random.Random()  # of the jitter alone: no result depends on it

    def ask(self, address: str, body: bytes | None = None) -> dict[str, Any]:
        """The answer to a POST of `body`, or to a GET without: an object as PubChem documents it.

        `{"Fault": ...}` is returned for PUGREST.NotFound alone, which means that there is no such record. Raises
        InputError for other faults, and when `ATTEMPTS` attempts have met with overload or a broken connection.
        """
        trouble = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                jitter = self.random.uniform(0.5, 1.0)  # apart from other clients that met the same trouble
                self.throttle.pause(jitter * 2.0**attempt, f"attempt {attempt} of {ATTEMPTS} failed: {trouble}")
            self.throttle.wait()
            try:
                return self._once(address, body)
            except _Passing as error:
                trouble = str(error)
        raise InputError(
            f"{address}: no answer in {ATTEMPTS} attempts ({trouble}); run again later, the answers so far are kept"
        )

    def _once(self, address: str, body: bytes | None) -> dict[str, Any]:
        status, headers, content = self._exchange(address, body)
        if (later := retry_after(headers)) > LONGEST_PAUSE:
            raise InputError(
                f"{address}: PubChem asks for a pause of {duration(later)}; run again then, the answers so far are kept"
            )
        self.throttle.pause(max(later, load_pause(headers)), "PubChem asks for it")
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        fault = answer.get("Fault") if isinstance(answer, dict) else None
        if status in (200, 202) and isinstance(answer, dict) and fault is None:
            return answer
        if not isinstance(fault, dict):
            _refuse(address, status, headers)
        code, message = fault.get("Code"), _fault_text(fault)
        if code == NOT_FOUND:
            return answer
        if code in _PASSING_FAULTS:
            raise _Passing(message)
        asked = one_line(unquote_plus(body.decode())) if body else "nothing"
        raise InputError(f"{address}: PubChem refuses {asked}: {message}; correct what is asked for")

    def _exchange(self, address: str, body: bytes | None) -> tuple[int, Message, bytes]:
        """Status, headers and content of the answer, whatever they are."""
        deadline = time.monotonic() + TIMEOUT  # the socket's own timeout begins anew with each piece
        content = bytearray()
        try:
            with self.opener.open(Request(address, body, {"User-Agent": AGENT}), timeout=TIMEOUT) as reply:
                while chunk := reply.read1(65536):
                    content += chunk
                    if len(content) > LARGEST:
                        raise InputError(f"{address}: an answer of more than {LARGEST:,} bytes; ask for fewer records")
                    if time.monotonic() > deadline:
                        raise TimeoutError("timed out")
                return reply.status, reply.headers, bytes(content)
        except (OSError, HTTPException) as error:
            raise _Passing(one_line(getattr(error, "reason", error)) or type(error).__name__) from error


def _refuse(address: str, status: int, headers: Message) -> NoReturn:
    """Raise what an answer without usable JSON means."""
    if 300 <= status < 400:
        place = one_line(headers.get("Location", "an unnamed address"))
        raise InputError(f"{address}: redirected to {place}, which is not followed; correct the url of the service")
    if status in _PASSING_STATUS:
        raise _Passing(f"HTTP {status} without a complete answer in JSON")
    raise InputError(
        f"{address}: HTTP {status} without an answer in JSON; check the url of the service and the network"
    )


def _fault_text(fault: dict[str, Any]) -> str:
    """PubChem's own words, in one line."""
    details = fault.get("Details")
    parts = [fault.get("Code"), fault.get("Message"), *(details if isinstance(details, list) else [])]
    return "; ".join(one_line(part) for part in parts if part)


def one_line(value: object) -> str:
    """The text of `value` in one line of at most 200 printable characters."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in str(value))).strip()[:200]
