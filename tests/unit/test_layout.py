"""What mdstride takes for the files of a run is what the workflow makes."""

import re
from pathlib import Path

import pytest
import run_helpers

from mdstride.errors import InputError
from mdstride.formats.atomic import only_writer
from mdstride.layout import STAGES, planned_jobs, read_ids, read_settings

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", re.M | re.S)
WILDCARDS = {"id": r"[A-Za-z0-9_-]+", "replica": r"\d+", "scatteritem": r"\d+-of-\d+", "scored": r".+"}
RULES = {
    name: body
    for path in (ROOT / "workflow/rules").glob("*.smk")
    for name, body in RULE.findall(path.read_text("utf-8"))
    if "output:" in body
}


def patterns(body: str, folder: str) -> list[re.Pattern[str]]:
    """Paths of a rule below <results>, <logs> or <benchmarks> as regular expressions."""
    found = []
    for path in re.findall(rf'"<{folder}>/([^"]+)"', body):
        parts = re.split(r"\{(\w+)\}", path)
        found.append(
            re.compile(
                "".join(WILDCARDS.get(part, r"[\w-]+") if k % 2 else re.escape(part) for k, part in enumerate(parts))
            )
        )
    return found


def test_every_rule_of_the_workflow_is_a_stage():
    assert set(RULES) == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_jobs_are_where_the_rules_put_them(stage):
    jobs = planned_jobs(run_helpers.settings(), run_helpers.IDS)[stage]
    assert jobs
    for job in jobs:
        for folder, path in (
            ("results", job.output),
            ("logs", job.log.removeprefix("logs/")),
            ("benchmarks", job.benchmark.removeprefix("benchmarks/")),
        ):
            assert any(one.fullmatch(path) for one in patterns(RULES[stage], folder)), path


@pytest.mark.parametrize("stage", ["simulate", "twin", "pretrain"])
def test_states_are_where_the_rules_put_them(stage):
    (template,) = re.findall(r'state=f"\{OUT\}/([^"]+)"', RULES[stage])
    pattern = re.sub(r"\\\{\\\{\w+\\\}\\\}", r"[\\w-]+", re.escape(template))
    for job in planned_jobs(run_helpers.settings(), run_helpers.IDS)[stage]:
        assert re.fullmatch(pattern, job.state), job.state


def test_locks_are_those_that_are_taken(tmp_path):
    for job in planned_jobs(run_helpers.settings(), run_helpers.IDS)["twin"]:
        with only_writer(tmp_path / job.state):
            assert (tmp_path / job.lock).is_file()
    (job,) = planned_jobs(run_helpers.settings(), run_helpers.IDS)["dataset"]
    with only_writer(tmp_path / job.output):
        assert (tmp_path / job.lock).is_file()


def test_jobs_that_need_the_selection_are_unknown_before_it(tmp_path):
    jobs = planned_jobs(run_helpers.settings(), read_ids(tmp_path))
    assert [stage for stage in STAGES if jobs[stage] is None] == ["relax", "simulate", "twin"]


def test_folds_are_splits_of_their_own():
    config = run_helpers.settings()
    config["dataset"]["splits"]["compound"]["folds"] = 3
    names = [job.name for job in planned_jobs(config, [])["baselines"]]
    assert names == [f"baselines/compound-{k}" for k in (1, 2, 3)]


def test_the_last_configuration_counts(tmp_path):
    first = run_helpers.note(tmp_path, run_helpers.settings())
    config = run_helpers.settings()
    config["plan"]["replicas"] = 7
    first.rename(first.with_name("plan-f.json"))
    run_helpers.note(tmp_path, config)
    settings, path = read_settings(tmp_path)
    assert settings["plan"]["replicas"] == 7
    assert path.name == "plan-0123456789ab.json"


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no run of mdstride .* results/NAME"):
        read_settings(tmp_path)
