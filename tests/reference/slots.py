"""Slots of tasks and calendar days: reading them, and the reasons for which one is left out.

The instant of a slot is read by a hand-written parser that follows `slot_malformed` of the contract to the
letter: no library's or database's idea of ISO 8601 is used.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from .values import DAY, EPOCH_ORDINAL, HOUR, MINUTE, SECOND, minutes

_DIGITS: Final = frozenset("0123456789")
_LONGEST: Final = 31 * DAY


class Slot(NamedTuple):
    """A usable slot: [start, end), as instants."""

    start: int
    end: int


class _MalformedError(Exception):
    """The text is not an instant of the contract's form."""


class _Cursor:
    """Reads text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, *allowed: str) -> str:
        character = self.peek()
        if character not in allowed:
            raise _MalformedError
        self.at += 1
        return character

    def number(self, digits: int, highest: int) -> int:
        found = self.text[self.at : self.at + digits]
        if len(found) < digits or not _DIGITS.issuperset(found) or int(found) > highest:
            raise _MalformedError
        self.at += digits
        return int(found)

    def digits(self) -> str:
        start = self.at
        while self.peek() in _DIGITS:
            self.at += 1
        if self.at == start:
            raise _MalformedError
        return self.text[start : self.at]


def _read_instant(text: str) -> int:
    cursor = _Cursor(text)
    year = cursor.number(4, 9999)
    cursor.take("-")
    month = cursor.number(2, 12)
    cursor.take("-")
    day = cursor.number(2, 31)
    # Reading: upper-case T and Z only, as the form is written; `t` and `z` are malformed.
    cursor.take("T")
    micros = cursor.number(2, 23) * HOUR
    cursor.take(":")
    micros += cursor.number(2, 59) * MINUTE
    if cursor.peek() == ":":
        cursor.take(":")
        micros += cursor.number(2, 59) * SECOND
        if cursor.peek() == ".":
            cursor.take(".")
            micros += int(cursor.digits()[:6].ljust(6, "0"))  # cut to microseconds, not rounded
    if cursor.take("Z", "+", "-") != "Z":
        ahead = cursor.text[cursor.at - 1] == "+"
        # Reading: minutes and seconds of an offset end at 59, and the colons are optional one by one,
        # as the brackets say: +05:3000 is of the form.
        offset = cursor.number(2, 15) * HOUR
        if cursor.peek():
            if cursor.peek() == ":":
                cursor.take(":")
            offset += cursor.number(2, 59) * MINUTE
            if cursor.peek():
                if cursor.peek() == ":":
                    cursor.take(":")
                offset += cursor.number(2, 59) * SECOND
        micros -= offset if ahead else -offset
    if cursor.peek():
        raise _MalformedError
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        raise _MalformedError from None
    return (ordinal - EPOCH_ORDINAL) * DAY + micros


def parse_instant(value: object) -> int | None:
    """A slot's start or end as an instant, or None where it is malformed (or missing, or not text)."""
    if not isinstance(value, str):
        return None
    try:
        return _read_instant(value)
    except _MalformedError:
        return None


def examine(element: object, earliest: int) -> Slot | str:
    """One element of a slots array: the usable slot, or the first reason that holds, in the order given."""
    if not isinstance(element, dict):
        return "slot_malformed"
    start, end = parse_instant(element.get("start")), parse_instant(element.get("end"))
    if start is None or end is None:
        return "slot_malformed"
    if end <= start:
        return "slot_not_positive"
    if end - start > _LONGEST:
        return "slot_too_long"
    if start < earliest:
        return "before_earliest_date"
    return Slot(start, end)


def usable_slots(array: object, earliest: int) -> tuple[list[Slot], list[tuple[int | None, str]]]:
    """The usable slots of an array, and (position, reason) of what was left out; position None: all."""
    if not isinstance(array, list):
        return [], [(None, "slots_not_array")]
    usable: list[Slot] = []
    left_out: list[tuple[int | None, str]] = []
    for position, element in enumerate(array):
        found = examine(element, earliest)
        if isinstance(found, Slot):
            usable.append(found)
        else:
            left_out.append((position, found))
    return usable, left_out


def union(slots: list[Slot]) -> list[Slot]:
    """The maximal disjoint intervals of a union; half-open intervals that touch are one."""
    merged: list[Slot] = []
    for slot in sorted(slots):
        if merged and slot.start <= merged[-1].end:
            merged[-1] = Slot(merged[-1].start, max(merged[-1].end, slot.end))
        else:
            merged.append(slot)
    return merged


def intersection(left: list[Slot], right: list[Slot]) -> list[Slot]:
    """What two unions (disjoint, in order) have in common."""
    common: list[Slot] = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        start = max(left[at_left].start, right[at_right].start)
        end = min(left[at_left].end, right[at_right].end)
        if start < end:
            common.append(Slot(start, end))
        if left[at_left].end <= right[at_right].end:
            at_left += 1
        else:
            at_right += 1
    return common


def total_minutes(slots: list[Slot]) -> int:
    """Minutes on the grid, summed over disjoint intervals."""
    return sum(minutes(slot.start, slot.end) for slot in slots)
