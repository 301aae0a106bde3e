"""Requests to PubChem, against a server that speaks its protocol over real sockets; the client's time is simulated."""

import socket
import time
from email.message import Message
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pubchem_server import GREEN, Clock, cut, drip, fault, page, refusal, running, search, silence

from mdstride.select import pug
from mdstride.select.pubchem import PubChem
from mdstride.select.throttle import PAUSES, Throttle, load_pause, retry_after


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def client(server, tmp_path):
    return PubChem(server.url, tmp_path / "cache", sleep=server.clock.sleep, clock=server.clock)


@pytest.fixture
def clock(server):
    return server.clock


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
