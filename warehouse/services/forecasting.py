"""Forecasts of one series: which method, what it says, how sure that is, and how well it did on what was held back.

Belongs here: the method, on arrays of equally spaced values. Does not belong here: rows, marts and the cache of
fits (``warehouse.services.rows``).

The latest values are used thrice, never twice for the same purpose: the windows before the last one choose the
model, the last one scores the choice, and then all of them make the forecast. The library is statsforecast
(docs/decisions/0012); it is imported at the first fit, because that takes seconds.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VERSION = "2"
"""Of the method: another one makes all fits anew."""

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)

SMALLEST_HISTORY = 5
"""Values below which nothing is forecast."""

LARGEST_GAP_SHARE = 0.5
"""Share of missing periods above which nothing is forecast."""

LONGEST_HISTORY = 300
"""Latest values that models are fitted to: of days, ten months. A longer history made forecasts of days
no better and a fit of it three times as slow."""

WINDOWS = 2
"""Windows that choose the model."""

MANY_SEASONS = 15
"""Values of each phase from which medians stand for means, so that one day far off does not move its weekday."""

INTERMITTENT_SHARE = 0.5
"""Share of zeros from which a series counts as intermittent."""

ALWAYS_SEASONAL = 7
"""Seasonal periods up to this one are adjusted for without a test: shrinkage takes away what is noise."""


CLEARLY = 0.8
"""A form of the season whose squared rest is below this share of the other's fits clearly better."""

SMALLEST_DAMPED = 10
"""Values below which the library refuses to fit damped smoothing."""

SHORT_SEASON = 4
"""Seasonal periods up to this one (years, quarters) take the random walk with drift into the combination; of months it
made it worse."""


@dataclass(frozen=True)
class Granularity:
    """How series of one granularity are handled; all in periods.

    ``season``: periods of the pattern that may repeat. ``horizon``: forecast so far ahead. ``window``: of one
    held-back stretch. ``stale``: missing at the end, from which there is no forecast.
    """

    season: int
    horizon: int
    window: int
    stale: int

    @property
    def ahead(self) -> int:
        """Periods to forecast from the last value, however old it may be."""
        return self.horizon + self.stale - 1


GRANULARITIES = {
    "day": Granularity(7, 365, 28, 29),
    "week": Granularity(52, 24, 8, 5),
    "month": Granularity(12, 24, 6, 3),
    "quarter": Granularity(4, 24, 4, 2),
    "year": Granularity(1, 24, 2, 2),
}


@dataclass(frozen=True)
class Score:
    """How one model did on the held-back window; None where it cannot be said."""

    model: str
    is_chosen: bool
    mase: float | None
    smape: float
    coverage: float | None
    n: int


@dataclass(frozen=True)
class Forecast:
    """What is said of a series; arrays over periods ahead. ``spread``: standard deviation of the error."""

    status: str
    model: str | None = None
    mean: Floats = field(default_factory=lambda: np.empty(0))
    spread: Floats = field(default_factory=lambda: np.empty(0))
    is_positive: bool = False
    """No value was ever negative, so no bound is."""
    trend: str | None = None
    trend_strength: float | None = None
    seasonal_period: int | None = None
    seasonality_strength: float | None = None
    scores: tuple[Score, ...] = ()

    def after(self, missing: int, granularity: Granularity) -> "Forecast":
        """The same fit as seen when so many complete periods have no value yet; too many make it stale."""
        if self.status == "too_short":
            return self
        if missing >= granularity.stale:
            return Forecast("stale")
        ahead = slice(missing, missing + granularity.horizon)
        return replace(self, mean=self.mean[ahead], spread=self.spread[ahead])

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Bounds between which the value lies with this probability."""
        from scipy.special import ndtri

        margin = float(ndtri((1 + level) / 2)) * self.spread
        lower = self.mean - margin
        return np.maximum(lower, 0.0) if self.is_positive else lower, self.mean + margin


def forecast(values: Floats, granularity: Granularity) -> Forecast:
    """Forecast a series.

    Args:
        values: from the first that there is through the last; NaN where there is none between.
        granularity: what its periods are.

    Returns:
        Means and spreads for as many periods more than its horizon as the last value may be old
        (``Forecast.after``).
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.count_nonzero(~np.isnan(values))
    if known < SMALLEST_HISTORY:
        return Forecast("too_short")
    if known < (1 - LARGEST_GAP_SHARE) * len(values):
        return Forecast("too_gappy")
    unit = float(np.nanmax(np.abs(values))) or 1.0
    scaled = _fill(values / unit)
    result = _forecast(scaled, granularity)
    return Forecast(
        "ok", result.model, result.mean * unit, result.spread * unit, bool(np.nanmin(values) >= 0), result.trend,
        result.trend_strength, result.seasonal_period, result.seasonality_strength, result.scores,
    )  # fmt: skip


def _fill(values: Floats) -> Floats:
    """Gaps bridged by straight lines."""
    at = np.arange(len(values))
    known = ~np.isnan(values)
    return np.interp(at, at[known], values[known])


def _forecast(values: Floats, granularity: Granularity) -> Forecast:
    season, window = granularity.season, granularity.window
    trend, trend_strength, period, seasonality = _describe(values, season)
    described: dict[str, Any] = {
        "trend": trend, "trend_strength": trend_strength, "seasonal_period": period,
        "seasonality_strength": seasonality,
    }  # fmt: skip
    if np.ptp(values) == 0:
        flat = np.full(granularity.ahead, values[-1])
        return Forecast("ok", "naive", flat, np.zeros(granularity.ahead), **described)
    floor = 0.0 if values.min() >= 0 else -np.inf

    def predict(name: str, history: Floats, horizon: int) -> Floats:
        return np.maximum(MODELS[name](history, horizon, season), floor)

    names = _candidates(values, season)
    held_back = window if len(values) >= SMALLEST_HISTORY + 2 * window else 0
    history = values[: len(values) - held_back]
    errors: dict[str, list[Floats]] = {name: [] for name in names}
    for number in range(WINDOWS, 0, -1):
        origin = len(history) - number * window
        if origin < max(SMALLEST_HISTORY, window):
            continue
        for name in names:
            errors[name].append(history[origin : origin + window] - predict(name, history[:origin], window))
    model = _choose(errors, names)
    scores: tuple[Score, ...] = ()
    if held_back:
        actual = values[-held_back:]
        means = {name: predict(name, history, held_back) for name in dict.fromkeys((model, *BENCHMARKS))}
        spread = _spread(errors[model], history, season, held_back)
        scores = tuple(
            _score(name, name == model, actual, mean, history, season, spread if name == model else None)
            for name, mean in means.items()
        )
        errors[model].append(actual - means[model])
    mean = predict(model, values, granularity.ahead)
    return Forecast(
        "ok", model, mean, _spread(errors[model], values, season, granularity.ahead), scores=scores, **described
    )


def _candidates(values: Floats, season: int) -> list[str]:
    """In the order of preference where nothing can be told."""
    if np.mean(values == 0) >= INTERMITTENT_SHARE and values.min() >= 0:
        return ["intermittent", "seasonal_mean", "combination"]
    return ["combination", "seasonal_mean", "seasonal_naive", "naive"]


def _choose(errors: dict[str, list[Floats]], names: list[str]) -> str:
    """The smallest mean absolute error; the preferred one unless another is better by 5 %."""
    sizes = {name: float(np.mean(np.abs(np.concatenate(found)))) for name, found in errors.items() if found}
    if not sizes:
        return names[0]
    best = min(sizes, key=lambda name: (sizes[name], names.index(name)))
    return best if sizes[best] < 0.95 * sizes[names[0]] else names[0]


def _spread(errors: list[Floats], history: Floats, season: int, horizon: int) -> Floats:
    """Standard deviation of the error by horizon: from errors made, else from the steps of the series.

    Errors of a window are compared in two halves, which tells how fast they grow: between not at all and as
    those of a random walk, or of years and quarters, as those of a trend that breaks. Few windows say little
    about the next one: the fewer, the wider. Numbers were chosen on the series of M1 and of the tourism
    competition, and scored on M3 (docs/decisions/0012).
    """
    fastest, usual, weight, few = (1.0, 1.0, 2.0, 2.0) if season <= SHORT_SEASON else (0.5, 0.25, 1.0, 0.5)
    ahead = np.arange(1, horizon + 1, dtype=np.float64)
    lag = season if len(history) > 2 * season else 1
    steps = history[lag:] - history[:-lag]
    of_steps = float(np.sqrt(np.mean(steps**2)) / np.sqrt(2 if lag > 1 else 1)) if len(steps) else 0.0
    if not errors:
        return of_steps * 1.3 * ahead**fastest
    window = len(errors[0])
    stacked = np.stack([found for found in errors if len(found) == window])
    half = max(1, window // 2)
    early, late = (float(np.sqrt(np.mean(part**2))) for part in (stacked[:, :half], stacked[:, -half:]))
    both = float(np.sqrt(np.mean(stacked**2)))
    # The halves' middles are a factor of three apart.
    power = float(np.clip(np.log(late / early) / np.log(3), 0.0, fastest)) if early > 0 and late > 0 else usual
    power = (power * len(stacked) + usual * weight) / (len(stacked) + weight)
    both = np.sqrt((both**2 * len(stacked) + of_steps**2 * 0.5) / (len(stacked) + 0.5))
    wider = 1 + few / len(stacked)
    spread: Floats = both * wider * (ahead / ((window + 1) / 2)) ** power
    return spread


def _score(
    name: str, is_chosen: bool, actual: Floats, mean: Floats, history: Floats, season: int, spread: Floats | None
) -> Score:
    lag = season if len(history) > season else 1
    scale = float(np.mean(np.abs(history[lag:] - history[:-lag])))
    error = np.abs(actual - mean)
    inside = None if spread is None else float(np.mean(error <= 1.959963984540054 * spread))
    return Score(
        name, is_chosen, float(np.mean(error)) / scale if scale > 0 else None, smape(actual, mean), inside, len(actual)
    )


def smape(actual: Floats, mean: Floats) -> float:
    """Symmetric mean absolute percentage error as the M3 competition has it, 0 to 200; 0 / 0 counts as 0."""
    size = np.abs(actual) + np.abs(mean)
    return float(200 * np.mean(np.divide(np.abs(actual - mean), size, out=np.zeros_like(size), where=size > 0)))


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────────


def naive(values: Floats, horizon: int, season: int) -> Floats:
    """As the last value."""
    return np.full(horizon, values[-1])


def seasonal_naive(values: Floats, horizon: int, season: int) -> Floats:
    """As the last value of the same phase."""
    if len(values) < season:
        return naive(values, horizon, season)
    return np.resize(values[-season:], horizon)


def seasonal_mean(values: Floats, horizon: int, season: int) -> Floats:
    """The mean of the same phase in the last four seasons."""
    seasons = min(4, len(values) // season)
    if seasons == 0:
        return np.full(horizon, values.mean())
    return np.resize(values[-seasons * season :].reshape(seasons, season).mean(axis=0), horizon)


def intermittent(values: Floats, horizon: int, season: int) -> Floats:
    """Croston's method with the Syntetos-Boylan correction."""
    models = _library()
    return _mean(models.CrostonSBA(), values, horizon)


def combination(values: Floats, horizon: int, season: int) -> Floats:
    """Mean of Theta, damped exponential smoothing and (short seasons) a random walk with drift, seasonally adjusted."""
    values = values[-LONGEST_HISTORY:]
    phases_ahead = (len(values) + np.arange(horizon)) % season
    phases = np.arange(len(values)) % season
    if not _is_seasonal(values, season):
        return _adjusted(values, horizon, season)
    added = seasonal_indices(values, season, multiplicative=False)
    times = seasonal_indices(values, season, multiplicative=True) if values.min() > 0 else np.zeros(season)
    found: list[Floats] = []
    is_added, is_multiplied = _forms(values, added, times)
    if is_added:
        found.append(_adjusted(values - added[phases], horizon, season) + added[phases_ahead])
    if is_multiplied:
        found.append(_adjusted(values / times[phases], horizon, season) * times[phases_ahead])
    mean: Floats = np.mean(found, axis=0)
    return mean


def _forms(values: Floats, added: Floats, times: Floats) -> tuple[bool, bool]:
    """Whether the season adds, and whether it multiplies; of short seasons both, where neither fits clearly better."""
    season = len(added)
    if times.min() <= 0.01 or season > SHORT_SEASON:
        return times.min() <= 0.01, times.min() > 0.01
    level, offset = _moving_average(values, season)
    around, phases = values[offset : offset + len(level)], (np.arange(len(level)) + offset) % season
    rest_added = float(((around - level - added[phases]) ** 2).sum())
    rest_multiplied = float(((around - level * times[phases]) ** 2).sum())
    return rest_multiplied >= CLEARLY * rest_added, rest_added >= CLEARLY * rest_multiplied


MODELS: dict[str, Callable[[Floats, int, int], Floats]] = {
    function.__name__: function for function in (naive, seasonal_naive, seasonal_mean, intermittent, combination)
}
BENCHMARKS = ("naive", "seasonal_naive")


def _adjusted(values: Floats, horizon: int, season: int) -> Floats:
    drift: Floats = values[-1] + float(np.median(np.diff(values))) * np.arange(1, horizon + 1)
    if np.ptp(values) == 0 or len(values) < 6:
        return drift
    models = _library()
    means = [_mean(models.Theta(season_length=1), values, horizon)]
    if len(values) >= SMALLEST_DAMPED:
        means.append(_mean(models.AutoETS(season_length=1, model="AAN", damped=True), values, horizon))
    if season <= SHORT_SEASON:
        means.append(drift)
    mean: Floats = np.mean(means, axis=0)
    return mean


def _library() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsforecast import models
    return models


def _mean(model: Any, values: Floats, horizon: int) -> Floats:
    last = np.full(horizon, values[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            mean = np.asarray(model.forecast(values, h=horizon)["mean"], dtype=np.float64)
        except Exception as error:
            if str(error) != "no model able to be fitted":  # the library has no class of its own for it
                raise
            return last
    # An optimizer that lost its way says nothing.
    return mean if np.isfinite(mean).all() else last


# ── season and trend ────────────────────────────────────────────────────────────────────────────────────────


def seasonal_indices(values: Floats, season: int, *, multiplicative: bool) -> Floats:
    """What each phase adds to (or multiplies) the level by: classical decomposition, shrunk as James and Stein do.

    Miller and Williams, Shrinkage estimators of time series seasonal factors and their effect on forecasting
    accuracy, International Journal of Forecasting 19 (2003).
    """
    level, offset = _moving_average(values, season)
    around = values[offset : offset + len(level)]
    ratios = around / level if multiplicative else around - level
    phases = (np.arange(len(level)) + offset) % season
    neutral = 1.0 if multiplicative else 0.0
    counts = np.bincount(phases, minlength=season)
    sums = np.bincount(phases, weights=ratios, minlength=season)
    indices: Floats = np.divide(sums, counts, out=np.full(season, neutral), where=counts > 0)
    robust = counts.min() >= MANY_SEASONS
    if robust:
        indices = np.array([np.median(ratios[phases == phase]) for phase in range(season)])
    indices = indices / indices.mean() if multiplicative else indices - indices.mean()
    apart = indices - neutral
    size = float((apart**2).sum())
    if size == 0 or season <= 3:
        return indices
    apart_from_pattern = ratios - indices[phases]
    if robust:
        variance = float(1.4826 * np.median(np.abs(apart_from_pattern))) ** 2
    else:
        variance = float((apart_from_pattern**2).sum()) / max(1, len(ratios) - season)
    noise = variance / float(counts.mean())
    shrunk: Floats = neutral + max(0.0, 1 - (season - 3) * noise / size) * apart
    return shrunk


def _moving_average(values: Floats, season: int) -> tuple[Floats, int]:
    """Centred over one season; and how many values it begins later."""
    weights = np.ones(season) / season if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5] / season
    return np.convolve(values, weights, "valid"), season // 2


def _is_seasonal(values: Floats, season: int) -> bool:
    """Whether to adjust: a season fits twice, and is short or shows in the autocorrelation."""
    if season < 2 or len(values) < 2 * season + 1:
        return False
    return season <= ALWAYS_SEASONAL or _season_shows(values, season, 1.0)


def _season_shows(values: Floats, season: int, limit: float) -> bool:
    """Whether the autocorrelation at the season is beyond so many of its standard errors (Bartlett)."""
    apart = values - values.mean()
    total = float((apart**2).sum())
    if total == 0 or len(values) < 3 * season:
        return False
    correlations = np.array([float((apart[lag:] * apart[:-lag]).sum()) / total for lag in range(1, season + 1)])
    error = np.sqrt((1 + 2 * float((correlations[:-1] ** 2).sum())) / len(values))
    return bool(abs(correlations[-1]) > limit * error)


def _describe(values: Floats, season: int) -> tuple[str, float, int | None, float]:
    """Trend, its strength, seasonal period and its strength (Hyndman and Athanasopoulos, section 4.3)."""
    indices = np.zeros(max(season, 1))
    phases = np.arange(len(values)) % max(season, 1)
    period: int | None = None
    if season > 1 and len(values) >= 2 * season + 1:
        line = np.polynomial.Polynomial.fit(np.arange(len(values)), values, 1)(np.arange(len(values)))
        if np.ptp(values) > 0 and _season_shows(values - line, season, 1.645):
            indices, period = seasonal_indices(values, season, multiplicative=False), season
    adjusted = values - indices[phases]
    width = max(3, min(2 * season + 1, len(values) // 3 | 1))
    trend, offset = _moving_average(adjusted, width | 1)
    rest = adjusted[offset : offset + len(trend)] - trend
    seasonal = indices[phases][offset : offset + len(trend)]
    trend_strength = _strength(rest, trend + rest)
    seasonality = _strength(rest, seasonal + rest) if period else 0.0
    at = np.arange(len(adjusted)) - (len(adjusted) - 1) / 2
    total = float(((adjusted - adjusted.mean()) ** 2).sum())
    slope = float((at * adjusted).sum() / (at**2).sum())
    explained = slope**2 * float((at**2).sum()) / total if total > 0 else 0.0
    # Of pure noise the line explains 1 / (n - 1).
    direction = "stable" if explained < max(0.1, 4 / len(adjusted)) else "increasing" if slope > 0 else "decreasing"
    return direction, trend_strength, period, seasonality


def _strength(rest: Floats, whole: Floats) -> float:
    variance = float(np.var(whole))
    return max(0.0, 1 - float(np.var(rest)) / variance) if variance > 1e-24 else 0.0
