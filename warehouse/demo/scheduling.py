"""Generated users, categories, tasks, calendar days and goals of the planning application.

Each user is a persona in a zone: when they start, how long things take, whether they use focus time.
Everything about user i follows from i (see randomness), so blocks of users are made independently and
the children of deleted users and categories are here too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from warehouse.demo import zones
from warehouse.demo.period import AS_OF_MS, DAY_MS, DAY_SECONDS, DAYS, FIRST_EPOCH_DAY, FIRST_MS, Size
from warehouse.demo.randomness import Bools, Ints, Stream, uuids
from warehouse.demo.scheduling_names import CATEGORIES, FIRST_NAMES, GOAL_NAMES, LAST_NAMES
from warehouse.demo.slots import DIALECTS, slot_lists
from warehouse.demo.text import Row, dates, instants, lookup, nullable_instants

BLOCK = 64
MOST_CATEGORIES = 8
USER, CATEGORY = Stream("user"), Stream("category")
_DAY, _GOAL = Stream("calendar day"), Stream("goal")

DELETED_EVERY, DELETED_AT = 33, 4
UNKNOWN_ZONE_EVERY, UNKNOWN_ZONE_AT = 100, 5

OFFICE, EARLY_BIRD, NIGHT_OWL, FREELANCER = range(4)
_PERSONAS = (OFFICE, OFFICE, OFFICE, OFFICE, OFFICE, EARLY_BIRD, EARLY_BIRD, NIGHT_OWL, NIGHT_OWL, FREELANCER)

_FOCUS_STARTS = np.array([(540, 570, 840), (360, 390, 420), (1260, 1320, 1380), (480, 600, 1140)], dtype=np.int64)
_FOCUS_LENGTHS = (60, 90, 90, 120, 120, 150, 180)

_TARGETS = {
    ("minutes", "daily"): (15, 30, 60, 120),
    ("minutes", "weekly"): (90, 150, 240, 480),
    ("minutes", "monthly"): (400, 700, 1200, 2000),
    ("percentage", "daily"): (10, 20, 30, 50),
    ("percentage", "weekly"): (10, 15, 25, 40),
    ("percentage", "monthly"): (5, 10, 20, 40),
    ("task_count", "daily"): (1, 1, 1, 2),
    ("task_count", "weekly"): (1, 2, 3, 5),
    ("task_count", "monthly"): (3, 6, 12, 20),
}
_TYPES, _PERIODS = ("minutes", "percentage", "task_count"), ("daily", "weekly", "monthly")


def is_deleted(user: int) -> bool:
    """Whether generated user number `user` is soft-deleted (their children are not)."""
    return user % DELETED_EVERY == DELETED_AT


def live_user(k: int) -> int:
    """The number of the k-th generated user (from 0) who is not deleted."""
    rounds, rest = divmod(k, DELETED_EVERY - 1)
    return rounds * DELETED_EVERY + rest + (rest >= DELETED_AT)


def live_users(size: Size) -> int:
    """How many generated users are not deleted."""
    return size.users - len(range(DELETED_AT, size.users, DELETED_EVERY))


def unknown_zone_users(size: Size) -> int:
    """How many generated users, not deleted, have a time zone that does not exist."""
    candidates = range(UNKNOWN_ZONE_AT, size.users, UNKNOWN_ZONE_EVERY)
    return sum(not is_deleted(user) for user in candidates)


@dataclass(frozen=True)
class Users:
    """A block of users; one array entry each."""

    number: Ints
    zone: Ints
    persona: Ints
    dialect: Ints
    first_day: Ints
    categories: Ints
    deleted: Bools


def users_block(low: int, high: int) -> Users:
    """Users low … high − 1. `first_day`: the day of the period on which they join, 0 for most."""
    n = np.arange(low, high, dtype=np.int64)
    joins_late = Stream("user joins late").chance(n, 0.2)
    unknown = n % UNKNOWN_ZONE_EVERY == UNKNOWN_ZONE_AT
    return Users(
        number=n,
        zone=np.where(unknown, zones.UTC_NUMBER, zones.HOMES[n % len(zones.HOMES)]),
        persona=Stream("user persona").pick(n, _PERSONAS),
        dialect=Stream("user dialect").below(n, DIALECTS),
        first_day=np.where(joins_late, Stream("user first day").below(n, 90), 0),
        categories=4 + Stream("user categories").below(n, 5),
        deleted=n % DELETED_EVERY == DELETED_AT,
    )


def blocks(size: Size) -> Iterator[Users]:
    """All generated users, a block at a time."""
    for low in range(0, size.users, BLOCK):
        yield users_block(low, min(low + BLOCK, size.users))


def user_rows(size: Size) -> Iterator[Row]:
    """Rows of scheduling.users."""
    for users in blocks(size):
        n = users.number
        names = [zones.ZONES[zone].name for zone in users.zone.tolist()]
        for at, number in enumerate(n.tolist()):
            if number % UNKNOWN_ZONE_EVERY == UNKNOWN_ZONE_AT:
                names[at] = zones.NAMES_THAT_NO_ZONE_HAS[number // UNKNOWN_ZONE_EVERY % 2]
            elif number % (10 * DELETED_EVERY) == DELETED_AT:  # deleted, so nobody looks at it
                names[at] = "Mars/Olympus"
        first = lookup(FIRST_NAMES, n % len(FIRST_NAMES))
        last = lookup(LAST_NAMES, n % len(LAST_NAMES))
        emails = [f"{a}.{b}{number}@example.org" for a, b, number in zip(first, last, n.tolist(), strict=True)]
        before = np.where(users.first_day > 0, DAY_SECONDS, 400 * DAY_SECONDS)
        created = FIRST_MS + users.first_day * DAY_MS - Stream("user created").below(n, before) * 1000
        deleted_at = FIRST_MS + (60 + Stream("user deleted").below(n, 60)) * DAY_MS
        updated = np.where(users.deleted, np.maximum(deleted_at, created), created)
        yield from zip(
            uuids(USER, n),
            emails,
            names,
            instants(created),
            instants(updated),
            nullable_instants(updated, users.deleted),
            strict=True,
        )


def children(counts: Ints) -> tuple[Ints, Ints]:
    """For counts[i] children of each user i of the block: the owner's place in it, and the child's number."""
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    first = np.cumsum(counts) - counts
    return owner, np.arange(len(owner), dtype=np.int64) - first[owner]


def category_kind(user: Ints, number: Ints) -> Ints:
    """Which entry of CATEGORIES a user's category of this number (from 0) is."""
    return (user * 5 + number) % len(CATEGORIES)


def category_rows(size: Size) -> Iterator[Row]:
    """Rows of scheduling.categories: four to eight each, few of them deleted."""
    for users in blocks(size):
        owner, number = children(users.categories)
        user = users.number[owner]
        index = user * MOST_CATEGORIES + number
        kind = category_kind(user, number)
        created = FIRST_MS + users.first_day[owner] * DAY_MS - Stream("category created").below(index, 20) * DAY_MS
        deleted = Stream("category deleted").chance(index, 0.04) | (index % 301 == 11)
        deleted_at = FIRST_MS + (91 + Stream("category deleted at").below(index, 30)) * DAY_MS
        yield from zip(
            uuids(CATEGORY, index),
            uuids(USER, user),
            lookup([name for name, _, _ in CATEGORIES], kind),
            [None if n % 7 == 6 else CATEGORIES[k][1] for n, k in zip(index.tolist(), kind.tolist(), strict=True)],
            instants(np.where(deleted, deleted_at, created)),
            nullable_instants(deleted_at, deleted),
            strict=True,
        )


def calendar_day_rows(size: Size) -> Iterator[Row]:
    """Rows of scheduling.user_calendar_days: focus time of two users in three, never dated on a Sunday."""
    days_ahead = DAYS + 7
    for users in blocks(size):
        owner, day = children(np.full(len(users.number), days_ahead, dtype=np.int64))
        index = users.number[owner] * 256 + day
        focused = Stream("user focuses").chance(users.number, 0.67) | (users.number == 0)
        keep = focused[owner] & (day % 7 != 0) & (day >= users.first_day[owner])
        keep &= Stream("focus on day").chance(index, 0.75)
        owner, day, index = owner[keep], day[keep], index[keep]
        counts = Stream("focus slots").pick(index, (0, 1, 1, 1, 1, 2, 2, 2))
        row = np.repeat(np.arange(len(index), dtype=np.int64), counts)
        slot = np.arange(len(row), dtype=np.int64) - (np.cumsum(counts) - counts)[row]
        slot_index = index[row] * 2 + slot
        starts = _FOCUS_STARTS[users.persona[owner[row]], Stream("focus start").below(slot_index, 3)]
        local = (FIRST_EPOCH_DAY + day[row]) * DAY_SECONDS + (starts + slot * 45) * 60
        zone, dialect = users.zone[owner[row]], users.dialect[owner[row]]
        start = zones.to_utc(local, zone)
        end = start + Stream("focus length").pick(slot_index, _FOCUS_LENGTHS) * 60
        written = np.minimum(
            FIRST_MS + day * DAY_MS - Stream("focus written").below(index, 3 * DAY_SECONDS) * 1000,
            AS_OF_MS - 1 - Stream("focus written late").below(index, DAY_MS),
        )
        yield from zip(
            uuids(_DAY, index),
            uuids(USER, users.number[owner]),
            dates(FIRST_EPOCH_DAY + day),
            slot_lists(start, end, zone, dialect, counts),
            instants(written),
            strict=True,
        )


def goal_rows(size: Size) -> Iterator[Row]:
    """Rows of scheduling.goals: one to four each, of all types and periods, some paused, ended or deleted."""
    for users in blocks(size):
        owner, number = children(1 + Stream("user goals").below(users.number, 4))
        user = users.number[owner]
        index = user * 4 + number
        combination = (user + number * 4) % 9
        kinds = [_TYPES[c % 3] for c in combination.tolist()]
        periods = [_PERIODS[c // 3] for c in combination.tolist()]
        has_category = Stream("goal has category").chance(index, 0.5)
        category = Stream("goal category").below(index, users.categories[owner])
        words = [CATEGORIES[k][0].lower() for k in category_kind(user, category).tolist()]
        names = [
            GOAL_NAMES[kind][0].format(category=word) if has else GOAL_NAMES[kind][1]
            for kind, word, has in zip(kinds, words, has_category.tolist(), strict=True)
        ]
        step = Stream("goal target").below(index, 4).tolist()
        targets = [str(_TARGETS[k, p][s]) for k, p, s in zip(kinds, periods, step, strict=True)]
        start = users.first_day[owner] + Stream("goal start").below(index, 28)
        start[index % 97 == 7] = DAYS + 5  # begins after the demo's now
        has_end = Stream("goal ends").chance(index, 0.35)
        end = start + 14 + Stream("goal end").below(index, 60)
        backwards = index % 89 == 3  # the application lets a goal end before it starts
        has_end, end = has_end | backwards, np.where(backwards, start - 3, end)
        active = ~Stream("goal paused").chance(index, 0.12)
        deleted = Stream("goal deleted").chance(index, 0.04) | (index % 307 == 9)
        created = np.minimum(FIRST_MS + (start - 2) * DAY_MS, AS_OF_MS - 3 * DAY_MS)
        changed = (~active | deleted) & (start < DAYS - 10)
        room = np.maximum(DAYS - 2 - start, 1)
        updated = np.where(changed, created + (2 + Stream("goal changed").below(index, room)) * DAY_MS, created)
        category_ids = np.array(uuids(CATEGORY, user * MOST_CATEGORIES + category), dtype=object)
        category_ids[~has_category] = None
        end_dates = np.array(dates(FIRST_EPOCH_DAY + end), dtype=object)
        end_dates[~has_end] = None
        yield from zip(
            uuids(_GOAL, index),
            uuids(USER, user),
            category_ids.tolist(),
            names,
            kinds,
            targets,
            periods,
            dates(FIRST_EPOCH_DAY + start),
            end_dates.tolist(),
            lookup(["false", "true"], active.astype(np.int64)),
            instants(created),
            instants(updated),
            nullable_instants(updated, deleted),
            strict=True,
        )
