"""The anomaly detector: how far a value is from what came before it, for series of any granularity.

Belongs here: the method, on arrays. Does not belong here: rows and marts (``warehouse.services.rows``).

Every number is made of medians of what came before, so earlier anomalies hardly move it, and of a bounded
stretch of it (``lookback``), so a value that comes late changes what is said of that many points after it and
of no others:

- level: medians of the latest whole seasons, carried on by the median of their differences (trend);
- season: the median, over earlier seasons, of how far the same phase (weekday, time of day) was from its
  surroundings; used only where errors with it were smaller than without;
- spread: of the expectations of the points before, the median absolute error and its 80th percentile, each
  scaled so that of a normal distribution it is the standard deviation; and so much that what was as far off more
  than ten times is no anomaly; the largest. Up to ten of the points can be anomalies, and tails that are always
  long are no surprise.

Scale and shift: for any a > 0 and b, the scores of a·x + b are those of x.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEASONS = 8
"""How many seasons back expectations and their spread are taken from; 4 to 12 make little difference."""

LEVEL_SEASONS = 3
"""How many of them make the level: after a lasting shift, the second season is as expected again."""

SMALLEST_PHASES = 2
"""Values of the same phase without which there is no seasonal pattern."""

SMALLEST_HISTORY = 28
"""Errors of expectations without which there is no spread to measure by."""

WARNING, CRITICAL = 3.5, 7.0
"""Scores from which a value is an anomaly, and a grave one."""

LARGEST_SCORE = 1e6
"""Where a series never moved, any move is infinitely far; this stands for it."""

NORMAL = {0.5: 1.482602218505602, 0.8: 0.7803041460723789}
"""One over what this share of the absolute values of a standard normal distribution is below."""

EXCEPTIONS = 10
"""So many points of the seasons before can be anomalies; what happens more often is how the series is."""


@dataclass(frozen=True)
class Scores:
    """Per point: what was expected, and (value - expected) / spread; NaN where nothing can be said."""

    expected: Floats
    z: Floats


def lookback(season: int) -> int:
    """Points before a point that decide its score."""
    return (2 * SEASONS + 1) * season


def score(values: Floats, season: int) -> Scores:
    """Score every point of series by the points before it.

    Args:
        values: one series per row, equally spaced; NaN where there is no value. Finite values below 1e30.
        season: points after which a pattern may repeat: 7 for days, 288 for five minutes. At least 2.

    Returns:
        Arrays of the same shape.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    length = values.shape[1]
    blocks = _rolling_median(values, season)  # at t: of the `season` points before t
    level = _level(blocks, season, length)
    effect = _effect(values, blocks, season)
    plain, seasonal = values - level, values - level - effect
    spread_plain, spread_seasonal = _spread(plain, season), _spread(seasonal, season)
    with np.errstate(invalid="ignore"):
        helps = spread_seasonal < spread_plain
    expected = np.where(helps, level + effect, level)
    spread = np.where(helps, spread_seasonal, spread_plain)
    error = values - expected
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error == 0, 0.0, error / spread)
    # Before it is known what the pattern is, its weak days look like anomalies.
    z[np.isnan(spread_seasonal) | np.isnan(spread) | np.isnan(error)] = np.nan
    return Scores(expected, np.clip(z, -LARGEST_SCORE, LARGEST_SCORE))


def _shift(array: Floats, by: int) -> Floats:
    """At t what was at t - by."""
    shifted = np.full_like(array, np.nan)
    if by == 0:
        return array
    if by < array.shape[1]:
        shifted[:, by:] = array[:, :-by]
    return shifted


def _rolling_median(values: Floats, width: int) -> Floats:
    """At t the median of values t - width … t - 1, of at least half of which there are; one column more."""
    import pandas as pd

    frame = pd.DataFrame(values.T)
    medians = frame.rolling(width, min_periods=(width + 1) // 2).median().to_numpy().T
    return np.hstack([np.full((values.shape[0], 1), np.nan), medians])


def _level(blocks: Floats, season: int, length: int) -> Floats:
    """The median of the latest seasons' medians, each carried to now by the trend of all of them."""
    now = blocks[:, :length]
    seasons = [_shift(now, k * season) for k in range(SEASONS)]
    # Differences two seasons apart: each season counts in two of them, and noise counts half.
    steps = np.stack([(seasons[k] - seasons[k + 2]) / 2 for k in range(SEASONS - 2)])
    slope = np.nan_to_num(_median(steps, at_least=SEASONS // 2))
    carried = np.stack([seasons[k] + slope * (k + 0.5) for k in range(LEVEL_SEASONS)])
    return _median(carried, at_least=1)


def _effect(values: Floats, blocks: Floats, season: int) -> Floats:
    """How far the same phase was from the median of the season around it; 0 where too few are known."""
    around = blocks[:, season // 2 + 1 :]
    around = np.hstack([around, np.full((values.shape[0], values.shape[1] - around.shape[1]), np.nan)])
    apart = values - around[:, : values.shape[1]]
    phases = np.stack([_shift(apart, k * season) for k in range(1, SEASONS + 1)])
    return _median(phases, at_least=SMALLEST_PHASES)


def _spread(errors: Floats, season: int) -> Floats:
    """The largest of three robust standard deviations of the errors over the seasons before."""
    import pandas as pd

    points = SEASONS * season
    rolling = pd.DataFrame(np.abs(errors).T).rolling(points, min_periods=SMALLEST_HISTORY)
    # A hair more, so that being exactly as far off as all of the many is no anomaly however it is rounded.
    scales = {**NORMAL, 1 - EXCEPTIONS / points: (1 + 1e-9) / WARNING}
    spreads = [rolling.quantile(share).shift(1).to_numpy().T * scale for share, scale in scales.items()]
    largest: Floats = np.max(spreads, axis=0)
    return largest


def _median(stacked: Floats, at_least: int) -> Floats:
    """Over the first axis, without NaN; NaN where fewer than so many are known."""
    known = np.count_nonzero(~np.isnan(stacked), axis=0)
    ordered = np.sort(stacked, axis=0)  # NaN last
    lower = np.maximum((known - 1) // 2, 0)
    upper = np.maximum(known // 2, 0).clip(max=stacked.shape[0] - 1)
    middle: Floats = (
        np.take_along_axis(ordered, lower[None], axis=0)[0] + np.take_along_axis(ordered, upper[None], axis=0)[0]
    ) / 2
    middle[known < at_least] = np.nan
    return middle
