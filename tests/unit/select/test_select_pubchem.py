"""The PubChem client against a server that speaks PubChem's protocol over real sockets; its time is simulated."""

import itertools
import json
import random
import re
import signal
import socket
import subprocess
import sys
import time
from email.message import Message
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pubchem_server import GREEN, cut, drip, fault, page, running, silence

from mdstride.errors import InputError
from mdstride.select import pug
from mdstride.select.pubchem import BATCH, POLL_LIMIT, PubChem, neighbours
from mdstride.select.throttle import PAUSES, Throttle, load_pause, retry_after

RECORDED = Path(__file__).parents[2] / "data/pubchem"
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


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running() as server:
        server.clock = clock
        server.neighbours = {"CCO": [702, 5950], "C": []}
        server.records = {702: ETHANOL, 5950: ALANINE}
        yield server


@pytest.fixture
def client(server, clock, tmp_path):
    return PubChem(server.url, tmp_path / "cache", sleep=clock.sleep, clock=clock)


def search(client, smiles="CCO"):
    return client.similar(smiles, threshold=80, max_records=1000)


def refusal(call, *arguments):
    """The message of the InputError, which must be one line."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def headers(**values):
    message = Message()
    for name, value in values.items():
        message[name.replace("_", "-")] = value
    return message


# The policy


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from([0.0] * 9 + [0.3, 5.0, 61.7])), min_size=10, max_size=60))
def test_throttle_keeps_the_policy(steps):
    """Whatever requests take and PubChem asks for: at most 4 in any second, 400 in any minute, no pause cut short."""
    clock = Clock()
    throttle = Throttle(sleep=clock.sleep, clock=clock)
    sent, earliest = [], 0.0
    for takes, pause in steps:
        throttle.wait()
        assert clock.now >= earliest
        sent.append(clock.now)
        clock.now += takes
        throttle.pause(pause, "test")
        earliest = max(earliest, clock.now + pause)
    assert all(later >= earlier + 1.0 for earlier, later in zip(sent, sent[4:], strict=False))


def test_throttle_is_no_slower_than_the_policy():
    """Instant answers: 4 requests a second exactly, 240 in the first minute, fewer than the 400 allowed."""
    clock = Clock()
    throttle = Throttle(sleep=clock.sleep, clock=clock)
    sent = []
    while clock.now < 120.0:
        throttle.wait()
        sent.append(clock.now)
    assert sent[:9] == [0.0] * 4 + [1.0] * 4 + [2.0]
    assert max(sum(start <= moment < start + 60.0 for moment in sent) for start in sent) == 240


def test_requests_reach_the_server_at_the_allowed_rate(server, client):
    server.neighbours = {"C" * length: [length] for length in range(1, 31)}
    assert [search(client, smiles) for smiles in server.neighbours] == [[length] for length in range(1, 31)]
    times = [seen.time for seen in server.seen]
    assert len(times) == 30
    assert all(later >= earlier + 1.0 for earlier, later in zip(times, times[4:], strict=False))


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(("status", "least"), [("Green", 0.0), ("Yellow", 1.0), ("Red", 5.0), ("Black", 60.0)])
def test_throttling_header_is_obeyed(server, client, status, least, place):
    parts = GREEN.split(", ")
    parts[place] = parts[place].replace("Green", status)
    server.moods.append(page(200, b'{"IdentifierList": {"CID": [1]}}', X_Throttling_Control=", ".join(parts)))
    search(client)
    search(client, "C")
    assert server.seen[1].time - server.seen[0].time == least == PAUSES[status.lower()]


@pytest.mark.parametrize("ending", ["too many requests per second or blacklisted", "Remaining blocking time: 00:04:10"])
def test_a_block_is_seen_behind_green_lights(ending):
    assert load_pause(headers(X_Throttling_Control=f"{GREEN}, {ending}")) == 60.0
    assert load_pause(headers(X_Throttling_Control=GREEN)) == load_pause(headers()) == 0.0


def test_retry_after_is_obeyed(server, client, capsys):
    server.moods.append(page(503, Retry_After="45"))
    assert search(client) == [702, 5950]
    assert server.seen[1].time - server.seen[0].time == 45.0
    assert "PubChem: waiting 45 s: PubChem asks for it\n" in capsys.readouterr().err


def test_retry_after_as_date_and_as_nonsense():
    assert 85 < retry_after(headers(Retry_After=formatdate(time.time() + 90, usegmt=True))) <= 90
    for text in ("", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Feb 99999 25:61:61 GMT", "nan"):
        assert retry_after(headers(Retry_After=text)) == 0.0


def test_a_pause_too_long_to_wait_for_ends_the_run(server, client, clock):
    server.moods.append(page(503, Retry_After="86400"))
    assert "asks for a pause of 24 h 0 min; run again then" in refusal(search, client)
    assert len(server.seen) == 1 and clock.now == 0.0


# Trouble that passes


@pytest.mark.parametrize(
    "mood",
    [
        pytest.param(page(503), id="503 in HTML"),
        pytest.param(page(429), id="429 in HTML"),
        pytest.param(page(200), id="maintenance page with status 200"),
        pytest.param(fault(503, "ServerBusy", "Too many requests or server too busy"), id="busy"),
        pytest.param(fault(200, "ServerBusy", "Too many requests or server too busy"), id="busy with status 200"),
        pytest.param(fault(504, "Timeout", "The request timed out"), id="timeout of PubChem"),
        pytest.param(fault(500, "ServerError", "A database is down"), id="server error"),
        pytest.param(fault(500, "Unknown", "Unknown error"), id="unknown error"),
        pytest.param(page(503, b'{"IdentifierList": {"CID": [1]}}'), id="a list with status 503"),
        pytest.param(lambda handler: handler.wfile.write(b"220 mail.example.org\r\n\r\n"), id="not HTTP"),
        pytest.param(cut(), id="connection closed without an answer"),
        pytest.param(cut(b'{"IdentifierList": {"CID": [702'), id="answer cut short"),
        pytest.param(page(200, b'{"IdentifierList": {"CID": [702'), id="half an answer"),
        pytest.param(page(200, b"[" * 10**5), id="nested beyond measure"),
        pytest.param(page(200, b"\xff\xfe"), id="not text"),
    ],
)
def test_passing_trouble_is_tried_again(server, client, clock, mood, tmp_path):
    server.moods.append(mood)
    assert search(client) == [702, 5950]
    assert len(server.seen) == 2
    assert 1.0 <= clock.now <= 2.0
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_backoff_grows_with_jitter(server, clock, tmp_path):
    waits = []
    for name in "ab":
        clock.sleeps.clear()
        server.moods.extend([page(503)] * 5)
        search(PubChem(server.url, tmp_path / name, sleep=clock.sleep, clock=clock))
        assert all(2.0**k / 2 <= wait <= 2.0**k for k, wait in enumerate(clock.sleeps, start=1))
        assert len(clock.sleeps) == 5
        waits.append(list(clock.sleeps))
    assert not set(waits[0]) & set(waits[1])


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        (page(503), "HTTP 503 without a complete answer in JSON"),
        (
            fault(503, "ServerBusy", "Too many requests\nor server too busy", "Please\r\nretry"),
            "PUGREST.ServerBusy; Too many requests or server too busy; Please retry",
        ),
        (cut(), "Remote end closed connection without response"),
    ],
)
def test_lasting_trouble_ends_in_one_line(server, client, clock, mood, reason, tmp_path):
    server.moods.extend([mood] * 20)
    message = refusal(search, client)
    assert message.startswith(f"{server.url}/compound/fastsimilarity_2d/smiles/cids/JSON?Threshold=80&MaxRecords=1000:")
    assert f"no answer in 6 attempts ({reason}); run again later, the answers so far are kept" in message
    assert len(server.seen) == 6 and 31.0 <= clock.now <= 62.0
    assert not (tmp_path / "cache").exists()


def test_nobody_at_the_address(clock, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/rest/pug"
        assert "refused" in refusal(search, PubChem(url, tmp_path, sleep=clock.sleep, clock=clock))


@pytest.mark.parametrize("mood", [silence(20), drip(20)])
def test_a_slow_answer_is_given_up(server, client, monkeypatch, mood):
    """A server that says nothing, and one that never stops: the limit holds for the request as a whole."""
    monkeypatch.setattr(pug, "TIMEOUT", 0.3)
    server.moods.append(mood)
    start = time.monotonic()
    assert search(client) == [702, 5950]
    assert 0.3 <= time.monotonic() - start < 10.0
    assert len(server.seen) == 2


# Answers that are final


def test_nothing_similar_is_an_empty_answer_and_kept(server, client):
    assert search(client, "C") == search(client, "C") == []
    assert len(server.seen) == 1


def test_zero_is_not_a_compound(server, client):
    server.moods.append(page(200, b'{"IdentifierList": {"CID": [0]}}'))
    assert search(client) == []


def test_bad_request_is_refused_at_once_with_the_words_of_pubchem(server, client, clock):
    message = refusal(search, client, "C1CC")
    assert "PubChem refuses smiles=C1CC: PUGREST.BadRequest; Unable to standardize the given structure; " in message
    assert "Unable to convert input into a compound object" in message
    assert len(server.seen) == 1 and clock.now == 0.0


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        (fault(501, "Unimplemented", "Not yet"), "PUGREST.Unimplemented; Not yet"),
        (page(404), "HTTP 404 without an answer in JSON; check the url"),
        (page(403), "HTTP 403 without an answer in JSON; check the url"),
        (page(200, b'{"IdentifierList": {"CID": ["702"]}}'), "not an answer of PUG-REST (no list of CIDs)"),
        (page(200, b'{"IdentifierList": [702]}'), "not an answer of PUG-REST (no list of CIDs)"),
        (page(200, b"{}"), "not an answer of PUG-REST (no list of CIDs)"),
    ],
)
def test_other_answers_are_refused_at_once_and_not_kept(server, client, mood, words, tmp_path):
    server.moods.append(mood)
    assert words in refusal(search, client)
    assert len(server.seen) == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("content", [b"{}", b'{"PropertyTable": []}', b'{"PropertyTable": {"Properties": [{"X": 1}]}}'])
def test_other_tables_are_refused(server, client, content):
    server.moods.append(page(200, content))
    assert "no table of properties" in refusal(list, client.records([702]))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, client, status):
    """Neither the seeds nor a truncated request go to a host that the user did not name."""
    with running() as other:
        server.moods.append(page(status, Location=f"{other.url}/elsewhere"))
        assert f"redirected to {other.url}/elsewhere, which is not followed" in refusal(search, client)
        assert len(server.seen) == 1 and not other.seen


def test_an_answer_without_end_is_refused(server, client, monkeypatch):
    monkeypatch.setattr(pug, "LARGEST", 1000)
    server.moods.append(page(200, b" " * 1001))
    assert "more than 1,000 bytes" in refusal(search, client)


@pytest.mark.parametrize("url", ["", "pubchem.ncbi.nlm.nih.gov", "file:///etc", "ftp://host/pug", "https://a b/pug"])
def test_an_address_that_is_none_is_refused(url, tmp_path):
    assert "give one like https://HOST/rest/pug" in refusal(PubChem, url, tmp_path)


# Searches


def test_search_waits_for_its_list_key(server, client, clock):
    server.polls = 6
    assert search(client) == [702, 5950]
    assert [seen.method for seen in server.seen] == ["POST"] + ["GET"] * 6
    assert re.fullmatch(r"/rest/pug/compound/listkey/\d+/cids/JSON", server.seen[1].path)
    times = [seen.time for seen in server.seen]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert search(client) == [702, 5950]
    assert len(server.seen) == 7


def test_search_without_hits_after_polling(server, client):
    server.polls = 2
    assert search(client, "C") == []


def test_search_that_never_ends_is_given_up(server, client, clock, tmp_path):
    server.polls = 10**6
    assert "no result after 15 min 0 s; run again later" in refusal(search, client)
    assert POLL_LIMIT <= clock.now <= POLL_LIMIT + 31.0
    assert not (tmp_path / "cache").exists()


def test_a_list_key_cannot_leave_its_place_in_the_address(server, client):
    server.moods.append(page(202, b'{"Waiting": {"ListKey": "../../x?y#z"}}'))
    assert "PUGREST.BadRequest" in refusal(search, client)
    assert server.seen[1].path == "/rest/pug/compound/listkey/../../x?y#z/cids/JSON"  # after decoding: one segment


@pytest.mark.parametrize("smiles", ["C#N", "C/C=C\\C", "[NH3+]CC(=O)[O-]", "C%10CC%10", "C=C&D;E"])
def test_smiles_arrive_unharmed_and_nothing_else_is_sent(server, client, smiles):
    server.neighbours[smiles] = [1]
    assert search(client, smiles) == [1]
    seen = server.seen[0]
    assert seen.form == {"smiles": smiles}
    assert seen.options == {"Threshold": "80", "MaxRecords": "1000"}
    assert set(seen.headers) == {
        *("Host", "User-Agent", "Content-Type", "Content-Length"),
        *("Accept-Encoding", "Connection"),
    }
    assert re.fullmatch(r"mdstride/[\d.]+", seen.headers["User-Agent"])


# Records


@pytest.mark.parametrize("new_names", [True, False])
def test_records_of_servers_of_both_generations(server, client, new_names):
    server.new_names = new_names
    expected = [(5950, "C[C@@H](C(=O)O)N", "Alanine"), (702, "CCO", "Ethanol")]
    assert list(client.records([5950, 702])) == expected


@pytest.mark.parametrize("new_names", [True, False])
def test_records_that_lack_something_are_not_lost(server, client, new_names):
    """Connectivity where there is no isomeric SMILES, empty where there is none or no record; the order is kept."""
    server.new_names = new_names
    server.records |= {
        1: {"CanonicalSMILES": "CO", "Title": "two\twords\n"},
        2: {"Title": "nameless"},
        3: {"IsomericSMILES": "", "CanonicalSMILES": "CN", "Title": None},
    }
    found = list(client.records([3, 99, 1, 2]))
    assert found == [(3, "CN", ""), (99, "", ""), (1, "CO", "two words"), (2, "", "nameless")]
    assert list(client.records([98, 97])) == [(98, "", ""), (97, "", "")]


def test_records_recorded_at_pubchem(server, client):
    server.moods.append(page(200, (RECORDED / "properties.json").read_bytes()))
    assert list(client.records([2244, 5564])) == [
        (2244, "CC(=O)OC1=CC=CC=C1C(=O)O", ""),
        (5564, "C1=CC(=C(C=C1Cl)O)OC2=C(C=C(C=C2)Cl)Cl", ""),
    ]
    server.moods.append(page(200, (RECORDED / "properties_without_smiles.json").read_bytes()))
    assert list(client.records([5564])) == [(5564, "", "")]


def test_records_come_in_batches(server, client):
    cids = random.Random(1).sample(range(1, 10**6), 2 * BATCH + 50)
    server.records = {cid: {"IsomericSMILES": f"[{cid}CH4]", "Title": str(cid)} for cid in cids}
    assert list(client.records(cids)) == [(cid, f"[{cid}CH4]", str(cid)) for cid in cids]
    asked = [[int(cid) for cid in seen.form["cid"].split(",")] for seen in server.seen]
    assert [len(batch) for batch in asked] == [BATCH, BATCH, 50]
    assert list(itertools.chain(*asked)) == cids


# The cache


def test_nothing_is_asked_twice(server, client, tmp_path):
    first = search(client), search(client, "C"), list(client.records([702, 99]))
    count = len(server.seen)
    again = PubChem(server.url, tmp_path / "cache")
    assert (search(again), search(again, "C"), list(again.records([702, 99]))) == first
    assert len(server.seen) == count == 3
    assert again.similar("CCO", threshold=81, max_records=1000) == [702, 5950]
    assert again.similar("CCO", threshold=80, max_records=1) == [702]
    assert search(again) == [702, 5950]
    assert len(server.seen) == 5


def test_cache_holds_request_and_answer(server, client, tmp_path):
    search(client)
    (path,) = (tmp_path / "cache").iterdir()
    assert re.fullmatch(r"[0-9a-f]{64}\.json", path.name)
    entry = json.loads(path.read_text())
    assert entry["address"].startswith(f"{server.url}/compound/fastsimilarity_2d/")
    assert entry["body"] == "smiles=CCO"
    assert entry["answer"] == {"IdentifierList": {"CID": [702, 5950]}}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text, other: "",
        lambda text, other: text[: len(text) // 2],
        lambda text, other: text.replace("702", "703"),
        lambda text, other: other,
        lambda text, other: "[]",
        lambda text, other: "[" * 10**5,
        lambda text, other: '{"answer": {}, "sha256": 1}',
        lambda text, other: "\udcff",
    ],
    ids=["empty", "cut", "digit", "another's", "list", "nested", "foreign", "no text"],
)
def test_a_damaged_file_is_asked_for_again(server, client, damage, tmp_path, capsys):
    search(client)
    (path,) = (tmp_path / "cache").iterdir()
    text = path.read_text()
    search(client, "C")
    (other,) = set((tmp_path / "cache").iterdir()) - {path}
    path.write_bytes(damage(text, other.read_text()).encode(errors="surrogateescape"))
    capsys.readouterr()
    assert search(client) == [702, 5950]
    assert capsys.readouterr().err == f"{path}: damaged; asking PubChem again\n"
    assert len(server.seen) == 3
    assert path.read_text() == text


def test_after_a_kill_only_the_missing_is_asked(server, tmp_path, monkeypatch):
    """SIGKILL while the last of four requests is under way."""
    server.neighbours = {"CCO": [702], "CC": list(range(1, BATCH + 1))}
    settings = {"url": server.url, "cache": str(tmp_path / "cache"), "similarity": 80, "max_records": 1000}
    seeds = [("ethanol", "CCO"), ("ethane", "CC")]
    server.records |= {cid: {"IsomericSMILES": "C"} for cid in range(1, BATCH + 1)}
    server.moods.extend([None, None, None, silence(60)])
    code = f"from mdstride.select.pubchem import neighbours; list(neighbours({seeds}, {settings}))"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while len(server.seen) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(server.seen) == 4
    server.closing.set()  # ends the silence
    server.seen.clear()
    expected = [*((cid, "C", "") for cid in range(1, BATCH + 1)), (702, "CCO", "Ethanol")]
    assert list(neighbours(seeds, settings)) == expected
    assert [seen.form for seen in server.seen] == [{"cid": "702"}]


# All together


def test_neighbours_of_all_seeds_each_once_in_order(server, tmp_path, capsys):
    server.neighbours = {"CCO": [5950, 702, 99], "CCN": [702, 7]}
    server.records[7] = {"IsomericSMILES": "CCNC", "Title": "Seven"}
    settings = {"url": server.url, "cache": str(tmp_path / "cache"), "similarity": 85, "max_records": 3}
    seeds = [("ethanol", "CCO"), ("ethylamine", "CCN")]
    expected = [(7, "CCNC", "Seven"), (99, "", ""), (702, "CCO", "Ethanol"), (5950, "C[C@@H](C(=O)O)N", "Alanine")]
    assert list(neighbours(seeds, settings)) == expected
    assert [seen.options for seen in server.seen[:2]] == [{"Threshold": "85", "MaxRecords": "3"}] * 2
    assert len(server.seen) == 3
    said = capsys.readouterr().err
    assert "PubChem search: ethanol has 3 neighbours or more, cut off at max_records" in said
    assert "ethylamine" not in said
    assert re.search(r"PubChem search: 2/2 seeds .* 4 compounds\n", said)
    assert re.search(r"PubChem records: 4/4 compounds ", said)
    assert list(neighbours(seeds, settings)) == expected
    assert len(server.seen) == 3


def test_neighbours_of_no_match(server, tmp_path):
    settings = {"url": server.url, "cache": str(tmp_path), "similarity": 99, "max_records": 10}
    assert list(neighbours([("methane", "C")], settings)) == []
    assert len(server.seen) == 1
