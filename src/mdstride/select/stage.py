"""select: which molecules are simulated, and why each other record of the library was left out."""

from collections import Counter
from pathlib import Path
from typing import Any

from rdkit import rdBase
from rdkit.DataStructs import BulkTanimotoSimilarity

from mdstride.errors import InputError
from mdstride.formats.tables import write_table
from mdstride.progress import Progress
from mdstride.select.compound import Compound, Fingerprinter, Seed, fingerprinter
from mdstride.select.inputs import check_elements, count_library, read_extras, read_library, read_names, read_seeds
from mdstride.select.pick import pick
from mdstride.select.reasons import Reason
from mdstride.select.rules import accept, drop_duplicates, judge, match
from mdstride.select.smiles import TextFilter, parse, parse_reason

COLUMNS = (
    *("id", "cid", "smiles", "name", "formula", "n_heavy", "n_atoms", "source"),
    *("seed", "seed_similarity", "nearest", "nearest_similarity"),
)


def select_compounds(settings: dict[str, Any], *, compounds: Path, rejections: Path) -> None:
    """Select compounds from a library and write two tables.

    `compounds` lists the picked library compounds in ascending order of CID, then the extra ones in the order of their
    file: identity, size, the seed each one was matched with (for an extra compound the most similar seed), and its
    nearest neighbour in the table; similarities are Tanimoto similarities of ECFP. `rejections` counts the other
    records of the library by reason. The result does not depend on the order of the library.

    `settings` is the section `select` of the configuration. Raises InputError for unusable input, and when no compound
    is accepted; then nothing is written.
    """
    with rdBase.BlockLogs():
        check_elements(settings["elements"])
        fingerprint = fingerprinter(settings["fingerprint"])
        seeds = read_seeds(settings["seeds"], fingerprint)
        extras = read_extras(settings["extra_compounds"], seeds, fingerprint)
        names = read_names(settings["names"])
        total = count_library(settings["library"])
        rejected: Counter[Reason] = Counter()
        candidates = _screen(settings, total, seeds, fingerprint, rejected)
        accepted = accept(drop_duplicates(candidates, rejected), settings["max_similarity"], rejected)
        if not accepted:
            raise InputError(_nothing_accepted(settings["library"], total, rejected))
        picked = pick(accepted, settings["pick"], rejected)
        write_table(compounds, COLUMNS, _rows(picked, extras, names))
    counts = [{"step": "read", "reason": "records read", "count": total}]
    counts += [{"step": r.value[0], "reason": r.value[1], "count": rejected[r]} for r in Reason]
    write_table(rejections, ("step", "reason", "count"), counts)


def _screen(
    settings: dict[str, Any], total: int, seeds: list[Seed], fingerprint: Fingerprinter, rejected: Counter[Reason]
) -> list[Compound]:
    """The records of the library that pass all checks which concern one record alone."""
    check_text = TextFilter(settings["elements"], largest=max(seed.n_heavy for seed in seeds))
    progress = Progress("select", total, "records")
    candidates: list[Compound] = []
    for cid, smiles in read_library(settings["library"]):
        reason = Reason.CID if cid is None else check_text(smiles)
        result = reason or _candidate(cid, smiles, settings, seeds, fingerprint)
        if isinstance(result, Reason):
            rejected[result] += 1
        else:
            candidates.append(result)
        progress.update()
    progress.close(f"{len(candidates):,} within the rule's range of a seed")
    return candidates


def _candidate(
    cid: int | None, smiles: str, settings: dict[str, Any], seeds: list[Seed], fingerprint: Fingerprinter
) -> Compound | Reason:
    mol, complaint = parse(smiles)
    if mol is None:
        return parse_reason(complaint)
    if (reason := judge(mol, settings)) is not None:
        return reason
    fp = fingerprint(mol)
    found = match(fp, mol.GetNumHeavyAtoms(), seeds, settings["seed_similarity"])
    if found is None:
        return Reason.SEED
    seed, similarity = found
    return Compound(cid, mol, fp, seed.name, similarity)


def _nothing_accepted(library: Path | str, total: int, rejected: Counter[Reason]) -> str:
    most = "; ".join(f"{reason.value[1]}: {count:,}" for reason, count in rejected.most_common(3))
    return (
        f"{library}: none of the {total:,} records is accepted ({most}); widen select.seed_similarity or the filters, "
        "or take a larger library"
    )


def _rows(picked: list[Compound], extras: list[Compound], names: dict[int, str]) -> list[dict[str, Any]]:
    """Rows of compounds.csv. An extra compound that was picked from the library as well is listed once, as library."""
    given = {extra.id: extra.name for extra in extras}
    taken = {compound.id for compound in picked}
    compounds = [*picked, *(extra for extra in extras if extra.id not in taken)]
    rows = []
    for index, compound in enumerate(compounds):
        others = compounds[:index] + compounds[index + 1 :]
        similarities = BulkTanimotoSimilarity(compound.fingerprint, [other.fingerprint for other in others])
        nearest = max(range(len(others)), key=lambda place: similarities[place], default=None)
        name = names.get(compound.cid, "") if compound.cid is not None else ""
        rows.append(
            {
                "id": compound.id,
                "cid": compound.cid,
                "smiles": compound.smiles,
                "name": name or given.get(compound.id, "") or compound.smiles,
                "formula": compound.formula,
                "n_heavy": compound.n_heavy,
                "n_atoms": compound.n_atoms,
                "source": "extra" if compound.cid is None else "library",
                "seed": compound.seed,
                "seed_similarity": compound.seed_similarity,
                "nearest": "" if nearest is None else others[nearest].id,
                "nearest_similarity": "" if nearest is None else similarities[nearest],
            }
        )
    return rows
