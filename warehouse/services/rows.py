"""From published and candidate rows to arrays and back: what the computed marts of the services are made of.

Belongs here: reading days as they will stand, calling the methods, making rows, remembering fits. Does not
belong here: the methods (``anomalies``, ``correlations``, ``forecasting``).
"""

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from psycopg import sql
from psycopg.types.json import Jsonb

from warehouse.database import Connection
from warehouse.plan import Parameters
from warehouse.services import anomalies, correlations, forecasting, worker
from warehouse.services.forecasting import GRANULARITIES, Floats, Forecast, Score

Rows = Iterator[tuple[Any, ...]]

SERIES = ("service_name", "metric_type", "segment", "unit")
WITHOUT_SEGMENT = ("service_name", "metric_type", "unit")
ONE_DAY = dt.timedelta(days=1)
WEEK = 7

VALUES_IN_ONE_PROCESS = 100_000
"""To fit; for as many more (some six seconds of work), another process is worth the seconds that it takes to start, as
long as there are cores."""

NULL = r"\N"
ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""Of COPY's text format."""

KEPT_FOR = "14 days"
"""Fits that no run has asked for in this time are dropped."""

STANDING = """
    copy (
        select {series}, date, sum(value_sum)::double precision as value
        from intermediate.int_services__standing_days
        where date >= {first} and date <= {last}
        group by {series}, date
    ) to stdout (format csv)
"""


def standing(
    warehouse: Connection, series: Sequence[str], first: dt.date, last: dt.date
) -> tuple[list[tuple[str, ...]], Floats, dt.date]:
    """Daily sums from one date through another as they will stand after the run.

    Returns:
        Keys in order, one row of values per key (NaN: nothing reported), and the date of the first column.
    """
    import pandas as pd

    query = sql.SQL(STANDING).format(
        series=sql.SQL(", ").join(map(sql.Identifier, series)),
        first=sql.Literal(first),
        last=sql.Literal(last),
    )
    text = io.BytesIO()
    with warehouse.cursor().copy(query) as copy:
        for block in copy:
            text.write(block)
    text.seek(0)
    frame = pd.read_csv(
        text,
        names=[*series, "date", "value"],
        dtype=dict.fromkeys((*series, "value"), "str"),
        parse_dates=["date"],
        keep_default_na=False,
    )
    if frame.empty:
        return [], np.empty((0, 0)), first
    begin = frame["date"].min()
    # By Python, which rounds correctly; how pandas reads numbers is its own affair.
    numbers = frame["value"].to_numpy(dtype=object).astype(np.float64)
    keys = frame.groupby(list(series), sort=True).ngroup().to_numpy()
    unique = frame.assign(key=keys).drop_duplicates("key").sort_values("key")
    values = np.full((len(unique), (last - begin.date()).days + 1), np.nan)
    values[keys, (frame["date"] - begin).dt.days.to_numpy()] = numbers
    return [tuple(row) for row in unique[list(series)].itertuples(index=False)], values, begin.date()


def last_complete_day(parameters: Parameters) -> dt.date:
    """The UTC day before that of the as-of instant."""
    return parameters.as_of.astimezone(dt.UTC).date() - ONE_DAY


def significant(value: float | None) -> float | None:
    """Nine significant digits: what remains where libraries and processors differ in the last bits."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.9g}") + 0.0


def _digits(values: Floats) -> list[str]:
    """Likewise, as fields of COPY's text format."""
    finite = np.isfinite(values).tolist()
    return [f"{value:.9g}" if known else NULL for value, known in zip((values + 0.0).tolist(), finite, strict=True)]


def _copied(*values: object) -> str:
    """Fields of COPY's text format."""
    return "\t".join(NULL if value is None else str(value).translate(ESCAPED) for value in values)


# ── anomalies ───────────────────────────────────────────────────────────────────────────────────────────────


def anomaly_rows(warehouse: Connection, parameters: Parameters, days: Sequence[dt.date | None]) -> Rows:
    """Rows of kpi_anomalies of the run's days."""
    last = last_complete_day(parameters)
    chosen = sorted(day for day in days if day is not None and day <= last)
    # One stretch of days after another: a late value from years ago must not bring in all years since.
    for stretch in _stretches(chosen, anomalies.lookback(WEEK)):
        first = stretch[0] - anomalies.lookback(WEEK) * ONE_DAY
        keys, values, begin = standing(warehouse, SERIES, first, stretch[-1])
        if not keys:
            continue
        scores = anomalies.score(values, WEEK)
        wanted = [(day - begin).days for day in stretch if day >= begin]
        of_days = np.abs(np.nan_to_num(scores.z[:, wanted]))
        for row, column in zip(*np.nonzero(of_days >= anomalies.WARNING), strict=True):
            at = wanted[column]
            z = float(scores.z[row, at])
            severity = "critical" if abs(z) >= anomalies.CRITICAL else "warning"
            yield (
                *keys[row], begin + at * ONE_DAY, float(values[row, at]) + 0.0,
                significant(float(scores.expected[row, at])), significant(z), severity,
            )  # fmt: skip


def _stretches(days: Sequence[dt.date], gap: int) -> Iterator[list[dt.date]]:
    stretch: list[dt.date] = []
    for day in days:
        if stretch and (day - stretch[-1]).days > gap:
            yield stretch
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch


# ── correlations ────────────────────────────────────────────────────────────────────────────────────────────


def correlation_rows(warehouse: Connection, parameters: Parameters) -> Rows:
    """Rows of kpi_correlations, made while they are taken: there are as many as pairs of series."""
    keys, values, _ = standing(warehouse, SERIES, dt.date.min, last_complete_day(parameters))
    return (
        (*keys[pair.x], *keys[pair.y], pair.n, *(significant(number) for number in pair[3:]))
        for pair in correlations.correlate(values)
    )


# ── forecasts ───────────────────────────────────────────────────────────────────────────────────────────────


def period_start(day: dt.date, granularity: str) -> dt.date:
    """First day of the period that a day is in."""
    if granularity == "day":
        return day
    if granularity == "week":
        return day - dt.timedelta(days=day.weekday())
    if granularity == "month":
        return day.replace(day=1)
    if granularity == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


def later_period(start: dt.date, granularity: str, number: int) -> dt.date:
    """First day of the period so many after the one that begins on a day."""
    if granularity in ("day", "week"):
        return start + number * (7 if granularity == "week" else 1) * ONE_DAY
    months = start.year * 12 + start.month - 1 + number * {"month": 1, "quarter": 3, "year": 12}[granularity]
    return dt.date(months // 12, months % 12 + 1, 1)


def by_period(values: Floats, begin: dt.date, granularity: str, last: dt.date) -> tuple[Floats, dt.date]:
    """Sums of days by complete period through ``last``, NaN where no day has a value; and the first period.

    The first period counts as complete: before the first value there was nothing to report.
    """
    days = [begin + number * ONE_DAY for number in range(values.shape[1])]
    starts = [period_start(day, granularity) for day in days]
    open_period = period_start(last + ONE_DAY, granularity)
    complete = [number for number, start in enumerate(starts) if start < open_period]
    if not complete:
        return np.empty((values.shape[0], 0)), starts[0] if starts else begin
    edges = [number for number in complete if number == 0 or starts[number] != starts[number - 1]]
    cut = values[:, : complete[-1] + 1]
    sums = np.add.reduceat(np.nan_to_num(cut), edges, axis=1)
    known = np.add.reduceat((~np.isnan(cut)).astype(np.int64), edges, axis=1)
    return np.where(known > 0, sums, np.nan), starts[0]


def forecasts(
    warehouse: Connection, parameters: Parameters, say: Callable[[str], None]
) -> Iterator[tuple[tuple[str, ...], str, Forecast]]:
    """Every series without segment and granularity, fitted where its content has not been fitted before."""
    last = last_complete_day(parameters)
    keys, days, begin = standing(warehouse, WITHOUT_SEGMENT, dt.date.min, last)
    tasks: list[tuple[tuple[str, ...], str, Floats, int, str]] = []
    for granularity in GRANULARITIES:
        if not keys:
            break
        values, _ = by_period(days, begin, granularity, last)
        for key, row in zip(keys, values, strict=True):
            known = np.flatnonzero(~np.isnan(row))
            first = known[0] if len(known) else len(row)
            if key[1] in parameters.additive:
                row[first:] = np.nan_to_num(row[first:])
                known = np.arange(first, len(row))
            series = row[first : known[-1] + 1] if len(known) else row[:0]
            # A period without a value changes no fit, only how far ahead of the last value to look.
            missing = len(row) - first - len(series)
            tasks.append((key, granularity, series, missing, _fingerprint(granularity, series)))
    fits = _remembered(warehouse, [fingerprint for *_, fingerprint in tasks])
    new = {task[-1]: task for task in tasks if task[-1] not in fits}
    if new:
        say(f"forecasts: {len(new):,} of {len(tasks):,} series have a new complete period")
        for fingerprint, forecast in zip(new, _fit([(task[1], task[2]) for task in new.values()]), strict=True):
            fits[fingerprint] = forecast
        _remember(warehouse, {fingerprint: fits[fingerprint] for fingerprint in new})
    for key, granularity, _, missing, fingerprint in tasks:
        yield key, granularity, fits[fingerprint].after(missing, GRANULARITIES[granularity])


def forecast_lines(parameters: Parameters, found: Sequence[tuple[tuple[str, ...], str, Forecast]]) -> Iterator[str]:
    """Rows of kpi_forecasts as lines of COPY: two thousand of each series, too many to be adapted value by value."""
    as_of = last_complete_day(parameters) + ONE_DAY
    for key, granularity, forecast in found:
        described = _copied(
            forecast.model, forecast.status, forecast.trend, significant(forecast.trend_strength),
            forecast.seasonal_period, significant(forecast.seasonality_strength),
        )  # fmt: skip
        first = period_start(as_of, granularity)
        # A period that ends with the as-of date's day before is complete: the next begins on the date.
        targets = [later_period(first, granularity, number) for number in range(max(1, len(forecast.mean)))]
        means = _digits(forecast.mean)
        for level in forecasting.LEVELS:
            if forecast.status != "ok":
                yield f"{_copied(*key, granularity, 1, level, as_of, targets[0], None, None, None)}\t{described}\n"
                continue
            head, common = _copied(*key, granularity), _copied(level, as_of)
            columns = zip(targets, means, *map(_digits, forecast.interval(level)), strict=True)
            yield "".join(
                f"{head}\t{number}\t{common}\t{target}\t{mean}\t{lower}\t{upper}\t{described}\n"
                for number, (target, mean, lower, upper) in enumerate(columns, start=1)
            )


def accuracy_rows(found: Sequence[tuple[tuple[str, ...], str, Forecast]]) -> Rows:
    """Rows of kpi_forecast_accuracy."""
    for key, granularity, forecast in found:
        for score in forecast.scores:
            yield (
                *key, granularity, score.model, score.is_chosen, significant(score.mase), significant(score.smape),
                significant(score.coverage), score.n,
            )  # fmt: skip


def _fingerprint(granularity: str, series: Floats) -> str:
    digest = hashlib.sha256(f"{forecasting.VERSION}/{granularity}/".encode())
    digest.update(np.ascontiguousarray(series, dtype="<f8").tobytes())
    return digest.hexdigest()[:40]


def _fit(tasks: Sequence[tuple[str, Floats]]) -> list[Forecast]:
    values = sum(len(series) for _, series in tasks)
    return worker.fit_in_processes(tasks, min(worker.cores(), 1 + values // VALUES_IN_ONE_PROCESS))


def fit_one(task: tuple[str, Floats]) -> Forecast:
    """One fit, in whatever process; rounded here, so that a remembered fit is the same as a new one."""
    granularity, series = task
    found = forecasting.forecast(series, GRANULARITIES[granularity])
    return _from_json(_to_json(found))


def _to_json(forecast: Forecast) -> dict[str, Any]:
    return {
        "status": forecast.status,
        "model": forecast.model,
        "mean": [significant(float(value)) for value in forecast.mean],
        "spread": [significant(float(value)) for value in forecast.spread],
        "is_positive": forecast.is_positive,
        "trend": forecast.trend,
        "trend_strength": significant(forecast.trend_strength),
        "seasonal_period": forecast.seasonal_period,
        "seasonality_strength": significant(forecast.seasonality_strength),
        "scores": [
            [s.model, s.is_chosen, significant(s.mase), significant(s.smape), significant(s.coverage), s.n]
            for s in forecast.scores
        ],
    }


def _from_json(result: dict[str, Any]) -> Forecast:
    return Forecast(
        **(
            result
            | {name: np.array(result[name], dtype=np.float64) for name in ("mean", "spread")}
            | {"scores": tuple(Score(*score) for score in result["scores"])}
        )
    )


def _remembered(warehouse: Connection, fingerprints: Sequence[str]) -> dict[str, Forecast]:
    with warehouse.transaction():
        rows = warehouse.execute(
            "update control.series_fits set last_used_at = now() where fingerprint = any (%s)"
            " returning fingerprint, result",
            (list(fingerprints),),
        ).fetchall()
        warehouse.execute(
            sql.SQL("delete from control.series_fits where last_used_at < now() - interval {}").format(
                sql.Literal(KEPT_FOR)
            )
        )
    return {str(fingerprint): _from_json(result) for fingerprint, result in rows}  # type: ignore[arg-type]


def _remember(warehouse: Connection, fits: dict[str, Forecast]) -> None:
    with (
        warehouse.transaction(),
        warehouse.cursor() as cursor,
        cursor.copy("copy control.series_fits (fingerprint, result) from stdin") as copy,
    ):
        for fingerprint, forecast in fits.items():
            copy.write_row((fingerprint, Jsonb(_to_json(forecast))))
