"""Verification: everything that is published, built a second time from raw and compared with the ledger.

Belongs here: building the marts of an application from ``raw`` alone, facts and all, in a transaction that is rolled
back; comparing the ledger with that and with what stands in ``marts``. Does not belong here: comparing raw with the
source (``warehouse.extract.verify_source``), and printing.

The transaction makes it harmless: models are dbt's, compiled, but sent on one connection, so that not even a killed
verification leaves anything behind, and the next run finds facts, queues and control tables as the last one left them.

Each partition is recomputed as of the instant that it stands as of: that of the application's last run, which vouched
for all of them, or its own where it has been rebuilt since. What raw has and no run has published yet is dirty:
such partitions are pending, not different, and what is made from them is recomputed from the rows that stand.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Rollback, sql

from warehouse import computed, plan
from warehouse.catalog import APPLICATIONS, CALENDAR, Mart, mart, marts
from warehouse.database import Connection, empty
from warehouse.plan import Parameters, Plan
from warehouse.publish import HASH_OF_NOTHING, columns_of, order_free_hash, row_text
from warehouse.transform import Model, Transformer

KEYS_SHOWN = 3
"""Keys named per partition and kind of difference."""

RUN_ID = "verify"

Partition = tuple[str, dt.date | None]
"""A mart's name and the first day of one of its partitions."""


@dataclass(frozen=True)
class Content:
    """What the ledger knows of a partition's rows: how many, and their order-free hash."""

    rows: int = 0
    content_hash: str = HASH_OF_NOTHING


NOTHING = Content()


@dataclass(frozen=True)
class Rows:
    """Rows of one kind in which a mart and a build from raw differ: how many, and the first keys."""

    count: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A published partition that is not what the ledger or raw say it should be.

    ``rows_in_ledger`` None: the ledger does not know the partition. ``rows_recomputed`` None: it was not recomputed.
    ``missing``, ``extra`` and ``changed`` are rows of the mart beside those of the build from raw.
    """

    mart: str
    partition_start: dt.date | None
    partition_end: dt.date | None
    what: str
    rows_in_ledger: int | None
    rows_in_mart: int
    rows_recomputed: int | None
    missing: Rows | None = None
    extra: Rows | None = None
    changed: Rows | None = None


@dataclass(frozen=True)
class MartProof:
    """What was verified of one mart. ``pending`` partitions are dirty: the next run settles them."""

    application: str
    mart: str
    partitions: int
    rows: int
    pending: int
    not_recomputed: str | None
    """Why partitions were compared with the ledger only, where they were."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class _Entry:
    as_of: dt.datetime
    content: Content


@dataclass(frozen=True)
class _State:
    """What stands of an application before anything is built."""

    ledger: dict[Partition, _Entry]
    pending: frozenset[Partition]
    last_as_of: dt.datetime
    own_from: dt.datetime | None
    own_through: dt.datetime | None
    not_recomputed: str | None
    is_ahead: bool
    """Whether raw has rows that no run has planned for yet: it was interrupted."""
    facts_as_of: dt.datetime | None
    """As of when facts stand. Before what some partitions stand as of, where given days were rebuilt with --rewind:
    rows that came then, and were in the future then, dirty those partitions only when a run sees them."""

    @property
    def has_rebuilds(self) -> bool:
        """Whether given days have been rebuilt since the last run, as of other instants than its own."""
        return self.own_from != self.own_through

    def stands_as_of(self, partition: Partition) -> dt.datetime:
        """Of a rebuild of given days since the last run its own instant, otherwise the last run's."""
        entry = self.ledger.get(partition)
        if entry and self.own_from and self.own_through and self.own_from <= entry.as_of <= self.own_through:
            return entry.as_of
        return self.last_as_of

    def is_as_published(self, partition: Partition, content: Content) -> bool:
        """Whether the ledger has it so."""
        return partition in self.ledger and self.ledger[partition].content == content

    def may_be_dirty(self, partition: Partition) -> bool:
        """Whether raw may have rows of the partition that no run has published, or has been able to plan for."""
        is_behind = self.facts_as_of is not None and self.facts_as_of < self.stands_as_of(partition)
        return self.is_ahead or is_behind or self.is_pending(partition)

    def is_pending(self, partition: Partition) -> bool:
        """Whether the partition, or what an undated mart is made from, is dirty."""
        return partition in self.pending or bool(partition[1] is None and self.pending)


def verify(
    warehouse: Connection,
    transformer: Transformer,
    earliest_date: dt.date,
    applications: Sequence[str] = APPLICATIONS,
    *,
    first: dt.date | None = None,
    last: dt.date | None = None,
    additive: frozenset[str] = frozenset(),
    say: Callable[[str], None] = lambda line: None,
) -> list[MartProof]:
    """Recompute published partitions from raw and compare them, and what stands in the marts, with the ledger.

    Changes nothing. With ``first`` or ``last`` only partitions that share a day with that range are compared, and
    marts without dates are left out.

    Args:
        warehouse: a connection with no transaction open, of one who holds the warehouse's lock.
        transformer: compiles the models.
        earliest_date: the setting that runs have.
        applications: whose marts; the calendar's are always verified.
        first: first day, inclusive.
        last: last day, inclusive.
        additive: metric types of the services, the setting that runs have.
        say: takes lines of progress.
    """
    chosen = _Range(first, last)
    parameters = Parameters(RUN_ID, dt.datetime.min.replace(tzinfo=dt.UTC), earliest_date, additive=additive)
    proofs: list[MartProof] = []
    for area in (*applications, CALENDAR):
        with warehouse.transaction() as transaction:
            is_deployed = plan.is_deployed(warehouse, parameters, area)
            state = _state(warehouse, area, is_deployed=is_deployed)
            if state is not None:
                say(f"{area}: {len(state.ledger):,} partitions in the ledger")
                models = transformer.compiled().models if is_deployed else ()
                of_area = [model for model in models if model.area == area and model.materialized != "view"]
                proofs += _verify(warehouse, of_area, parameters, area, state, chosen, say)
            raise Rollback(transaction)
    return proofs


@dataclass(frozen=True)
class _Range:
    """The days that were asked for; both None: everything, also what has no dates."""

    first: dt.date | None
    last: dt.date | None

    @property
    def is_all(self) -> bool:
        return self.first is None and self.last is None

    def has(self, partition: Partition) -> bool:
        name, start = partition
        if start is None:
            return self.is_all
        end = mart(name).partition_end(start)
        assert end is not None
        return (self.first is None or end >= self.first) and (self.last is None or start <= self.last)


def _state(warehouse: Connection, area: str, *, is_deployed: bool) -> _State | None:
    """What stands of an application; None: nothing was ever published."""
    ledger = {
        (str(name), start): _Entry(as_of, Content(int(rows), content_hash))
        for name, start, as_of, rows, content_hash in _fetch(
            warehouse,
            "select distinct on (mart, partition_start) mart, partition_start, as_of, row_count, content_hash"
            " from control.publications where application = %s order by mart, partition_start, publication_id desc",
            (area,),
        )
    }
    if not ledger and not any(_has_rows(warehouse, each) for each in marts(area)):
        return None
    pending = frozenset(
        (str(name), start)
        for name, start in _fetch(
            warehouse,
            "select distinct mart, partition_start from control.late_data where application = %s and state = 'pending'",
            (area,),
        )
    )
    ((as_of, own_from, own_through, facts_batch, facts_as_of),) = _fetch(
        warehouse,
        "select as_of, oldest_as_of, newest_as_of, facts_batch_id, facts_as_of_from from control.applications"
        " where application = %s",
        (area,),
    )
    why_not = None
    if not ledger:
        why_not = "nothing of it is in the ledger; the next run builds everything anew"
    elif not is_deployed:
        why_not = "models, settings or time-zone data have changed since; the next run builds everything anew"
    elif area != CALENDAR and facts_batch is None:
        why_not = "the facts were dropped; the next run builds everything anew"
    return _State(
        ledger,
        pending,
        as_of or max((entry.as_of for entry in ledger.values()), default=dt.datetime.now(dt.UTC)),
        own_from,
        own_through,
        why_not,
        is_ahead=area != CALENDAR and plan.has_changes(warehouse, area),
        facts_as_of=facts_as_of,
    )


def _verify(
    warehouse: Connection,
    models: Sequence[Model],
    parameters: Parameters,
    area: str,
    state: _State,
    chosen: _Range,
    say: Callable[[str], None],
) -> Iterator[MartProof]:
    published = {each.name: _contents(warehouse, each, "marts") for each in marts(area)}
    recomputed: dict[Partition, Content] = {}
    differing: dict[Partition, dict[str, Rows]] = {}
    wanted = {partition for partition in state.ledger if chosen.has(partition)}
    instants = {state.stands_as_of(partition) for partition in wanted} | {state.last_as_of}
    for as_of in sorted(instants) if state.not_recomputed is None else ():
        for rest_as_it_stands in (True, False):
            say(f"{area}: building from raw as of {as_of:%Y-%m-%d %H:%M:%S}Z")
            instant = replace(parameters, as_of=as_of)
            built = _build(warehouse, models, instant, area, state, chosen, rest_as_it_stands)
            own = {
                partition
                for partition in (*built, *state.ledger)
                if chosen.has(partition)
                and state.stands_as_of(partition) == as_of
                and not (partition in recomputed and state.is_as_published(partition, recomputed[partition]))
            }
            say(f"{area}: comparing {len(own):,} partitions")
            for each in marts(area):
                of_mart = {partition for partition in own if partition[0] == each.name}
                contents = _contents(warehouse, each, "candidate") if of_mart else {}
                found = {partition: contents.get(partition[1], NOTHING) for partition in of_mart}
                recomputed |= found
                stands = published[each.name]
                suspects = [start for (_, start), content in found.items() if content != stands.get(start, NOTHING)]
                differing |= {partition: {} for partition in of_mart} | _differing_rows(warehouse, each, suspects)
            # Where days stand as of several instants, a period may have been built before some of its days were.
            if len(instants) == 1 or all(state.is_as_published(each, recomputed[each]) for each in own):
                break
    for each in marts(area):
        contents = published[each.name]
        partitions = {
            partition
            for partition in (
                *((each.name, start) for start in contents),
                *(partition for partition in (*state.ledger, *recomputed) if partition[0] == each.name),
            )
            if chosen.has(partition)
        }
        differences = [
            difference
            for partition in sorted(partitions, key=lambda each: each[1] or dt.date.min)
            if (difference := _judge(state, partition, contents, recomputed, differing)) is not None
        ]
        yield MartProof(
            area,
            each.name,
            len(partitions),
            sum(contents.get(start, NOTHING).rows for _, start in partitions),
            sum(state.is_pending(partition) for partition in partitions),
            state.not_recomputed,
            tuple(differences),
        )


def _judge(
    state: _State,
    partition: Partition,
    contents: Mapping[dt.date | None, Content],
    recomputed: Mapping[Partition, Content],
    differing: Mapping[Partition, Mapping[str, Rows]],
) -> Difference | None:
    """What is wrong with a partition, if anything. Dirty ones may differ from raw, but not from the ledger."""
    name, start = partition
    stands = contents.get(start, NOTHING)
    entry = state.ledger.get(partition)
    again = recomputed.get(partition)
    may_be_dirty = state.may_be_dirty(partition)
    wrong = []
    if entry is None:
        # Days that are yet to be published may be without any row, and then are not dirty themselves. So are days
        # that came to exist when a rebuild of given days was the first to see data, and periods of marts made from
        # others: one that a goal no longer touches was touched by no run that was made after it.
        is_empty = again == NOTHING and bool(state.has_rebuilds or mart(name).made_from)
        is_to_come = may_be_dirty or state.pending or is_empty
        if stands != NOTHING or not is_to_come:
            wrong.append("not in the ledger")
    else:
        if stands != entry.content:
            wrong.append("rows are not those that were published")
        if again is not None and again != entry.content and not may_be_dirty:
            wrong.append("raw gives other rows than those that were published")
    if not wrong:
        return None
    rows = differing.get(partition, {})
    return Difference(
        name,
        start,
        mart(name).partition_end(start),
        "; ".join(wrong),
        entry.content.rows if entry else None,
        stands.rows,
        again.rows if again is not None else None,
        rows.get("missing"),
        rows.get("extra"),
        rows.get("changed"),
    )


# ── building from raw ───────────────────────────────────────────────────────────────────────────────────────


def _build(
    warehouse: Connection,
    models: Sequence[Model],
    parameters: Parameters,
    area: str,
    state: _State,
    chosen: _Range,
    rest_as_it_stands: bool,
) -> set[Partition]:
    """Fill facts and candidates as a first run would. The caller rolls back.

    With ``rest_as_it_stands``, days that stand as of another instant are not made anew for what is made from them.

    Returns:
        The partitions that a first run would publish, and have been built.
    """
    _forget(warehouse, area)
    plan.begin(warehouse, parameters, (area,))
    for record in plan.RECORDED_BEFORE_FACTS.get(area, ()):
        record(warehouse)
    for model in models:
        if model.schema != "candidate" and "run" not in model.tags:
            _fill(warehouse, model)
    if area != CALENDAR:
        plan.record_dirty(warehouse, parameters, area)
    planned = {
        (name, start)
        for name, starts in plan.choose(warehouse, parameters, area).partitions.items()
        for start in starts
    }
    _choose_what_is_compared(warehouse, area, parameters, state, planned, chosen, rest_as_it_stands)
    later = [each.name for each in marts(area) if each.computed]
    for model in models:
        if (model.schema == "candidate" or "run" in model.tags) and model.name not in later:
            _fill(warehouse, model)
    if later:
        days: dict[str, list[dt.date | None]] = defaultdict(list)
        for name, start in _fetch(
            warehouse, "select mart, partition_start from control.run_partitions where mart = any (%s)", (later,)
        ):
            days[str(name)].append(start)
        build = Plan(area, {name: tuple(starts) for name, starts in days.items()})
        computed.prepare(warehouse, area)
        computed.fill(warehouse, parameters, build)
        for model in models:
            if model.name in later:
                _fill(warehouse, model)
    return planned


def _forget(warehouse: Connection, area: str) -> None:
    """All that runs have remembered of the application, but for raw and the history of goals."""
    warehouse.execute("delete from control.publications where application = %s", (area,))
    warehouse.execute("delete from control.late_data where application = %s", (area,))
    warehouse.execute(
        "update control.applications set facts_batch_id = null, planned_as_of = null, facts_as_of_from = null,"
        " facts_as_of_to = null, as_of = null, oldest_as_of = null, newest_as_of = null, first_date = null"
        " where application = %s",
        (area,),
    )
    if area == "scheduling":
        warehouse.execute("delete from control.local_days")


def _fill(warehouse: Connection, model: Model) -> None:
    """What the model's materialization does in a first run (``macros/materializations.sql``)."""
    changes = sql.Identifier(model.schema, f"{model.name}__changes")
    words = {"table": model.relation, "changes": changes, "query": sql.SQL(model.sql)}
    empty(warehouse, model.relation)
    warehouse.execute(sql.SQL("insert into {table} {query}").format(**words))
    warehouse.execute(sql.SQL("analyze {table}").format(**words))
    if model.materialized == "fact":
        empty(warehouse, changes)


def _choose_what_is_compared(
    warehouse: Connection,
    area: str,
    parameters: Parameters,
    state: _State,
    planned: Collection[Partition],
    chosen: _Range,
    rest_as_it_stands: bool,
) -> None:
    """List what is built: days that others are made from, and whatever of the ledger or the plan was asked for.

    What is dirty, and what stands as of another instant, is held back: what is made from it was made from the rows
    that stand.
    """
    wanted = {
        partition
        for partition in (*planned, *state.ledger)
        if chosen.has(partition) or (mart(partition[0]).dated and not mart(partition[0]).made_from)
    }
    warehouse.execute("delete from control.run_partitions where application = %s", (area,))
    with (
        warehouse.cursor() as cursor,
        cursor.copy(
            "copy control.run_partitions (application, mart, partition_start, is_held_back) from stdin"
        ) as copy,
    ):
        for partition in sorted(wanted, key=str):
            is_of_another = state.stands_as_of(partition) != parameters.as_of
            held_back = partition in state.pending or (rest_as_it_stands and is_of_another)
            copy.write_row((area, *partition, held_back))
    warehouse.execute("analyze control.run_partitions")


# ── comparing ───────────────────────────────────────────────────────────────────────────────────────────────


def _contents(warehouse: Connection, each: Mart, layer: str) -> dict[dt.date | None, Content]:
    """Rows and hash per partition of a mart as it stands in a schema, as publication computes them."""
    query = sql.SQL(
        "select day, count(*), {hash}"
        " from (select {day} as day, md5({row_text}) as md5 from {table}) as rows group by day"
    ).format(
        hash=order_free_hash(),
        day=_day(each),
        row_text=row_text(each, columns_of(warehouse, each)),
        table=sql.Identifier(layer, each.name),
    )
    return {start: Content(int(rows), str(content_hash)) for start, rows, content_hash in _fetch(warehouse, query)}


def _differing_rows(
    warehouse: Connection, each: Mart, starts: Iterable[dt.date | None]
) -> dict[Partition, dict[str, Rows]]:
    """Rows in which a mart's partitions and the build from raw differ, with a few keys."""
    days = list(starts)
    if not days:
        return {}
    words = {
        "day": _day(each),
        "chosen": sql.SQL("true") if days == [None] else sql.SQL("{} = any (%(days)s)").format(_day(each)),
        "key": sql.SQL("concat_ws('/', {})").format(sql.SQL(", ").join(map(sql.Identifier, each.key))),
        "row_text": row_text(each, columns_of(warehouse, each)),
        "mart": sql.Identifier("marts", each.name),
        "candidate": sql.Identifier("candidate", each.name),
    }
    query = sql.SQL(
        """
        select day, kind, count(*), (array_agg(key order by key))[:%(shown)s]
        from (
            select coalesce(p.day, r.day) as day, coalesce(p.key, r.key) as key,
                case when p.key is null then 'missing' when r.key is null then 'extra' else 'changed' end as kind
            from (select {day} as day, {key} as key, {row_text} as row_text from {mart} where {chosen}) as p
            full join (select {day} as day, {key} as key, {row_text} as row_text from {candidate} where {chosen}) as r
                on p.key = r.key and coalesce(p.day, 'infinity') = coalesce(r.day, 'infinity')
            where p.row_text is distinct from r.row_text
        ) as differing
        group by day, kind
        """
    ).format(**words)
    found: dict[Partition, dict[str, Rows]] = {}
    for start, kind, count, keys in _fetch(warehouse, query, {"days": days, "shown": KEYS_SHOWN}):
        found.setdefault((each.name, start), {})[str(kind)] = Rows(int(count), tuple(keys))
    return found


def _has_rows(warehouse: Connection, each: Mart) -> bool:
    ((has_rows,),) = _fetch(
        warehouse, sql.SQL("select exists (select from {})").format(sql.Identifier("marts", each.name))
    )
    return bool(has_rows)


def _fetch(
    warehouse: Connection, query: str | sql.Composed, parameters: Mapping[str, object] | Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    return list(warehouse.execute(query, parameters or None))


def _day(each: Mart) -> sql.Composable:
    return each.day() if each.dated else sql.SQL("null::date")
