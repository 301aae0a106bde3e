import numpy as np
import pytest

from mdstride.errors import InputError
from mdstride.formats.h5md import read_trajectory
from mdstride.formats.structure import Structure, write_structure
from mdstride.simulate import stage
from mdstride.simulate.stage import random_generator, simulate_replica

SETTINGS = {
    "seed": 1,
    "temperature": 300.0,
    "timestep": 1.0,
    "equilibration": 0.05,
    "thermostat": "bussi",
    "thermostat_time": 20.0,
    "ensemble": "nve",
    "production": 0.1,
    "stride": 3,
    "retry": {"attempts": 0, "change": "timestep"},
    "limits": {
        **{"drift": 0.05, "fluctuation": 2.0, "temperature": 30.0},
        **{"break_factor": 1.5, "break_time": 5.0, "max_force": 50.0},
    },
}
REFERENCE = {"engine": "tblite", "method": "GFN2-xTB", "accuracy": 0.1, "calculator": None, "options": {}}
WATER = Structure(
    id="XLYOFNOQVPJJNP-UHFFFAOYSA-N",
    smiles="O",
    mapped_smiles="[O:1]([H:2])[H:3]",
    atomic_numbers=np.array([8, 1, 1]),
    positions=np.array([[0, 0, 0.12], [0, 0.77, -0.48], [0, -0.77, -0.48]]),
    bonds=np.array([[0, 1], [0, 2]]),
    energy=-138.0,
    masses=np.array([15.999, 1.008, 1.008]),
    frequencies=np.array([1500.0, 3600.0, 3700.0]),  # of no use here
    modes=np.zeros((3, 3, 3)),
)


class Push:
    """Pulls the atoms apart along z with `force` eV/Å, or holds them with springs."""

    def __init__(self, force=0.0):
        self.force = force

    def compute(self, positions):
        forces = -20.0 * (positions - WATER.positions) if not self.force else np.zeros_like(positions)
        forces[0, 2] += self.force
        forces[1:, 2] -= self.force / 2
        return 0.0, forces

    def forget(self):
        pass


@pytest.fixture
def simulate(tmp_path, monkeypatch):
    def run(engine=None, structure=WATER, replica=0, twin_of=None, **changes):
        if engine is not None:
            monkeypatch.setattr(stage, "make_engine", lambda *arguments: engine)
        write_structure(tmp_path / "structure.h5", structure)
        output = tmp_path / f"{replica}.h5md"
        simulate_replica(
            SETTINGS | changes,
            REFERENCE,
            structure=tmp_path / "structure.h5",
            replica=replica,
            state=tmp_path / "state",
            output=output,
            twin_of=twin_of,
        )
        assert not (tmp_path / "state").exists()
        return read_trajectory(output)

    return run


def test_water_runs_at_the_real_level(simulate):
    trajectory = simulate()
    assert trajectory.verdict["passed"], trajectory.verdict
    assert trajectory.step.tolist() == list(range(0, 100, 3))  # 99 is the last multiple of the stride
    assert (trajectory.id, trajectory.mapped_smiles) == (WATER.id, WATER.mapped_smiles)
    assert trajectory.parameters["degrees_of_freedom"] == 3


def test_a_failed_relaxation_gives_no_frames_and_the_same_reason(simulate):
    failure = Structure(id=WATER.id, smiles="O", failure="relaxes to another bond graph: lost O1-H2")
    trajectory = simulate(structure=failure)
    assert trajectory.verdict["reason"] == failure.failure
    assert not trajectory.verdict["passed"]
    assert trajectory.positions.shape == (0, 0, 3)
    assert trajectory.verdict["frames"] == 0 and trajectory.verdict["temperature"] is None


def test_a_bond_pulled_apart_stops_the_run(simulate):
    trajectory = simulate(Push(3.0))
    assert not trajectory.verdict["passed"]
    assert "bond broken between atoms 1-2: over 1.5 x covalent radii for 5 fs" in trajectory.verdict["reason"]
    assert "(equilibration step " in trajectory.verdict["reason"]


def test_the_last_frames_are_left_out_where_the_stride_does_not_divide(simulate):
    assert simulate(Push(), production=0.01, stride=4).step.tolist() == [0, 4, 8]


def test_replicas_and_compounds_and_seeds_draw_different_numbers():
    first = [random_generator(*key).random() for key in [(1, "A", 0), (1, "A", 1), (1, "B", 0), (2, "A", 0)]]
    assert len(set(first)) == 4
    assert random_generator(1, "A", 0).random() == first[0]


def test_progress_says_how_far_it_is(simulate, capsys):
    simulate(Push())
    line, verdict = capsys.readouterr().err.splitlines()[-2:]
    assert verdict.startswith(f"simulate {WATER.id}/0: left out: ")
    assert line.startswith(f"simulate {WATER.id}/0: 149/149 steps (100 %), ")
    assert line.endswith("; 0.15 ps")


def test_a_missing_structure_is_named_and_leaves_nothing_behind(tmp_path):
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        simulate_replica(
            SETTINGS, REFERENCE, structure=tmp_path / "none.h5", replica=0, state=tmp_path / "s", output=tmp_path / "o"
        )
    assert list(tmp_path.iterdir()) == []
