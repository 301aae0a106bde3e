"""A run that is stopped, killed or damaged on its way ends with the same bits as one that never stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from test_simulate_stage import REFERENCE, SETTINGS, WATER

from mdstride.formats.dataset import Minimum
from mdstride.formats.h5md import read_trajectory
from mdstride.formats.provenance import sha256
from mdstride.formats.structure import write_structure
from mdstride.interrupt import STATUS
from mdstride.simulate import run as run_module
from mdstride.simulate import stage
from mdstride.simulate.stage import simulate_replica

LONG = {**SETTINGS, "equilibration": 0.25, "production": 1.6, "stride": 7}  # 250 + 1596 steps
ARRAYS = ("step", "positions", "velocities", "forces", "potential_energy", "kinetic_energy")


class Springs:
    """Springs between all pairs of atoms; or, with `force`, none but a pull (eV/Å) that parts them."""

    def __init__(self, force=0.0):
        self.force = force
        self.first, self.second = np.triu_indices(3, k=1)
        self.rest = self.distances(WATER.positions)[0]

    def distances(self, positions):
        between = positions[self.first] - positions[self.second]
        distance = np.linalg.norm(between, axis=1)
        return distance, between / distance[:, None]

    def compute(self, positions):
        forces = np.zeros_like(positions)
        if self.force:
            forces[0, 2], forces[1:, 2] = self.force, -self.force / 2
            return 0.0, forces
        distance, direction = self.distances(positions)
        pull = -30.0 * (distance - self.rest)[:, None] * direction
        np.add.at(forces, self.first, pull)
        np.add.at(forces, self.second, -pull)
        return 15.0 * float(((distance - self.rest) ** 2).sum()), forces

    def forget(self):
        pass


class Remembering(Springs):
    """Like an SCC that starts from the wavefunction before: each result bears a trace of the calls since `forget`."""

    def __init__(self, stop_at=None, act=None):
        super().__init__()
        self.calls, self.since, self.stop_at, self.act = 0, 0, stop_at, act

    def compute(self, positions):
        self.calls += 1
        self.since += 1
        if self.calls == self.stop_at:
            self.act()
        energy, forces = super().compute(positions)
        return energy + 1e-9 * self.since, forces * (1.0 + 1e-9 * self.since)

    def forget(self):
        self.since = 0


class Killed(BaseException):
    """Stands for a SIGKILL within one process: nothing is saved after it."""


@pytest.fixture
def job(tmp_path, monkeypatch):
    write_structure(tmp_path / "structure.h5", WATER)

    def run(engine=None, *, settings=LONG, name="a", save_every=0.0, twin_of=None, previous=None):
        monkeypatch.setattr(run_module, "SAVE_EVERY", save_every)
        if engine is not None:
            monkeypatch.setattr(stage, "make_engine", lambda *arguments: engine)
        output = tmp_path / f"{name}.h5md"
        state = tmp_path / f"state-{name}"
        inputs = {"structure": tmp_path / "structure.h5", "replica": 0, "state": state, "twin_of": twin_of}
        simulate_replica(settings, REFERENCE, **inputs, output=output, previous=previous)
        assert not state.exists()
        return read_trajectory(output)

    return run


def kill():
    raise Killed


def assert_equal(one, two):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert one.verdict == two.verdict
    assert one.parameters == two.parameters


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
@pytest.mark.parametrize("thermostat", ["bussi", "langevin"])
def test_kills_change_nothing(job, ensemble, thermostat):
    settings = {**LONG, "ensemble": ensemble, "thermostat": thermostat}
    whole = job(Remembering(), settings=settings, name="whole")
    assert whole.verdict["passed"], whole.verdict["reason"]
    calls = 0
    for stop in (60, 180, 260, 700, 900):  # in equilibration, across its end, in production
        engine = Remembering(stop, kill)
        with pytest.raises(Killed):
            job(engine, settings=settings)
        calls += engine.calls
    engine = Remembering()
    assert_equal(job(engine, settings=settings), whole)
    assert engine.calls < 1400  # of 1847: it did go on from where the last one was


@pytest.mark.parametrize("ensemble", ["nve", "nvt"])
def test_a_longer_trajectory_goes_on_where_the_shorter_ended(job, tmp_path, ensemble):
    """The same bytes as one that started anew, at the cost of the steps since the last point."""
    settings, previous = {**LONG, "ensemble": ensemble}, tmp_path / "kept/0.h5md"
    job(Remembering(), settings={**settings, "production": 0.9}, name="short", previous=previous)
    (tmp_path / "short.h5md").unlink()  # as the workflow does before it makes it again
    engine = Remembering()
    longer = job(engine, settings=settings, name="long", previous=previous)
    whole = job(Remembering(), settings=settings, name="whole")
    assert_equal(longer, whole)
    assert (tmp_path / "long.h5md").read_bytes() == (tmp_path / "whole.h5md").read_bytes() == previous.read_bytes()
    assert engine.calls < 1596 - 500 + 5


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        (
            {
                "minima": (Minimum(-137.9, np.eye(3), WATER.frequencies, WATER.modes),),
                "provenance": {"settings": {"minima": 2}},
            },
            True,
        ),
        ({"positions": WATER.positions + 1e-6}, False),
        ({"multiplicity": 3}, False),
    ],
)
def test_only_what_the_dynamics_takes_from_the_structure_counts(job, tmp_path, changes, goes_on):
    previous = tmp_path / "0.h5md"
    before = job(Remembering(), name="before", previous=previous)
    write_structure(tmp_path / "structure.h5", replace(WATER, **changes))
    engine = Remembering()
    after = job(engine, name="after", previous=previous)
    assert (engine.calls < 100) == goes_on
    if goes_on:
        np.testing.assert_array_equal(after.positions, before.positions)


def test_a_trajectory_of_other_settings_is_not_gone_on_from(job, tmp_path):
    previous = tmp_path / "0.h5md"
    job(Remembering(), settings={**LONG, "production": 0.9}, name="short", previous=previous)
    engine = Remembering()
    job(engine, settings={**LONG, "temperature": 350.0}, name="warm", previous=previous)
    assert engine.calls > 1800


def test_a_damaged_one_is_passed_over(job, tmp_path, capsys):
    previous = tmp_path / "0.h5md"
    job(Remembering(), settings={**LONG, "production": 0.9}, name="short", previous=previous)
    previous.write_bytes(previous.read_bytes()[:3000])
    engine = Remembering()
    job(engine, name="long", previous=previous)
    assert engine.calls > 1800
    assert f"passing over an earlier trajectory: {previous}: " in capsys.readouterr().err


def test_a_shorter_trajectory_starts_anew(job, tmp_path):
    previous = tmp_path / "0.h5md"
    job(Remembering(), name="long", previous=previous)
    short = {**LONG, "production": 0.9}
    assert_equal(job(Remembering(), settings=short, name="short", previous=previous), job(settings=short, name="again"))


def test_the_test_sees_a_guess_that_is_carried_on(job, monkeypatch):
    """Without the points at which the engine forgets, a resumed run would differ."""
    whole = job(Remembering(), name="whole")
    monkeypatch.setattr(run_module.Plan, "can_stop_after", lambda self, done: done % 50 == 7)
    with pytest.raises(Killed):
        job(Remembering(1000, kill))
    resumed = job(Remembering())
    assert not np.array_equal(resumed.positions, whole.positions)


def test_sigterm_saves_and_says_so(job, tmp_path, capsys):
    whole = job(Remembering(), name="whole")
    with pytest.raises(SystemExit) as caught:
        job(Remembering(1300, lambda: os.kill(os.getpid(), signal.SIGTERM)), save_every=1e9)
    assert caught.value.code == STATUS == 143
    assert "told to stop after step 1299; run again to go on" in capsys.readouterr().err
    assert (tmp_path / "state-a/point.h5").exists()
    engine = Remembering()
    assert_equal(job(engine), whole)
    assert engine.calls == 1 + (250 + 1596) - (250 + 1000)


@pytest.mark.parametrize("damage", ["point.h5", "frames-0.h5", "frames-1.h5"])
def test_a_damaged_state_is_passed_over(job, tmp_path, capsys, damage):
    whole = job(Remembering(), name="whole")
    with pytest.raises(Killed):
        job(Remembering(1500, kill))
    path = tmp_path / "state-a" / damage
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    assert_equal(job(Remembering()), whole)
    assert f"{damage}: damaged" in capsys.readouterr().err


def test_other_settings_do_not_go_on_with_it(job, capsys):
    with pytest.raises(Killed):
        job(Remembering(1500, kill))
    other = {**LONG, "temperature": 250.0}
    assert_equal(job(Remembering(), settings=other), job(Remembering(), settings=other, name="b"))
    assert "belongs to other settings, inputs or code; starting anew" in capsys.readouterr().err


def test_a_full_disk_loses_nothing(job, monkeypatch):
    whole = job(Remembering(), name="whole")
    with monkeypatch.context() as patch:
        create, times = run_module.RestartFolder.save, []

        def save(self, *arguments):
            times.append(1)
            if len(times) > 3:
                raise OSError(28, "No space left on device")
            create(self, *arguments)

        patch.setattr(run_module.RestartFolder, "save", save)
        with pytest.raises(OSError, match="No space left"):
            job(Remembering())
    engine = Remembering()
    assert_equal(job(engine), whole)
    assert engine.calls < 1800


class Brittle(Springs):
    """Falls apart unless the time step is at most `safe` fs."""

    def __init__(self, timestep, safe):
        super().__init__(0.0 if timestep <= safe else 3.0)


@pytest.mark.parametrize(("safe", "attempts", "timestep"), [(0.5, 1, 0.5), (0.25, 2, 0.25), (0.25, 1, 0.5)])
def test_a_failed_attempt_is_tried_with_half_the_time_step(job, monkeypatch, safe, attempts, timestep):
    settings = {**SETTINGS, "retry": {"attempts": attempts, "change": "timestep"}}
    real = stage._start

    def start(job, plan, attempt):
        monkeypatch.setattr(stage, "make_engine", lambda *arguments: Brittle(plan.timestep, safe))
        return real(job, plan, attempt)

    monkeypatch.setattr(stage, "_start", start)
    trajectory = job(settings=settings)
    assert trajectory.verdict["passed"] == (timestep <= safe)
    assert len(trajectory.verdict["tried"]) == attempts
    assert all("bond broken" in reason for reason in trajectory.verdict["tried"])
    assert trajectory.parameters["timestep"] == timestep
    if timestep <= safe:
        assert trajectory.time.tolist() == [3.0 * frame for frame in range(34)]  # the frames' times are the same
    assert trajectory.parameters["attempt"] == attempts


def test_a_failed_attempt_is_tried_with_other_random_numbers(job, monkeypatch):
    settings = {**SETTINGS, "retry": {"attempts": 2, "change": "seed"}}
    limits = {**settings["limits"], "drift": 1e-12, "fluctuation": 1e-12}
    failed = job(Springs(), settings={**settings, "limits": limits})
    assert len(failed.verdict["tried"]) == 2
    assert len({*failed.verdict["tried"], failed.verdict["reason"]}) == 3  # other starts, other figures
    assert failed.parameters["timestep"] == 1.0


def test_an_attempt_goes_on_as_well(job):
    """Killed in the second attempt, the run does not repeat the first one."""
    limits = {**LONG["limits"], "fluctuation": 1e-12}
    settings = {**LONG, "retry": {"attempts": 1, "change": "seed"}, "limits": limits}
    whole = job(Remembering(), settings=settings, name="whole")
    with pytest.raises(Killed):
        job(Remembering(3000, kill), settings=settings)
    engine = Remembering()
    assert_equal(job(engine, settings=settings), whole)
    assert engine.calls < 1400


def test_a_twin_starts_beside_its_original(job, tmp_path):
    original = job(Remembering(), name="original")
    twin = job(Remembering(), name="twin", twin_of=tmp_path / "original.h5md")
    apart = np.sqrt(((twin.positions - original.positions) ** 2).sum(2).mean(1))
    assert apart[0] == pytest.approx(1e-3, rel=1e-3)  # positions are stored in single precision
    assert twin.step.tolist() == original.step.tolist()
    assert twin.parameters["twin"] and not original.parameters["twin"]
    assert (original.provenance["stage"], twin.provenance["stage"]) == ("simulate", "twin")
    inputs = original.provenance["inputs"]
    assert inputs.keys() == {"structure"}
    assert twin.provenance["inputs"] == inputs | {"original": sha256(tmp_path / "original.h5md")}
    # the masses' frame: no momentum, no angular momentum
    assert twin.verdict["angular_momentum"] < 1e-6


def test_the_twin_of_a_failure_fails_likewise(job, tmp_path):
    original = job(Springs(3.0), name="original")
    twin = job(Springs(), name="twin", twin_of=tmp_path / "original.h5md")
    assert twin.verdict["reason"] == f"the trajectory it is the twin of failed: {original.verdict['reason']}"
    assert len(twin.time) == 0


def test_a_real_process_told_to_stop_at_the_real_level(tmp_path):
    """GFN2-xTB, the command itself, SIGTERM twice on the way: the same bits."""
    write_structure(tmp_path / "structure.h5", WATER)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"simulate": {**LONG, "production": 5.0}, "reference": REFERENCE}))

    def start(name):
        command = [sys.executable, "-m", "mdstride", "simulate", "--config", str(config)]
        command += ["--structure", str(tmp_path / "structure.h5"), "--replica", "0"]
        command += ["--state", str(tmp_path / f"state-{name}"), "--output", str(tmp_path / f"{name}.h5md")]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    whole = start("whole")
    stopped = 0
    for seconds in (2.0, 2.5, 4.0, 7.0):  # a busy machine may need longer to start than the first ones allow
        if stopped == 2:
            break
        process = start("a")
        timer = threading.Timer(seconds, process.terminate)
        timer.start()
        process.communicate(timeout=60)
        timer.cancel()
        stopped += process.returncode == STATUS
    process = start("a")
    process.communicate(timeout=60)
    whole.communicate(timeout=60)
    assert (process.returncode, whole.returncode) == (0, 0)
    assert stopped >= 1
    one, two = (read_trajectory(tmp_path / f"{name}.h5md") for name in ("a", "whole"))
    assert_equal(one, two)
    assert not (tmp_path / "state-a").exists()
