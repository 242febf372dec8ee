"""What a report draws shows its numbers: axes, intervals, thinned curves."""

from __future__ import annotations

from runner.report.data import Interval
from runner.report.page import figures
from runner.report.page.axes import axis_over
from runner.report.sections import training


def test_an_axis_holds_its_values_with_round_ticks() -> None:
    axis = axis_over([0.0, 15.0, -24.1, 32.4])
    assert axis.ticks == (-20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
    assert 0 < axis.at(-24.1) < axis.at(0.0) < axis.at(32.4) < 100


def test_a_forest_row_of_an_undefined_gain_draws_no_interval() -> None:
    rows = [Interval("doc", None, None, None, "pp"), Interval("repair", 3.0, 1.0, 5.0, "pp")]
    plots = [str(plot) for _, plot in figures.forest(rows, figures.gain_axis(rows, 15.0), 15.0)]
    assert ["circle" in plot for plot in plots] == [False, True]
    assert "undefined" in plots[0]


def test_a_long_curve_is_thinned_by_means() -> None:
    points = [(step, float(step)) for step in range(1, 1201)]
    thin = training.thinned(points, 600)
    assert len(thin) == 600
    assert thin[0] == (2, 1.5)
    assert training.thinned(points[:5], 600) == tuple(points[:5])
