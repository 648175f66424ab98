"""The warehouse's own schemas: migrations, and the role that readers use.

Belongs here: bringing a warehouse to the current version. Does not belong here: views and tables that dbt
makes (``warehouse.transform``), and what the migrations contain (``models/migrations``).
"""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import sqlalchemy as sa
from psycopg import conninfo, sql
from sqlalchemy.pool import StaticPool

from warehouse import local_days
from warehouse.catalog import APPLICATIONS, CALENDAR
from warehouse.database import Connection, check_locks, fetch_row
from warehouse.errors import ConfigurationError

MIGRATIONS = Path(__file__).resolve().parents[1] / "models" / "migrations"
HEAD = "0010"
"""The newest migration; a test holds it against the folder, so that runs need not import alembic."""

BI_ROLE = "weir_bi"


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
    _check_rights(warehouse)
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
    with warehouse.transaction():
        warehouse.execute(
            "insert into control.applications (application) select unnest(%s::text[]) on conflict do nothing",
            ([*APPLICATIONS, CALENDAR],),
        )
        local_days.refresh_known_zones(warehouse)


def _forget_models(connection: sa.Connection) -> None:
    """Drop what dbt has made, which may read what a migration takes away; the next run makes it anew."""
    for layer in ("staging", "intermediate", "candidate"):
        connection.execute(sa.text(f"drop schema if exists {layer} cascade"))
        connection.execute(sa.text(f"create schema {layer}"))
    if connection.scalar(sa.text("select to_regclass('control.applications') is not null")):
        connection.execute(sa.text("update control.applications set facts_batch_id = null, facts_fingerprint = null"))


def _check_rights(warehouse: Connection) -> None:
    """Before anything is made, so that nothing is half-made.

    Raises:
        ConfigurationError: the warehouse's role may not create schemas, or not create roles.
    """
    database, user, may_create_schemas, may_create_roles = fetch_row(
        warehouse,
        "select current_database(), current_user, has_database_privilege(current_database(), 'create')"
        " and not pg_is_in_recovery(), rolsuper or rolcreaterole from pg_roles where rolname = current_user",
    )
    if not may_create_schemas:
        raise ConfigurationError(
            f"user {user} of WEIR_WAREHOUSE_URL may not create schemas in database {database}; "
            f"grant create on database {database} to {user}, or give another URL"
        )
    if not may_create_roles:
        raise ConfigurationError(
            f"user {user} of WEIR_WAREHOUSE_URL may not create the role {BI_ROLE} for readers; "
            f"alter role {user} createrole, or give another URL"
        )


def grant_readers(warehouse: Connection, password: str) -> None:
    """Make the role that BI tools use: it can read schema ``marts`` and nothing else. Idempotent.

    Raises:
        ConfigurationError: the warehouse's role may not create roles.
    """
    role = sql.Identifier(BI_ROLE)
    try:
        with warehouse.transaction():
            warehouse.execute("select pg_advisory_xact_lock(hashtext('weir.roles'))")
            (exists,) = fetch_row(warehouse, "select exists (select from pg_roles where rolname = %s)", (BI_ROLE,))
            # The verifier is computed here, so that the password never reaches a server log.
            verifier = warehouse.pgconn.encrypt_password(password.encode(), BI_ROLE.encode(), b"scram-sha-256").decode()
            warehouse.execute(
                sql.SQL("{} role {} login password {}").format(
                    sql.SQL("alter" if exists else "create"), role, sql.Literal(verifier)
                )
            )
            warehouse.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(role))
            (database,) = fetch_row(warehouse, "select current_database()")
            for statement in (
                "grant connect on database {database} to {role}",
                "revoke temporary on database {database} from public",
                "grant usage on schema marts to {role}",
                "grant select on all tables in schema marts to {role}",
                "alter default privileges in schema marts grant select on tables to {role}",
            ):
                warehouse.execute(sql.SQL(statement).format(database=sql.Identifier(str(database)), role=role))
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the reading role {BI_ROLE} cannot be made ({error.diag.message_primary}); "
            f"drop the role {BI_ROLE} that is there, or grant it to the user of WEIR_WAREHOUSE_URL with admin option"
        ) from None


def describe(warehouse: Connection, descriptions: Mapping[str, tuple[str, Mapping[str, str]]]) -> None:
    """Set the comments of marts and their columns, which BI tools show; one transaction.

    Args:
        warehouse: to describe.
        descriptions: per mart, its own description and those of its columns.
    """
    with warehouse.transaction():
        for name, (text, columns) in descriptions.items():
            table = sql.Identifier("marts", name)
            warehouse.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(text)))
            existing = {
                str(column)
                for (column,) in warehouse.execute(
                    "select column_name from information_schema.columns"
                    " where table_schema = 'marts' and table_name = %s",
                    (name,),
                )
            }
            for column, column_text in columns.items():
                if column in existing:
                    warehouse.execute(
                        sql.SQL("comment on column {} is {}").format(
                            sql.Identifier("marts", name, column), sql.Literal(column_text)
                        )
                    )


def reader_url(warehouse_url: str, password: str) -> str:
    """URL of the warehouse for the reading role, as libpq takes it."""
    parts = conninfo.conninfo_to_dict(warehouse_url)
    host = str(parts.get("host", "localhost"))
    place = f"{f'[{host}]' if ':' in host else quote(host, safe='')}:{parts.get('port', 5432)}"
    tls = {name: str(parts[name]) for name in ("sslmode", "sslrootcert") if name in parts}
    query = f"?{urlencode(tls, quote_via=quote)}" if tls else ""
    return f"postgresql://{BI_ROLE}:{password}@{place}/{quote(str(parts.get('dbname', '')), safe='')}{query}"
