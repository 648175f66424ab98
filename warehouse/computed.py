"""Marts whose rows Python computes: tables in schema ``intermediate`` that candidates then select from.

Belongs here: making those tables, and filling those of the run's marts in one transaction, after the candidates
that they are made from and before their own. Contract, gate, publication and ledger are then those of any mart.

Does not belong here: the computations. Their libraries are imported at their first use: a run with nothing to
do does not pay for them.
"""

from collections.abc import Callable, Iterable

from psycopg import sql

from warehouse.catalog import mart, marts
from warehouse.database import Connection, empty
from warehouse.plan import Parameters, Plan


def table(name: str) -> sql.Identifier:
    """Where the rows of a mart are computed into."""
    return sql.Identifier("intermediate", f"computed_{name}")


def names(plan: Plan) -> list[str]:
    """The plan's marts whose rows Python computes, in the catalog's order."""
    return [each.name for each in marts(plan.application) if each.computed and each.name in plan.partitions]


def prepare(warehouse: Connection, application: str) -> None:
    """Make the tables, with the columns of their marts, where there are none."""
    for each in marts(application):
        if each.computed:
            warehouse.execute(
                sql.SQL("create unlogged table if not exists {} (like {} including defaults)").format(
                    table(each.name), sql.Identifier("marts", each.name)
                )
            )


def fill(
    warehouse: Connection,
    parameters: Parameters,
    plan: Plan,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Compute the rows of the plan's marts from the days as they will stand; one transaction.

    Args:
        warehouse: with candidates of what the marts are made from.
        parameters: of the run.
        plan: what is built.
        say: takes a line of progress.
    """
    from warehouse.services import rows

    wanted = names(plan)
    computed: dict[str, Iterable[tuple[object, ...] | str]] = {}
    if "kpi_anomalies" in wanted:
        computed["kpi_anomalies"] = list(rows.anomaly_rows(warehouse, parameters, plan.partitions["kpi_anomalies"]))
    if "kpi_correlations" in wanted:
        computed["kpi_correlations"] = rows.correlation_rows(warehouse, parameters)
    if {"kpi_forecasts", "kpi_forecast_accuracy"} & {*wanted}:
        fits = list(rows.forecasts(warehouse, parameters, say))
        computed["kpi_forecasts"] = rows.forecast_lines(parameters, fits)
        computed["kpi_forecast_accuracy"] = rows.accuracy_rows(fits)
    with warehouse.transaction(), warehouse.cursor() as cursor:
        for name in wanted:
            empty(warehouse, table(name))
            columns = _columns(warehouse, name)
            with cursor.copy(sql.SQL("copy {} ({}) from stdin").format(table(name), columns)) as copy:
                for row in computed[name]:
                    if isinstance(row, str):
                        copy.write(row)
                    else:
                        copy.write_row(row)
            cursor.execute(sql.SQL("analyze {}").format(table(name)))


def _columns(warehouse: Connection, name: str) -> sql.Composed:
    """The mart's columns, in the order of its table, which is that of the rows."""
    listed = warehouse.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " order by attnum",
        (f"marts.{mart(name).name}",),
    ).fetchall()
    return sql.SQL(", ").join(sql.Identifier(str(column)) for (column,) in listed)
