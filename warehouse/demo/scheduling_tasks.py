"""Generated tasks: 100 to 200 per user, with none to three slots each, in the user's working rhythm.

Night owls cross midnight, tasks overlap, and the first task of everyone whose clocks change in the period
lies across that change. Plans reach three weeks past the demo's as-of instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from warehouse.demo import scheduling, zones
from warehouse.demo.period import AS_OF_MS, DAY_SECONDS, DAYS, FIRST_EPOCH_DAY, Size
from warehouse.demo.randomness import Bools, Ints, Stream, uuids
from warehouse.demo.scheduling_names import CATEGORIES, STRADDLING_TITLES, TITLE_ENDINGS
from warehouse.demo.slots import slot_lists, whole_minutes
from warehouse.demo.text import Row, instants, lookup, nullable_instants

MOST_TASKS = 256
MOST_SLOTS = 3
TASK = Stream("task")

_AS_OF = AS_OF_MS // 1000
_WEEKS = (DAYS + 24) // 7
_OFFICE = (480, 510, 540, 540, 555, 570, 600, 600, 630, 660, 690, 720, 780, 810, 840, 840, 870, 900, 930)
_STARTS = np.array([
    (*_OFFICE, 960, 990, 1020, 1080, 1200),
    (300, 315, 330, 345, 360, 360, 375, 390, 405, 420, 450, 480,
     480, 510, 540, 570, 600, 630, 660, 690, 720, 780, 840, 900),
    (660, 780, 900, 1020, 1140, 1200, 1230, 1260, 1260, 1290, 1320, 1320,
     1350, 1365, 1380, 1380, 1395, 1410, 1410, 1425, 1440, 1455, 1470, 1500),
    (420, 480, 540, 600, 600, 660, 720, 780, 840, 900, 960, 1020,
     1080, 1110, 1140, 1170, 1200, 1230, 1260, 1290, 1320, 1350, 1380, 1410),
], dtype=np.int64)  # fmt: skip
"""Per persona: minutes after local midnight at which things start."""

_WEEKDAYS = np.array([
    (1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6),
    (0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 6, 6),
    (0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6),
    (0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 6),
], dtype=np.int64)  # fmt: skip
"""Per persona: days of the week, 0 is Sunday, as often as they are busy."""

_LENGTHS = (15, 15, 25, 30, 30, 30, 45, 45, 50, 60, 60, 60, 60, 75, 90, 90, 120, 120, 150, 180, 210, 240)
_SLOT_COUNTS = (0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3)
_GAPS_MINUTES = (-30, -15, 0, 10, 20, 60, 1440, 1440, 1440, 2880, 10080)
"""From the end of a slot to the start of the task's next one; below 0 they overlap."""

PENDING, SCHEDULED, IN_PROGRESS, COMPLETED, CANCELLED = range(5)
_STATUSES = ("pending", "scheduled", "in_progress", "completed", "cancelled")
_PAST = (COMPLETED,) * 15 + (CANCELLED,) * 2 + (PENDING, SCHEDULED, IN_PROGRESS)
_FUTURE = (PENDING,) * 6 + (SCHEDULED,) * 13 + (CANCELLED,)


@dataclass(frozen=True)
class _Plan:
    """When the tasks of a block are planned; two-dimensional arrays have one column per possible slot."""

    counts: Ints
    start: Ints
    end: Ints
    straddles: Bools


def _plan(users: scheduling.Users, owner: Ints, index: Ints, number: Ints) -> _Plan:
    zone, dialect, persona = users.zone[owner], users.dialect[owner], users.persona[owner]
    first_week = users.first_day[owner] // 7 + (users.first_day[owner] > 0)
    week = first_week + Stream("task week").below(index, _WEEKS - first_week)
    earlier = first_week + Stream("task week again").below(index, _WEEKS - first_week)
    week = np.where(week * 7 >= DAYS - 7, np.minimum(week, earlier), week)  # fewer plans than history
    day = week * 7 + _WEEKDAYS[persona, Stream("task weekday").below(index, _WEEKDAYS.shape[1])]
    minute = _STARTS[persona, Stream("task start").below(index, _STARTS.shape[1])]
    second = np.where(Stream("task timed").chance(index, 0.1), Stream("task second").below(index, 900), 0)
    start = zones.to_utc((FIRST_EPOCH_DAY + day) * DAY_SECONDS + minute * 60 + second, zone)

    straddles = (number == 0) & zones.HAS_CHANGE[zone]
    counts = np.where(straddles, 1, Stream("task slots").pick(index, _SLOT_COUNTS))
    starts = np.empty((len(index), MOST_SLOTS), dtype=np.int64)
    ends = np.empty_like(starts)
    for slot in range(MOST_SLOTS):
        at = index * MOST_SLOTS + slot
        if slot:
            start = ends[:, slot - 1] + Stream("task gap").pick(at, _GAPS_MINUTES) * 60
        timed = np.where(start % 60 != 0, Stream("task length second").below(at, 60), 0)
        starts[:, slot] = start
        ends[:, slot] = start + Stream("task length").pick(at, _LENGTHS) * 60 + timed
    change = np.where(straddles, zones.CHANGE[zone], 0)
    starts[:, 0] = np.where(straddles, change - 2 * 3600, starts[:, 0])
    ends[:, 0] = np.where(straddles, change + 3 * 3600, ends[:, 0])
    wide = dialect[:, None]
    return _Plan(counts, whole_minutes(starts, wide), whole_minutes(ends, wide), straddles)


def _titles(kind: Ints, index: Ints, straddles: Bools) -> list[str]:
    which = Stream("task title").below(index, 10).tolist()
    ending = Stream("task title ending").below(index, len(TITLE_ENDINGS)).tolist()
    titles = [CATEGORIES[k][2][w] + TITLE_ENDINGS[e] for k, w, e in zip(kind.tolist(), which, ending, strict=True)]
    for at in np.flatnonzero(straddles).tolist():
        titles[at] = STRADDLING_TITLES[index[at] // MOST_TASKS % len(STRADDLING_TITLES)]
    return titles


def _completions(index: Ints, status: Ints, plan: _Plan, last_end: Ints) -> tuple[Ints, Bools]:
    """When tasks were ticked off (seconds), and which were: nearly all of those completed, few others."""
    soon = last_end + (Stream("task ticked").below(index, 300) - 60) * 60 + Stream("task tick").below(index, 60)
    tick = np.where(Stream("task ticked early").chance(index, 0.03), plan.start[:, 0] - 7200, soon)
    tick = np.where(tick >= _AS_OF, _AS_OF - 1 - Stream("task ticked now").below(index, 3600), tick)
    forgotten = Stream("task tick forgotten").chance(index, 0.01)
    reopened = (status != COMPLETED) & (status != CANCELLED) & (last_end < _AS_OF)
    reopened &= Stream("task reopened").chance(index, 0.04)
    return tick, ((status == COMPLETED) & ~forgotten) | reopened


def task_rows(size: Size) -> Iterator[Row]:
    """Rows of scheduling.tasks."""
    for users in scheduling.blocks(size):
        owner, number = scheduling.children(100 + Stream("user tasks").below(users.number, 101))
        user = users.number[owner]
        index = user * MOST_TASKS + number
        plan = _plan(users, owner, index, number)
        last_end = plan.end[np.arange(len(index)), np.maximum(plan.counts, 1) - 1]

        status = np.where(
            last_end < _AS_OF,
            Stream("task past").pick(index, _PAST),
            Stream("task future").pick(index, _FUTURE),
        )
        status = np.where(plan.straddles & (status == CANCELLED), COMPLETED, status)
        tick, ticked = _completions(index, status, plan, last_end)
        deleted = Stream("task deleted").chance(index, 0.025) & ~plan.straddles

        foresight = 3600 + Stream("task foresight").below(index, 14 * DAY_SECONDS)
        latest = _AS_OF - DAY_SECONDS - Stream("task written").below(index, DAY_SECONDS)
        created = np.minimum(plan.start[:, 0] - foresight, latest)
        touched = np.maximum(created + Stream("task touched").below(index, DAY_SECONDS), np.where(ticked, tick, 0))
        updated = np.where(deleted, np.minimum(touched + 9 * DAY_SECONDS, _AS_OF - 60), touched)

        category = Stream("task category").below(index, users.categories[owner])
        kind = scheduling.category_kind(user, category)
        categories = np.array(uuids(scheduling.CATEGORY, user * scheduling.MOST_CATEGORIES + category), dtype=object)
        categories[Stream("task uncategorized").chance(index, 0.12)] = None

        used = np.arange(MOST_SLOTS) < plan.counts[:, None]
        zone = np.repeat(users.zone[owner], plan.counts)
        dialect = np.repeat(users.dialect[owner], plan.counts)
        yield from zip(
            uuids(TASK, index),
            uuids(scheduling.USER, user),
            categories.tolist(),
            _titles(kind, index, plan.straddles),
            lookup(_STATUSES, status),
            slot_lists(plan.start[used], plan.end[used], zone, dialect, plan.counts),
            nullable_instants(tick * 1000, ticked),
            instants(created * 1000),
            instants(updated * 1000),
            nullable_instants(updated * 1000, deleted),
            strict=True,
        )
