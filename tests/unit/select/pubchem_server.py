"""A PubChem on this machine's loopback: PUG-REST as far as the client uses it, with its moods.

Ordinary requests are answered from `records` and `neighbours`; each entry of `moods` is used up by one request and
answers it instead, unless it is None.
"""

import json
import threading
import time
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from mdstride.errors import InputError

NEW_NAMES = {"CanonicalSMILES": "ConnectivitySMILES", "IsomericSMILES": "SMILES"}
GREEN = "Request Count status: Green (0%), Request Time status: Green (0%), Service status: Green (20%)"
HTML = b"<!DOCTYPE html><html><body><h1>Service Unavailable</h1></body></html>"


ALANINE = {"IsomericSMILES": "C[C@@H](C(=O)O)N", "CanonicalSMILES": "CC(C(=O)O)N", "Title": "Alanine"}
ETHANOL = {"IsomericSMILES": "CCO", "CanonicalSMILES": "CCO", "Title": "Ethanol"}


class Clock:
    """Simulated time, which passes by sleeping alone."""

    def __init__(self):
        self.now, self.sleeps = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.sleeps.append(seconds)


class Seen(NamedTuple):
    method: str
    path: str
    options: dict
    form: dict
    headers: dict
    time: float


class PubChemServer(ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/rest/pug"
        self.records = {702: ETHANOL, 5950: ALANINE}  # CID: row with the property names of before 2025
        self.neighbours = {"CCO": [702, 5950], "C": []}  # SMILES: CIDs
        self.new_names = True
        self.polls = 0  # so often a search is answered with its list key
        self.pending = {}  # list key: [polls left, CIDs]
        self.headers = {"X-Throttling-Control": GREEN}
        self.moods = deque()
        self.seen = []
        self.clock = Clock()
        self.closing = threading.Event()

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self):
        self.answer({})

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(dict(parse_qsl(text, strict_parsing=True)))

    def answer(self, form):
        server, parts = self.server, urlsplit(self.path)
        path, options = unquote(parts.path), dict(parse_qsl(parts.query))
        server.seen.append(Seen(self.command, path, options, form, dict(self.headers), server.clock()))
        if server.moods and (mood := server.moods.popleft()):
            mood(self)
            return
        match path.removeprefix("/rest/pug/").split("/"):
            case ["compound", "fastsimilarity_2d", "smiles", "cids", "JSON"] if self.command == "POST":
                self.search(form["smiles"], int(options["MaxRecords"]))
            case ["compound", "listkey", key, "cids", "JSON"] if self.command == "GET":
                self.poll(key)
            case ["compound", "cid", "property", names, "JSON"] if self.command == "POST":
                self.properties(names.split(","), [int(cid) for cid in form["cid"].split(",")])
            case _:
                fault(400, "BadRequest", "Invalid input")(self)

    def search(self, smiles, most):
        if smiles not in self.server.neighbours:
            detail = "Record 1: Error: Unable to convert input into a compound object"
            fault(400, "BadRequest", "Unable to standardize the given structure", detail)(self)
            return
        key = str(4067126530319158912 + len(self.server.pending))
        self.server.pending[key] = [self.server.polls, self.server.neighbours[smiles][:most]]
        self.poll(key)

    def poll(self, key):
        left, cids = self.server.pending[key]
        if left:
            self.server.pending[key][0] -= 1
            self.json(202, {"Waiting": {"ListKey": key, "Message": "Your request is running"}})
        elif cids:
            self.json(200, {"IdentifierList": {"CID": cids}})
        else:
            fault(404, "NotFound", "Search returned no hits")(self)

    def properties(self, names, cids):
        known = set(NEW_NAMES) | {"Title"} | (set(NEW_NAMES.values()) if self.server.new_names else set())
        if not known.issuperset(names):
            fault(400, "BadRequest", "Invalid property")(self)
            return
        rows = []
        for cid in cids:
            if record := self.server.records.get(cid):
                row = {"CID": cid} | {name: record[name] for name in names if name in record}
                rename = NEW_NAMES if self.server.new_names else {}
                rows.append({rename.get(name, name): value for name, value in row.items()})
        if rows:
            self.json(200, {"PropertyTable": {"Properties": rows}})
        else:
            fault(404, "NotFound", "No CID found")(self)

    def json(self, status, value):
        self.reply(status, json.dumps(value, indent=2).encode(), {"Content-Type": "application/json"})

    def reply(self, status, content, headers, length=None):
        self.send_response(status)
        for name, value in (self.server.headers | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def page(status, content=HTML, **headers):
    """An answer with any content, a page in HTML unless told otherwise; Retry_After stands for Retry-After."""
    return lambda handler: handler.reply(status, content, {k.replace("_", "-"): v for k, v in headers.items()})


def fault(status, code, message, *details):
    value = {"Fault": {"Code": f"PUGREST.{code}", "Message": message, "Details": list(details)}}
    return lambda handler: handler.json(status, value)


def cut(content=b""):
    """The connection ends after `content`, though more was announced; without content, before any answer."""

    def mood(handler):
        if content:
            handler.reply(200, content, {}, length=1000)
        handler.close_connection = True

    return mood


def silence(seconds):
    """No answer for so long, or until the server is closed; then the connection ends."""

    def mood(handler):
        handler.server.closing.wait(seconds)
        handler.close_connection = True

    return mood


def drip(seconds):
    """An answer that never stalls but takes so long."""

    def mood(handler):
        handler.reply(200, b"", {}, length=10**6)
        end = time.monotonic() + seconds
        while time.monotonic() < end and not handler.server.closing.wait(0.02):
            handler.wfile.write(b" ")
        handler.close_connection = True

    return mood


@contextmanager
def running():
    """A server that answers until the block ends."""
    server = PubChemServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("no_proxy", "127.0.0.1")
            yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def search(client, smiles="CCO"):
    return client.similar(smiles, threshold=80, max_records=1000)


def refusal(call, *arguments):
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)
