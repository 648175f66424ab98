"""The databases of a command: opened, made or brought to the current version where that is ours to do."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import psycopg

from orchestration.arguments import APPLICATIONS
from orchestration.settings import Settings
from warehouse.database import Connection, connect, patience, session
from warehouse.errors import ConfigurationError

if TYPE_CHECKING:
    from warehouse.refresh import Places

LOOK_SECONDS = 60
"""How long a source has to tell which tables it has."""


def warehouse_session(places: "Places", name: str) -> AbstractContextManager[Connection]:
    """The warehouse as runs see it, for one command; the name is what the server shows of it."""
    return session(places.warehouse_url, name=name, setting="WEIR_WAREHOUSE_URL")


def owner_session(chosen: Settings, name: str) -> AbstractContextManager[Connection]:
    """The warehouse for whoever sets it up, or proves it: a run has no right to put the ledger aside.

    The embedded server runs already, if it is there.
    """
    return session(chosen.warehouse_of(chosen.server), name=name, setting="WEIR_WAREHOUSE_URL")


def prepare(chosen: Settings) -> None:
    """Bring the warehouse to the current version, where it is not; the embedded server runs already."""
    from warehouse import schema

    with owner_session(chosen, "weir init") as warehouse:
        if not schema.is_current(warehouse):
            set_up(chosen, warehouse)


def set_up(chosen: Settings, warehouse: Connection) -> None:
    """Migrate the warehouse, and give its reading role the password that is kept in WEIR_HOME."""
    from warehouse import access, schema

    schema.migrate(warehouse, chosen.warehouse_of(chosen.server))
    access.set_password(warehouse, access.BI, chosen.reader_password(access.BI))


@contextmanager
def warehouse_to_read(chosen: Settings, name: str) -> Iterator[tuple["Places", Connection]]:
    """The warehouse for a report: made where it is our own, left alone where somebody else runs it."""
    from warehouse import schema

    places = chosen.start()
    with owner_session(chosen, name) as warehouse:
        if not schema.is_current(warehouse):
            if chosen.warehouse_url is not None:
                raise ConfigurationError(
                    "the database of WEIR_WAREHOUSE_URL is not set up for this version of weir; run: weir init"
                )
            set_up(chosen, warehouse)
    with warehouse_session(places, name) as warehouse:
        yield places, warehouse


def working(
    places: "Places", *, wait: bool, say: Callable[[str], None], name: str = "verify"
) -> AbstractContextManager[object]:
    """Holds the warehouse, so that no run works on it; waits for one that does, or refuses."""
    from warehouse import lock

    return lock.exclusive(
        places.warehouse_url, name, wait=wait, waiting=lambda holder: say(f"waiting for {holder} to end")
    )


def reader_url(chosen: Settings) -> str:
    """The libpq URL of the role for BI tools, tried before it is given away."""
    from warehouse import access

    with warehouse_to_read(chosen, "weir url") as (places, _):
        readers = access.reader_url(places.warehouse_url, chosen.reader_password(access.BI))
        try:
            connect(readers, name="weir url").close()
        except ConfigurationError as error:
            raise ConfigurationError(
                f"role {access.BI} cannot log in with the password kept in {places.home}: {error}; "
                "to give it that password, run: weir init"
            ) from None
        return readers


def check_sources(chosen: Settings, places: "Places", applications: tuple[str, ...]) -> None:
    """Refuse to run where no application's source can be read. Where some can, the others fail on their own."""
    from warehouse.database import without_password
    from warehouse.extract import missing_tables

    problems = []
    for url, names in by_url(places.source_urls, applications).items():
        setting = chosen.source_setting(names[0])
        try:
            with (
                session(url, name="weir run", read_only=True, setting=setting) as source,
                patience(source, LOOK_SECONDS),
            ):
                missing = [missing_tables(source, name) for name in names]
        except ConfigurationError as error:
            problems.append(str(error))
            continue
        except psycopg.OperationalError as error:
            words = " ".join(str(error).split())
            problems.append(f"the source {without_password(url)} broke off, or was silent, when looked at ({words})")
            continue
        if not all(missing):
            return
        lacking = [name for of_application in missing for name in of_application]
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        problems.append(
            f"the source {without_password(url)} lacks {lacking[0]}{more}; create what is missing (weir source "
            f"create makes all tables), or point {setting} to the database that has them"
        )
    raise ConfigurationError("; ".join(problems))


def by_url(source_urls: Mapping[str, str], applications: tuple[str, ...] = APPLICATIONS) -> dict[str, tuple[str, ...]]:
    """The applications that share a source, per libpq URL of it."""
    urls: dict[str, tuple[str, ...]] = {}
    for application in applications:
        urls[source_urls[application]] = (*urls.get(source_urls[application], ()), application)
    return urls
