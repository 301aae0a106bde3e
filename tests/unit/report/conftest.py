"""The page of a small run with two splits, made once for all tests."""

from pathlib import Path

import pytest
from report_helpers import ENERGIES, HOSTILE, build, write_energies, write_inputs

from mdstride.formats.scores_file import Scores


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Its folder and the HTML; names and title are hostile, and on the second split a window of each compound fails."""
    folder = write_inputs(tmp_path_factory.mktemp("report"), name=HOSTILE, leaky=True, change=_fail)
    write_energies(folder, ENERGIES)
    return folder, build(folder, title=f"Report {HOSTILE}")


def _fail(scores: Scores) -> None:
    if scores.about["split"] == "frames":
        for key in scores.windows:
            for metric in ("mse", "superposed", "rotated"):
                scores.values["atom", key, metric][1] = float("nan")
            scores.movies["atom", key][3:] = float("nan")
            row = {"forecaster": "atom", "compound": key, "windows": 1, "reason": "not finite: mse"}
            scores.about["failures"].append(row)
