"""Partitions: days, weeks and months, keyed by UTC dates, from the first day with data on.

Belongs here: how partitions are named and where they begin. Does not belong here: local days, which are
windows of data (``warehouse.local_days``), not partitions.
"""

import datetime as dt

import dagster as dg

from warehouse.catalog import Grain


def calendar(first_day: dt.date) -> dict[Grain, dg.PartitionsDefinition]:
    """Definitions for each grain, through tomorrow: there it is tomorrow already in Kiritimati."""
    monday = first_day - dt.timedelta(days=first_day.weekday())
    return {
        "day": dg.DailyPartitionsDefinition(first_day.isoformat(), end_offset=2),
        "week": dg.WeeklyPartitionsDefinition(monday.isoformat(), day_offset=1, end_offset=1),
        "month": dg.MonthlyPartitionsDefinition(first_day.replace(day=1).isoformat(), end_offset=1),
    }
