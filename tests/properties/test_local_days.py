"""Local days: windows tile time, and agree with a scan for the first instant of each date."""

import datetime as dt
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from warehouse import local_days

zones = st.sampled_from(sorted(local_days.known_zones()))
dates = st.dates(dt.date(2000, 1, 1), dt.date(2037, 12, 31))


@settings(max_examples=150, deadline=None)
@given(zone=zones, first=dates)
def test_windows_tile_time_and_agree_with_the_reference(zone: str, first: dt.date) -> None:
    last = first + dt.timedelta(days=5)
    found = list(local_days.windows(zone, first, last))
    assert [date for date, _, _ in found] == [first + dt.timedelta(days=n) for n in range(6)]
    assert all(before[2] == after[1] for before, after in itertools.pairwise(found))
    assert [(start, end) for _, start, end in found] == [reference.windows(zone, date) for date, _, _ in found]


def test_a_range_gives_the_same_windows_as_its_days_one_by_one() -> None:
    first, last = dt.date(2011, 12, 1), dt.date(2012, 4, 30)
    for zone in ("Pacific/Apia", "America/Havana", "Atlantic/Azores", "Australia/Lord_Howe", "Africa/Casablanca"):
        together = list(local_days.windows(zone, first, last))
        assert together == [window for date, _, _ in together for window in local_days.windows(zone, date, date)]
