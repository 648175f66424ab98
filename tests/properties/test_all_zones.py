"""Local days of every zone there is, at every change of its clock since 2000, against an independent library.

Belongs here: all zones and all transitions, once. Does not belong here: random ranges (``test_local_days``).
"""

import datetime as dt
import importlib.resources
import itertools
from typing import Any

import pytest

from warehouse import local_days

whenever = pytest.importorskip("whenever", reason="whenever is not installed")

FIRST, LAST = dt.date(2000, 1, 1), dt.date(2026, 12, 31)
DAY = dt.timedelta(days=1)
REACH = 1
"""Days on either side of a day of unusual length that are compared: windows elsewhere are plain."""


def distinct_zones() -> list[str]:
    """Zones whose data differ: names are links to one another, and there are twice as many."""
    folder = importlib.resources.files("tzdata").joinpath("zoneinfo")
    by_data: dict[bytes, str] = {}
    for zone in sorted(local_days.known_zones()):
        by_data.setdefault(folder.joinpath(*zone.split("/")).read_bytes(), zone)
    return sorted(by_data.values())


def start_of_day(zone: str, date: dt.date) -> dt.datetime | None:
    """As whenever says; None where it does not speak: it has no day that the zone skipped.

    Of two midnights it takes the first. Where there is none, the first second of the date is searched for.
    """
    noon, midnight = (
        whenever.ZonedDateTime(date.year, date.month, date.day, hour, tz=zone, disambiguation="compatible")
        for hour in (12, 0)
    )
    if date_of(noon) != date:
        return None
    found = midnight.timestamp()
    if (midnight.hour, midnight.minute, midnight.second) != (0, 0, 0):
        before, found = found - 86_400, max(found, noon.timestamp())
        while found - before > 1:
            middle = (before + found) // 2
            if date_of(whenever.Instant.from_timestamp(middle).to_tz(zone)) >= date:
                found = middle
            else:
                before = middle
    return local_days.EPOCH + dt.timedelta(seconds=found)


def date_of(moment: Any) -> dt.date:
    return dt.date(moment.year, moment.month, moment.day)


def test_windows_of_all_zones_tile_time_and_agree_with_an_independent_library() -> None:
    whenever.reset_tzpath(())  # the pinned package, as everywhere
    compared = unusual = 0
    for zone in distinct_zones():
        found = list(local_days.windows(zone, FIRST, LAST))
        assert [date for date, _, _ in found] == [FIRST + DAY * n for n in range((LAST - FIRST).days + 1)]
        assert all(before[2] == after[1] for before, after in itertools.pairwise(found)), zone
        assert all(start <= end for _, start, end in found), zone
        changes = {n for n, (_, start, end) in enumerate(found) if end - start != DAY}
        unusual += len(changes)
        for n in sorted({n + offset for n in changes for offset in range(-REACH, REACH + 1)} | {0, len(found) - 1}):
            if 0 <= n < len(found) and (expected := start_of_day(zone, found[n][0])) is not None:
                assert found[n][1] == expected, (zone, found[n][0])
                compared += 1
    assert unusual > 5_000 and compared > 10_000
