"""How fast compounds are selected, beside a plain loop over RDKit; and what a kill on the way costs.

    python benchmarks/selection.py --folder /tmp/select --records 1000000 3000000 10000000

The library is made from the bundled one: each of its 165,770 records is written as many times as needed in different
random atom orders (RDKit's random SMILES), every one with a CID of its own. So elements and sizes are those of real
PubChem records, and no two lines are alike. It has the form of PubChem's CID-SMILES.gz. It is made once per folder.

Selection is the workflow's own: Snakemake on two cores from the packed file to compounds.csv. The plain loop (`plain`)
parses, filters, fingerprints and compares one record after the other; it takes `--plain` records, evenly spread, and
must choose the same compounds as the workflow does among these.
"""

import argparse
import csv
import gzip
import itertools
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator
from rdkit.DataStructs import TanimotoSimilarity

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "resources/compounds/pubchem_cid_smiles_166k.csv.gz"
PUBCHEM = 173_000_000
TG80_ACCEPTED = 2488
"""Compounds that the ATOM paper reports to be accepted of all of PubChem."""


def main() -> None:
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    library = make_library(options.folder, max(options.records), options.cores)
    print(f"{platform.machine()}, {options.cores} of {os.cpu_count()} cores, {date.today()}\n")
    print("| records | seconds | records/s | library | screen, sum | select | largest process, MB | accepted |")
    print("|---|---|---|---|---|---|---|---|")
    for records in sorted(options.records):
        run = Run(options.folder / f"run-{records}", head(library, records), options.cores)
        seconds = run.select()
        jobs = run.jobs()
        stages = " | ".join(
            f"{sum(float(row['s']) for row in jobs[name]):.1f}" for name in ("library", "screen", "select")
        )
        largest = max(float(row["max_rss"]) for rows in jobs.values() for row in rows if row["max_rss"] != "-")
        rate = records / seconds
        print(
            f"| {records:,} | {seconds:.1f} | {rate:,.0f} | {stages} | {largest:.0f} | {len(run.compounds()):,} |",
            flush=True,
        )
    print(f"\nextrapolated to {PUBCHEM:,} records: {PUBCHEM / rate / 60:.1f} min")
    many_accepted(run)
    killed(run, options.folder / "killed")
    plain_loop(options, library, rate)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder, about 1 GB for 10 million records")
    parser.add_argument("--records", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--plain", type=int, default=200_000, help="records for the plain loop (default: 200000)")
    parser.add_argument("--cores", type=int, default=2)
    return parser.parse_args()


class Run:
    """One run of the workflow up to the selection, in a folder of its own."""

    def __init__(self, folder: Path, library: Path, cores: int) -> None:
        self.folder, self.library, self.cores = folder, library, cores
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.results = folder / "results/benchmark"
        self.configure()

    def configure(self, **select: Any) -> None:
        settings = {
            "run": "benchmark",
            "results": str(self.folder / "results"),
            "library": {"source": "pubchem-bulk", "path": str(self.library), "shards": 8},
            "select": {"pick": {"max_atoms": None, "count": None}, **select},
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(settings))

    def command(self) -> list[str]:
        snakemake = [sys.executable, "-m", "snakemake", str(self.results / "compounds.csv"), "--cores", str(self.cores)]
        return [*snakemake, "--configfile", str(self.folder / "config.yaml"), "--quiet", "all", "--nolock"]

    def select(self) -> float:
        """Seconds from the command to its end."""
        start = time.perf_counter()
        subprocess.run(self.command(), cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - start

    def jobs(self) -> dict[str, list[dict[str, str]]]:
        """Snakemake's own measurements, by rule."""
        found = {}
        for name in ("library", "screen", "select"):
            paths = sorted((self.results / "benchmarks" / name).glob("*.tsv")) or [
                self.results / f"benchmarks/{name}.tsv"
            ]
            found[name] = [row for path in paths for row in csv.DictReader(path.open(), delimiter="\t")]
        return found

    def compounds(self) -> list[dict[str, str]]:
        with (self.results / "compounds.csv").open(newline="") as stream:
            return list(csv.DictReader(stream))


def many_accepted(run: Run) -> None:
    """The last step again with a looser rule, under which about as many compounds are accepted as of all of PubChem."""
    for limit in (0.3, 0.35, 0.4, 0.45, 0.5):
        run.configure(max_similarity=limit)
        run.select()
        if len(run.compounds()) >= TG80_ACCEPTED:
            break
    seconds = float(run.jobs()["select"][0]["s"])
    print(f"select with {len(run.compounds()):,} accepted (max_similarity {limit}): {seconds:.1f} s")
    run.configure()
    run.select()


def killed(whole: Run, folder: Path) -> None:
    """SIGKILL to everything when three shards lie there; the next run must keep those whose jobs had ended, which the
    last one may not have done, and leave the same tables.
    """
    run = Run(folder, whole.library, whole.cores)
    process = subprocess.Popen(
        run.command(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while len(finished := sorted(run.results.glob("select/*.h5"))) < 3:
        if process.poll() is not None:
            raise SystemExit("the run ended before it could be killed")
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stamps = {path: path.stat().st_mtime_ns for path in finished}
    run.select()
    kept = sum(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    same = all(
        (run.results / name).read_bytes() == (whole.results / name).read_bytes()
        for name in ("compounds.csv", "rejections.csv", "space.csv")
    )
    print(f"killed with {len(finished)} of 8 shards on the disk: {kept} kept, tables {'equal' if same else 'DIFFER'}")


def plain_loop(options: argparse.Namespace, library: Path, rate: float) -> None:
    part = head(library, options.plain)
    start = time.perf_counter()
    expected = plain(part)
    seconds = time.perf_counter() - start
    run = Run(options.folder / "plain", part, options.cores)
    run.select()
    found = [(int(row["cid"]), row["id"]) for row in run.compounds()]
    verdict = "equal" if found == expected else "DIFFERENT"
    print(f"plain loop, {options.plain:,} records: {seconds:.1f} s, {options.plain / seconds:,.0f}/s, one core")
    print(f"the workflow is {rate * seconds / options.plain:.1f} times as fast; {len(found)} compounds, sets {verdict}")


def plain(library: Path) -> list[tuple[int, str]]:
    """CID and InChIKey of the accepted compounds: the rule written down as simply as possible, with RDKit alone."""
    settings = yaml.safe_load((ROOT / "config.yaml").read_text())
    screen, limit = settings["screen"], settings["select"]["max_similarity"]
    low, high = screen["seed_similarity"]
    bits = screen["fingerprint"]
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=bits["radius"], fpSize=bits["bits"])
    with (ROOT / screen["seeds"]).open() as stream:
        seeds = [Chem.MolFromSmiles(row["smiles"]) for row in csv.DictReader(stream)]
    seeds = [(mol.GetNumHeavyAtoms(), generator.GetFingerprint(mol)) for mol in seeds]
    accepted: list[tuple[int, str, Any]] = []
    with gzip.open(library, "rt") as stream, rdBase.BlockLogs():
        for line in stream:
            cid, smiles = line.rstrip("\n").split("\t")
            mol = Chem.MolFromSmiles(smiles) if len(smiles) <= 300 else None
            if mol is None or not _plain_filter(mol, screen):
                continue
            fingerprint, size = generator.GetFingerprint(mol), mol.GetNumHeavyAtoms()
            if not any(low <= TanimotoSimilarity(fingerprint, seed) <= high for n, seed in seeds if size <= n):
                continue
            if any(TanimotoSimilarity(fingerprint, other) > limit for _, _, other in accepted):
                continue
            key = Chem.MolToInchiKey(mol)
            if key and all(key != other for _, other, _ in accepted):
                accepted.append((int(cid), key, fingerprint))
    return [(cid, key) for cid, key, _ in accepted]


def _plain_filter(mol: Chem.Mol, screen: dict[str, Any]) -> bool:
    atoms = list(mol.GetAtoms())
    symbols = [atom.GetSymbol() for atom in atoms]
    return (
        len(Chem.GetMolFrags(mol)) == 1
        and sum(atom.GetFormalCharge() for atom in atoms) == 0
        and all(atom.GetIsotope() == 0 and atom.GetNumRadicalElectrons() == 0 for atom in atoms)
        and sum(atom.GetAtomicNum() + atom.GetTotalNumHs() for atom in atoms) % 2 == 0
        and set(symbols) <= set(screen["elements"])
        and symbols.count("O") <= screen["max_oxygen"]
        and symbols.count("N") <= screen["max_nitrogen"]
        and mol.GetNumHeavyAtoms() >= screen["min_heavy_atoms"]
    )


def make_library(folder: Path, records: int, cores: int) -> Path:
    """The library, in the form of CID-SMILES.gz, in ascending order of CID."""
    path, note = folder / "CID-SMILES.gz", folder / "CID-SMILES.json"
    if note.exists() and json.loads(note.read_text()) >= records:
        return path
    with gzip.open(BUNDLED, "rt") as stream:
        texts = [row["smiles"] for row in csv.DictReader(stream)]
    spellings = -(-records // len(texts))
    batches = [(start, texts[start : start + 2000], spellings) for start in range(0, len(texts), 2000)]
    with path.open("wb") as stream, ProcessPoolExecutor(cores) as pool:
        for number, member in enumerate(pool.map(_spell, batches)):
            stream.write(member)
            if number % 10 == 0:
                sys.stderr.write(f"making the library: {number}/{len(batches)}\n")
    note.write_text(json.dumps(spellings * len(texts)))
    return path


def _spell(batch: tuple[int, list[str], int]) -> bytes:
    """A gzip member with all spellings of some molecules; those that RDKit refuses are written as they are."""
    start, texts, spellings = batch
    lines = []
    with rdBase.BlockLogs():
        for index, text in enumerate(texts, start):
            mol = Chem.MolFromSmiles(text) if len(text) <= 300 else None
            variants = (
                [text] * spellings if mol is None else Chem.MolToRandomSmilesVect(mol, spellings, randomSeed=index)
            )
            lines += [f"{index * spellings + place + 1}\t{variant}\n" for place, variant in enumerate(variants)]
    return gzip.compress("".join(lines).encode(), 6, mtime=0)


def head(library: Path, records: int) -> Path:
    """A library of records taken at even distances from the whole one."""
    total = json.loads(library.with_suffix(".json").read_text())
    if records >= total:
        return library
    path = library.with_name(f"CID-SMILES-{records}.gz")
    if not path.exists():
        wanted = (place * total // records for place in range(records))
        with gzip.open(library, "rb") as source, gzip.open(path, "wb", compresslevel=6) as target:
            target.writelines(_take(source, wanted))
    return path


def _take(lines: Any, places: Iterator[int]) -> Iterator[bytes]:
    at = 0
    for place in places:
        yield next(itertools.islice(lines, place - at, None))
        at = place + 1


if __name__ == "__main__":
    main()
