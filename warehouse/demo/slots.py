"""Slots as the planning application's clients write them: `[{"start": …, "end": …}, …]`, in four dialects.

Only usable slots; malformed ones are planted by scheduling_dirt.
"""

from itertools import islice

import numpy as np

from warehouse.demo import zones
from warehouse.demo.randomness import Ints
from warehouse.demo.text import stamps

DIALECTS = 4
_LOCAL, _UTC, _NO_SECONDS, _SHORT_OFFSET = range(DIALECTS)


def _suffix(dialect: int, minutes: int) -> str:
    if dialect == _UTC:
        return ".000Z"
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    if dialect == _NO_SECONDS:
        return f"{sign}{hours:02d}{rest:02d}"
    if dialect == _SHORT_OFFSET and rest == 0:
        return f"{sign}{hours:02d}"
    return f"{sign}{hours:02d}:{rest:02d}"


_OFFSETS = np.unique(np.concatenate([zones.BEFORE, zones.AFTER])) // 60
_SUFFIXES = np.array([[_suffix(dialect, int(m)) for m in _OFFSETS] for dialect in range(DIALECTS)], dtype=object)


def whole_minutes(utc: Ints, dialect: Ints) -> Ints:
    """The instants (seconds), cut to the minute for the dialect that writes no seconds."""
    return np.where(dialect == _NO_SECONDS, utc - utc % 60, utc)


def _texts(utc: Ints, zone: Ints, dialect: Ints) -> list[str]:
    east = zones.offset(utc, zone)
    local = stamps(np.where(dialect == _UTC, utc, utc + east))
    suffixes = _SUFFIXES[dialect, np.searchsorted(_OFFSETS, east // 60)].tolist()
    short = (dialect == _NO_SECONDS).tolist()
    return [(stamp[:16] if cut else stamp) + suffix for stamp, suffix, cut in zip(local, suffixes, short, strict=True)]


def slot_lists(start: Ints, end: Ints, zone: Ints, dialect: Ints, counts: Ints) -> list[str]:
    """One JSON array per entry of `counts`, each with the next so many slots; instants in seconds."""
    starts, ends = _texts(start, zone, dialect), _texts(end, zone, dialect)
    slots = iter([f'{{"start": "{a}", "end": "{b}"}}' for a, b in zip(starts, ends, strict=True)])
    return [f"[{', '.join(islice(slots, count))}]" if count else "[]" for count in counts.tolist()]
