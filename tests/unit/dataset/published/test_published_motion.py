"""Whether frames are consecutive, their interval, velocities and units: told from real frames of MD17."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_helpers import CONSECUTIVE, UNORDERED, arrays, in_ev, masses, picked, xyz_text

from mdstride.constants import BOLTZMANN, KINETIC
from mdstride.dataset.published.consecutive import find_steps, fit_interval
from mdstride.dataset.published.motion import kinetic_temperature
from mdstride.dataset.published.read import read_published
from mdstride.dataset.published.units import KCAL_PER_MOL, factor
from mdstride.errors import InputError


def _npz(folder: Path, **values: Any) -> Path:
    np.savez(folder / "ethanol.npz", **values)
    return folder / "ethanol.npz"


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
def test_interval_is_found_from_forces(stride: int) -> None:
    _, positions, _, forces, _ = in_ev()
    fit = fit_interval(positions[::stride], forces[::stride], masses())
    assert fit.holds() and fit.interval == pytest.approx(0.5 * stride, rel=0.01)
    if stride <= 2:  # (1 - 1/k²) / 12: how many steps of the integrator lie between frames
        assert fit.stride_term == pytest.approx((1 - stride**-2) / 12, abs=0.01)


def test_thermostat_does_not_bias_the_interval() -> None:
    """MD17 is thermostatted; without projecting out the velocity the forces explain 0.93 and not 0.999999."""
    _, positions, _, forces, _ = in_ev()
    fit = fit_interval(positions, forces, masses())
    assert fit.explained > 0.99999 and fit.interval == pytest.approx(0.5, rel=2e-4)


def test_interval_is_used_and_velocities_are_verlets() -> None:
    (replica,) = read_published(CONSECUTIVE).replicas
    raw = arrays()["R"]
    assert replica.interval == 0.5 and replica.consecutive
    np.testing.assert_allclose(replica.velocities[1:-1], raw[2:] - raw[:-2], atol=1e-7)
    np.testing.assert_allclose(replica.velocities[0], 2 * (raw[1] - raw[0]), atol=1e-7)
    assert "exact for velocity Verlet" in replica.source["velocities"]
    assert replica.figures["work"] == pytest.approx(1.0, abs=0.01)


def test_every_second_frame(tmp_path: Path) -> None:
    path = _npz(tmp_path, **picked(slice(None, None, 2)))
    assert read_published(path).replicas[0].interval == 1.0
    with pytest.raises(InputError, match=r"declared are 0.5 fs .* show 0.99\d* ± .* fs"):
        read_published(path, interval=0.5)


def test_what_is_not_consecutive(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    cases = {
        "unordered": UNORDERED,
        "shuffled": _npz(tmp_path, **picked(generator.permutation(400))),
    }
    for path in cases.values():
        (replica,) = read_published(path).replicas
        assert not replica.consecutive and replica.velocities is None and "temperature" in replica.figures
        assert any("not consecutive: neighbours are" in note for note in replica.source["notes"])
    for count in (100, 300):
        subset = np.sort(generator.choice(400, count, replace=False))
        for values in (picked(subset), {"R": arrays()["R"][subset], "z": arrays()["z"]}):
            (replica,) = read_published(_npz(tmp_path, **values), interval=0.5).replicas
            assert not replica.consecutive


def test_missing_and_repeated_frames_are_named(tmp_path: Path) -> None:
    for order in (np.r_[0:200, 201:400], np.r_[0:200, 199:400], np.r_[0:200, 0:200]):
        with pytest.raises(InputError, match=r"missing or repeated after frame 199, .*\(1 such places\)"):
            read_published(_npz(tmp_path, **picked(order)))


def test_without_forces_the_interval_must_be_declared_and_credible(tmp_path: Path) -> None:
    path = _npz(tmp_path, R=arrays()["R"], z=arrays()["z"])
    with pytest.raises(InputError, match="give it in fs with --interval"):
        read_published(path)
    (replica,) = read_published(path, interval=0.5, temperature=500).replicas
    assert replica.consecutive and replica.figures["temperature"] == pytest.approx(640, abs=20)
    for interval, temperature in ((5.0, None), (0.1, None), (0.5, 300.0)):
        with pytest.raises(InputError, match=r"its temperature is .* K, and .*the interval is wrong"):
            read_published(path, interval=interval, temperature=temperature)


def test_frames_too_far_apart_for_velocities_are_no_use_for_forecasting(tmp_path: Path) -> None:
    (replica,) = read_published(_npz(tmp_path, R=arrays()["R"][::16], z=arrays()["z"]), interval=8.0).replicas
    assert not replica.consecutive and replica.velocities is None
    assert any("too far apart" in note or "not consecutive" in note for note in replica.source["notes"])


def test_too_few_frames(tmp_path: Path) -> None:
    (replica,) = read_published(_npz(tmp_path, **picked(slice(0, 5)))).replicas
    assert not replica.consecutive and replica.interval == 0.0


EV = 1 / KCAL_PER_MOL


@pytest.mark.parametrize(
    ("energy", "force", "reason"),
    [
        (EV, EV, "energies should be in kcal/mol, and as total energies of the atoms they are in eV"),
        (EV, 1, "they are in eV"),
        (1, EV, "23 times the work of its forces, as with energies in kcal/mol and forces in eV/Å"),
        (None, EV, "forces, taken for kcal/mol/Å, .*; they may be in eV/Å"),
        (None, 4.184, "correct --interval or the units"),
    ],
)
def test_confused_units_are_refused(tmp_path: Path, energy: float | None, force: float, reason: str) -> None:
    raw = arrays()
    values = {"R": raw["R"], "z": raw["z"], "F": raw["F"] * force}
    if energy is not None:
        values["E"] = raw["E"] * energy
    with pytest.raises(InputError, match=reason):
        read_published(_npz(tmp_path, **values), interval=0.5)


def test_unordered_forces_in_the_wrong_unit_are_refused(tmp_path: Path) -> None:
    raw = arrays(UNORDERED)
    with pytest.raises(InputError, match="they may be in eV/Å"):
        read_published(_npz(tmp_path, R=raw["R"], z=raw["z"], F=raw["F"] * EV))


def test_velocities_that_are_not_those_of_the_positions_are_refused(tmp_path: Path) -> None:
    _, positions, velocities, forces, _ = in_ev()
    text = xyz_text({"pos": positions, "forces": forces, "velo": 2 * velocities}, [""] * 398, list("CCOHHHHHH"))
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(InputError, match="its velocities are 2 times those by which positions change"):
        read_published(tmp_path / "a.xyz")


def test_langevin_dynamics_gives_the_interval_without_bias() -> None:
    """BAOAB on harmonic oscillators: random forces lower what is explained, not the interval."""
    generator = np.random.default_rng(0)
    mass, step, friction, thermal = 12.0, 1.0, 0.002, BOLTZMANN * 300
    stiffness = np.linspace(5, 80, 40)[:, None]
    x, v = np.zeros((40, 3)), generator.normal(0, np.sqrt(thermal / mass / KINETIC), (40, 3))
    frames, forces = [], []
    for _ in range(1500):
        frames.append(x)
        forces.append(-stiffness * x)
        v = v - 0.5 * step * stiffness * x / mass / KINETIC
        keep = np.exp(-friction * step)
        x = x + 0.5 * step * v
        v = keep * v + np.sqrt((1 - keep**2) * thermal / mass / KINETIC) * generator.normal(size=v.shape)
        x = x + 0.5 * step * v
        v = v - 0.5 * step * stiffness * x / mass / KINETIC
    fit = fit_interval(np.array(frames), np.array(forces), np.full(40, mass))
    assert fit.holds() and fit.noisy and fit.interval == pytest.approx(1.0, rel=0.02)


def test_a_drifting_rotor_is_cold() -> None:
    """Translation and rotation as a whole do not count; what is left of 3N - 6 vibrations does."""
    generator = np.random.default_rng(0)
    positions, mass = generator.normal(0, 1, (7, 3)), generator.uniform(1, 16, 7)
    rigid = np.cross([0.1, -0.2, 0.05], positions) + np.array([0.3, 0, 0])
    assert kinetic_temperature(positions[None], rigid[None], mass)[0] == pytest.approx(0, abs=1e-6)
    velocities = generator.normal(0, 1, (4000, 7, 3)) * np.sqrt(BOLTZMANN * 300 / mass / KINETIC)[:, None]
    repeated = np.broadcast_to(positions, velocities.shape)
    assert kinetic_temperature(repeated, velocities, mass).mean() == pytest.approx(300, rel=0.02)
    line = positions * [1, 0, 0]
    assert kinetic_temperature(line + 0 * velocities, velocities, mass).mean() == pytest.approx(300, rel=0.02)


def test_random_frames_do_not_obey_forces() -> None:
    raw = arrays(UNORDERED)
    steps = find_steps(raw["R"], raw["F"] / KCAL_PER_MOL, masses())
    assert not steps.consecutive and steps.fit is not None and steps.fit.explained < 0.3


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("nm ps-1", "velocity", 0.01),
        ("Angstrom/ps", "velocity", 0.001),
        ("kJ mol-1 nm-1", "force", 1 / 96.48533 / 10),
        ("kJ/(mol*Angstrom)", "force", 1 / 96.48533),
        ("kcal/mol/Å", "force", 1 / 23.06055),
        ("Hartree bohr^-1", "force", 51.42207),
        ("kcal/mol", "energy", 1 / 23.06055),
    ],
)
def test_units(text: str, kind: str, value: float) -> None:
    assert factor(text, kind, "x") == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize(("text", "kind"), [("nm", "time"), ("furlong", "length"), ("", "length"), ("nm)(", "length")])
def test_no_units(text: str, kind: str) -> None:
    with pytest.raises(InputError, match=r"^x: "):
        factor(text, kind, "x")
