"""`mdstride dataset ACTION`: build a data set, change it, check it, take it elsewhere."""

import argparse
import sys
from pathlib import Path
from typing import Any

from mdstride.arguments import Settings, add_command, add_paths
from mdstride.errors import InputError

EXPORTS = ("tg80", "md17", "sgdml", "extxyz", "flashmd", "h5md")
METHODS = ("random", "scaffold", "butina", "named", "replica", "time", "md17")


def add_dataset(stages: Any) -> None:
    """Declare the actions."""
    sub = add_command(stages, "dataset", None, (), "Build a data set, change it, check it, take it elsewhere.")
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")

    sub = add_command(
        actions, "build", _build, ("dataset", "reference"), "Collect the trajectories that passed into one data set."
    )
    add_paths(sub, "compounds", text="compounds.csv from `mdstride select`")
    add_paths(sub, "structures", text="folder that holds ID.h5 of every compound")
    add_paths(sub, "trajectories", text="folder that holds ID/REPLICA.h5md of every compound")
    sub.add_argument("--replicas", type=int, required=True, help="number of replicas of each compound")
    sub.add_argument("--twins", type=int, default=0, help="for how many of them there is a twin (default: 0)")
    sub.add_argument(
        "--previous",
        type=Path,
        metavar="PATH",
        help="data set made before: compounds that have not changed are copied from it (default: what --output is now)",
    )
    add_paths(sub, "output", text="data set to write (.h5)")
    add_paths(sub, "table", text="CSV to write: the verdict on every trajectory")
    add_paths(sub, "card", text="data card to write (Markdown)")

    sub = add_command(
        actions, "add", _add, (), "Add a published trajectory (MD17, rMD17, MD22, sGDML, TG80, XYZ, H5MD)."
    )
    add_paths(sub, "to", text="data set to add it to (.h5); made if there is none")
    add_paths(sub, "source", text="published file (.npz, .xyz, .extxyz, .h5md, .h5)")
    sub.add_argument(
        "--format", default="auto", choices=("auto", "npz", "extxyz", "h5md"), help="default: auto, by the ending"
    )
    sub.add_argument("--smiles", help="of the compound, where the file does not say and its name is not known")
    sub.add_argument("--name", help="of the compound")
    sub.add_argument("--interval", type=float, help="fs between frames; compared with what the frames say")
    sub.add_argument("--temperature", type=float, help="K, for the check of frames without forces")
    sub.add_argument("--licence", default="", help="of the data")
    sub.add_argument("--citation", default="", help="of the data")

    sub = add_command(actions, "split", _split, (), "Make a split and store it in the data set.")
    add_paths(sub, "dataset", text="data set to store it in")
    sub.add_argument("--name", required=True, help="of the split; with --folds K NAME-1 .. NAME-K are made")
    sub.add_argument("--method", required=True, choices=METHODS, help="docs/splits.md explains them")
    sub.add_argument("--seed", type=int, default=1, help="of the order of compounds (default: 1)")
    sub.add_argument("--validation", type=float, default=0.15, help="share (default: 0.15)")
    sub.add_argument("--test", type=float, default=0.25, help="share (default: 0.25)")
    sub.add_argument("--folds", type=int, metavar="K", help="make K splits, each compound tested in one")
    sub.add_argument(
        "--cutoff", type=float, default=0.6, help="Tanimoto distance within a Butina cluster (default: 0.6)"
    )
    sub.add_argument("--gap", type=float, default=0.0, help="fs between blocks of time (default: 0)")
    sub.add_argument("--path", help="TOML file with names of train, validation and test, for --method named")

    sub = add_command(actions, "verify", _verify, (), "Check bytes, units, shapes, values, sources and splits.")
    sub.add_argument("dataset", type=Path, help="data set")
    sub.add_argument(
        "--trajectories", type=Path, metavar="PATH", help="folder of ID/REPLICA.h5md, to compare the sources too"
    )

    sub = add_command(actions, "info", _info, (), "Summarise a data set.")
    sub.add_argument("dataset", type=Path, help="data set")

    sub = add_command(actions, "card", _card, (), "Write the data card of a data set.")
    sub.add_argument("dataset", type=Path, help="data set")
    add_paths(sub, "output", text="data card to write (Markdown)")

    sub = add_command(actions, "export", _export, (), "Write trajectories in the layouts of other data sets and tools.")
    sub.add_argument("dataset", type=Path, help="data set")
    add_paths(sub, "output", text="folder to write into")
    sub.add_argument("--format", required=True, choices=EXPORTS, help="docs/export.md has the layouts")
    sub.add_argument("--compounds", nargs="+", metavar="ID", help="only these (default: all)")
    sub.add_argument("--split", help="only the compounds of one part of this split")
    sub.add_argument("--part", choices=("train", "validation", "test"), help="of --split")
    sub.add_argument("--stride", type=int, default=1, help="every so many frames; for flashmd the lag of a pair")
    sub.add_argument("--every", type=int, help="frames from one pair to the next, for flashmd (default: --stride)")


def _build(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.stage import build_dataset

    build_dataset(
        settings["dataset"],
        settings["reference"],
        compounds=options.compounds,
        structures=options.structures,
        trajectories=options.trajectories,
        replicas=options.replicas,
        twins=options.twins,
        previous=options.previous,
        output=options.output,
        table=options.table,
        card=options.card,
    )


def _add(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.change import add_compound
    from mdstride.dataset.published.read import read_published

    compound = read_published(
        options.source,
        format=options.format,
        smiles=options.smiles,
        name=options.name,
        interval=options.interval,
        temperature=options.temperature,
        licence=options.licence,
        citation=options.citation,
    )
    number = add_compound(options.to, compound)
    (replica,) = compound.replicas
    notes = "".join(f"\n  {note}" for note in replica.source["notes"])
    sys.stdout.write(f"{options.to}: {compound.id}, trajectory {number}, {len(replica.positions)} frames{notes}\n")


def _split(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.change import add_splits

    names = ("method", "seed", "validation", "test", "folds", "cutoff", "gap", "path")
    made = add_splits(options.dataset, options.name, {name: getattr(options, name) for name in names})
    for name, split in made.items():
        counts = ", ".join(f"{part} {len(split.ids(part))}" for part in split.parts)
        sys.stdout.write(f"{options.dataset}: split {name}: {counts} compounds{', leaky' if split.leaky else ''}\n")


def _verify(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.stage import reports
    from mdstride.dataset.verify import CHECKS, verify_dataset
    from mdstride.formats.dataset_file import open_dataset

    faults = verify_dataset(options.dataset, options.trajectories)
    if faults:
        raise InputError("; ".join(faults))
    with open_dataset(options.dataset) as dataset:
        for name, lines in reports(dataset).items():
            sys.stdout.write("".join(f"{line}\n" for line in [f"split {name}:", *(f"  {line}" for line in lines)]))
    sources = ", sources" if options.trajectories else ""
    sys.stdout.write(f"{options.dataset}: all is well ({CHECKS}{sources})\n")


def _info(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.info import info_text
    from mdstride.formats.dataset_file import open_dataset

    with open_dataset(options.dataset) as dataset:
        sys.stdout.write(info_text(dataset, options.dataset))


def _card(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.dataset.card import card_text
    from mdstride.dataset.stage import reports
    from mdstride.formats.atomic import write_text
    from mdstride.formats.dataset_file import open_dataset

    with open_dataset(options.dataset) as dataset:
        write_text(options.output, card_text(dataset, [], reports(dataset)))


def _export(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.export.dataset import export_dataset
    from mdstride.formats.dataset_file import open_dataset

    with open_dataset(options.dataset) as dataset:
        paths = export_dataset(
            dataset,
            options.output,
            format=options.format,
            compounds=options.compounds,
            split=options.split,
            part=options.part,
            stride=options.stride,
            every=options.every,
        )
    sys.stdout.write(f"{options.output}: {len(paths)} files\n")
