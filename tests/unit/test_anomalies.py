"""The detector: what it must find, what must not disturb it, and how it does on labelled real series.

Belongs here: the method on arrays. Does not belong here: the mart (``tests/integration/test_services.py``).
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import nab
from warehouse.catalog import mart
from warehouse.services import anomalies
from warehouse.services.anomalies import CRITICAL, WARNING, score
from warehouse.transform import PROJECT

WEEK = 7


def days(length: int = 210, seed: int = 1) -> np.ndarray:
    """A series with a trend, a weekday pattern and noise of standard deviation 2."""
    at = np.arange(length)
    week = np.array([0, 10, 12, 12, 11, 6, -20.0])[at % WEEK]
    return 100 + 0.3 * at + week + np.random.default_rng(seed).normal(0, 2, length)


def scores(values: np.ndarray) -> np.ndarray:
    return score(values, WEEK).z[0]


def test_a_series_that_behaves_has_hardly_an_anomaly() -> None:
    z = np.concatenate([scores(days(seed=seed)) for seed in range(20)])
    known = z[~np.isnan(z)]
    assert len(known) > 2000
    assert np.mean(np.abs(known) >= WARNING) < 0.01
    assert 0.7 < np.std(known) < 1.5  # the scores mean what they say


@pytest.mark.parametrize("move", [40, -40])
def test_a_value_far_off_is_found_and_nothing_else(move: float) -> None:
    values = days()
    values[150] += move
    z = scores(values)
    assert np.sign(z[150]) == np.sign(move)
    assert np.flatnonzero(np.abs(np.nan_to_num(z)) >= CRITICAL).tolist() == [150]


def test_a_weekday_on_the_wrong_day_is_found() -> None:
    values = days()
    sunday = 146  # 146 % 7 == 6, the weak day
    values[sunday] = values[sunday - 2]
    assert np.abs(scores(values)[sunday]) >= WARNING


def test_earlier_anomalies_do_not_hide_later_ones() -> None:
    values = days()
    values[[100, 109, 118, 127, 133, 141]] += 500
    values[150] += 40
    assert scores(values)[150] >= WARNING


def test_a_lasting_shift_is_as_expected_after_its_second_week() -> None:
    values = days()
    values[150:] += 60
    late = np.abs(scores(values)[170:])
    assert np.abs(scores(values)[150]) >= CRITICAL
    assert np.mean(late >= WARNING) < 0.1


def test_too_short_a_history_says_nothing() -> None:
    assert np.isnan(scores(days(14))).all()


def test_a_constant_series_moves_infinitely_far() -> None:
    values = np.full(120, 5.0)
    values[100] = 6
    z = scores(values)
    assert z[100] == anomalies.LARGEST_SCORE
    assert np.flatnonzero(np.nan_to_num(z)).tolist() == [100]


def test_missing_days_are_not_anomalies() -> None:
    values = days()
    values[[80, 81, 120, 150]] = np.nan
    z = scores(values)
    assert np.isnan(z[150])
    assert np.nanmax(np.abs(z)) < CRITICAL


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(1e-6, 1e12),
    shift=st.floats(-1e3, 1e3),
    seed=st.integers(0, 1000),
)
def test_scale_and_shift_change_no_score(scale: float, shift: float, seed: int) -> None:
    values = days(160, seed)
    values[140] += 50
    np.testing.assert_allclose(scores((values + shift) * scale), scores(values), rtol=1e-5, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 299), change=st.floats(-1e3, 1e3))
def test_a_value_changes_no_score_beyond_the_lookback_and_none_before_it(at: int, change: float) -> None:
    values = days(300)
    changed = values.copy()
    changed[at] += change
    before, after = scores(values), scores(changed)
    same = [*range(at), *range(at + anomalies.lookback(WEEK) + 1, 300)]
    np.testing.assert_array_equal(before[same], after[same])


def test_series_are_scored_apart() -> None:
    together = score(np.stack([days(seed=1), days(seed=2)]), WEEK)
    np.testing.assert_array_equal(together.z[1], scores(days(seed=2)))


@pytest.mark.parametrize(("apart", "is_grave"), [(25, True), (13, False)])
def test_what_happens_more_than_ten_times_in_eight_seasons_is_no_surprise(apart: int, is_grave: bool) -> None:
    """Of hours, eight seasons are 192 points: 7 or 8 of them far off, or 14 or 15."""
    at = np.arange(600)
    values = 100 + np.random.default_rng(1).normal(0, 2, 600) + np.where(at % apart == 5, 60, 0)
    late = (at > 400) & (at % apart == 5)
    grave = np.abs(score(values, 24).z[0][late]) >= CRITICAL
    assert grave.all() if is_grave else not grave.any()


def test_what_is_exactly_as_far_off_as_often_before_is_no_anomaly_at_any_scale() -> None:
    values = np.where(np.arange(600) % 13 == 5, 60.0, 0.0)
    for scale in (1.0, 0.1, 1 / 3, 1e9):
        assert not (np.abs(np.nan_to_num(score(values * scale, 24).z[0][400:])) >= WARNING).any()


@pytest.mark.skipif(not nab.FOLDER.is_dir(), reason=f"{nab.FOLDER} is not there")
def test_more_labelled_windows_are_found_than_by_a_rolling_z_score_at_a_quarter_of_its_points_outside() -> None:
    z_score, ours = nab.totals()
    assert ours.found > z_score.found
    assert ours.outside * 4 <= z_score.outside
    assert ours.incidents < z_score.incidents


def test_models_dirty_as_many_days_as_the_detector_looks_back() -> None:
    text = (PROJECT / "macros" / "run.sql").read_text()
    assert f"anomaly_window_days() -%}} {anomalies.lookback(WEEK)} {{%-" in text
    assert mart("kpi_anomalies").looks_back == anomalies.lookback(WEEK)
