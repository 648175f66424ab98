"""How pairs of series move together: correlations of values and of ranks, and the regression of one on the other.

Belongs here: the arithmetic, on arrays. Does not belong here: rows and marts (``warehouse.services.rows``).

No product of matrices: what a linear-algebra library returns depends on its number of threads.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST_COMMON = 14
"""Common points below which nothing is said of a pair."""


class Pair(NamedTuple):
    """Of rows x and y (their numbers): NaN where a series does not move on the common points."""

    x: int
    y: int
    n: int
    pearson: float
    spearman: float
    slope: float
    intercept: float
    r_squared: float


def correlate(values: Floats) -> Iterator[Pair]:
    """Every pair of rows with enough common points, each once, x before y.

    Args:
        values: one series per row, NaN where there is no value.
    """
    known = ~np.isnan(values)
    # Around the median and in units of the largest move: huge and tiny series keep their digits.
    middle = np.array([np.median(row[mask]) if mask.any() else 0.0 for row, mask in zip(values, known, strict=True)])
    largest = np.nanmax(np.abs(values - middle[:, None]), axis=1, initial=0.0)
    unit = np.where(largest > 0, largest, 1.0)
    scaled = (values - middle[:, None]) / unit[:, None]
    # Series that have the same points are prepared once and compared by the row: most pairs are of such.
    patterns, of_row = np.unique(known, axis=0, return_inverse=True)
    groups = [np.flatnonzero(of_row.reshape(-1) == number) for number in range(len(patterns))]
    for one, other in itertools.combinations_with_replacement(range(len(patterns)), 2):
        common = patterns[one] & patterns[other]
        if np.count_nonzero(common) < SMALLEST_COMMON:
            continue
        left = _prepare(scaled, groups[one], common)
        right = left if one == other else _prepare(scaled, groups[other], common)
        for at in range(len(left.row)):
            yield from _pairs(left, at, right, middle, unit)


class _Prepared(NamedTuple):
    """Series on points that all of them have; one number of each per series, or one per series and point."""

    row: NDArray[np.intp]
    mean: Floats
    apart: Floats
    """From the mean."""
    squares: Floats
    ranks: Floats
    """Likewise from their mean."""
    rank_squares: Floats


def _prepare(scaled: Floats, rows: NDArray[np.intp], common: NDArray[np.bool_]) -> _Prepared:
    from scipy.stats import rankdata

    values = scaled[rows][:, common]
    mean = values.mean(axis=1)
    apart = values - mean[:, None]
    # A constant's distance from its own mean is rounding.
    squares = np.where(np.ptp(values, axis=1) > 0, _dots(apart, apart), np.nan)
    ranks = rankdata(values, axis=1) - (values.shape[1] + 1) / 2
    return _Prepared(rows, mean, apart, squares, ranks, _dots(ranks, ranks))


def _pairs(left: _Prepared, at: int, right: _Prepared, middle: Floats, unit: Floats) -> Iterator[Pair]:
    """One series of a group with those of another, or with those after it in its own."""
    others = slice(at + 1 if left is right else 0, None)
    products = _dots(right.apart[others], left.apart[at])
    squares, row = right.squares[others], right.row[others]
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson = np.clip(products / np.sqrt(left.squares[at] * squares), -1.0, 1.0)
        spearman = _dots(right.ranks[others], left.ranks[at]) / np.sqrt(
            left.rank_squares[at] * right.rank_squares[others]
        )
        spearman = np.clip(spearman, -1.0, 1.0)
    ours_first = left.row[at] < row
    x, y = np.where(ours_first, left.row[at], row), np.where(ours_first, row, left.row[at])
    mean_x = np.where(ours_first, left.mean[at], right.mean[others])
    mean_y = np.where(ours_first, right.mean[others], left.mean[at])
    scaled_slope = products / np.where(ours_first, left.squares[at], squares)
    slope = scaled_slope * (unit[y] / unit[x])
    intercept = (mean_y - scaled_slope * mean_x) * unit[y] + middle[y] - slope * middle[x]
    columns = (x, y, pearson, spearman, slope, intercept, pearson * pearson)
    n = left.apart.shape[1]
    for first, second, *numbers in zip(*(column.tolist() for column in columns), strict=True):
        yield Pair(first, second, n, *numbers)


def _dots(rows: Floats, other: Floats) -> Floats:
    """Of each row with another array, or with its row: not by a linear-algebra library."""
    dots: Floats = np.einsum("ij,ij->i" if other.ndim == 2 else "ij,j->i", rows, other, optimize=False)
    return dots
