"""Defects of the planning application: slots and completions that the contract sends to quarantine.

Each variant is planted once per unit of scale, on an ordinary user, with usable neighbours. Beside it
stands the reason that the contract gives, never one computed here.
"""

import json
from collections.abc import Iterator

from warehouse.demo import scheduling
from warehouse.demo.facts import Planted, witness_id
from warehouse.demo.period import Size, day_text
from warehouse.demo.randomness import uuid_of
from warehouse.demo.text import Cell

MALFORMED, NOT_POSITIVE, TOO_LONG = "slot_malformed", "slot_not_positive", "slot_too_long"
NOT_ARRAY, TOO_EARLY = "slots_not_array", "before_earliest_date"

_END = "@T10:30:00Z"
BAD_SLOTS: tuple[tuple[str, object], ...] = (
    (MALFORMED, {"start": "@T10:00:00Z"}),
    (MALFORMED, {"start": "now", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00", "end": "@T10:30:00"}),
    (NOT_POSITIVE, {"start": "@T10:00:00Z", "end": "@T10:00:00Z"}),
    (TOO_LONG, {"start": "@T10:00:00Z", "end": "2026-12-24T10:00:00Z"}),
    (TOO_EARLY, {"start": "1999-12-31T23:59:59Z", "end": "2000-01-01T00:30:00Z"}),
    (MALFORMED, {"start": "@T23:00:00Z", "end": "@T24:00:00Z"}),
    (MALFORMED, {"start": "@ 10:00:00+00:00", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00Z", "end": "infinity"}),
    (MALFORMED, {"start": "@T10:00:00 Europe/Berlin", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00[Europe/Berlin]", "end": _END}),
    (MALFORMED, {"end": _END}),
    (MALFORMED, {"start": None, "end": _END}),
    (MALFORMED, {"start": 1772359200, "end": 1772362800}),
    (MALFORMED, {"START": "@T10:00:00Z", "END": _END}),
    (MALFORMED, "@T10:00:00Z"),
    (MALFORMED, None),
    (MALFORMED, 30),
    (MALFORMED, ["@T10:00:00Z", _END]),
    (MALFORMED, {"start": "", "end": _END}),
    (MALFORMED, {"start": "@", "end": _END}),
    (MALFORMED, {"start": "today", "end": "tomorrow"}),
    (MALFORMED, {"start": "-infinity", "end": _END}),
    (MALFORMED, {"start": "2026-02-30T10:00:00Z", "end": "2026-02-30T11:00:00Z"}),
    (MALFORMED, {"start": "2026-13-01T10:00:00Z", "end": _END}),
    (MALFORMED, {"start": "@T10:00:60Z", "end": _END}),
    (MALFORMED, {"start": "@T10:60:00Z", "end": "@T11:30:00Z"}),
    (MALFORMED, {"start": "@T10:00:00+16:00", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00+1", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00UTC", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00,5Z", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00.Z", "end": _END}),
    (MALFORMED, {"start": "@T10Z", "end": _END}),
    (MALFORMED, {"start": "@t10:00:00z", "end": _END}),
    (MALFORMED, {"start": " @T10:00:00Z", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00Z\n", "end": _END}),
    (MALFORMED, {"start": "\u0662\u0660\u0662\u0666-05-01T10:00:00Z", "end": _END}),
    (MALFORMED, {"start": "0000-05-01T10:00:00Z", "end": _END}),
    (MALFORMED, {"start": "@T10:00:00Z", "end": "12026-05-01T10:00:00Z"}),
    (NOT_POSITIVE, {"start": "@T10:00:00-05:00", "end": "@T14:00:00Z"}),
    (NOT_POSITIVE, {"start": "@T10:00:00.0000001Z", "end": "@T10:00:00.0000009Z"}),
    (NOT_POSITIVE, {"start": "@T10:00:00Z", "end": "1999-01-01T00:00:00Z"}),
    (TOO_LONG, {"start": "1999-01-01T00:00:00Z", "end": "@T10:00:00Z"}),
    (TOO_EARLY, {"start": "0016-05-03T10:00:00Z", "end": "0016-05-03T11:00:00Z"}),
    (TOO_EARLY, {"start": "0001-01-01T00:00:00Z", "end": "0001-01-01T01:00:00Z"}),
    (TOO_EARLY, {"start": "1970-01-01T00:00:00+00:00", "end": "1970-01-01T01:00:00+00:00"}),
)
"""Elements that cannot be used; `@` is the date."""

NOT_ARRAYS = ('{"start": "@T10:00:00Z", "end": "@T10:30:00Z"}', '"@T10:00:00Z/@T10:30:00Z"', "null", "17")

COMPLETIONS: tuple[tuple[str, str, str | None], ...] = (
    ("completed", "-infinity", TOO_EARLY),
    ("completed", "1970-01-01T00:00:00Z", TOO_EARLY),
    ("completed", "0016-05-03T10:00:00Z", TOO_EARLY),
    ("cancelled", "1970-01-01T00:00:00Z", TOO_EARLY),
    ("completed", "infinity", None),
)
"""Status, completed_at and reason; a completion at +infinity counts nowhere but is no defect."""

_GOODS = ({"start": "@T08:00:00Z", "end": "@T08:20:00Z"}, {"start": "@T12:00:00Z", "end": "@T12:40:00Z"})
_GOOD = json.dumps([_GOODS[0]])


def _slots(variant: int, element: object) -> tuple[str, int]:
    """A list with the bad element among good ones, and where in it that is."""
    position = variant % 3
    elements = [*_GOODS[:position], element, *_GOODS[: variant % 2]]
    return json.dumps(elements, ensure_ascii=False), position


def _task(
    size: Size,
    variant: int,
    copy: int,
    slots: str,
    status: str = "scheduled",
    completed: str | None = None,
    deleted: bool = False,
    owner: int | None = None,
) -> tuple[Cell, ...]:
    host = scheduling.live_user((variant * 7 + copy * 61) % scheduling.live_users(size)) if owner is None else owner
    date = day_text(3 + (variant * 5 + copy * 11) % 110)
    return (
        witness_id("dirty task", str(variant), str(copy)),
        uuid_of(scheduling.USER, host),
        None,
        "Imported from old calendar",
        status,
        slots.replace("@", date),
        completed,
        f"{date}T07:00:00Z",
        f"{date}T07:05:00Z",
        f"{date}T19:00:00Z" if deleted else None,
    )


def tasks(size: Size) -> Iterator[Planted]:
    """Defective rows of scheduling.tasks."""
    for copy in range(size.dirt):
        variant = 0
        for reason, element in BAD_SLOTS:
            slots, position = _slots(variant, element)
            yield Planted(_task(size, variant, copy, slots), ((position, reason),))
            variant += 1
        for slots in NOT_ARRAYS:
            yield Planted(_task(size, variant, copy, slots), ((None, NOT_ARRAY),))
            variant += 1
        for status, completed, reason_or_none in COMPLETIONS:
            defects = () if reason_or_none is None else ((None, reason_or_none),)
            yield Planted(_task(size, variant, copy, _GOOD, status, completed), defects)
            variant += 1
        several = json.dumps([{"start": "now"}, _GOODS[0], 7, {"start": "@T09:00:00Z", "end": "@T08:00:00Z"}])
        row = _task(size, variant, copy, several, "completed", "-infinity")
        yield Planted(row, ((0, MALFORMED), (2, MALFORMED), (3, NOT_POSITIVE), (None, TOO_EARLY)))
        # Nobody looks at the slots of these three.
        yield Planted(_task(size, variant + 1, copy, several, "cancelled"))
        yield Planted(_task(size, variant + 2, copy, several, deleted=True))
        yield Planted(_task(size, variant + 3, copy, several, owner=scheduling.DELETED_AT))


def calendar_days(size: Size) -> Iterator[Planted]:
    """Defective rows of scheduling.user_calendar_days: a few of the same kinds, on free Sundays."""
    live = scheduling.live_users(size)
    chosen: list[tuple[str, object]] = [*BAD_SLOTS[:8], BAD_SLOTS[16], BAD_SLOTS[43]]
    for copy in range(size.dirt):
        for variant in range(len(chosen) + 1):
            # Users and Sundays go round in different steps: no user has two rows of one date.
            owner = uuid_of(scheduling.USER, scheduling.live_user((copy * (len(chosen) + 1) + variant) % live))
            date = day_text((1 + variant) * 7)
            if variant < len(chosen):
                reason, element = chosen[variant]
                slots, position = _slots(variant, element)
                defects: tuple[tuple[int | None, str], ...] = ((position, reason),)
            else:
                slots, defects = NOT_ARRAYS[0], ((None, NOT_ARRAY),)
            key = witness_id("dirty day", str(variant), str(copy))
            yield Planted((key, owner, date, slots.replace("@", date), f"{date}T05:00:00Z"), defects)
