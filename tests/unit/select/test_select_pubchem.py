"""Compounds from PubChem: searches, records and the cache, over real sockets; the client's time is simulated."""

import itertools
import json
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pubchem_server import page, refusal, running, search, silence

from mdstride.select.pubchem import BATCH, POLL_LIMIT, PubChem, neighbours

RECORDED = Path(__file__).parents[2] / "data/pubchem"


@pytest.fixture
def server():
    with running() as server:
        yield server


@pytest.fixture
def client(server, tmp_path):
    return PubChem(server.url, tmp_path / "cache", sleep=server.clock.sleep, clock=server.clock)


# Searches


@pytest.mark.parametrize("url", ["", "pubchem.ncbi.nlm.nih.gov", "file:///etc", "ftp://host/pug", "https://a b/pug"])
def test_an_address_that_is_none_is_refused(url, tmp_path):
    assert "give one like https://HOST/rest/pug" in refusal(PubChem, url, tmp_path)


def test_zero_is_not_a_compound(server, client):
    server.moods.append(page(200, b'{"IdentifierList": {"CID": [0]}}'))
    assert search(client) == []


def test_search_waits_for_its_list_key(server, client):
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


def test_search_that_never_ends_is_given_up(server, client, tmp_path):
    server.polls = 10**6
    assert "no result after 15 min 0 s; run again later" in refusal(search, client)
    assert POLL_LIMIT <= server.clock.now <= POLL_LIMIT + 31.0
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


@pytest.mark.parametrize("content", [b"{}", b'{"PropertyTable": []}', b'{"PropertyTable": {"Properties": [{"X": 1}]}}'])
def test_other_tables_are_refused(server, client, content):
    server.moods.append(page(200, content))
    assert "no table of properties" in refusal(list, client.records([702]))


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
