"""Local days of IANA time zones: which zones are known, and where each local day starts and ends.

The contract: the local day D of zone Z starts at the first instant whose local date in Z is D or later, and
ends where the next one starts. That is what is searched for here, instant by instant, with nothing clever:
inside a stretch without a clock change the local time only moves forward, so the first instant of a stretch
that qualifies is either the stretch's own start or the local midnight in it; the earliest stretch wins.

Only the pinned `tzdata` package is read, never the zone files of the system.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from .values import DAY, EPOCH, EPOCH_ORDINAL, HOUR, SECOND, Row, start_of_utc_day, to_datetime


@cache
def known_zones() -> frozenset[str]:
    """The zones listed in tzdata's `zones` file, letter for letter."""
    return frozenset((files("tzdata") / "zones").read_text(encoding="utf-8").split("\n")) - {""}


@cache
def _zone(name: str) -> ZoneInfo:
    if name not in known_zones():
        raise ValueError(f"unknown time zone {name!r}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as stream:
        return ZoneInfo.from_file(stream, key=name)


def _local(zone: str, micros: int) -> datetime:
    return (EPOCH + timedelta(microseconds=micros)).astimezone(_zone(zone))


@cache
def _offset(zone: str, micros: int) -> int:
    """What the clocks of the zone are ahead of UTC at an instant, in microseconds."""
    ahead = _local(zone, micros).utcoffset()
    assert ahead is not None
    return ahead // timedelta(microseconds=1)


def _change_between(zone: str, before: int, after: int) -> int:
    """The first instant with the offset of `after`, to the second: both ends are whole hours."""
    while after - before > SECOND:
        middle = (before + after) // 2 // SECOND * SECOND
        if _local(zone, middle).utcoffset() == _local(zone, before).utcoffset():
            before = middle
        else:
            after = middle
    return after


@cache
def _start(zone: str, ordinal: int) -> int:
    """The first instant whose local date is the day or later.

    No offset reaches 24 hours, so it lies within 24 hours of midnight UTC. Offsets are compared hour by hour:
    no zone changes its clock twice within one hour.
    """
    midnight = (ordinal - EPOCH_ORDINAL) * DAY
    stretch = midnight - DAY
    for hour in range(midnight - DAY, midnight + DAY, HOUR):
        offset, next_offset = _offset(zone, hour), _offset(zone, hour + HOUR)
        change = hour + HOUR if offset == next_offset else _change_between(zone, hour, hour + HOUR)
        first = max(stretch, midnight - offset)
        if first < change:
            return first
        stretch = change
        if change < hour + HOUR:
            first = max(stretch, midnight - next_offset)
            if first < hour + HOUR:
                return first
    raise AssertionError(f"{zone} never reaches day {ordinal}")


def window(zone: str, day: date) -> tuple[int, int]:
    """[start, end) of a local day, as instants; start = end where the zone skipped the date."""
    ordinal = day.toordinal()
    return _start(zone, ordinal), _start(zone, ordinal + 1)


def windows(zone: str, day: date) -> tuple[datetime, datetime]:
    """[starts_at, ends_at) of a local day, as datetimes in UTC."""
    start, end = window(zone, day)
    return EPOCH + timedelta(microseconds=start), EPOCH + timedelta(microseconds=end)


def is_skipped(zone: str, day: date) -> bool:
    """Whether the zone never had this date."""
    start, end = window(zone, day)
    return start == end


def day_of(zone: str, micros: int) -> date:
    """The local day whose window holds an instant: the window decides, not the clock."""
    ordinal = _local(zone, micros).toordinal()
    while _start(zone, ordinal + 1) <= micros:
        ordinal += 1
    while _start(zone, ordinal) > micros:
        ordinal -= 1
    return date.fromordinal(ordinal)


def last_complete_day(zone: str, micros: int) -> date:
    """The latest date whose window ends at or before an instant (a skipped date's window ends too)."""
    return day_of(zone, micros) - timedelta(days=1)


def split(zone: str, start: int, end: int) -> list[tuple[date, int, int]]:
    """[start, end) cut at local midnights: (day, start, end) of each piece."""
    pieces = []
    while start < end:
        day = day_of(zone, start)
        cut = min(end, window(zone, day)[1])
        pieces.append((day, start, cut))
        start = cut
    return pieces


def last_day(as_of: datetime) -> date:
    """The last day that exists: the as-of UTC date + 1."""
    return as_of.astimezone(UTC).date() + timedelta(days=1)


def first_day(earliest_date: date) -> date:
    """The first day that can exist: earliest_date - 1, where it is still the day before."""
    return earliest_date - timedelta(days=1)


def dim_local_day(zones: set[str], first: date, last: date) -> list[Row]:
    """marts.dim_local_day for these zones and all dates from first through last."""
    return [
        {"timezone": zone, "date": day, "starts_at": to_datetime(start), "ends_at": to_datetime(end)}
        for zone in sorted(zones)
        for day in (first + timedelta(days=n) for n in range((last - first).days + 1))
        for start, end in [window(zone, day)]
    ]


def earliest_instant(earliest_date: date) -> int:
    """00:00 UTC of the setting earliest_date."""
    return start_of_utc_day(earliest_date)
