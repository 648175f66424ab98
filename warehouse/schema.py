"""The warehouse's own schemas: migrations, and what runs do to definitions.

Belongs here: bringing a warehouse to the current version. Does not belong here: views and tables that dbt
makes (``warehouse.transform``), what the migrations contain (``models/migrations``), and who may do what
(``warehouse.access``).
"""

from collections.abc import Mapping
from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.pool import StaticPool

from warehouse import access, local_days
from warehouse.catalog import APPLICATIONS, CALENDAR, marts
from warehouse.database import Connection, check_locks, fetch_row
from warehouse.errors import ConfigurationError

MIGRATIONS = Path(__file__).resolve().parents[1] / "models" / "migrations"
HEAD = "0012"
"""The newest migration; a test holds it against the folder, so that runs need not import alembic."""

MADE_BY_DBT = ("staging", "intermediate", "candidate")
"""Schemas of which everything can be made anew."""


def is_current(warehouse: Connection) -> bool:
    """Whether the newest migration is applied."""
    (exists,) = fetch_row(warehouse, "select to_regclass('control.alembic_version') is not null")
    if not exists:
        return False
    rows = warehouse.execute("select version_num from control.alembic_version").fetchall()
    return [row[0] for row in rows] == [HEAD]


def migrate(warehouse: Connection, url: str, revision: str = "head", *, down: bool = False) -> None:
    """Create or upgrade the schemas, or take migrations back (``down``); idempotent, one transaction.

    Raises:
        ConfigurationError: the server has too few locks, the role may not create schemas and roles, or a newer
            version of Weir has been here.
    """
    check_locks(warehouse)
    access.check_rights(warehouse)
    access.make_roles(warehouse)
    import alembic.command
    import alembic.config
    import alembic.util

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('weir.migrate'))"))
            connection.execute(sa.text("create schema if not exists control"))
            config.attributes["connection"] = connection
            if down:
                _forget_models(connection)
                alembic.command.downgrade(config, revision)
            else:
                alembic.command.upgrade(config, revision)
    except alembic.util.CommandError as error:
        raise ConfigurationError(
            f"the warehouse was set up by another version of weir ({error}); use that version or a newer one"
        ) from None
    except sa.exc.DBAPIError as error:
        raise ConfigurationError(
            f"the warehouse cannot be set up ({' '.join(str(error.orig).split())}); "
            "give its role the right to create schemas in this database"
        ) from None
    finally:
        engine.dispose()
    if down:
        return
    access.apply(warehouse)
    with warehouse.transaction():
        warehouse.execute(
            "insert into control.applications (application) select unnest(%s::text[]) on conflict do nothing",
            ([*APPLICATIONS, CALENDAR],),
        )
        local_days.refresh_known_zones(warehouse)


def _forget_models(connection: sa.Connection) -> None:
    """Drop what dbt has made, which may read what a migration takes away; the next run makes it anew."""
    for layer in MADE_BY_DBT:
        connection.execute(sa.text(f"drop schema if exists {layer} cascade"))
        connection.execute(sa.text(f"create schema {layer}"))
    if connection.scalar(sa.text("select to_regclass('control.applications') is not null")):
        connection.execute(sa.text("update control.applications set facts_batch_id = null, facts_fingerprint = null"))


def forget_models(warehouse: Connection, area: str) -> None:
    """Drop what dbt has made of an area, and what no area knows any more; within the caller's transaction.

    Not the schemas themselves: to make them again takes a right that runs do not have.
    """
    others = [each for each in (*APPLICATIONS, CALENDAR) if each != area]
    theirs = [mart.name for other in others for mart in marts(other)]
    for layer in MADE_BY_DBT:
        for kind, word in (("v", "view"), ("r", "table")):
            rows = warehouse.execute(
                "select relname from pg_class where relnamespace = %s::regnamespace and relkind::text = %s"
                " and regexp_replace(relname, '^computed_', '') <> all (%s) and relname !~ %s",
                (layer, kind, theirs, f"^(stg|int)_({'|'.join(others)})__"),
            ).fetchall()
            if rows:
                warehouse.execute(
                    sql.SQL("drop {} {} cascade").format(
                        sql.SQL(word), sql.SQL(", ").join(sql.Identifier(layer, str(name)) for (name,) in rows)
                    )
                )


def describe(warehouse: Connection, descriptions: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
    """Set the comments of marts and their columns, which BI tools show; one transaction.

    Args:
        warehouse: to describe.
        descriptions: per mart, its own description and those of its columns.
    """
    with warehouse.transaction(), warehouse.cursor() as cursor:
        cursor.executemany(
            "select control.describe(%s, %s, %s)",
            [
                (name, column, text)
                for name, (of_mart, columns) in descriptions.items()
                for column, text in ((None, of_mart), *columns.items())
            ],
        )
