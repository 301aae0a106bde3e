"""What axes say."""

import pytest

from mdstride.report.plotting import canvas, log_scale


@pytest.mark.parametrize("values", [(0.0117, 0.0213), (0.009, 0.02), (0.005, 0.4), (1e-5, 1.0)])
def test_no_two_ticks_of_a_logarithmic_axis_have_the_same_label(values):
    figure, axes = canvas("step", "error")
    axes.plot([1, 2], values)
    log_scale(axes)
    figure.canvas.draw()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(labels)) == len(labels) > 2
