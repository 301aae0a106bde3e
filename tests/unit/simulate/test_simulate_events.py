import numpy as np
import pytest

from mdstride.simulate.events import MOST, events

INTERVAL = 2.0  # fs between frames
PEROXIDE = (np.array([1, 8, 8, 1]), np.array([[0, 1], [1, 2], [2, 3]]))
AMMONIA = (np.array([7, 1, 1, 1]), np.array([[0, 1], [0, 2], [0, 3]]))


def found(numbers, bonds, positions):
    time = np.arange(len(positions)) * INTERVAL
    return events(atomic_numbers=numbers, bonds=bonds, time=time, positions=positions, break_factor=1.5)


def end(degrees, place, side):
    """An atom at the tetrahedral angle to the axis, turned by an angle [F] about it."""
    turn = np.radians(degrees)
    along = np.full_like(turn, place + 0.33 * side)
    return np.stack([np.cos(turn), np.sin(turn), along], 1)


def twisted(degrees):
    """Hydrogen peroxide [F, 4, 3] with torsion angles [F]."""
    degrees = np.asarray(degrees, float)
    still = np.zeros_like(degrees)
    axis = [np.stack([still, still, still + z], 1) for z in (0.0, 1.45)]
    return np.stack([end(still, 0.0, -1), *axis, end(degrees, 1.45, 1)], 1)


def swinging(centres, frames=400, swing=25.0, seed=0):
    """Torsion angles that librate about each of `centres` in turn for `frames` frames."""
    generator = np.random.default_rng(seed)
    phase = 2 * np.pi * np.arange(frames) * INTERVAL / 120.0
    parts = [c + swing * np.sqrt(2) * np.sin(phase + generator.uniform(0, 6)) for c in centres]
    return np.concatenate(parts)


def test_a_torsion_that_stays_elsewhere_is_one_event():
    seen = found(*PEROXIDE, twisted(swinging([180, 60])))
    assert seen["event_count"] == 1
    (event,) = seen["events"]
    assert (event["kind"], event["atoms"]) == ("conformer", [0, 1, 2, 3])
    assert event["time_fs"] == pytest.approx(800.0, abs=60.0)  # when it arrived, not when it had stayed long enough


@pytest.mark.parametrize(
    ("centres", "count"),
    [([180, 180], 0), ([60, -60, 180], 2), ([60, 180, 60, 180], 3), ([170, -170], 0), ([-90, 90], 1)],
)
def test_each_settled_change_counts_once(centres, count):
    assert found(*PEROXIDE, twisted(swinging(centres)))["event_count"] == count


@pytest.mark.parametrize("frames", [10, 40, 70])
def test_a_visit_shorter_than_the_stay_is_none(frames):
    angles = np.concatenate([swinging([180]), swinging([60], frames=frames), swinging([180])])
    assert found(*PEROXIDE, twisted(angles))["event_count"] == 0


def test_a_free_rotor_never_settles():
    assert found(*PEROXIDE, twisted(np.arange(2000) * 3.0))["event_count"] == 0


def test_a_wide_swing_in_one_basin_is_none():
    slow = 60.0 + 28.0 * np.sin(2 * np.pi * np.arange(4000) * INTERVAL / 900.0)
    noise = np.random.default_rng(1).normal(0, 15, 4000)
    assert found(*PEROXIDE, twisted(slow + noise))["event_count"] == 0


def topped(substituents, degrees):
    """X-C(substituents) on an OH: the substituents, evenly spread, turn about the bond. [F, ...]"""
    degrees = np.asarray(degrees, float)
    still = np.zeros_like(degrees)
    axis = [np.stack([still, still, still + z], 1) for z in (0.0, 1.45)]
    spread = [end(degrees + 360.0 * k / len(substituents), 1.45, 1) for k in range(len(substituents))]
    positions = np.stack([end(still, 0.0, -1), *axis, *spread], 1)
    numbers = np.array([1, 8, 6, *substituents])
    bonds = np.array([[0, 1], [1, 2], *([2, 3 + k] for k in range(len(substituents)))])
    return numbers, bonds, positions


@pytest.mark.parametrize(
    ("substituents", "centres", "count"),
    [
        ([1, 1, 1], [60, 180, 300], 0),  # a methyl group
        ([8, 8], [0, 180], 0),  # flat and symmetric, as in a nitro group
        ([8, 8], [0, 90], 1),
        ([8, 7], [0, 180], 1),
        ([6, 1, 1], [60, 180], 1),
    ],
)
def test_turning_into_itself_is_no_other_conformer(substituents, centres, count):
    assert found(*topped(substituents, swinging(centres, swing=10)))["event_count"] == count


def test_bonds_in_rings_and_straight_chains_have_no_torsion():
    ring = np.array([[np.cos(t), np.sin(t), 0.3 * (-1) ** k] for k, t in enumerate(np.arange(6) * np.pi / 3)]) * 1.5
    flipped = np.repeat([ring, ring * [1, 1, -1]], 400, axis=0)
    assert found(np.full(6, 6), np.array([[k, (k + 1) % 6] for k in range(6)]), flipped)["event_count"] == 0
    straight = twisted(swinging([180, 60]))
    straight[:, 0] = [0.05, 0, -0.96]
    assert found(*PEROXIDE, straight)["event_count"] == 0


def pyramid(heights):
    """Ammonia [F, 4, 3] with the nitrogen at `heights` Å above its hydrogens."""
    corners = [[0.94 * np.cos(t), 0.94 * np.sin(t), 0.0] for t in np.arange(3) * 2 * np.pi / 3]
    return np.array([[[0, 0, height], *corners] for height in heights])


def test_a_pyramid_that_turns_over_and_stays_is_one_event():
    swing = 0.1 * np.sin(np.arange(400))
    (event,) = found(*AMMONIA, pyramid(np.concatenate([0.38 + swing, -0.38 + swing])))["events"]
    assert (event["kind"], event["atoms"]) == ("inversion", [0])
    assert event["time_fs"] == pytest.approx(800.0, abs=100.0)
    brief = np.concatenate([0.38 + swing, -0.38 + swing[:50], 0.38 + swing])
    assert found(*AMMONIA, pyramid(brief))["event_count"] == 0
    flat = 0.1 * np.sin(2 * np.pi * np.arange(2000) * INTERVAL / 800.0)
    assert found(*AMMONIA, pyramid(flat))["event_count"] == 0


def handed_over(distances):
    """O-H...N [F, 3, 3] on a line, 2.6 Å long, with the hydrogen at `distances` [F] Å from the oxygen."""
    return np.array([[[0, 0, 0], [distance, 0, 0], [2.6, 0, 0]] for distance in distances])


def test_a_proton_that_goes_over_and_comes_back_is_two_events():
    path = np.concatenate([np.full(50, 0.97), np.full(50, 1.57), np.full(50, 0.97)])
    seen = found(np.array([8, 1, 7]), np.array([[0, 1]]), handed_over(path))
    assert seen["events"] == [
        {"time_fs": 100.0, "kind": "proton transfer", "atoms": [1, 0, 2]},
        {"time_fs": 200.0, "kind": "proton transfer", "atoms": [1, 2, 0]},
    ]


@pytest.mark.parametrize("far", [1.4, 1.45])  # half-way: still within 1.5 x the covalent radii of O
def test_a_proton_half_way_over_has_not_moved(far):
    path = np.concatenate([np.full(50, 0.97), np.full(50, far), np.full(50, 0.97)])
    assert found(np.array([8, 1, 7]), np.array([[0, 1]]), handed_over(path))["event_count"] == 0


def test_only_the_first_are_kept_in_order_of_time_and_all_are_counted():
    path = np.where(np.arange(400) // 5 % 2, 1.57, 0.97)
    seen = found(np.array([8, 1, 7]), np.array([[0, 1]]), handed_over(path))
    assert (len(seen["events"]), seen["event_count"]) == (MOST, 79)
    times = [event["time_fs"] for event in seen["events"]]
    assert times == sorted(times) and times[0] == 10.0


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_too_few_frames_hold_no_events(frames):
    assert found(*PEROXIDE, twisted(np.zeros(frames))) == {"events": [], "event_count": 0}
