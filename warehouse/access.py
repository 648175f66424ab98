"""Who may do what: the three roles of a warehouse, and what each has a right to.

Belongs here: making roles, their passwords, ownership and grants; URLs that log in as a role. Does not belong
here: what the migrations make (``warehouse.schema``), and logins of sources that somebody else runs.

- ``weir_owner`` cannot log in. It owns marts, control and quality, and so alone can change what they are.
- ``weir_runner`` does the runs. It owns raw, staging, intermediate and candidate; in marts it may read, insert
  and delete rows, in the ledger only read and insert. What else publication needs, it asks functions of
  weir_owner for (``control.make_partition`` and its neighbours).
- ``weir_bi`` reads marts.

Roles belong to a server, not to a database: warehouses that share a server share them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import conninfo, sql

from warehouse.database import Connection, fetch_row, session
from warehouse.errors import ConfigurationError

OWNER, RUNNER, BI = "weir_owner", "weir_runner", "weir_bi"
ROLES = (OWNER, RUNNER, BI)

OWNED = {
    **dict.fromkeys(("marts", "control", "quality"), OWNER),
    **dict.fromkeys(("raw", "staging", "intermediate", "candidate"), RUNNER),
}
"""Whose each schema is, with everything in it."""

OF_THE_SERVER = ("postgres", "template1")
"""Databases that every server has, and Weir keeps nothing in."""

APPEND_ONLY = ("publications", "goal_versions")
"""Tables of control that a run adds to and never changes: the ledger, and history that no source has."""

LARGE_OBJECTS, ADVISORY_LOCKS = "^lo(_|read$|write$)", "^pg_(try_)?advisory_"
"""Functions of PostgreSQL that leave something behind and that everybody may call at first, by their names."""

_ROLES_LOCK = "select pg_advisory_xact_lock(hashtext('weir.roles'))"


def check_rights(warehouse: Connection) -> None:
    """Before anything is made, so that nothing is half-made.

    Raises:
        ConfigurationError: the user may not create schemas, or neither create the roles nor use those there are.
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
    there = _existing(warehouse)
    if not may_create_roles and there != set(ROLES):
        raise ConfigurationError(
            f"user {user} of WEIR_WAREHOUSE_URL may not create the roles {', '.join(ROLES)}; "
            f"alter role {user} createrole, or give another URL"
        )


def make_roles(warehouse: Connection) -> None:
    """Make the roles that are missing, and make the user a member of the first two; one transaction.

    Raises:
        ConfigurationError: they are there, made by somebody else, and the user may not use them.
    """
    with _explained(), warehouse.transaction():
        warehouse.execute(_ROLES_LOCK)
        there = _existing(warehouse)
        for role in ROLES:
            if role not in there:
                login = sql.SQL("nologin" if role == OWNER else "login")
                warehouse.execute(sql.SQL("create role {} {}").format(sql.Identifier(role), login))
        _make_read_only(warehouse)
        for role in (OWNER, RUNNER):
            # Superusers are members of everything; others must be, to hand objects over and to act as the runner.
            (member,) = fetch_row(
                warehouse, "select pg_has_role(%s, 'member') and pg_has_role(%s, 'usage')", (role, role)
            )
            if not member:
                warehouse.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(role)))


def _make_read_only(warehouse: Connection) -> None:
    """Have sessions of the reading role begin read-only, whatever it has set for itself: roles may do that."""
    own, elsewhere = fetch_row(
        warehouse,
        "select coalesce(bool_or(d.oid is null and setting = 'default_transaction_read_only=on'), false),"
        " array_agg(d.datname) filter (where d.oid is not null)"
        " from pg_db_role_setting as s left join pg_database as d on d.oid = s.setdatabase,"
        " unnest(s.setconfig) as setting"
        " where s.setrole = %s::regrole and setting ~ '^default_transaction_read_only='",
        (BI,),
    )
    bi = sql.Identifier(BI)
    if not own:
        warehouse.execute(sql.SQL("alter role {} set default_transaction_read_only = on").format(bi))
    for database in elsewhere or ():  # type: ignore[attr-defined]
        warehouse.execute(
            sql.SQL("alter role {} in database {} reset default_transaction_read_only").format(
                bi, sql.Identifier(str(database))
            )
        )


def set_password(warehouse: Connection, role: str, password: str) -> None:
    """Give a role its password; the server is sent a verifier, so that the password reaches none of its logs.

    Raises:
        ConfigurationError: the user may not change the role.
    """
    verifier = warehouse.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    with _explained(), warehouse.transaction():
        warehouse.execute(_ROLES_LOCK)
        warehouse.execute(
            sql.SQL("alter role {} login password {}").format(sql.Identifier(role), sql.Literal(verifier))
        )


def apply(warehouse: Connection) -> None:
    """Hand everything in the warehouse to its owner and grant the rights; idempotent, one transaction."""
    with _explained(), warehouse.transaction():
        warehouse.execute(_ROLES_LOCK)
        (database,) = fetch_row(warehouse, "select current_database()")
        _hand_over(warehouse)
        names = {
            "database": sql.Identifier(str(database)),
            "owner": sql.Identifier(OWNER),
            "runner": sql.Identifier(RUNNER),
            "bi": sql.Identifier(BI),
            "append_only": sql.SQL(", ").join(sql.Identifier("control", name) for name in APPEND_ONLY),
        }
        for statement in (
            "grant connect on database {database} to {runner}, {bi}",
            "revoke temporary on database {database} from public",
            "grant temporary on database {database} to {runner}",
            "grant usage on schema marts to {runner}, {bi}",
            "grant usage on schema control, quality to {runner}",
            "grant select on all tables in schema marts to {bi}",
            "grant select, insert, delete on all tables in schema marts to {runner}",
            "grant select, insert, update, delete on all tables in schema control, quality to {runner}",
            "revoke update, delete on {append_only} from {runner}",
            "revoke insert, update, delete on control.alembic_version from {runner}",
            "revoke execute on all functions in schema control from public",
            "grant execute on all functions in schema control to {runner}",
            # Of monthly partitions, which weir_owner makes, and of what an administrator puts beside the marts.
            "alter default privileges for role {owner} in schema marts grant select on tables to {bi}",
            "alter default privileges in schema marts grant select on tables to {bi}",
        ):
            warehouse.execute(sql.SQL(statement).format(**names))
        _close_functions(warehouse)


def _close_functions(warehouse: Connection) -> None:
    """Take from readers what leaves large objects and locks behind. Only a superuser can; others leave it at that."""
    for names, may in ((LARGE_OBJECTS, None), (ADVISORY_LOCKS, RUNNER)):
        for (signature,) in warehouse.execute(
            "select p.oid::regprocedure::text from pg_proc as p"
            " where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ %s"
            " and has_function_privilege('public', p.oid, 'execute')"
            " and (select rolsuper from pg_roles where rolname = current_user)",
            (names,),
        ).fetchall():
            function = sql.SQL(str(signature))
            warehouse.execute(sql.SQL("revoke execute on function {} from public").format(function))
            if may:
                warehouse.execute(sql.SQL("grant execute on function {} to {}").format(function, sql.Identifier(may)))


def _hand_over(warehouse: Connection) -> None:
    """Make each schema, and what is in it, its owner's."""
    for schema, owner in OWNED.items():
        words = {"schema": sql.Identifier(schema), "owner": sql.Identifier(owner)}
        warehouse.execute(sql.SQL("alter schema {schema} owner to {owner}").format(**words))
        for (name,) in warehouse.execute(
            # Sequences of identity columns go with their tables.
            "select relname from pg_class where relnamespace = %s::regnamespace and relkind = any ('{r,p,v,m}')"
            " and relowner <> %s::regrole order by oid",
            (schema, owner),
        ).fetchall():
            warehouse.execute(
                sql.SQL("alter table {} owner to {owner}").format(sql.Identifier(schema, str(name)), **words)
            )
        for (signature,) in warehouse.execute(
            "select oid::regprocedure::text from pg_proc where pronamespace = %s::regnamespace"
            " and proowner <> %s::regrole",
            (schema, owner),
        ).fetchall():
            # regprocedure quotes what has to be quoted.
            warehouse.execute(sql.SQL("alter function {} owner to {owner}").format(sql.SQL(str(signature)), **words))


def let_runner_read(source_url: str, schemas: Sequence[str], password: str) -> None:
    """On the embedded server: make the runner's login, and let it read the applications' tables; idempotent.

    Nobody else but the superuser may connect to them. Costs two queries where nothing is to be done. Of servers
    that somebody else runs, their owners decide.

    Args:
        source_url: the source, as its owner.
        schemas: of the applications; those that there are.
        password: to give to the runner.
    """
    with session(source_url, name="weir") as source:
        if RUNNER not in _existing(source):
            with source.transaction():
                source.execute(_ROLES_LOCK)
                if RUNNER not in _existing(source):
                    source.execute(sql.SQL("create role {} login").format(sql.Identifier(RUNNER)))
            set_password(source, RUNNER, password)
        keep_out(source, (source.info.dbname, *OF_THE_SERVER), let_in=RUNNER)
        (closed,) = fetch_row(
            source,
            "select array_agg(distinct n.nspname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = any (%s) and c.relkind = any ('{r,p,v,m,f}')"
            " and not (has_schema_privilege(%s, n.oid, 'usage') and has_table_privilege(%s, c.oid, 'select'))",
            (list(schemas), RUNNER, RUNNER),
        )
        for schema in closed or ():  # type: ignore[attr-defined]
            words = {"schema": sql.Identifier(schema), "runner": sql.Identifier(RUNNER)}
            source.execute(sql.SQL("grant usage on schema {schema} to {runner}").format(**words))
            source.execute(sql.SQL("grant select on all tables in schema {schema} to {runner}").format(**words))


def keep_out(server: Connection, databases: Sequence[str], *, let_in: str | None = None) -> None:
    """On the embedded server: have nobody connect to these databases but superusers; one transaction, idempotent.

    At first every role may connect to any database, and is shown the names of all that is in it.

    Args:
        server: connected to any of its databases.
        databases: those that there are.
        let_in: a role that is to connect to the first of them.
    """
    query = (
        "select datname from pg_database where datname = any (%s) and has_database_privilege('public', oid, 'connect')"
    )
    if not server.execute(query, (list(databases),)).fetchone():
        return
    with server.transaction():
        server.execute(_ROLES_LOCK)
        for (name,) in server.execute(query, (list(databases),)).fetchall():
            database = sql.Identifier(str(name))
            if let_in and name == databases[0]:
                server.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(let_in)))
            server.execute(sql.SQL("revoke connect on database {} from public").format(database))


def acting_as_runner(url: str) -> str:
    """The URL of a server that somebody else runs, with sessions that have the runner's rights and no more.

    The user of the URL logs in and becomes ``weir_runner`` before the first statement. That guards against
    mistakes; against whoever holds the URL it does not: give the machine that runs a URL of weir_runner itself.
    """
    parts = urlsplit(url)
    if conninfo.conninfo_to_dict(url).get("user") == RUNNER:
        return url
    query = dict(parse_qsl(parts.query.replace("+", "%2B")))  # no space to libpq
    query["options"] = f"{query.get('options', '')} -c role={RUNNER}".strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def reader_url(warehouse_url: str, password: str) -> str:
    """URL of the warehouse for the reading role, as libpq takes it."""
    parts = conninfo.conninfo_to_dict(warehouse_url)
    host = str(parts.get("host", "localhost"))
    place = f"{f'[{host}]' if ':' in host else quote(host, safe='')}:{parts.get('port', 5432)}"
    tls = {name: str(parts[name]) for name in ("sslmode", "sslrootcert") if name in parts}
    query = f"?{urlencode(tls, quote_via=quote)}" if tls else ""
    return f"postgresql://{BI}:{password}@{place}/{quote(str(parts.get('dbname', '')), safe='')}{query}"


def _existing(connection: Connection) -> set[str]:
    rows = connection.execute("select rolname from pg_roles where rolname = any (%s)", (list(ROLES),)).fetchall()
    return {str(name) for (name,) in rows}


@contextmanager
def _explained() -> Iterator[None]:
    """Turn a refusal of the server into one line that says what to do."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"the roles {', '.join(ROLES)} cannot be set up ({error.diag.message_primary}); as whoever made them, "
            f"grant {', '.join(ROLES)} to the user of WEIR_WAREHOUSE_URL with admin option"
        ) from None
