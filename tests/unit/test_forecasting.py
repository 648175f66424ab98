"""Forecasts of one series: what is said of awkward ones, how good they are, and how sure they say they are.

Belongs here: the method on arrays, and a sample of the M3 competition (all of it: ``benchmarks/services.py``).
Does not belong here: the marts (``tests/integration/test_services.py``).
"""

import itertools

import numpy as np
import pytest

from benchmarks import m3
from warehouse.services import forecasting, rows, worker
from warehouse.services.forecasting import GRANULARITIES, Forecast, forecast

DAY, MONTH = GRANULARITIES["day"], GRANULARITIES["month"]
WEEKDAYS = np.array([0, 10, 12, 12, 11, 6, -20.0])


def days(length: int = 200, seed: int = 1, noise: float = 3) -> np.ndarray:
    at = np.arange(length)
    return 100 + 0.2 * at + WEEKDAYS[at % 7] + np.random.default_rng(seed).normal(0, noise, length)


def test_trend_and_season_are_found() -> None:
    found = forecast(days(), DAY)
    assert (found.status, found.trend, found.seasonal_period) == ("ok", "increasing", 7)
    assert found.seasonality_strength is not None and found.seasonality_strength > 0.8
    assert forecast(days()[::-1], DAY).trend == "decreasing"
    truth = 100 + 0.2 * np.arange(200, 228) + WEEKDAYS[np.arange(200, 228) % 7]
    assert np.mean(np.abs(found.mean[:28] - truth)) < 4  # noise alone is 2.4


def test_noise_has_neither_trend_nor_season() -> None:
    found = [forecast(np.random.default_rng(seed).normal(50, 5, 200), DAY) for seed in range(10)]
    assert sum(each.trend == "stable" for each in found) >= 9
    assert sum(each.seasonal_period is None for each in found) >= 8


def test_what_cannot_be_forecast_says_why() -> None:
    gaps = np.full(100, np.nan)
    gaps[::3] = 1.0
    assert forecast(np.array([1.0, 2, 3, 4]), DAY).status == "too_short"
    assert forecast(days(60), DAY).after(DAY.stale, DAY).status == "stale"
    assert forecast(gaps, DAY).status == "too_gappy"
    assert forecast(np.empty(0), DAY).status == "too_short"


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.arange(5.0), id="short"),
        pytest.param(np.full(80, 3.0), id="constant"),
        pytest.param(np.zeros(80), id="zero"),
        pytest.param(-days(), id="negative"),
        pytest.param(days() * 1e17, id="huge"),
        pytest.param(days() * 1e-12, id="tiny"),
        pytest.param(np.where(np.random.default_rng(2).random(200) < 0.8, 0, 7.0), id="intermittent"),
        pytest.param(np.where(np.arange(200) % 9 == 4, np.nan, days()), id="gappy"),
        pytest.param(np.r_[np.zeros(100), 1e18], id="a single jump"),
    ],
)
def test_awkward_series_have_forecasts_with_bounds_in_order(values: np.ndarray) -> None:
    found = forecast(values, DAY)
    assert found.status == "ok"
    assert len(found.mean) == len(found.spread) == DAY.ahead
    bounds = [found.interval(level) for level in forecasting.LEVELS]
    assert np.isfinite(bounds).all()
    for (lower, upper), (wider_lower, wider_upper) in itertools.pairwise(bounds):
        assert (wider_lower <= lower).all() and (lower <= found.mean).all()
        assert (found.mean <= upper).all() and (upper <= wider_upper).all()


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_no_history_is_too_short_for_the_library(granularity: str) -> None:
    """Damped smoothing refuses fewer than ten values, which histories of windows have before series do."""
    for length in range(1, 32):
        found = forecast(np.random.default_rng(length).normal(50, 5, length), GRANULARITIES[granularity])
        assert found.status == ("too_short" if length < forecasting.SMALLEST_HISTORY else "ok"), length


def test_days_without_a_value_yet_are_looked_over() -> None:
    fit = forecast(days(), DAY)
    now, later = fit.after(0, DAY), fit.after(3, DAY)
    assert len(now.mean) == len(later.mean) == DAY.horizon
    np.testing.assert_array_equal(later.mean[:-3], now.mean[3:])
    np.testing.assert_array_equal(later.spread[:-3], now.spread[3:])


def test_what_was_never_negative_is_not_forecast_to_be() -> None:
    found = forecast(np.linspace(50, 1, 100) + np.random.default_rng(1).random(100), DAY)
    assert found.mean.min() >= 0
    assert found.interval(0.99)[0].min() >= 0


def test_a_constant_is_forecast_as_it_is() -> None:
    found = forecast(np.full(80, 3.25), DAY)
    assert (found.model, set(found.mean), set(found.spread)) == ("naive", {3.25}, {0.0})


@pytest.mark.parametrize("scale", [2.0**-20, 1000.0])
def test_scale_carries_over(scale: float) -> None:
    base, scaled = forecast(days(), DAY), forecast(days() * scale, DAY)
    assert scaled.model == base.model
    np.testing.assert_allclose(scaled.mean, base.mean * scale, rtol=1e-6)
    np.testing.assert_allclose(scaled.spread, base.spread * scale, rtol=1e-6)


def test_a_shift_carries_over_where_the_season_adds() -> None:
    """Of values that are never negative it multiplies: that zero is nothing is part of what they say."""
    base, shifted = forecast(days() - 150, DAY), forecast(days() - 1150, DAY)
    assert shifted.model == base.model
    np.testing.assert_allclose(shifted.mean + 1000, base.mean, atol=0.3)  # a tenth of the noise
    np.testing.assert_allclose(shifted.spread, base.spread, rtol=0.15)  # the optimizer stops a little elsewhere


def test_the_last_window_does_not_choose_the_model() -> None:
    values = days(160)
    spoilt = values.copy()
    spoilt[-DAY.window :] = spoilt[-DAY.window] + 50 * np.arange(DAY.window)  # where naive would win
    assert forecast(values, DAY).model == forecast(spoilt, DAY).model == "combination"


def test_intervals_hold_what_they_promise() -> None:
    """Held-back 95 % intervals over many kinds of series hold 90 to 98 % of the values."""
    inside = []
    for seed in range(24):
        random = np.random.default_rng(seed)
        kind = [
            days(220, seed),
            100 + random.normal(0, 1, 220).cumsum(),
            days(220, seed) * np.exp(random.normal(0, 0.1, 220)),
        ][seed % 3]
        found = forecast(kind[:-28], DAY)
        lower, upper = found.interval(0.95)
        inside.append((lower[:28] <= kind[-28:]) & (kind[-28:] <= upper[:28]))
    assert 0.90 <= np.mean(inside) <= 0.98


@pytest.mark.parametrize(
    ("dataset", "kind", "step"),
    [
        ("M3", "yearly", 15), ("M3", "quarterly", 15), ("M3", "monthly", 15),
        ("M1", "yearly", 1), ("M1", "quarterly", 2), ("Tourism", "yearly", 5), ("Tourism", "quarterly", 1),
    ],
)  # fmt: skip
def test_intervals_hold_what_they_promise_of_real_series(dataset: str, kind: str, step: int) -> None:
    """How they are made was chosen on M1 and on tourism, and not on M3."""
    assert 0.90 <= m3.coverage(dataset, kind, step) <= 0.98


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_any_number_of_processes_says_the_same(processes: int) -> None:
    tasks = [("day", days(120, seed)) for seed in range(3)] + [("month", days(40)), ("year", days(4))]
    here = [rows.fit_one(task) for task in tasks]
    there = worker.fit_in_processes(tasks, processes)
    assert [rows._to_json(found) for found in here] == [rows._to_json(found) for found in there]


def test_a_remembered_fit_is_the_fit() -> None:
    found = rows.fit_one(("day", days()))
    again: Forecast = rows._from_json(rows._to_json(found))
    np.testing.assert_array_equal(again.mean, found.mean)
    assert again.scores == found.scores


def test_lines_of_copy_say_what_rows_would() -> None:
    values = np.array([0.0, -0.0, 1 / 3, -2e17 / 3, 5e-324, np.nan, np.inf])
    fields = [None if text == rows.NULL else float(text) for text in rows._digits(values)]
    assert [repr(value) for value in fields] == [repr(rows.significant(float(value))) for value in values]
    assert rows._copied("tab\there", None, "back\\slash\n\r", 1, 0.5) == "tab\\there\t\\N\tback\\\\slash\\n\\r\t1\t0.5"


@pytest.mark.parametrize("kind", ["yearly", "quarterly", "monthly"])
def test_a_sample_of_m3_is_forecast_better_than_by_theta(kind: str) -> None:
    """Every 5th series; ``benchmarks/m3.py`` has all of them beside the competition's own results."""
    ours, theta = m3.smapes(kind, step=5)
    assert ours < theta
