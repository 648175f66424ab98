"""Hand-made users of the planning application, one per tricky zone, and what the marts must say of them.

Every number here was worked out on paper from the contract; nothing in this module computes a minute.
Ada, a user in UTC whose days each hold one rule, is in scheduling_witness_ada.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from warehouse.demo.facts import Entry, Fact, witness_id
from warehouse.demo.text import Row

WRITTEN, TOUCHED = "2026-02-27T12:00:00Z", "2026-06-30T12:00:00Z"
Slots = tuple[tuple[str, str], ...]


class Traveller(NamedTuple):
    """A user in a zone, one task's slots, and the scheduled minutes of local days (None: no row)."""

    name: str
    timezone: str
    slots: Slots
    minutes: Mapping[str, int | None]
    why: str


TRAVELLERS = (
    Traveller("havana", "America/Havana", (("2026-03-07T22:00:00-05:00", "2026-03-08T03:00:00-04:00"),),
              {"2026-03-07": 120, "2026-03-08": 120},
              "midnight does not exist on 8 March: the day starts at 01:00"),
    Traveller("azores", "Atlantic/Azores", (("2026-03-28T23:00:00-01:00", "2026-03-29T02:00:00+00:00"),),
              {"2026-03-28": 60, "2026-03-29": 60}, "midnight does not exist on 29 March either"),
    Traveller("cairo", "Africa/Cairo", (("2026-04-23T23:00:00+02:00", "2026-04-24T02:00:00+03:00"),),
              {"2026-04-23": 60, "2026-04-24": 60}, "clocks skip from 24:00 to 01:00 on a Friday"),
    Traveller("beirut", "Asia/Beirut", (("2026-03-29T01:00:00+03:00", "2026-03-30T00:00:00+03:00"),),
              {"2026-03-28": None, "2026-03-29": 1380, "2026-03-30": None},
              "a day of 23 hours that starts at 01:00"),
    Traveller("lord-howe", "Australia/Lord_Howe",
              (("2026-04-05T00:00:00+11:00", "2026-04-06T00:00:00+10:30"),),
              {"2026-04-04": None, "2026-04-05": 1470, "2026-04-06": None}, "half an hour comes twice"),
    Traveller("santiago", "America/Santiago", (("2026-04-04T00:00:00-03:00", "2026-04-05T00:00:00-04:00"),),
              {"2026-04-04": 1500, "2026-04-05": None}, "the hour before midnight comes twice"),
    Traveller("chatham", "Pacific/Chatham", (("2026-04-04T10:15:00Z", "2026-04-05T11:15:00Z"),),
              {"2026-04-04": None, "2026-04-05": 1500, "2026-04-06": None},
              "a quarter-hour zone, a day of 25 hours"),
    Traveller("los-angeles", "America/Los_Angeles",
              (("2026-03-08T00:00:00-08:00", "2026-03-09T00:00:00-07:00"),),
              {"2026-03-07": None, "2026-03-08": 1380, "2026-03-09": None}, "a day of 23 hours"),
    Traveller("st-johns", "America/St_Johns", (("2026-03-07T23:30:00-03:30", "2026-03-08T04:00:00-02:30"),),
              {"2026-03-07": 30, "2026-03-08": 180}, "half-hour zone across midnight and a clock change"),
    Traveller("troll", "Antarctica/Troll", (("2026-03-29T00:00:00+00:00", "2026-03-30T00:00:00+02:00"),),
              {"2026-03-29": 1320}, "clocks go forward by two hours"),
    Traveller("casablanca", "Africa/Casablanca", (("2026-03-21T23:30:00Z", "2026-03-22T03:00:00Z"),),
              {"2026-03-21": 30, "2026-03-22": 180}, "clocks go forward after Ramadan"),
    Traveller("apia", "Pacific/Apia", (("2026-05-01T23:30:00+13:00", "2026-05-02T00:45:00+13:00"),),
              {"2026-05-01": 30, "2026-05-02": 45}, "thirteen hours ahead"),
    Traveller("kathmandu", "Asia/Kathmandu", (("2026-05-01T18:00:00Z", "2026-05-01T18:30:00Z"),),
              {"2026-05-01": 15, "2026-05-02": 15}, "midnight is at 18:15 UTC"),
    Traveller("sao-paulo", "America/Sao_Paulo", (("2026-05-01T23:00:00-03:00", "2026-05-02T01:30:00-03:00"),),
              {"2026-05-01": 60, "2026-05-02": 90}, "no clock change any more"),
    Traveller("kiritimati", "Pacific/Kiritimati",
              (("2026-07-02T01:00:00+14:00", "2026-07-02T03:00:00+14:00"),
               ("2026-07-03T01:00:00+14:00", "2026-07-03T02:00:00+14:00")),
              {"2026-07-02": 120, "2026-07-03": None}, "days exist through the as-of date + 1, then no more"),
    Traveller("olympus", "Mars/Olympus", (("2026-05-10T23:00:00Z", "2026-05-11T01:00:00Z"),),
              {"2026-05-10": 60, "2026-05-11": 60}, "an unknown zone counts as UTC"),
    Traveller("new-york", "america/new_york", (("2026-05-10T20:00:00-04:00", "2026-05-10T22:00:00-04:00"),),
              {"2026-05-10": None, "2026-05-11": 120}, "zone names are known letter for letter: UTC again"),
    Traveller("long", "UTC", (("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z"),
                              ("2026-03-10T00:00:00Z", "2026-04-10T00:00:01Z")),
              {"2026-03-10": None, "2026-04-30": None, "2026-05-01": 1440, "2026-05-31": 1440,
               "2026-06-01": None}, "31 days are not too long, a second more is"),
)  # fmt: skip

_DAY_BOUNDS = (
    ("America/Havana", "2026-03-08", (8, 5, 0), (9, 4, 0)),
    ("Atlantic/Azores", "2026-03-29", (29, 1, 0), (30, 0, 0)),
    ("America/Los_Angeles", "2026-03-08", (8, 8, 0), (9, 7, 0)),
    ("Antarctica/Troll", "2026-03-29", (29, 0, 0), (29, 22, 0)),
    ("Asia/Beirut", "2026-03-29", (28, 22, 0), (29, 21, 0)),
    ("Asia/Kathmandu", "2026-03-15", (14, 18, 15), (15, 18, 15)),
    ("America/St_Johns", "2026-03-08", (8, 3, 30), (9, 2, 30)),
)
"""Zone, local date, and its bounds as (day of March, hour, minute) in UTC."""


def user_id(name: str) -> str:
    """The key of a witness user."""
    return witness_id("user", name)


def user_rows() -> Iterator[Row]:
    """Rows of scheduling.users."""
    for traveller in TRAVELLERS:
        email = f"{traveller.name}@example.org"
        yield (user_id(traveller.name), email, traveller.timezone, WRITTEN, WRITTEN, None)
    yield (user_id("gone"), "gone@example.org", "UTC", WRITTEN, TOUCHED, TOUCHED)


def slots_json(slots: Slots) -> str:
    """Slots as the application stores them."""
    return json.dumps([{"start": start, "end": end} for start, end in slots])


def task_rows() -> Iterator[Row]:
    """Rows of scheduling.tasks."""
    for traveller in TRAVELLERS:
        yield (
            witness_id("task", traveller.name),
            user_id(traveller.name),
            None,
            "On the road",
            "scheduled",
            slots_json(traveller.slots),
            None,
            WRITTEN,
            TOUCHED,
            None,
        )
    slots = slots_json((("2026-05-12T09:00:00Z", "2026-05-12T10:00:00Z"),))
    yield (
        witness_id("task", "gone"),
        user_id("gone"),
        None,
        "Task of a deleted user",
        "completed",
        slots,
        "2026-05-12T10:00:00Z",
        WRITTEN,
        TOUCHED,
        None,
    )


ENTRIES = (
    Entry("scheduling.users", user_id("olympus"), None, "unknown_timezone"),
    Entry("scheduling.users", user_id("new-york"), None, "unknown_timezone"),
    Entry("scheduling.tasks", witness_id("task", "long"), 1, "slot_too_long"),
)


def facts() -> Iterator[Fact]:
    """What the marts say of the travellers."""
    daily = "analytics_daily_metrics"
    for traveller in TRAVELLERS:
        for date, minutes in traveller.minutes.items():
            key = {"user_id": user_id(traveller.name), "date": date}
            values = None if minutes is None else {"total_scheduled_minutes": minutes, "scheduled_tasks_count": 1}
            yield Fact(daily, key, values, f"{traveller.timezone}: {traveller.why}")
    for zone, date, (day, hour, minute), (end_day, end_hour, end_minute) in _DAY_BOUNDS:
        bounds = {
            "starts_at": datetime(2026, 3, day, hour, minute, tzinfo=UTC),
            "ends_at": datetime(2026, 3, end_day, end_hour, end_minute, tzinfo=UTC),
        }
        yield Fact("dim_local_day", {"timezone": zone, "date": date}, bounds, "bounds of a local day")
    april = {"starts_at": datetime(2026, 4, 4, 3, tzinfo=UTC), "ends_at": datetime(2026, 4, 5, 4, tzinfo=UTC)}
    yield Fact("dim_local_day", {"timezone": "America/Santiago", "date": "2026-04-04"}, april, "25 hours")
    may = {"user_id": user_id("long"), "month": "2026-05-01"}
    yield Fact("analytics_monthly_metrics", may, {"total_scheduled_minutes": 44_640, "active_days": 31}, "31 days")
    yield Fact(daily, {"user_id": user_id("gone")}, None, "nothing of a deleted user counts")
