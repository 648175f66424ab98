"""Correlations and regressions, against SciPy and by hand."""

import numpy as np
import pytest
from scipy import stats

from warehouse.services.correlations import SMALLEST_COMMON, correlate


def test_pairs_agree_with_scipy_on_their_common_points() -> None:
    random = np.random.default_rng(3)
    values = random.normal(100, 5, (4, 60)).round(1)  # rounded: ties
    values[1] += 0.7 * values[0]
    values[random.random(values.shape) < 0.1] = np.nan
    pairs = sorted(correlate(values))
    assert [(pair.x, pair.y) for pair in pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for pair in pairs:
        common = ~np.isnan(values[pair.x]) & ~np.isnan(values[pair.y])
        a, b = values[pair.x, common], values[pair.y, common]
        line = stats.linregress(a, b)
        assert pair.n == len(a)
        assert pair.pearson == pytest.approx(line.rvalue)
        assert pair.spearman == pytest.approx(stats.spearmanr(a, b).statistic)
        assert (pair.slope, pair.intercept) == pytest.approx((line.slope, line.intercept))
        assert pair.r_squared == pytest.approx(line.rvalue**2)


def test_nothing_is_said_of_few_points() -> None:
    values = np.arange(2.0 * SMALLEST_COMMON).reshape(2, -1)
    assert len(list(correlate(values))) == 1
    values[1, 3] = np.nan
    assert list(correlate(values)) == []


def test_a_constant_has_no_correlation() -> None:
    values = np.stack([np.full(20, 0.1), np.arange(20.0)])
    (pair,) = correlate(values)
    assert np.isnan([pair.pearson, pair.spearman, pair.slope, pair.r_squared]).all()
    (turned,) = correlate(values[::-1])
    assert (turned.slope, turned.intercept) == (0, pytest.approx(0.1))


@pytest.mark.parametrize("scale", [1e-12, 1e19])
def test_size_does_not_matter(scale: float) -> None:
    values = np.random.default_rng(5).normal(0, 1, (2, 40))
    (small,), (large,) = correlate(values), correlate(values * scale)
    assert large.pearson == pytest.approx(small.pearson)
    assert large.slope == pytest.approx(small.slope)
    assert large.intercept == pytest.approx(small.intercept * scale)
