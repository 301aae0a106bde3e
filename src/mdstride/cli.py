"""One command per stage. Heavy imports happen inside the chosen command, so `--help` answers at once."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mdstride import __version__, config
from mdstride.arguments import Settings, add_command, add_paths
from mdstride.cli_compare import add_compare
from mdstride.cli_dataset import add_dataset
from mdstride.cli_forecast import add_energies, add_forecast
from mdstride.cli_run import add_crate, add_reproduce, add_status
from mdstride.errors import InputError

DESCRIPTION = """\
From seed compounds to a pretrained neural operator that forecasts molecular dynamics.

The whole workflow:  snakemake --cores all      (reads config.yaml)
One stage by hand:   mdstride STAGE --help

Stages, in order, and what each writes:
  library    select/1-of-N.tsv.gz ...           the records that are worth a look, in shards
  screen     select/1-of-N.h5 ...               those of one shard that lie within the range of a seed
  select     compounds.csv, rejections.csv      which molecules, and why the others were left out
  relax      structures/ID.h5                   one GFN2-xTB minimum
  simulate   trajectories/ID/REPLICA.h5md       one NVE reference trajectory with its stability verdict
  dataset    dataset.h5, trajectories.csv, card.md   everything a model may see, with splits (dataset build)
  pretrain   runs/MODEL/SPLIT/SEED/             weights, log and settings of one training run
  evaluate   scores/MODEL/SPLIT/SEED.h5         errors and more on held-out compounds; without --run, of the baselines
  energies   scores/MODEL/SPLIT/SEED.energies.csv   GFN2-xTB energies of forecasts, and what a forecast costs
  report     report.html, summary.csv, scores.csv.gz   the tables and plots a reader needs, in one file

With a trained model:
  forecast   a molecule's future from its SMILES: extended XYZ or H5MD
  compare    models on the same held-out compounds, with tests of significance

A run as a whole:
  status     what is done, at work, failed and waiting
  crate      pack a finished run for publication (RO-Crate)
  reproduce  compare a published run with one that was made again

Besides: dataset add, split, verify, info, card, export (any data set); export (trajectories as extended XYZ or
ASE trajectory)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage; returns the exit status. User errors are one line on standard error, without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        settings = config.load(options.config) if options.sections else {}
        missing = [name for name in options.sections if name not in settings]
        if missing:
            raise InputError(f"{options.config}: no section `{missing[0]}`; give a whole configuration file")
        options.command(options, settings)
    except InputError as error:
        sys.stderr.write(f"mdstride {options.stage}: error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"mdstride {options.stage}: error: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mdstride", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"mdstride {__version__}")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    sub = add_command(
        stages,
        "library",
        _library,
        ("library", "screen"),
        "Read the library, and deal the records worth a look to shards.",
    )
    add_paths(sub, "shards", many=True, text="shards to write (.tsv.gz); as many as there are names")
    add_paths(sub, "counts", text="JSON to write: how many records were read and left out, by reason")

    sub = add_command(
        stages, "screen", _screen, ("screen",), "Find the records of one shard that lie within the range of a seed."
    )
    add_paths(sub, "shard", text="shard from `mdstride library`")
    add_paths(sub, "output", text="candidates to write (.h5)")

    sub = add_command(
        stages, "select", _select, ("screen", "select"), "Choose compounds among the candidates of all shards."
    )
    add_paths(sub, "screened", many=True, text="candidates of all shards from `mdstride screen`")
    add_paths(sub, "counts", text="JSON from `mdstride library`")
    add_paths(sub, "compounds", text="CSV to write: the chosen compounds")
    add_paths(sub, "rejections", text="CSV to write: how many records were left out, by reason")
    add_paths(sub, "space", text="CSV to write: a map of where seeds, compounds and library lie")

    sub = add_command(stages, "relax", _relax, ("relax", "reference"), "Relax one compound to a GFN2-xTB minimum.")
    sub.add_argument("--id", required=True, help="InChIKey of the compound")
    sub.add_argument("--smiles", required=True, help="SMILES of the compound")
    add_paths(sub, "output", text="structure file to write (.h5)")

    sub = add_command(stages, "simulate", _simulate, ("simulate", "reference"), "Run one reference trajectory.")
    add_paths(sub, "structure", text="structure file from `mdstride relax`")
    sub.add_argument("--replica", type=int, required=True, help="number of the replica, from 0")
    sub.add_argument(
        "--twin-of", type=Path, metavar="PATH", help="trajectory of the same replica, to start beside it (1e-3 Å away)"
    )
    sub.add_argument("--length", type=float, metavar="PS", help="of the production (default: simulate.production)")
    add_paths(sub, "state", text="folder from which an interrupted run goes on; removed at the end")
    sub.add_argument(
        "--previous", type=Path, metavar="PATH", help="shorter trajectory to go on from; becomes a link to the new one"
    )
    add_paths(sub, "output", text="trajectory to write (.h5md)")

    add_dataset(stages)

    sub = add_command(stages, "pretrain", _pretrain, ("pretrain",), "Train one model on the training compounds.")
    sub.add_argument("--model", required=True, help="registered model, such as atom")
    sub.add_argument("--seed", type=int, required=True, help="of weights, windows and augmentation")
    sub.add_argument("--split", default="compound", help="name of the split (default: compound)")
    add_paths(sub, "dataset", text="data set from `mdstride dataset`")
    add_paths(sub, "output", text="folder to write weights.safetensors, log.jsonl and run.json into")
    add_paths(sub, "state", text="folder for checkpoints to resume from; removed when training is complete")

    sub = add_command(
        stages,
        "evaluate",
        _evaluate,
        ("evaluate",),
        "Score one trained model, or the baselines, on held-out compounds.",
    )
    add_paths(sub, "dataset", text="data set from `mdstride dataset`")
    sub.add_argument("--split", default="compound", help="name of the split (default: compound)")
    sub.add_argument(
        "--run", type=Path, metavar="PATH", help="folder that `mdstride pretrain` wrote (default: the baselines)"
    )
    add_paths(sub, "output", text="scores to write (.h5)")

    add_energies(stages)

    sub = add_command(stages, "report", _report, config.SECTIONS, "Draw the report.")
    add_paths(sub, "compounds", "rejections", "space", "trajectories", text="table from an earlier stage (CSV)")
    add_paths(sub, "dataset", text="data set from `mdstride dataset`")
    add_paths(sub, "runs", many=True, text="folders that `mdstride pretrain` wrote")
    add_paths(sub, "scores", many=True, text="scores from `mdstride evaluate`, of the baselines and of all runs")
    sub.add_argument(
        "--energies", type=Path, nargs="*", default=[], metavar="PATH", help="CSV from `mdstride energies`"
    )
    add_paths(sub, "output", text="report to write (.html)")
    add_paths(sub, "summary", text="CSV to write: the figures behind the report")
    add_paths(sub, "long", text="CSV to write (.csv.gz): every score, one in a row")

    add_forecast(stages)
    add_compare(stages)

    add_status(stages)
    add_crate(stages)
    add_reproduce(stages)

    sub = add_command(stages, "export", _export, (), "Write trajectories as extended XYZ or as ASE's own format.")
    add_paths(sub, "source", text="trajectory (.h5md), or a folder of them, of which all that passed are written")
    add_paths(sub, "output", text="file to write (.extxyz, .xyz or .traj), or a folder for many")
    sub.add_argument("--format", choices=("extxyz", "xyz", "traj"), help="for a folder; a single file's suffix decides")
    sub.add_argument("--stride", type=int, default=1, help="write every so many frames (default: 1)")
    return parser


def _library(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.select.library import deal_library

    deal_library(settings["library"], settings["screen"], shards=options.shards, counts=options.counts)


def _screen(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.select.screen import screen_shard

    screen_shard(settings["screen"], shard=options.shard, output=options.output)


def _select(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.select.stage import select_compounds

    select_compounds(
        settings["select"],
        settings["screen"],
        screened=options.screened,
        counts=options.counts,
        compounds=options.compounds,
        rejections=options.rejections,
        space=options.space,
    )


def _relax(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.relax.stage import relax_compound

    relax_compound(
        settings["relax"], settings["reference"], compound_id=options.id, smiles=options.smiles, output=options.output
    )


def _simulate(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.simulate.stage import simulate_replica

    simulate_replica(
        settings["simulate"],
        settings["reference"],
        structure=options.structure,
        replica=options.replica,
        state=options.state,
        output=options.output,
        twin_of=options.twin_of,
        length=options.length,
        previous=options.previous,
    )


def _pretrain(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.train.stage import pretrain

    pretrain(
        settings["pretrain"],
        model=options.model,
        seed=options.seed,
        split=options.split,
        dataset=options.dataset,
        output=options.output,
        state=options.state,
    )


def _evaluate(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.evaluate.stage import evaluate

    evaluate(settings["evaluate"], dataset=options.dataset, split=options.split, run=options.run, output=options.output)


def _report(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.report.stage import build_report

    build_report(
        settings["report"],
        compounds=options.compounds,
        rejections=options.rejections,
        space=options.space,
        trajectories=options.trajectories,
        dataset=options.dataset,
        runs=options.runs,
        scores=options.scores,
        energies=options.energies,
        config=settings,
        output=options.output,
        summary=options.summary,
        long=options.long,
    )


def _export(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.export.stage import export_folder, export_trajectory

    if not options.source.is_dir():
        export_trajectory(options.source, options.output, stride=options.stride)
    elif options.format is None:
        raise InputError(f"{options.source}: a folder; give --format extxyz, xyz or traj")
    else:
        export_folder(options.source, options.output, suffix=f".{options.format}", stride=options.stride)
