"""The arguments of commands, read: days, instants, applications and tables by name.

All raise ConfigurationError with a line that says what to give instead.
"""

import datetime as dt

from orchestration import settings as settings_module
from orchestration.settings import Settings
from warehouse.errors import ConfigurationError

APPLICATIONS = Settings.APPLICATIONS
LAST_YEAR = 2200  # of an as-of instant: a run makes a partition for every day until then


def applications_of(only: str | None) -> tuple[str, ...]:
    """The applications that ``--only`` names, in the order that they run in; all where it is not given."""
    if only is None:
        return APPLICATIONS
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in APPLICATIONS:
            raise ConfigurationError(f"--only: there is no application {name!r}; they are {', '.join(APPLICATIONS)}")
    if not names:
        raise ConfigurationError(f"--only names no application; they are {', '.join(APPLICATIONS)}")
    return tuple(name for name in APPLICATIONS if name in names)


def source_tables(names: str | None) -> tuple[str, ...]:
    """The source tables that ``--force-deletes`` names, as scheduling.tasks; or all."""
    from warehouse.extract import check_table_names

    found = tuple(name.strip() for name in (names or "").split(",") if name.strip())
    check_table_names(found)
    return found


def date(option: str, text: str | None) -> dt.date | None:
    """The day that an option gives, as 2018-01-31."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} {text!r} is not a date; give one such as 2018-01-31") from None


def instant(text: str) -> dt.datetime:
    """The instant that ``--as-of`` gives, in UTC; its offset must be written."""
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--as-of {text!r} is not an instant; give one such as 2018-01-31T00:00:00Z") from None
    if instant.tzinfo is None:
        raise ConfigurationError(f"--as-of {text!r} has no offset from UTC; give one such as 2018-01-31T00:00:00Z")
    if not settings_module.EARLIEST_DATE.year <= instant.year <= LAST_YEAR:
        raise ConfigurationError(f"--as-of {text!r} is far from any data; give one such as 2018-01-31T00:00:00Z")
    return instant.astimezone(dt.UTC)
