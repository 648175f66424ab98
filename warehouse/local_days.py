"""Windows of local days, from ``zoneinfo`` over the pinned ``tzdata`` package.

Belongs here: the definition of a local day and the table ``control.local_days``. Does not belong here: what
is counted in a day, and ``marts.dim_local_day`` (a dbt model over this table).

A local day D of zone Z starts at the first instant whose local date in Z is D or later, and ends where the
next one starts (contract, "Local day"). System zone files are never read.
"""

import datetime as dt
import importlib.metadata
import importlib.resources
import zoneinfo
from collections.abc import Iterator
from functools import cache

from warehouse.database import Connection, fetch_row

zoneinfo.reset_tzpath(to=())

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
DAY = 86_400  # seconds


@cache
def known_zones() -> frozenset[str]:
    """Names listed in the tzdata package's ``zones`` file, letter for letter."""
    text = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    return frozenset(text.split())


def data_version() -> str:
    """Version of the pinned time-zone data, e.g. ``2026.6``."""
    return importlib.metadata.version("tzdata")


def windows(zone: str, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, dt.datetime, dt.datetime]]:
    """Windows ``(date, starts_at, ends_at)`` in UTC of each local date from ``first`` through ``last``.

    They tile time: each starts where the one before it ends; a date that the zone skipped is empty.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: the zone is not in the pinned data.
    """
    starts = _starts(zone, first, last + dt.timedelta(days=1))
    for offset in range((last - first).days + 1):
        yield first + dt.timedelta(days=offset), starts[offset], starts[offset + 1]


def _starts(zone: str, first: dt.date, last: dt.date) -> list[dt.datetime]:
    """First instant of each local date from ``first`` through ``last``.

    Between two transitions the offset is constant, and the midnights of the dates first reached there are
    plain arithmetic; a date reached by the transition itself (a gap, a skipped date) starts at it. A date is
    given its start once, so a clock that goes back over midnight changes nothing.
    """
    margin = 3 * DAY  # local dates differ from UTC dates by less than two days
    begin = _midnight(first) - margin
    end = _midnight(last) + margin
    pieces = list(_constant_offsets(zone, begin, end))
    starts: list[dt.datetime] = []
    date = first
    reached = _midnight(first)  # local midnight of the date looked for, as if it were UTC
    for index, (since, offset) in enumerate(pieces):
        until = pieces[index + 1][0] if index + 1 < len(pieces) else end
        while date <= last and reached < until + offset:
            starts.append(EPOCH + dt.timedelta(seconds=max(since, reached - offset)))
            date += dt.timedelta(days=1)
            reached += DAY
    return starts


def _constant_offsets(zone: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces ``(since, offset)`` in seconds in which the zone's offset from UTC is constant."""
    info = zoneinfo.ZoneInfo(zone)

    def offset(instant: int) -> int:
        delta = dt.datetime.fromtimestamp(instant, info).utcoffset()
        assert delta is not None
        return delta.days * DAY + delta.seconds

    before = offset(begin)
    yield begin, before
    step = DAY // 4  # no zone has ever changed twice within six hours
    for instant in range(begin, end, step):
        after = offset(instant + step)
        if after != before:
            low, high = instant, instant + step  # the change is in (low, high]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == before else (low, middle)
            yield high, after
            before = after


def _midnight(date: dt.date) -> int:
    return (date.toordinal() - EPOCH.toordinal()) * DAY


def refresh_known_zones(warehouse: Connection) -> None:
    """Bring ``control.known_timezones`` to the pinned data; the caller commits."""
    (same,) = fetch_row(
        warehouse,
        "select count(*) = cardinality(%(zones)s::text[]) and"
        " count(*) = count(*) filter (where timezone = any (%(zones)s)) from control.known_timezones",
        {"zones": sorted(known_zones())},
    )
    if not same:
        warehouse.execute("delete from control.known_timezones")
        warehouse.execute("insert into control.known_timezones select unnest(%s::text[])", (sorted(known_zones()),))
        warehouse.execute("delete from control.local_days")


def extend(warehouse: Connection, zones: set[str], first: dt.date, last: dt.date) -> int:
    """Make sure that ``control.local_days`` has all windows of the zones from ``first`` through ``last``.

    Only what is missing at either end is computed; the caller commits.

    Returns:
        Number of windows added.
    """
    ranges = {
        str(zone): (low, high)
        for zone, low, high in warehouse.execute(
            "select timezone, min(date), max(date) from control.local_days group by timezone"
        )
    }
    missing: list[tuple[str, dt.date, dt.date]] = []
    one = dt.timedelta(days=1)
    for zone in sorted(zones):
        if zone not in ranges:
            missing.append((zone, first, last))
            continue
        low, high = ranges[zone]
        assert isinstance(low, dt.date) and isinstance(high, dt.date)
        missing += [(zone, first, low - one)] * (first < low) + [(zone, high + one, last)] * (last > high)
    added = 0
    if missing:
        with (
            warehouse.cursor() as cursor,
            cursor.copy("copy control.local_days (timezone, date, starts_at, ends_at) from stdin") as copy,
        ):
            for zone, low, high in missing:
                for date, starts_at, ends_at in windows(zone, low, high):
                    copy.write_row((zone, date, starts_at, ends_at))
                    added += 1
        warehouse.execute("select control.update_statistics('local_days')")
    return added
