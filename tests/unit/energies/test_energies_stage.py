"""Stage energies: known energies, failures that are kept, costs, and files that do not belong together."""

import csv

import numpy as np
import pytest
import torch
from energies_helpers import LAGS, REFERENCE, SPRINGS, WATER, scores, truth, water

from mdstride import cli
from mdstride.energies import cost
from mdstride.energies.stage import COLUMNS, energies
from mdstride.engines import make_engine
from mdstride.errors import InputError
from mdstride.formats.dataset_file import write_dataset
from mdstride.formats.provenance import DATASET, read_record, sha256
from mdstride.formats.scores_file import write_scores
from mdstride.models.registry import build, save

MODEL = {"width": 16, "layers": 1, "heads": 2, "attention_dropout": 0.0, "dropout": 0.0, "frame": "centred"}


def measure(folder, samples, *, reference=REFERENCE, run=None, dataset=None, **about):
    data = dataset or water()
    write_dataset(folder / "dataset.h5", data)
    write_scores(folder / "scores.h5", scores(data, samples, **about))
    paths = {"scores": folder / "scores.h5", "dataset": folder / "dataset.h5", "output": folder / "out.csv"}
    energies(reference, run=run, **paths)
    with (folder / "out.csv").open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def values(rows, forecaster, quantity="energy"):
    return [float(row["value"]) for row in rows if (row["forecaster"], row["quantity"]) == (forecaster, quantity)]


def write_run(folder, dataset, **changes):
    torch.manual_seed(0)
    about = {"model": "atom", "settings": MODEL, "split": "compound", "seed": 1, "step": 1}
    about |= {"dataset_hash": dataset.hash()} | changes
    save(folder / "weights.safetensors", build("atom", MODEL).state_dict(), about)
    return folder


def test_the_truth_has_no_energy_above_itself_however_it_is_turned_or_numbered(tmp_path):
    true = truth(water())
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))[0]
    samples = {"persistence": true, "rigid": true @ turn + 5.0, "ballistic": true[:, :, [0, 2, 1]]}
    rows = measure(tmp_path, samples)
    assert tuple(rows[0]) == COLUMNS
    made = read_record(tmp_path / "out.provenance.json")
    assert made["inputs"] == {"scores": sha256(tmp_path / "scores.h5"), DATASET: water().hash()}
    assert made["outputs"] == {"out.csv": sha256(tmp_path / "out.csv")}
    assert made["settings"] == {"reference": REFERENCE} and "tblite" in made["software"]
    for name in samples:
        np.testing.assert_allclose(values(rows, name), 0, atol=1e-6)
    where = [
        (row["window"], row["lag"]) for row in rows if row["forecaster"] == "rigid" and row["quantity"] == "energy"
    ]
    assert where == [("0", "2.0"), ("0", "6.0"), ("1", "2.0"), ("1", "6.0")]


def test_energies_are_per_atom_and_count_from_the_energies_of_the_data_set(tmp_path):
    """The same zero as the trajectories: E(forecast) - E(stored), both of all three atoms."""
    data = water()
    true = truth(data)
    stretched = true.copy()
    stretched[..., 1, :] += 0.1 * (true[..., 1, :] - true[..., 0, :])
    rows = measure(tmp_path, {"persistence": stretched})
    stored = data.compounds[WATER].replicas[0].energy
    expected = []
    for k, start in enumerate((1, 4)):
        for p, lag in enumerate((2, 6)):
            engine = make_engine(REFERENCE, [8, 1, 1], 0, 1)
            expected.append((engine.compute(stretched[k, p].astype(float))[0] - stored[start + lag]) / 3)
    assert min(expected) > 0.02
    np.testing.assert_allclose(values(rows, "persistence"), expected, atol=1e-6)


def test_what_has_no_energy_keeps_its_row_and_the_reason(tmp_path):
    samples = truth(water())
    samples[0, 0, 1] = samples[0, 0, 0] + 0.01
    samples[0, 1, 2] += 20.0
    samples[1, 0, 0] = np.nan
    rows = [row for row in measure(tmp_path, {"persistence": samples}) if row["quantity"] == "energy"]
    assert [row["value"] == "" for row in rows] == [True, True, True, False]
    assert "atoms 1 and 2 overlap" in rows[0]["reason"]
    assert rows[1]["reason"].startswith("torn apart: the bond of atoms 1 and 3 is ")
    assert rows[2]["reason"] == "the positions are not finite"
    assert rows[3]["reason"] == ""


def test_an_scc_that_does_not_converge_is_recorded(tmp_path):
    samples = truth(water())
    samples[1, 1] += 0.9
    rows = measure(tmp_path, {"persistence": samples}, reference=SPRINGS)
    found = [(row["value"] == "", row["reason"]) for row in rows if row["quantity"] == "energy"]
    assert found == [(False, "")] * 3 + [(True, "Unconverged: SCC not converged")]


def test_a_true_frame_without_energy_is_named(tmp_path):
    rows = measure(tmp_path, {"persistence": truth(water())}, reference=SPRINGS, dataset=displaced())
    assert {row["reason"] for row in rows if row["quantity"] == "energy"} == {
        "true frame: Unconverged: SCC not converged"
    }
    (engine,) = (row for row in rows if row["forecaster"] == "reference")
    assert (engine["value"], engine["reason"]) == ("", "Unconverged: SCC not converged")


def displaced():
    data = water()
    data.compounds[WATER].replicas[0].positions[...] += 2.0
    return data


def test_costs_of_forecasters_and_engine(tmp_path, monkeypatch):
    """By a clock that advances by one second at each look."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(cost.time, "perf_counter", lambda: float(next(ticks)))
    true = truth(water())
    rows = measure(tmp_path, {"reference": true, "persistence": true, "linear": true})
    assert values(rows, "persistence", "forecasts_per_second") == [3.0]  # all three windows
    assert values(rows, "persistence", "fs_per_second") == [3.0 * LAGS[-1]]
    assert values(rows, "reference", "fs_per_second") == [cost.STEPS * 0.5]
    assert values(rows, "reference") == []
    assert "1 thread" in next(row["reason"] for row in rows if row["quantity"] == "fs_per_second")
    (untimed,) = (row for row in rows if row["forecaster"] == "linear" and row["quantity"] != "energy")
    assert (untimed["value"], untimed["reason"]) == ("", "not timed: it is fitted to each compound")


def test_a_model_is_measured_with_its_run_and_energies_are_the_same_again(tmp_path):
    run = write_run(tmp_path / "run", water())
    threads = torch.get_num_threads()
    tables = [measure(tmp_path, {"atom": truth(water())}, run=run, model="atom", seed=1) for _ in range(2)]
    assert torch.get_num_threads() == threads
    first, second = ([row for row in rows if row["quantity"] == "energy"] for rows in tables)
    assert first == second
    assert values(tables[0], "atom", "forecasts_per_second")[0] > 0


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    true = truth(water())
    run = write_run(tmp_path / "run", water())
    other = write_run(tmp_path / "other", water(), seed=2)
    with pytest.raises(InputError, match=r"scores.h5: scores of baselines; leave out --run"):
        measure(tmp_path, {"persistence": true}, run=run)
    with pytest.raises(InputError, match=r"scores.h5: scores of atom; give its folder with --run"):
        measure(tmp_path, {"atom": true}, model="atom", seed=1)
    with pytest.raises(InputError, match=r"weights.safetensors: is not the model in .*scores.h5"):
        measure(tmp_path, {"atom": true}, run=other, model="atom", seed=1)
    with pytest.raises(InputError, match="measured on another data set"):
        measured_elsewhere(tmp_path)
    with pytest.raises(InputError, match=r"keeps no geometries; evaluate again with evaluate.samples above 0"):
        measure(tmp_path, {})
    assert not (tmp_path / "out.csv").exists()


def measured_elsewhere(folder):
    write_dataset(folder / "dataset.h5", displaced())
    write_scores(folder / "scores.h5", scores(water(), {"persistence": truth(water())}))
    paths = {"scores": folder / "scores.h5", "dataset": folder / "dataset.h5", "output": folder / "out.csv"}
    energies(REFERENCE, run=None, **paths)


def test_the_command_line_names_what_is_missing(tmp_path, capsys, request):
    config = request.config.rootpath / "config.yaml"
    arguments = ["--scores", tmp_path / "none.h5", "--dataset", tmp_path / "d.h5", "--output", tmp_path / "o.csv"]
    assert cli.main(["energies", "--config", str(config), *map(str, arguments)]) == 1
    assert "none.h5: no such file" in capsys.readouterr().err
