"""Stage energies: what the forecasts in a scores file weigh on the reference energy surface, and what they cost."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mdstride.energies.cost import (
    REPEATS,
    STEPS,
    dynamics_seconds,
    forecast_seconds,
    one_thread,
    window_states,
)
from mdstride.energies.surface import Surface, energy_surface
from mdstride.engines import EngineError, engine_version
from mdstride.errors import InputError
from mdstride.formats.dataset import CompoundData, Dataset
from mdstride.formats.dataset_file import open_dataset
from mdstride.formats.provenance import DATASET, record, software, write_record
from mdstride.formats.scores_file import REFERENCE, Scores, read_scores_file
from mdstride.formats.tables import write_table
from mdstride.models.baselines import make_baselines
from mdstride.models.registry import load, read_metadata
from mdstride.models.state import Forecaster
from mdstride.progress import Progress

COLUMNS = ("forecaster", "compound", "window", "lag", "quantity", "value", "reason")
"""window: number of the window in the scores file, from 0; lag: fs. Where there is no value, the reason says why."""

BASELINES = "baselines"
"""Model of a scores file that is of no model."""

ANY_DAMPING = 1000.0
"""fs: the cost of `damped harmonic` does not depend on it."""

Row = dict[str, Any]


def energies(reference: dict[str, Any], *, scores: Path, dataset: Path, run: Path | None, output: Path) -> None:
    """Write energies and costs (columns COLUMNS) of all forecasters in a scores file.

    | quantity | unit | per | meaning |
    |---|---|---|---|
    | energy | eV/atom | window, lag | of the forecast, all atoms as forecast, less that of the true frame |
    | forecasts_per_second | 1/s | compound | windows, each forecast at all lags, in batches of at most 64 |
    | fs_per_second | fs/s | compound | the longest lag times that; for `reference` molecular dynamics with the engine |

    `reference` is the section of the configuration. Energies of forecasts and true frames are computed alike, each from
    a clean start, so they are the same at every run; costs are not. `run` is the folder of the model, None for scores
    of the baselines. Raises InputError when files do not belong together.
    """
    scored = read_scores_file(scores)
    with open_dataset(dataset) as data:
        _check(scored, data, scores, dataset, run)
        forecasts = {one: found for one, found in scored.samples.items() if one[0] != REFERENCE}
        names = list(dict.fromkeys(name for name, _ in forecasts))
        progress = Progress("energies", sum(found[..., 0, 0].size for found in forecasts.values()), "geometries")
        rows: dict[str, list[Row]] = {name: [] for name in (REFERENCE, *names)}
        model: dict[str, Forecaster] = {}
        if run is not None:
            model[scored.about["model"]] = load(run / "weights.safetensors", "cpu")
        for key in scored.windows:
            compound = data.compounds[key]
            for row in _energy_rows(scored, compound, energy_surface(reference, compound), progress):
                rows[row["forecaster"]].append(row)
            forecasters = model or make_baselines(compound, ANY_DAMPING)
            for row in _cost_rows(scored, data, key, {name: forecasters.get(name) for name in names}, reference):
                rows[row["forecaster"]].append(row)
        progress.close()
        known = {DATASET: data.hash()}
    write_table(output, COLUMNS, [row for found in rows.values() for row in found])
    inputs = {"scores": scores, "weights.safetensors": None if run is None else run / "weights.safetensors"}
    versions = software("ase", "numpy", "torch") | engine_version(reference)
    write_record(record("energies", {"reference": reference}, inputs, versions, known=known), output)


def _check(scored: Scores, data: Dataset, scores: Path, dataset: Path, run: Path | None) -> None:
    """Raise InputError unless scores, data set and run belong together."""
    if scored.about["dataset"] != data.hash():
        raise InputError(f"{scores}: measured on another data set than {dataset}; evaluate again, or give that one")
    if not scored.samples:
        raise InputError(f"{scores}: keeps no geometries; evaluate again with evaluate.samples above 0")
    model = scored.about["model"]
    if (run is None) != (model == BASELINES):
        remedy = "leave out --run" if model == BASELINES else "give its folder with --run"
        raise InputError(f"{scores}: scores of {model}; {remedy}")
    if run is not None:
        weights = run / "weights.safetensors"
        found = read_metadata(weights)
        given = [found["model"], found["seed"], found["split"], found["dataset_hash"]]
        if given != [model, *(scored.about[name] for name in ("seed", "split", "dataset"))]:
            raise InputError(f"{weights}: is not the model in {scores}; give the run that was evaluated there")


def _energy_rows(scored: Scores, compound: CompoundData, surface: Surface, progress: Progress) -> Iterator[Row]:
    """Of all forecasters for one compound."""
    replicas, starts = scored.windows[compound.id]
    frames = {one.number: one for one in compound.replicas}
    samples = {name: found for (name, key), found in scored.samples.items() if key == compound.id}
    samples.pop(REFERENCE, None)
    for window in range(max((len(found) for found in samples.values()), default=0)):
        replica = frames[int(replicas[window])]
        for place, lag in enumerate(scored.lags.tolist()):
            truth, why = surface(replica.positions[int(starts[window]) + round(lag / replica.interval)])
            for name, found in samples.items():
                value, reason = surface(found[window, place]) if truth is not None else (None, f"true frame: {why}")
                if value is not None and truth is not None:
                    value = (value - truth) / len(compound.atomic_numbers)
                yield _row(name, compound.id, "energy", value, reason, window=window, lag=lag)
                progress.update(note=compound.id)


def _cost_rows(
    scored: Scores, data: Dataset, key: str, forecasters: dict[str, Forecaster | None], reference: dict[str, Any]
) -> Iterator[Row]:
    """Of the engine and all forecasters for one compound; None stands for a forecaster that cannot be made here."""
    compound = data.compounds[key]
    state = window_states(data, key, *scored.windows[key])
    timestep = (data.settings.get("trajectories") or {}).get("timestep") or compound.replicas[0].interval
    try:
        with one_thread():
            speed = STEPS * timestep / dynamics_seconds(reference, compound, state, timestep)
        how = f"velocity Verlet, steps of {timestep:g} fs, 1 thread, median of {REPEATS}"
        yield _row(REFERENCE, key, "fs_per_second", speed, how)
    except EngineError as failure:
        yield _row(REFERENCE, key, "fs_per_second", None, str(failure))
    for name, forecaster in forecasters.items():
        if forecaster is None:
            yield _row(name, key, "forecasts_per_second", None, "not timed: it is fitted to each compound")
            continue
        with one_thread():
            rate = len(state.mask) / forecast_seconds(forecaster, state, scored.lags)
        how = f"{len(state.mask)} windows at once, {len(scored.lags)} lags, 1 thread, median of {REPEATS}"
        yield _row(name, key, "forecasts_per_second", rate, how)
        yield _row(name, key, "fs_per_second", rate * float(scored.lags[-1]), how)


def _row(
    forecaster: str,
    compound: str,
    quantity: str,
    value: float | None,
    reason: str,
    *,
    window: int | None = None,
    lag: float | None = None,
) -> Row:
    return dict(zip(COLUMNS, (forecaster, compound, window, lag, quantity, value, reason), strict=True))
