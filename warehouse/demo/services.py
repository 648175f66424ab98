"""Generated metrics, KPI goals and report requests of the services.

A day at a time, all series together: level × trend × weekday × hour × noise × incident, rounded as the
service reports it, with gaps; now and then a service reports a day much later.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from warehouse.demo import scheduling, service_names
from warehouse.demo.period import AS_OF_MS, DAY_MS, DAYS, FIRST_MS, Size, day_text
from warehouse.demo.randomness import Floats, Ints, Stream, uuid_of
from warehouse.demo.sequencing import END, Extra, Records, in_order, numbered
from warehouse.demo.text import Cell, Columns, Row, instants

METRIC = np.dtype([("key", "i8"), ("series", "i8"), ("value", "f8"), ("recorded", "i8"), ("created", "i8")])


@dataclass(frozen=True)
class Series:
    """All series at one scale, as columns: what they are called and how they move."""

    service: list[Cell]
    type: list[Cell]
    segment: list[Cell]
    unit: list[Cell]
    metric: Ints
    level: Floats


def series_of(size: Size) -> Series:
    """Every metric's segments; more of them at larger scales, numbered when the names run out."""
    rows: list[tuple[Cell, Cell, Cell, Cell, int]] = []
    for number, metric in enumerate(service_names.METRICS):
        segmented = metric.segments != (None,)
        for k in range(size.segments(len(metric.segments)) if segmented else 1):
            rounds, place = divmod(k, len(metric.segments))
            name = metric.segments[place]
            segment = f"{name} {rounds + 1}" if rounds else name
            rows.append((metric.service, metric.type, segment, metric.unit, number))
    columns = [list(column) for column in zip(*(row[:4] for row in rows), strict=True)]
    metrics = np.array([row[4] for row in rows], dtype=np.int64)
    factor = 0.4 + 1.2 * Stream("series level").uniform(np.arange(len(rows), dtype=np.int64))
    level = np.array([service_names.METRICS[row[4]].level for row in rows], dtype=np.float64)
    whole = np.array([service_names.METRICS[row[4]].segments == (None,) for row in rows])
    return Series(columns[0], columns[1], columns[2], columns[3], metrics, np.where(whole, level, level * factor))


def _ticks(metric: Ints, reports: int) -> tuple[Ints, Ints]:
    """Who reports in a day, so many times as often as at scale 1, and at which minute: (series, minute), by minute."""
    series: list[int] = []
    minutes: list[int] = []
    for number, of in enumerate(metric.tolist()):
        every = service_names.METRICS[of].every_minutes
        first = 55 if every == 1440 else 0
        for minute in range(first, 1440, max(1, every // reports)):
            series.append(number)
            minutes.append(minute)
    order = np.argsort(np.array(minutes), kind="stable")
    return np.array(series, dtype=np.int64)[order], np.array(minutes, dtype=np.int64)[order]


def _incident_factors() -> Floats:
    factors = np.ones((len(service_names.METRICS), DAYS))
    for incident in service_names.INCIDENTS:
        factors[incident.metric, incident.first_day : incident.first_day + incident.days] = incident.factor
    return factors


def _days(series: Series, reports: int) -> Iterator[tuple[int, Records]]:
    who, minute = _ticks(series.metric, reports)
    metric = series.metric[who]
    table = service_names.METRICS
    week = np.array([service_names.WEEKS[m.week] for m in table])
    hours = np.array([service_names.DAYS[m.day] for m in table])
    trend = np.array([m.trend for m in table])
    noise = np.array([m.noise for m in table])
    scale = np.array([float(10**m.decimals) for m in table])
    factors = _incident_factors()
    by_hour = series.level[who] * hours[metric, minute // 60]
    for day in range(DAYS):
        tick = who * (DAYS * 1440) + day * 1440 + minute
        wobble = np.maximum(0.05, 1.0 + noise[metric] * Stream("metric noise").bell(tick))
        value = by_hour * week[metric, day % 7] * (1.0 + trend[metric] * day) * wobble * factors[metric, day]
        series_day = who * DAYS + day
        kept = factors[metric, day] > 0
        kept &= ~Stream("metric day missing").chance(series_day, 0.012)
        kept &= ~Stream("metric tick missing").chance(tick, 0.004)
        out = np.empty(int(kept.sum()), dtype=METRIC)
        out["series"] = who[kept]
        out["value"] = (np.rint(value * scale[metric]) / scale[metric])[kept]
        out["recorded"] = FIRST_MS + day * DAY_MS + minute[kept] * 60_000 + Stream("tick").below(tick, 50_000)[kept]
        late = Stream("metric day late").chance(series_day, 0.004)[kept]
        late_by = (1 + Stream("metric day late by").below(series_day, 30))[kept] * DAY_MS
        created = out["recorded"] + 1_500 + Stream("metric lag").below(tick, 20_000)[kept]
        out["created"] = np.minimum(created + np.where(late, late_by, 0), AS_OF_MS - 1)
        out["key"] = out["created"]
        yield (FIRST_MS + (day + 1) * DAY_MS if day < DAYS - 1 else END), out


def metric_rows(size: Size, extras: Iterable[Extra]) -> Iterator[Row]:
    """Rows of services.metrics, in the order of their ids; extras: rows made by hand."""
    series = series_of(size)
    names = [np.array(column, dtype=object) for column in (series.service, series.type, series.unit)]
    segments = np.array(series.segment, dtype=object)
    unsegmented = np.array([segment is None for segment in series.segment])

    def columns(records: Records) -> Columns:
        who = records["series"]
        service, kind, unit = (column[who].tolist() for column in names)
        segment = segments[who]
        # A service that has no segments writes null, its next release ''.
        empty = unsegmented[who] & (records["recorded"] // DAY_MS % 2 == 0)
        segment[empty] = ""
        values: list[Cell] = [repr(value) for value in records["value"].tolist()]
        recorded: list[Cell] = [*instants(records["recorded"])]
        created: list[Cell] = [*instants(records["created"])]
        return [service, kind, segment.tolist(), values, unit, recorded, created]

    return numbered(in_order(_days(series, size.reports)), columns, extras)


def goal_rows() -> Iterator[Row]:
    """Rows of services.kpi_goals."""
    for n, goal in enumerate(service_names.GOALS):
        written = f"{day_text(min(goal.first_day, DAYS - 1) - 7)}T09:00:00Z"
        yield (
            uuid_of(Stream("kpi goal"), n),
            goal.name,
            goal.description,
            goal.service,
            goal.type,
            repr(goal.target),
            goal.unit,
            day_text(goal.first_day),
            day_text(goal.last_day),
            goal.status,
            None if goal.alert is None else repr(goal.alert),
            uuid_of(scheduling.USER, n % 4),
            written,
            written,
        )


def report_rows() -> Iterator[Row]:
    """Rows of services.report_requests."""
    for n, report in enumerate(service_names.REPORTS):
        written = f"{day_text(20 + n * 9)}T10:30:00Z"
        yield (
            uuid_of(Stream("report"), n),
            report.name,
            report.type,
            report.format,
            report.parameters,
            report.cron,
            report.recipients,
            uuid_of(scheduling.USER, n % 4),
            written,
            written,
            f"{day_text(110)}T08:00:00Z" if report.deleted else None,
        )
