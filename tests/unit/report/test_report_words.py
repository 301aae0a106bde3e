"""The verdicts: a bad model is called bad, chance is called chance, and nothing is claimed that cannot be known."""

import numpy as np
import pytest
from report_helpers import material, write_inputs

from mdstride.report.numbers import number, percent, signed
from mdstride.report.words import best_baseline, comparison_verdict, headline, limits, remarks, significance


@pytest.mark.parametrize(
    ("factor", "sentences"),
    [
        ((0.5, 0.5, 0.5), ["error is 0.50 times", "It beats the best baseline at every lag.", "on 2 of the 2."]),
        ((2.0, 3.0, 2.0), ["error is 3.0 times", "no lag: it is of no use as a forecaster yet", "on 0 of the 2."]),
        (
            (0.5, 0.5, 1.5),
            ["beats the best baseline at 10 and 100 fs", "not beat it at 1000 fs: there it is of no use"],
        ),
        ((0.5, 1.0, 0.9), ["error is as large as that", "does not beat it at 100 fs", "at 10 and 1000 fs"]),
    ],
)
def test_the_headline_says_it_in_words(tmp_path, factor, sentences):
    (outcome,) = material(write_inputs(tmp_path, factor=factor)).outcomes
    said = headline(outcome, "atom")
    assert said.startswith("On 2 compounds it never saw, atom’s error")
    for sentence in sentences:
        assert sentence in said
    assert ("no test can rule out chance" in said) == (min(factor) < 1)


def test_a_lead_on_average_alone_may_be_chance(tmp_path):
    """Ten times better on the compound with large errors, worse on the other: the interval includes no skill."""

    def mix(scores):
        scores.values["atom", "E", "mse"] *= 0.1
        scores.values["atom", "A", "mse"] *= 1.5

    (outcome,) = material(write_inputs(tmp_path, factor=(1.0, 1.0, 1.0), change=mix)).outcomes
    said = headline(outcome, "atom")
    assert "ahead of the best baseline from 10 to 1000 fs, but by no more than chance may explain" in said
    assert "on 1 of the 2" in said


def test_lopsided_invalid_and_silent_forecasts_are_called_so(tmp_path):
    """Errors that double when molecules are turned; three of four forecasts valid; no vibration."""

    def change(scores):
        for key in scores.windows:
            scores.values["atom", key, "rotated"] *= 2
            scores.values["atom", key, "spectrum_overlap"][...] = 0.01

    (outcome,) = material(write_inputs(tmp_path, change=change)).outcomes
    turned, invalid, silent = remarks(outcome, "atom")
    assert "not equivariant: when the molecules are turned at random first, its error (S2T) is 2.00 times" in turned
    assert "Only 75\u202f% of atom’s forecasts at 100 fs are valid geometries" in invalid
    assert "do not vibrate like the molecules: their spectrum has 1\u202f% in common" in silent


def test_nothing_is_said_against_a_sound_model(tmp_path):
    def change(scores):
        for key in scores.windows:
            scores.values["atom", key, "valid"][...] = 1.0
            scores.values["atom", key, "spectrum_overlap"][...] = 0.9

    (outcome,) = material(write_inputs(tmp_path, change=change)).outcomes
    assert remarks(outcome, "atom") == []


def test_few_compounds_cannot_show_much(tmp_path):
    """Two compounds: the least p is 1/2. One seed, and lags beyond training, are said too."""
    found = material(write_inputs(tmp_path))
    said = significance(found.outcomes[0])
    assert "With 2 compounds the smallest p that the test can give is 0.500" in said
    assert "no difference, however large, can be told from chance" in said
    text = " ".join(limits(found, found.outcomes[0]))
    assert "Fewer than three trainings of atom (1 seed)" in text
    assert "beyond 1000 fs" not in text


def test_the_best_baseline_is_one_that_has_all_forecasts(tmp_path):
    (outcome,) = material(write_inputs(tmp_path)).outcomes
    best = best_baseline(outcome, "mse", 1000.0)
    assert (best.model, best.value) == ("rigid", pytest.approx(3.0 * 1.5))


@pytest.mark.parametrize(
    ("difference", "p", "said"),
    [(-1.0, 0.01, "a is better"), (1.0, 0.01, "b is better"), (-1.0, 0.2, "may be chance"), (0.0, np.nan, "not all")],
)
def test_a_comparison_names_the_better_one(difference, p, said):
    assert comparison_verdict("a", "b", difference, p).startswith(said)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (number(1234.5), "1\u202f234" if round(1234.5) == 1234 else "1\u202f235"),
        (number(-0.01234), "\u22120.0123"),
        (number(3.94e-7, 2), "3.9×10⁻⁷"),
        (number(1e-5, 1), "10⁻⁵"),
        (number(float("nan")), "–"),
        (number(0.0), "0"),
        (signed(-0.256), "\u22120.26"),
        (signed(-40.2), "\u221240"),
        (percent(0.99999), "99.9\u202f%"),
        (percent(1.0), "100\u202f%"),
    ],
)
def test_numbers_as_text(made, text):
    assert made == text
