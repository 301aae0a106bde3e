"""`mdstride forecast`, to use a model; `mdstride energies`, what its forecasts weigh and cost."""

import argparse
from pathlib import Path
from typing import Any

from mdstride.arguments import Settings, add_command, add_paths
from mdstride.errors import InputError

RANDOM: dict[str, Any] = {"temperature": 300.0, "count": 1, "seed": 1}
"""Options of random velocities, and what they are by default: K, starts, seed."""

EXAMPLES = """\
The start is the GFN2-xTB minimum of a molecule with random velocities of a temperature, or any structure with
velocities. A forecast is a geometry at each lag; models forecast no velocities.

examples:
  ethanol after 10, 100 and 1000 fs, by a trained model:
    mdstride forecast --smiles CCO --lags 10 100 1000 \\
        --model results/default/runs/atom/compound/1 --output ethanol.extxyz
  every 20 fs, from five random starts:
    mdstride forecast --smiles CCO --lags 20:1000:20 --count 5 --model RUN --output ethanol.extxyz
  the same by its normal modes, as H5MD for MDAnalysis or VMD:
    mdstride forecast --smiles CCO --lags 20:1000:20 --model harmonic --output ethanol.h5md
  from the first frame of an ASE trajectory:
    mdstride forecast --start md.traj@0 --lags 100 --model RUN --output after.extxyz

RUN is the folder that `mdstride pretrain` wrote, or the weights.safetensors in it. Baselines need none: persistence
(nothing moves), ballistic (no forces), rigid (the minimum, superposed), harmonic (normal modes). docs/forecast.md.
"""


def add_forecast(commands: Any) -> None:
    """Declare `forecast`."""
    sub = add_command(commands, "forecast", _forecast, (), "Forecast a molecule with a trained model or a baseline.")
    sub.formatter_class, sub.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    sub.add_argument("--smiles", help="of the molecule, quoted; with --start only for its bonds")
    sub.add_argument(
        "--start",
        metavar="FILE[@INDEX]",
        help="structure with velocities that ASE reads, such as extended XYZ with momenta (default: its last frame)",
    )
    sub.add_argument(
        "--lags", required=True, nargs="+", metavar="FS", help="times to forecast: numbers, or FIRST:LAST:STEP, in fs"
    )
    sub.add_argument("--model", required=True, metavar="RUN", help="trained model, or name of a baseline (below)")
    add_paths(sub, "output", text="file to write: .xyz or .extxyz for ASE, .h5md for MDAnalysis")
    sub.add_argument("--temperature", type=float, help="K, of the random velocities (default: 300)")
    sub.add_argument("--count", type=int, metavar="K", help="random starts (default: 1)")
    sub.add_argument("--seed", type=int, help="of the random velocities (default: 1)")
    sub.add_argument(
        "--relax",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="relax the reference geometry, which models and baselines are given, with GFN2-xTB (default: yes); "
        "without, it is a force-field conformer, or the start itself",
    )
    sub.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration whose sections relax and reference say how (default: as in the default run)",
    )


def add_energies(commands: Any) -> None:
    """Declare `energies`."""
    sub = add_command(
        commands, "energies", _energies, ("reference",), "Energies of forecasts above the reference, and their costs."
    )
    add_paths(sub, "scores", text="scores from `mdstride evaluate` (.h5)")
    add_paths(sub, "dataset", text="data set that they were measured on")
    sub.add_argument("--run", type=Path, metavar="PATH", help="folder of the model; not for scores of the baselines")
    add_paths(sub, "output", text="CSV to write: one row per forecast geometry and quantity")


def _forecast(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride import config
    from mdstride.forecast.settings import DEFAULTS
    from mdstride.forecast.stage import File, Thermal, forecast, parse_lags

    lags = parse_lags(options.lags)
    start: Thermal | File
    if options.start is None:
        if options.smiles is None:
            raise InputError("nothing to forecast; give --smiles, or --start with a structure that has velocities")
        given = {name: getattr(options, name) for name in RANDOM if getattr(options, name) is not None}
        start = Thermal(options.smiles, **RANDOM | given)
    else:
        for name in RANDOM:
            if getattr(options, name) is not None:
                raise InputError(
                    f"--{name} is of random velocities, and those of --start are in the file; leave it out"
                )
        start = File(options.start, options.smiles)
    sections = DEFAULTS if options.config is None else config.load(options.config)
    for name in DEFAULTS:
        if name not in sections:
            raise InputError(f"{options.config}: no section `{name}`; give a whole configuration file")
    forecast(sections, start=start, lags=lags, model=options.model, relax=options.relax, output=options.output)


def _energies(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.energies.stage import energies

    energies(
        settings["reference"],
        scores=options.scores,
        dataset=options.dataset,
        run=options.run,
        output=options.output,
    )
