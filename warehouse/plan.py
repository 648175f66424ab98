"""What a run has to build: from changes to dirty partitions to the list that dbt models read.

Belongs here: the parameters of the current run, bringing facts up to date, ``control.late_data`` and
``control.run_partitions``. Does not belong here: reading sources, building and checking candidates.

State that must survive a crash is in the warehouse: changes of facts stay in their queues until one
transaction has turned them into dirty partitions, and a partition stays dirty until a publication settles it.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import sql

from warehouse import goal_history, local_days, lock, schema
from warehouse.catalog import APPLICATIONS, CALENDAR, Mart, marts, source_tables
from warehouse.database import Connection, empty, fetch_row
from warehouse.errors import ConfigurationError
from warehouse.transform import Transformer, project_hash

DEFINITIONS = "(definitions)"
"""Stands for a source table where a new version of models, settings or time-zone data dirties partitions."""

RECORDED_BEFORE_FACTS: Mapping[str, Sequence[Callable[[Connection], object]]] = {"scheduling": (goal_history.record,)}
"""What is kept for good of an application's changes, and what its facts read: recorded before they are made."""

METHODS = Path(__file__).with_name("services")
"""What computes rows in Python: as much a part of what marts mean as the models."""

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Parameters:
    """What a run is asked to do. Dates are partition dates, inclusive; ``as_of`` is aware."""

    run_id: str
    as_of: dt.datetime
    earliest_date: dt.date
    from_date: dt.date | None = None
    to_date: dt.date | None = None
    rewind: bool = False
    additive: frozenset[str] = frozenset()
    """Metric types of the services of which a day without a row counts as zero in forecasts."""

    @property
    def last_date(self) -> dt.date:
        """The last day that exists: it is already tomorrow in Kiritimati."""
        return self.as_of.astimezone(dt.UTC).date() + ONE_DAY

    @property
    def first_possible_date(self) -> dt.date:
        """The first day that can exist: on the earliest date it is still yesterday somewhere."""
        return self.earliest_date - ONE_DAY

    @property
    def dated(self) -> bool:
        """Whether given days are rebuilt, rather than what is dirty."""
        return self.from_date is not None or self.to_date is not None


@dataclass(frozen=True)
class Plan:
    """The partitions of one application that this run builds: dates per mart, None for undated marts."""

    application: str
    partitions: dict[str, tuple[dt.date | None, ...]] = field(default_factory=dict)

    def only(self, names: Collection[str]) -> "Plan":
        """The part of the plan that concerns these marts."""
        return Plan(self.application, {name: days for name, days in self.partitions.items() if name in names})

    @property
    def count(self) -> int:
        """Number of partitions over all marts."""
        return sum(len(dates) for dates in self.partitions.values())


def begin(warehouse: Connection, parameters: Parameters, applications: Sequence[str]) -> None:
    """Write the run's parameters where models read them.

    Raises:
        ConfigurationError: as_of is before that of the last publication (or of what a rebuild of given days as of an
            earlier instant has left standing), and rewind is not asked for.
    """
    with warehouse.transaction():
        (last,) = fetch_row(
            warehouse,
            "select max(newest_as_of) from control.applications where application = any (%s)",
            (list(applications),),
        )
        if isinstance(last, dt.datetime) and parameters.as_of < last and not parameters.rewind:
            raise ConfigurationError(
                f"as-of {parameters.as_of.isoformat()} is before that of the last publication "
                f"({last.isoformat()}); give a later --as-of, or --rewind to move windows and periods back"
            )
        warehouse.execute("delete from control.current_run")
        warehouse.execute(
            "insert into control.current_run (run_id, as_of, future_limit, last_date, earliest_date)"
            " values (%s, %s, %s, %s, %s)",
            (
                parameters.run_id,
                parameters.as_of,
                parameters.as_of + dt.timedelta(hours=24),
                parameters.last_date,
                parameters.earliest_date,
            ),
        )
        # One row, but a table that was never analyzed is thought to have hundreds, and every model joins it.
        warehouse.execute("select control.update_statistics('current_run')")


def is_new(warehouse: Connection, application: str) -> bool:
    """Whether the application's facts have yet to be built from all its rows."""
    (new,) = fetch_row(
        warehouse, "select facts_batch_id is null from control.applications where application = %s", (application,)
    )
    return bool(new)


def _fingerprint(parameters: Parameters) -> str:
    methods = hashlib.sha256()
    for path in sorted(METHODS.glob("*.py")):
        methods.update(path.read_bytes())
    additive = ",".join(sorted(parameters.additive))
    return (
        f"{project_hash()} {methods.hexdigest()[:16]} {parameters.earliest_date} additive {additive}"
        f" tzdata {local_days.data_version()}"
    )


def is_deployed(warehouse: Connection, parameters: Parameters, area: str) -> bool:
    """Whether facts and views of an area were made by this version of models, settings and time-zone data."""
    (current,) = fetch_row(
        warehouse,
        "select facts_fingerprint is not distinct from %s from control.applications where application = %s",
        (_fingerprint(parameters), area),
    )
    return bool(current)


def deploy(warehouse: Connection, transformer: Transformer, parameters: Parameters, area: str) -> bool:
    """Make staging views of an area anew where models, settings or time-zone data have changed since they were made.

    Facts are then built from all rows, and every published partition is dirty. Nothing is touched that another area's
    extract or models could be working on: no model reads another area's.

    Returns:
        Whether views were made.
    """
    current = is_deployed(warehouse, parameters, area)
    extracted = area in APPLICATIONS and _exists(warehouse, f"raw.{source_tables(area)[0].raw}")
    # Only what is missing: making a view anew drops the views of facts that read it.
    if current and (not extracted or _exists(warehouse, f"staging.{_a_view(area)}")):
        return False
    if not current:
        _forget(warehouse, parameters, area)
    if extracted:
        transformer.run(warehouse, {model.name for model in transformer.models_of("staging", area)})
    schema.describe(warehouse, transformer.descriptions(mart.name for mart in marts(area)))
    return extracted


def _forget(warehouse: Connection, parameters: Parameters, area: str) -> None:
    """Drop what another version has made of an area, and dirty what was published; one transaction."""
    fingerprint = _fingerprint(parameters)
    with warehouse.transaction():
        schema.forget_models(warehouse, area)
        local_days.refresh_known_zones(warehouse)
        # Of every area that another version has made, also of those whose turn comes in a later run.
        warehouse.execute(
            "insert into control.late_data"
            " (first_batch_id, batch_id, application, mart, partition_start, source_table, row_count)"
            " select 0, 0, application, mart, partition_start, %s, 0"
            " from control.publications inner join control.applications using (application)"
            " where facts_fingerprint is distinct from %s"
            " group by application, mart, partition_start"
            " on conflict (batch_id, mart, partition_start, source_table)"
            " do update set state = 'pending', publication_id = null, dirtied_at = now()",
            (DEFINITIONS, fingerprint),
        )
        warehouse.execute(
            "update control.applications set facts_batch_id = null, facts_fingerprint = %s where application = %s",
            (fingerprint, area),
        )


def _exists(warehouse: Connection, relation: str) -> bool:
    return bool(fetch_row(warehouse, "select to_regclass(%s) is not null", (relation,))[0])


def refresh_facts(warehouse: Connection, transformer: Transformer, application: str) -> bool:
    """Recompute the facts of rows that changed since they were last computed, or that the as-of instant moved over.

    Returns:
        Whether there were any.
    """
    # Until their changes are recorded, facts may be as of this run's instant or still as of an earlier run's; where
    # an earlier run was interrupted in between, nothing is known of them.
    warehouse.execute(
        "update control.applications as a set facts_as_of_from = least(a.facts_as_of_from, r.as_of),"
        " facts_as_of_to = case when a.facts_as_of_from < a.facts_as_of_to then 'infinity'"
        "  else greatest(a.facts_as_of_to, r.as_of) end"
        " from control.current_run as r where a.application = %s and a.facts_as_of_from is not null",
        (application,),
    )
    if not (has_changes(warehouse, application) or _has_due_facts(warehouse, application)):
        return False
    for record in RECORDED_BEFORE_FACTS.get(application, ()):
        record(warehouse)
    (complete,) = fetch_row(
        warehouse, "select to_regclass(%s) is not null", (f"intermediate.int_{application}__dirty_partitions",)
    )
    models = transformer.models_of("intermediate", application)
    keys = f"int_{application}__affected_"
    kept = {model.name for model in models if model.affected or model.name.startswith(keys)}
    transformer.run(warehouse, kept if complete else {model.name for model in models})
    return True


def record_dirty(warehouse: Connection, parameters: Parameters, application: str) -> int:
    """Turn changes of facts into dirty partitions, in one transaction that also empties the queues.

    Returns:
        Number of dirty partitions recorded.
    """
    derived = [mart.name for mart in marts(application) if mart.made_from]
    with warehouse.transaction():
        # Of two applications at once, the other has then read what this one added.
        lock.until_commit(warehouse, CALENDAR)
        _extend_local_days(warehouse, parameters, application)
    with warehouse.transaction():
        facts_batch, batch_id = fetch_row(
            warehouse,
            "select facts_batch_id, (select max(batch_id) from control.batches where application = %(application)s)"
            " from control.applications where application = %(application)s",
            {"application": application},
        )
        assert isinstance(batch_id, int)
        # All batches since the last plan, or, where facts are new, all there are; where there is none, the last again.
        first_batch = 1 if facts_batch is None else min(int(str(facts_batch)) + 1, batch_id)
        count = warehouse.execute(
            sql.SQL(
                # Materialized: pushing the limits on days into the view misleads the planner by orders.
                "with dirty as materialized (select * from {})"
                " insert into control.late_data as known"
                " (first_batch_id, batch_id, application, mart, partition_start, source_table, row_count)"
                " select %(first_batch)s, %(batch)s, %(application)s, mart, partition_start, source_table, row_count"
                " from dirty"
                # Days to come are built when they come, and so are the periods that hold them.
                " where (mart = any (%(derived)s) or partition_start >= %(first)s)"
                " and partition_start <= greatest(%(last)s,"
                "  (select max(partition_start) from control.publications where application = %(application)s),"
                "  case when mart = any (%(derived)s) then (select (newest_as_of at time zone 'UTC')::date + 1"
                "   from control.applications where application = %(application)s) end)"
                " on conflict (batch_id, mart, partition_start, source_table) do update"
                " set first_batch_id = least(known.first_batch_id, excluded.first_batch_id),"
                " row_count = excluded.row_count, state = 'pending', publication_id = null"
            ).format(sql.Identifier("intermediate", f"int_{application}__dirty_partitions")),
            {
                "first_batch": first_batch,
                "batch": batch_id,
                "application": application,
                "first": parameters.first_possible_date,
                "last": parameters.last_date,
                "derived": derived,
            },
        ).rowcount
        for mart in marts(application):
            if mart.made_from and mart.dated:
                count += _record_periods(warehouse, mart, batch_id)
        for mart in marts(application):
            for table in mart.depends_on:
                count += _record_undated(warehouse, mart, table, first_batch, batch_id, facts_batch)
        if count:
            warehouse.execute("select control.update_statistics('late_data')")
        for (queue,) in warehouse.execute(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'intermediate' and c.relkind = 'r' and c.relname like %s",
            (f"int\\_{application}\\_\\_%\\_\\_changes",),
        ).fetchall():
            empty(warehouse, sql.Identifier("intermediate", str(queue)))
        warehouse.execute(
            "update control.applications set facts_batch_id = %(batch)s, facts_as_of_from = %(as_of)s,"
            " facts_as_of_to = %(as_of)s, planned_as_of = %(as_of)s, first_date = least(first_date,"
            " (select min(partition_start) from control.late_data"
            " where batch_id = %(batch)s and application = %(application)s and mart <> all (%(derived)s)))"
            " where application = %(application)s",
            {"batch": batch_id, "application": application, "derived": derived, "as_of": parameters.as_of},
        )
        _begin(warehouse, parameters, application, derived)
    return count


def _begin(warehouse: Connection, parameters: Parameters, application: str, derived: list[str]) -> None:
    """Of an application that has no day yet: whether one has come that rows of earlier batches were planned for.

    Such rows dirtied nothing when they came, and nothing dirties their days when they have come.
    """
    (has_begun, batch_id) = fetch_row(
        warehouse,
        "select first_date is not null, facts_batch_id from control.applications where application = %s",
        (application,),
    )
    if has_begun:
        return
    words = {
        "batch": batch_id,
        "application": application,
        "derived": derived,
        "first": parameters.first_possible_date,
        "last": parameters.last_date,
    }
    # As if all facts were new: then each of them says which days it touches.
    warehouse.execute(
        "update control.applications set facts_batch_id = null where application = %(application)s", words
    )
    warehouse.execute(
        sql.SQL(
            "update control.applications set facts_batch_id = %(batch)s, first_date = (select min(partition_start)"
            " from {} where mart <> all (%(derived)s) and partition_start between %(first)s and %(last)s)"
            " where application = %(application)s"
        ).format(sql.Identifier("intermediate", f"int_{application}__dirty_partitions")),
        words,
    )


def choose(warehouse: Connection, parameters: Parameters, application: str) -> Plan:
    """List the partitions that this run builds, in ``control.run_partitions``; one transaction.

    Without dates: those that are dirty, those not built yet, and those that the as-of instant has moved
    into or out of. With dates: every day from ``from_date`` through ``to_date``, and marts without dates, which
    nothing else would mend. Either way also the periods that hold those days, of the marts made from them. The list
    of the application's run before this one, which queries for the rows of failed checks read, stands until then.
    """
    with warehouse.transaction():
        warehouse.execute("delete from control.run_partitions where application = %s", (application,))
        for mart in marts(application):
            if mart.dated and not mart.made_from:
                _choose_days(warehouse, parameters, mart)
        if not parameters.dated:
            _choose_what_is_due(warehouse, application)
        for mart in marts(application):
            if mart.dated and mart.made_from:
                _choose_periods(warehouse, parameters, mart)
            elif not mart.dated and (parameters.dated or _is_stale(warehouse, parameters, mart)):
                warehouse.execute(
                    "insert into control.run_partitions (application, mart, partition_start) values (%s, %s, null)"
                    " on conflict do nothing",
                    (application, mart.name),
                )
        rows = warehouse.execute(
            "select mart, array_agg(partition_start order by partition_start) from control.run_partitions"
            " where application = %s group by mart",
            (application,),
        ).fetchall()
        warehouse.execute("select control.update_statistics('run_partitions')")
    return Plan(application, {str(mart): tuple(dates) for mart, dates in rows})  # type: ignore[arg-type]


def _choose_days(warehouse: Connection, parameters: Parameters, mart: Mart) -> None:
    words = {
        "application": mart.application,
        "mart": mart.name,
        "first": parameters.first_possible_date,
        "last": parameters.last_date,
        "from": parameters.from_date,
        "to": parameters.to_date,
    }
    if parameters.dated:
        warehouse.execute(
            "insert into control.run_partitions (application, mart, partition_start)"
            " select %(application)s, %(mart)s, day::date"
            " from control.applications as a, generate_series("
            "  greatest(%(from)s::date, a.first_date, %(first)s)::timestamp,"
            "  least(%(to)s::date, %(last)s)::timestamp, interval '1 day') as day"
            " where a.application = %(application)s and a.first_date is not null",
            words,
        )
        return
    warehouse.execute(
        """
        insert into control.run_partitions (application, mart, partition_start)
        select %(application)s, %(mart)s, days.date
        from (
            select late_data.partition_start as date
            from control.late_data
            where state = 'pending' and application = %(application)s and mart = %(mart)s
                and partition_start <= %(last)s
            union
            select day::date
            from control.applications as a
            cross join generate_series(
                greatest(a.first_date, %(first)s)::timestamp, %(last)s::timestamp, interval '1 day'
            ) as day
            -- Days begin with data: greatest() would pass over a null.
            where a.application = %(application)s and a.first_date is not null and not exists (
                select from control.publications as p
                where p.mart = %(mart)s and p.partition_start = day::date
            )
            union
            select p.partition_start
            from control.applications as a
            inner join control.publications as p
                on p.application = a.application and p.mart = %(mart)s
            where a.application = %(application)s
                and p.partition_start > least((a.as_of at time zone 'UTC')::date + 1, %(last)s)
        ) as days
        """,
        words,
    )


def _choose_what_is_due(warehouse: Connection, application: str) -> None:
    """What the clock alone makes due, where the application has a model that says so."""
    due = f"int_{application}__due_partitions"
    (exists,) = fetch_row(warehouse, "select to_regclass(%s) is not null", (f"intermediate.{due}",))
    if exists:
        warehouse.execute(
            sql.SQL(
                "insert into control.run_partitions (application, mart, partition_start)"
                " select distinct %s, mart, partition_start from {} on conflict do nothing"
            ).format(sql.Identifier("intermediate", due)),
            (application,),
        )


def _choose_periods(warehouse: Connection, parameters: Parameters, mart: Mart) -> None:
    """Of a mart made from others: the periods that hold a day that they build, and those that are dirty."""
    warehouse.execute(
        """
        insert into control.run_partitions (application, mart, partition_start)
        select %(application)s, %(mart)s, chosen.date
        from (
            select date_trunc(period, run_partitions.partition_start::timestamp)::date as date
            from control.run_partitions
            cross join unnest(%(periods)s::text[]) as period
            where run_partitions.mart = any (%(made_from)s)
            union
            select late_data.partition_start
            from control.late_data
            where state = 'pending' and mart = %(mart)s and partition_start <= %(last)s and not %(dated)s
            union
            -- A mart that is new to this warehouse.
            select date_trunc(period, publications.partition_start::timestamp)::date
            from control.publications
            cross join unnest(%(periods)s::text[]) as period
            where publications.mart = any (%(made_from)s) and publications.partition_start <= %(last)s
                and not %(dated)s
                and not exists (select from control.publications where mart = %(mart)s)
        ) as chosen
        on conflict do nothing
        """,
        {
            "application": mart.application,
            "mart": mart.name,
            "periods": _periods(mart),
            "made_from": list(mart.made_from),
            "last": parameters.last_date,
            "dated": parameters.dated,
        },
    )


def _record_periods(warehouse: Connection, mart: Mart, batch_id: int) -> int:
    """Of a mart made from others: the periods that hold a day that this batch dirtied."""
    return warehouse.execute(
        """
        insert into control.late_data as known
            (first_batch_id, batch_id, application, mart, partition_start, source_table, row_count)
        select min(first_batch_id), %(batch)s, %(application)s, %(mart)s, periods.date, source_table, sum(row_count)
        from control.late_data
        cross join lateral (
            select distinct date_trunc(period, partition_start::timestamp)::date as date
            from unnest(%(periods)s::text[]) as period
        ) as periods
        where batch_id = %(batch)s and mart = any (%(made_from)s) and state = 'pending'
        group by periods.date, source_table
        on conflict (batch_id, mart, partition_start, source_table) do update
        set first_batch_id = least(known.first_batch_id, excluded.first_batch_id),
            row_count = greatest(known.row_count, excluded.row_count), state = 'pending', publication_id = null
        """,
        {
            "batch": batch_id,
            "application": mart.application,
            "mart": mart.name,
            "periods": _periods(mart),
            "made_from": list(mart.made_from),
        },
    ).rowcount


def _periods(mart: Mart) -> list[str]:
    return list(mart.periods or (mart.grain,))


def _is_stale(warehouse: Connection, parameters: Parameters, mart: Mart) -> bool:
    """Whether an undated mart has to be built."""
    if mart.name == "dim_date":
        return not fetch_row(
            warehouse,
            "select min(date) is not distinct from make_date(extract(year from %s::date)::integer, 1, 1) and"
            " max(date) is not distinct from make_date(extract(year from %s::date)::integer + 1, 12, 31)"
            " from marts.dim_date",
            (parameters.first_possible_date, parameters.last_date),
        )[0] or _is_pending(warehouse, mart)
    if mart.name == "dim_local_day":
        return bool(
            fetch_row(
                warehouse,
                """
                with wanted as (
                    select distinct timezone, first_date, %s::date as last_date
                    from intermediate.int_scheduling__users cross join intermediate.int_scheduling__first_day
                    where first_date <= %s
                ), published as (
                    select timezone, min(date), max(date) from marts.dim_local_day group by timezone
                )
                select exists (table wanted except table published) or exists (table published except table wanted)
                """,
                (parameters.last_date, parameters.last_date),
            )[0]
        ) or _is_pending(warehouse, mart)
    return _is_pending(warehouse, mart) or bool(
        fetch_row(
            warehouse,
            "select exists (select from control.run_partitions where mart = any (%s))",
            (list(mart.made_from),),
        )[0]
    )


def _is_pending(warehouse: Connection, mart: Mart) -> bool:
    return bool(
        fetch_row(
            warehouse,
            "select exists (select from control.late_data where state = 'pending' and mart = %s)"
            " or not exists (select from control.publications where mart = %s)",
            (mart.name, mart.name),
        )[0]
    )


def _record_undated(
    warehouse: Connection, mart: Mart, table: str, first_batch: int, batch_id: int, facts_batch: object
) -> int:
    raw = table.replace(".", "__")
    query = sql.SQL(
        "insert into control.late_data"
        " (first_batch_id, batch_id, application, mart, partition_start, source_table, row_count)"
        " select %(first_batch)s, %(batch)s, %(application)s, %(mart)s, null, %(table)s, count(*)"
        " from {} where {} having count(*) > 0"
        " on conflict (batch_id, mart, partition_start, source_table) do nothing"
    ).format(
        sql.Identifier("raw", raw if facts_batch is None else f"{raw}__changes"),
        sql.SQL("true") if facts_batch is None else sql.SQL("_batch_id > {}").format(sql.Literal(facts_batch)),
    )
    return warehouse.execute(
        query,
        {
            "first_batch": first_batch,
            "batch": batch_id,
            "application": mart.application,
            "mart": mart.name,
            "table": table,
        },
    ).rowcount


def has_changes(warehouse: Connection, application: str) -> bool:
    """Whether rows have been extracted that the facts do not know yet.

    Raises:
        ConfigurationError: nothing was ever extracted.
    """
    facts_batch, last_batch = fetch_row(
        warehouse,
        "select facts_batch_id, (select max(batch_id) from control.batches where application = %(application)s)"
        " from control.applications where application = %(application)s",
        {"application": application},
    )
    if last_batch is None:
        raise ConfigurationError(f"nothing of {application} has been extracted yet; run: weir run")
    if facts_batch is None:
        return True
    (changed,) = fetch_row(
        warehouse,
        "select exists (select from control.batch_tables join control.batches using (batch_id)"
        " where application = %s and batch_id > %s and rows_inserted + rows_updated + rows_deleted > 0)",
        (application, facts_batch),
    )
    return bool(changed)


def _has_due_facts(warehouse: Connection, application: str) -> bool:
    """Whether the clock alone changes facts, where the application has a model that says so."""
    due = f"int_{application}__due_facts"
    (exists,) = fetch_row(warehouse, "select to_regclass(%s) is not null", (f"intermediate.{due}",))
    return bool(
        exists
        and fetch_row(warehouse, sql.SQL("select exists (select from {})").format(sql.Identifier("intermediate", due)))[
            0
        ]
    )


def _extend_local_days(warehouse: Connection, parameters: Parameters, application: str) -> None:
    """Windows from the first fact through the last day: of UTC always, of all zones in use for scheduling."""
    if application == "scheduling":
        (first,) = fetch_row(warehouse, "select first_date from intermediate.int_scheduling__first_day")
        zones = {
            str(zone)
            for (zone,) in warehouse.execute("select distinct timezone from intermediate.int_scheduling__users")
        }
    elif application == "workflows":
        (first,) = fetch_row(
            warehouse,
            "select min(enrolled_date) from intermediate.int_workflows__executions where reason is null",
        )
        zones = {"UTC"}
    else:
        return
    if isinstance(first, dt.date) and first <= parameters.last_date:
        local_days.extend(warehouse, zones, first, parameters.last_date)


def hold_back(warehouse: Connection, held_back: Mapping[str, Collection[dt.date | None]]) -> None:
    """Note which planned partitions keep their last good rows, for the marts made from them; one statement."""
    listed = [(name, day) for name, days in held_back.items() for day in days]
    # Not "is not distinct from", which can be neither hashed nor merged: each row would be compared with each.
    warehouse.execute(
        "update control.run_partitions as p set is_held_back = true"
        " from unnest(%s::text[], %s::date[]) as h (mart, partition_start)"
        " where p.mart = h.mart"
        " and coalesce(p.partition_start, 'infinity') = coalesce(h.partition_start, 'infinity')",
        ([name for name, _ in listed], [day for _, day in listed]),
    )


def _a_view(application: str) -> str:
    return {"scheduling": "stg_scheduling__users", "workflows": "stg_workflows__workflows"}.get(
        application, "stg_services__metrics"
    )
