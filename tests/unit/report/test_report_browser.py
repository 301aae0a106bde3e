"""The page in a real browser, as wide as a phone and as a desk: silent console, no network, sorting, the overlay."""

import base64
import json
import re
import shutil
import subprocess
from html import unescape

import pytest
from report_helpers import HOSTILE

PROBE = """<script>
const table = document.querySelector("#compound-compounds table");
const heads = Array.from(table.tHead.rows[0].cells);
const column = (name) => heads.findIndex((head) => head.textContent === name);
const values = (k) => Array.from(table.tBodies[0].rows, (row) => row.cells[k].firstChild.textContent);
const press = (name) => {
  const head = heads[column(name)];
  head.querySelector("button").click();
  return [head.getAttribute("aria-sort"), values(column(name))];
};
const overlay = document.querySelector(".overlay");
const pixels = () => overlay.querySelector("canvas").toDataURL();
const slider = overlay.querySelector("input");
setTimeout(() => {
  const before = pixels();
  overlay.querySelector("canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
  const turned = pixels() !== before;
  slider.value = 0;
  slider.dispatchEvent(new Event("input"));
  const start = overlay.querySelector("output").textContent;
  slider.value = slider.max;
  slider.dispatchEvent(new Event("input"));
  const link = overlay.querySelector("[data-role=save]");
  link.addEventListener("click", (event) => event.preventDefault());
  link.click();
  parent.postMessage({
    width: innerWidth,
    overflow: document.documentElement.scrollWidth - innerWidth,
    resources: performance.getEntriesByType("resource").length,
    buttons: heads.map((head) => Boolean(head.querySelector("button"))),
    up: press("S2T atom"), down: press("S2T atom"), names: press("compound"),
    shown: !overlay.hidden, turned, start, end: overlay.querySelector("output").textContent,
    options: Array.from(overlay.querySelectorAll("option"), (option) => option.textContent),
    saved: [link.href.slice(0, 5), link.download],
  }, "*");
}, 100);
</script>"""
FRAMES = """<!doctype html><pre>[]</pre>
<script>addEventListener("message", (event) => {
  const found = document.querySelector("pre");
  found.textContent = JSON.stringify([...JSON.parse(found.textContent), event.data]);
});</script>
"""
WIDTHS = (400, 1280)


@pytest.fixture(scope="module")
def browsed(built, tmp_path_factory):
    """What the page says of itself in an iframe of each width, as a Snakemake report holds it; and the console."""
    if not (chromium := shutil.which("chromium")):
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("browser")
    page = base64.b64encode(built[1].replace("</body>", f"{PROBE}</body>").encode()).decode()
    frames = [f'<iframe width="{width}" height="900" src="data:text/html;base64,{page}"></iframe>' for width in WIDTHS]
    (folder / "frames.html").write_text(FRAMES + "".join(frames), encoding="utf-8")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            *(f"--disable-{name}" for name in ("gpu", "quic", "background-networking", "component-update", "sync")),
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            "--v=0",
            "--virtual-time-budget=5000",
            "--dump-dom",
            (folder / "frames.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(unescape(re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL).group(1)))
    return sorted(found, key=lambda one: one["width"]), done.stderr


def test_the_console_is_silent_and_the_network_unused(browsed):
    found, console = browsed
    assert [one["width"] for one in found] == list(WIDTHS)
    assert [line for line in console.splitlines() if "CONSOLE" in line] == []
    assert [one["resources"] for one in found] == [0, 0]


def test_nothing_sticks_out_of_the_page(browsed):
    assert max(one["overflow"] for one in browsed[0]) <= 0


def test_a_heading_sorts_the_table(browsed):
    """Compound E has twice the errors of A, whose name begins with <; the drawings are no column to sort by."""
    for one in browsed[0]:
        assert one["buttons"][:3] == [True, False, True]
        (up, least), (down, most) = one["up"], one["down"]
        assert (up, down) == ("ascending", "descending")
        assert least == most[::-1] and float(least[0]) * 2 == pytest.approx(float(least[1]), rel=0.01)
        assert one["names"] == ["ascending", [HOSTILE, "compound E"]]


def test_the_overlay_turns_and_moves(browsed):
    for one in browsed[0]:
        assert one["shown"] and one["turned"]
        assert one["start"].startswith("0 fs: off by ")
        assert one["end"].startswith("1000 fs: off by ")
        assert sorted(one["options"]) == sorted([HOSTILE, "compound E", "atom", "persistence"])
        assert one["saved"][0] == "blob:" and one["saved"][1].endswith("-atom.xyz")
