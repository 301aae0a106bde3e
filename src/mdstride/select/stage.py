"""select: which molecules are simulated, and why each other record of the library was left out."""

import heapq
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rdkit import rdBase
from rdkit.DataStructs import BitVectToBinaryText, BulkTanimotoSimilarity

from mdstride.errors import InputError
from mdstride.formats.candidates import read_candidates, read_tally
from mdstride.formats.provenance import by_name, record, software, write_record
from mdstride.formats.tables import write_table
from mdstride.progress import Progress
from mdstride.select.accept import Acceptance
from mdstride.select.compound import Compound, Seed, fingerprinter
from mdstride.select.inputs import read_extras, read_names, read_seeds
from mdstride.select.pick import pick
from mdstride.select.reasons import Reason
from mdstride.select.space import SAMPLE, lottery, write_space

COLUMNS = (
    *("id", "cid", "smiles", "name", "formula", "n_heavy", "n_atoms", "source"),
    *("seed", "seed_similarity", "nearest", "nearest_similarity"),
)


def select_compounds(
    settings: dict[str, Any],
    screen: dict[str, Any],
    *,
    screened: Sequence[Path],
    counts: Path,
    compounds: Path,
    rejections: Path,
    space: Path,
) -> None:
    """Select compounds from the candidates of all shards and write three tables, and where they come from.

    `compounds` lists the picked library compounds in ascending order of CID, then the extra ones in the order of their
    file: identity, size, the seed each one was matched with (for an extra compound the most similar seed), and its
    nearest neighbour in the table; similarities are Tanimoto similarities of ECFP. `rejections` counts the other
    records of the library by reason. `space` is a map of where seeds, compounds and library lie. The result depends
    neither on the order of the library nor on its division into shards.

    `settings` and `screen` are sections of the configuration, `screened` the files of `mdstride screen` for all shards,
    `counts` that of `mdstride library`. Raises InputError for unusable input, and when no compound is accepted; then
    nothing is written.
    """
    with rdBase.BlockLogs():
        fingerprint = fingerprinter(screen["fingerprint"])
        seeds = read_seeds(screen["seeds"], fingerprint)
        extras = read_extras(settings["extra_compounds"], seeds, fingerprint)
        names = read_names(settings["names"])
        total, rejected, sample = _tally(counts, screened)
        accepted = _accept(settings, seeds, screened, total - rejected.total(), rejected)
        if not accepted:
            raise InputError(_nothing_accepted(total, rejected))
        picked = pick(accepted, settings["pick"], rejected)
        listed = _listed(picked, extras)
        rows = _rows(listed, picked, extras, names)
        groups = _groups(listed, accepted, seeds, sample)
    write_space(space, groups)
    write_table(compounds, COLUMNS, rows)
    written = [{"step": "read", "reason": "records read", "count": total}]
    written += [{"step": r.value[0], "reason": r.value[1], "count": rejected[r]} for r in Reason]
    write_table(rejections, ("step", "reason", "count"), written)
    inputs = {"screen.seeds": screen["seeds"], **by_name([counts, *screened])}
    inputs |= {f"select.{key}": settings[key] for key in ("extra_compounds", "names")}
    made = record("select", {"select": settings, "screen": screen}, inputs, software("rdkit", "numpy"))
    write_record(made, compounds, rejections, space)


def _tally(counts: Path, screened: Sequence[Path]) -> tuple[int, Counter[Reason], list[bytes]]:
    """Records read, those left out so far, and the sample of the library. Refuses shards of different runs."""
    read = json.loads(counts.read_text(encoding="utf-8"))
    rejected = Counter({Reason[name]: count for name, count in read["rejected"].items()})
    passed = read["records"] - rejected.total()
    sample: list[tuple[int, bytes]] = []
    for path in screened:
        tally = read_tally(path)
        rejected.update({Reason[name]: count for name, count in tally.rejected.items()})
        sample = heapq.nsmallest(SAMPLE, [*sample, *tally.sample])
        passed -= tally.records
    if passed:
        raise InputError(f"{counts}: {abs(passed):,} records more or fewer than in the screened shards; screen again")
    return read["records"], rejected, [bits for _, bits in sample]


def _accept(
    settings: dict[str, Any], seeds: list[Seed], screened: Sequence[Path], total: int, rejected: Counter[Reason]
) -> list[Compound]:
    """Merge the sorted shards: only the accepted compounds are held in memory."""
    progress = Progress("select", total, "candidates")
    acceptance = Acceptance(settings, seeds, rejected)
    for candidate in heapq.merge(*(read_candidates(path) for path in screened)):
        acceptance.add(candidate)
        progress.update()
    progress.close(f"{len(acceptance.accepted):,} accepted")
    return acceptance.accepted


def _nothing_accepted(total: int, rejected: Counter[Reason]) -> str:
    most = "; ".join(f"{reason.value[1]}: {count:,}" for reason, count in rejected.most_common(3))
    return (
        f"select: none of the {total:,} records of the library is accepted ({most}); widen screen.seed_similarity "
        "or the filters, or take a larger library"
    )


def _listed(picked: list[Compound], extras: list[Compound]) -> list[Compound]:
    """The compounds of the run. An extra one that was picked from the library as well is listed once, as library."""
    taken = {compound.id for compound in picked}
    return [*picked, *(extra for extra in extras if extra.id not in taken)]


def _rows(
    listed: list[Compound], picked: list[Compound], extras: list[Compound], names: dict[int, str]
) -> list[dict[str, Any]]:
    given = {extra.id: extra.name for extra in extras}
    rows = []
    for index, compound in enumerate(listed):
        others = listed[:index] + listed[index + 1 :]
        similarities = BulkTanimotoSimilarity(compound.fingerprint, [other.fingerprint for other in others])
        nearest = max(range(len(others)), key=lambda place: similarities[place], default=None)
        name = names.get(compound.cid or 0, "") or compound.name or given.get(compound.id, "")
        rows.append(
            {
                "id": compound.id,
                "cid": compound.cid,
                "smiles": compound.smiles,
                "name": name or compound.smiles,
                "formula": compound.formula,
                "n_heavy": compound.n_heavy,
                "n_atoms": compound.n_atoms,
                "source": "library" if index < len(picked) else "extra",
                "seed": compound.seed,
                "seed_similarity": compound.seed_similarity,
                "nearest": "" if nearest is None else others[nearest].id,
                "nearest_similarity": "" if nearest is None else similarities[nearest],
            }
        )
    return rows


def _groups(
    listed: list[Compound], accepted: list[Compound], seeds: list[Seed], sample: list[bytes]
) -> dict[str, list[tuple[str, str, bytes]]]:
    """What the map of chemical space shows: id, name and fingerprint, by kind."""
    taken = {compound.id for compound in listed}
    others = [compound for compound in accepted if compound.id not in taken]
    others = heapq.nsmallest(SAMPLE, others, key=lambda compound: lottery(compound.id))

    def points(compounds: list[Compound]) -> list[tuple[str, str, bytes]]:
        return [(c.id, c.name or c.smiles, BitVectToBinaryText(c.fingerprint)) for c in compounds]

    return {
        "library": [("", "", bits) for bits in sample],
        "accepted": points(others),
        "selected": points(listed),
        "seed": [("", seed.name, BitVectToBinaryText(seed.fingerprint)) for seed in seeds],
    }
