"""`mdstride compare RUN RUN ...`: which model is better, and whether that can be told."""

import argparse
import sys
from pathlib import Path
from typing import Any

from mdstride.arguments import Settings, add_command

EXAMPLES = """\
RUN is a score file, or a folder below which `scores` lie: results/NAME, results/NAME/scores/MODEL, or results for all
runs. The baselines beside a model are taken along. Models of the same name in two runs are called RUN/MODEL.

  mdstride compare results/default
  mdstride compare results/small results/large --dataset results/small/dataset.h5
  mdstride compare results/default --metric superposed --output comparisons.csv --long scores.csv.gz

Errors are means over windows, then seeds, then compounds; intervals are bootstrapped over compounds (and three or more
seeds); pairs are tested by sign flips of ln(error / error) over compounds, corrected after Holm. docs/evaluation.md
"""


def add_compare(commands: Any) -> None:
    """Declare the command."""
    sub = add_command(commands, "compare", _compare, (), "Compare runs with each other and with the baselines.")
    sub.formatter_class, sub.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    sub.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="score file, or folder with scores below it")
    sub.add_argument(
        "--metric",
        default="mse",
        choices=("mse", "superposed", "rotated"),
        help="error to compare: as it is, of the shape alone, with inputs turned at random (default: mse)",
    )
    sub.add_argument(
        "--dataset", type=Path, metavar="PATH", help="their data set: tells the distance of the compounds to training"
    )
    sub.add_argument("--output", type=Path, metavar="PATH", help="CSV to write: every pair, for S2T and at each lag")
    sub.add_argument(
        "--long", type=Path, metavar="PATH", help="table to write: every value (.csv, .csv.gz, .parquet with pyarrow)"
    )


def _compare(options: argparse.Namespace, settings: Settings) -> None:
    from mdstride.statistics.compare import compare

    sys.stdout.write(
        compare(options.runs, metric=options.metric, output=options.output, long=options.long, dataset=options.dataset)
    )
