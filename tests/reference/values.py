"""Values as the source has them and as the marts publish them: instants, dates, uuids, numbers.

Belongs here: conversions and exact arithmetic that every application's reference needs.
Does not belong here: any rule of one mart.

Instants are whole microseconds since 1970-01-01T00:00:00Z (plain integers, so nothing overflows and nothing
rounds), days are proleptic Gregorian ordinals where a date can lie outside of the years 1 to 9999.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid3

Row = dict[str, Any]
SourceRow = Mapping[str, Any]
Tables = Mapping[str, Sequence[SourceRow]]
Entry = tuple[str, str, int | None, str]
"""One quarantine entry: source_table, row_key, position, reason."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_ORDINAL: Final = EPOCH.toordinal()
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
PLUS_INFINITY: Final = 10**30
MINUS_INFINITY: Final = -(10**30)
EARLIEST_DATE: Final = date(2000, 1, 1)
NIL_UUID: Final = "00000000-0000-0000-0000-000000000000"

_INSTANT_TEXT: Final = re.compile(
    r"([0-9]{4,})-([0-9]{2})-([0-9]{2})"
    r"[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,6}))?)?"
    r" ?(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?(?::?([0-9]{2}))?)( BC)?"
)
_DATE_TEXT: Final = re.compile(r"([0-9]{4,})-([0-9]{2})-([0-9]{2})( BC)?")


def rows_of(tables: Tables, name: str) -> Sequence[SourceRow]:
    """The rows of one source table; a table that was not given is empty."""
    return tables.get(name, ())


def _ordinal(year: int, month: int, day: int) -> int:
    """Proleptic Gregorian ordinal for any year (0 is 1 BC): 400 years are always 146,097 days."""
    cycles, year_of_cycle = divmod(year, 400)
    return date(year_of_cycle + 400, month, day).toordinal() + (cycles - 1) * 146_097


def instant(value: datetime | str) -> int:
    """A timestamptz as microseconds since the epoch; strings are PostgreSQL's output where datetime cannot.

    Raises ValueError for a naive datetime and for text without an offset.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        return (value - EPOCH) // timedelta(microseconds=1)
    text = value.strip()
    if text in ("infinity", "-infinity"):
        return PLUS_INFINITY if text == "infinity" else MINUS_INFINITY
    match = _INSTANT_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a timestamptz: {value!r}")
    year, month, day, hour, minute, second, fraction, _, sign, off_h, off_m, off_s, before_christ = match.groups()
    days = _ordinal(1 - int(year) if before_christ else int(year), int(month), int(day)) - EPOCH_ORDINAL
    offset = (int(off_h or 0) * HOUR + int(off_m or 0) * MINUTE + int(off_s or 0) * SECOND) * (-1 if sign == "-" else 1)
    time = int(hour) * HOUR + int(minute) * MINUTE + int(second or 0) * SECOND
    return days * DAY + time + int((fraction or "").ljust(6, "0")) - offset


def optional_instant(value: datetime | str | None) -> int | None:
    """As `instant`, null stays null."""
    return None if value is None else instant(value)


def to_datetime(micros: int) -> datetime | str:
    """An instant as an aware datetime in UTC, or as PostgreSQL's text where datetime has no such year."""
    if micros >= PLUS_INFINITY:
        return "infinity"
    if micros <= MINUS_INFINITY:
        return "-infinity"
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        cycle = 146_097 * DAY
        cycles, rest = divmod(micros, cycle)
        near = EPOCH + timedelta(microseconds=rest)
        year = near.year + 400 * cycles
        text = f"{year if year > 0 else 1 - year:04d}-{near:%m-%d %H:%M:%S}"
        if near.microsecond:
            text += f".{near.microsecond:06d}".rstrip("0")
        return f"{text}+00" if year > 0 else f"{text}+00 BC"


def utc_day(micros: int) -> int:
    """The ordinal of the UTC date of an instant."""
    return micros // DAY + EPOCH_ORDINAL


def start_of_utc_day(day: date) -> int:
    """00:00 UTC of a date, as an instant."""
    return (day.toordinal() - EPOCH_ORDINAL) * DAY


def day_ordinal(value: date | str) -> int:
    """A date as an ordinal; strings are PostgreSQL's output where Python has no date. Raises ValueError."""
    if isinstance(value, date):
        return value.toordinal()
    text = value.strip()
    if text in ("infinity", "-infinity"):
        return PLUS_INFINITY if text == "infinity" else MINUS_INFINITY
    match = _DATE_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"not a date: {value!r}")
    year, month, day, before_christ = match.groups()
    return _ordinal(1 - int(year) if before_christ else int(year), int(month), int(day))


def minutes(start: int, end: int) -> int:
    """Minutes on the epoch-minute grid: floor(epoch(end) / 60) - floor(epoch(start) / 60)."""
    return end // MINUTE - start // MINUTE


def uid(value: UUID | str) -> str:
    """A uuid as lower-case text."""
    return value.lower() if isinstance(value, str) else str(value)


def optional_uid(value: UUID | str | None) -> str | None:
    """As `uid`, null stays null."""
    return None if value is None else uid(value)


def surrogate_key(mart: str, *parts: str | date) -> str:
    """uuid3(uuid3(NAMESPACE_URL, 'weir:' || mart), the parts as ISO text joined by '/')."""
    key = "/".join(part if isinstance(part, str) else part.isoformat() for part in parts)
    return str(uuid3(_namespace(mart), key))


@cache
def _namespace(mart: str) -> UUID:
    return uuid3(NAMESPACE_URL, f"weir:{mart}")


def scaled(units: int, places: int) -> Decimal:
    """A whole number of 10**-places as a Decimal of that many places (no context, so no rounding)."""
    return Decimal((int(units < 0), tuple(int(digit) for digit in str(abs(units))), -places))


def round_units(value: Fraction | int, places: int) -> int:
    """Value times 10**places as a whole number, rounded half away from zero."""
    return round_quotient(value.numerator, value.denominator, places)


def round_quotient(numerator: int, denominator: int, places: int) -> int:
    """As `round_units`, of a quotient: floor(|quotient| * 10**places + 1/2), signed; denominator above 0."""
    units: int = (2 * abs(numerator) * 10**places + denominator) // (2 * denominator)
    return -units if numerator < 0 else units


def rounded(value: Fraction | int, places: int) -> Decimal:
    """PostgreSQL's round(numeric, places): half away from zero."""
    return scaled(round_units(value, places), places)


def ratio(numerator: int, denominator: int, places: int = 4) -> Decimal | None:
    """A ratio as published, null where the denominator is 0."""
    return None if denominator == 0 else scaled(round_quotient(numerator, denominator, places), places)


def average_seconds(total_micros: int, count: int) -> float | None:
    """Seconds on average, from an exact sum of microseconds, cast last."""
    return None if count == 0 else float(Fraction(total_micros, count * SECOND))


def seconds(micros: int) -> float:
    """Microseconds as double precision seconds: the double nearest to the exact quotient."""
    return micros / SECOND


def percentile_cont(values: Sequence[float], fraction: float) -> float | None:
    """PostgreSQL's percentile_cont: linear interpolation between the neighbours, in double arithmetic."""
    if not values:
        return None
    ordered = sorted(values)
    place = fraction * (len(ordered) - 1)
    below, above = math.floor(place), math.ceil(place)
    if below == above:
        return ordered[below]
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def shortest_text(value: float) -> Fraction:
    """A double as the exact number that its shortest decimal text names (`value::text::numeric`)."""
    return Fraction(repr(value))
