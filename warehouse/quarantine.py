"""Source values that cannot be used: ``quality.quarantine``.

Belongs here: bringing the table to what the views of the facts say now. Does not belong here: the rules
(the dbt models) and what the gate makes of them (``warehouse.gate``).
"""

from psycopg import sql

from warehouse.catalog import source_tables
from warehouse.database import Connection


def refresh(warehouse: Connection, application: str) -> int:
    """Record new entries, release those that no longer hold, reopen those that hold again; one transaction.

    Returns:
        Number of open entries of the application.
    """
    words = {"view": sql.Identifier("intermediate", f"int_{application}__quarantine")}
    tables = [table.qualified for table in source_tables(application)]
    with warehouse.transaction():
        warehouse.execute(
            sql.SQL(
                "create temp table quarantine_now on commit drop as"
                " select source_table, row_key, position, reason, value from {view}"
            ).format(**words)
        )
        warehouse.execute("analyze quarantine_now")
        warehouse.execute(
            "update quality.quarantine as q set released_at = now()"
            " where released_at is null and source_table = any (%s) and not exists ("
            "  select from quarantine_now as n where n.source_table = q.source_table and n.row_key = q.row_key"
            "  and coalesce(n.position, -1) = coalesce(q.position, -1) and n.reason = q.reason)",
            (tables,),
        )
        warehouse.execute(
            "insert into quality.quarantine as q (source_table, row_key, position, reason, value)"
            " select source_table, row_key, position, reason, value from quarantine_now"
            " on conflict (source_table, row_key, position, reason) do update"
            " set released_at = null, value = excluded.value"
            " where q.released_at is not null or q.value is distinct from excluded.value"
        )
        row = warehouse.execute("select count(*) from quarantine_now").fetchone()
    return int(str(row[0])) if row else 0
