"""What the relations of a source look like now, by its catalog.

Belongs here: columns, kinds, rights, and what stands behind a view or a partitioned table. Does not belong here: what
follows from a difference to what was there before (``drift``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg import sql

from warehouse.database import Connection
from warehouse.extracting.declared import PASSED_ON, Compare, Declared, Mode, Xmin

RELATION = {"r": "table", "p": "partitioned table", "v": "view", "m": "materialized view", "f": "foreign table"}
"""What can be extracted, by ``relkind``."""

LOCKABLE = ("r", "p", "v")
"""What LOCK TABLE takes; a view's tables are locked with it."""

OWN_COLUMNS = ("_batch_id", "_change")
"""Columns of Weir's own in raw tables and their logs of changes."""


@dataclass(frozen=True)
class Column:
    """One column of a source relation.

    ``carried`` is its type in ``raw``: its own where that is built in, the base type of a domain, and text for what
    another database need not know (enums, extensions, composites).
    """

    number: int | None
    """``attnum``: what stays the same when a column is renamed. None: not known of what was read long ago."""
    name: str
    type: str
    carried: str
    labels: Mapping[str, str] | None = None
    """Of an enum: label per oid."""
    expression: str | None = None
    """Of a virtual generated column, whose values change with it."""

    @property
    def selected(self) -> sql.Composed:
        """The column as it is read from the source."""
        column = sql.SQL("t.{}").format(sql.Identifier(self.name))
        if self.type != self.carried:
            return sql.SQL("{}::{}").format(column, sql.SQL(self.carried))
        return column

    def as_json(self) -> dict[str, object]:
        """For ``control.watermarks.columns``."""
        return {
            "number": self.number,
            "name": self.name,
            "type": self.type,
            "carried": self.carried,
            "labels": None if self.labels is None else dict(self.labels),
            "expression": self.expression,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Column":
        """The other way round."""
        return cls(**value)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Shape:
    """A source relation as its catalog describes it now."""

    oid: int
    kind: str
    readable: bool
    """Whether the role may use the schema and select from the relation."""
    is_heap: bool
    """Whether rows have an ``xmin`` that means something, here or (of a view) in the one table behind it."""
    relations: tuple[int, ...]
    """Oids of the tables whose rows it shows: itself, its partitions, or what a view reads."""
    definition: str | None
    """Of a view: a hash of its query."""
    columns: tuple[Column, ...]
    passes_on_xmin: bool
    """Of a view: whether a column ``_xmin`` of type xid passes on the ``xmin`` of the one table behind it."""
    estimate: float = -1
    """Rows, as of the source's last analyze; negative: unknown."""

    @property
    def names(self) -> list[str]:
        """Of its columns, in order."""
        return [column.name for column in self.columns]

    def mode(self, declared: Mode) -> Mode:
        """The declared mode, or comparing where that cannot be carried out."""
        if not isinstance(declared, Xmin):
            return declared
        if self.kind in ("r", "p"):
            return declared if self.is_heap else Compare()
        return declared if self.kind == "v" and self.passes_on_xmin and self.is_heap else Compare()

    @property
    def xmin(self) -> sql.SQL:
        """Where the row's transaction id stands."""
        return sql.SQL("t.xmin") if self.kind in ("r", "p") else sql.SQL(f"t.{PASSED_ON}")

    @property
    def key_is_enforced(self) -> bool:
        """Whether the source itself can hold a key unique; nobody does it for a view."""
        return self.kind == "r"


QUERY = """
with recursive wanted as (

    select
        c.oid, n.nspname, c.relname, c.relkind, c.reltuples,
        has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
        case when c.relkind in ('v', 'm') then md5(pg_get_viewdef(c.oid)) end as definition
    from pg_class as c
    inner join pg_namespace as n on n.oid = c.relnamespace
    where (n.nspname, c.relname) in (select * from unnest(%(schemas)s::text[], %(names)s::text[]))
        and c.relkind in ('r', 'p', 'v', 'm', 'f')

),

reads as (

    select distinct w.oid as view, d.refobjid as relation
    from wanted as w
    inner join pg_rewrite as r on r.ev_class = w.oid
    inner join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    where w.relkind in ('v', 'm') and d.refclassid = 'pg_class'::regclass and d.refobjid <> w.oid

),

behind as (

    select oid, oid as relation from wanted where relkind not in ('v', 'm')
    union
    select view, relation from reads
    union
    select behind.oid, i.inhrelid
    from behind
    inner join pg_inherits as i on i.inhparent = behind.relation

),

standing as (

    select
        behind.oid,
        array_agg(behind.relation::bigint order by behind.relation) as relations,
        bool_and(c.relkind = 'p' or (c.relkind = 'r' and coalesce(a.amname = 'heap', false))) as is_heap
    from behind
    inner join pg_class as c on c.oid = behind.relation
    left join pg_am as a on a.oid = c.relam
    group by behind.oid

)

select
    w.nspname, w.relname, w.oid::bigint, w.relkind, w.readable, w.definition, s.relations, coalesce(s.is_heap, false),
    (select count(*) = 1 from reads where reads.view = w.oid) as reads_one, w.reltuples,
    (
        select jsonb_agg(jsonb_build_object(
            'number', a.attnum,
            'name', a.attname,
            'type', format_type(a.atttypid, a.atttypmod),
            'carried', case
                when b.typnamespace = 'pg_catalog'::regnamespace and b.typtype in ('b', 'r', 'm')
                    and b.typname not like 'reg%%' and b.typname not like '\\_reg%%'
                    then format_type(b.oid, base.typmod)
                when b.typcategory = 'A' then 'text[]'
                else 'text'
            end,
            'labels', (
                select jsonb_object_agg(e.oid::text, e.enumlabel) from pg_enum as e
                where e.enumtypid in (b.oid, b.typelem)
            ),
            'expression', case when a.attgenerated = 'v' then (
                select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef as d
                where d.adrelid = a.attrelid and d.adnum = a.attnum
            ) end
        ) order by a.attnum)
        from pg_attribute as a
        cross join lateral (
            with recursive chain as (
                select a.atttypid as oid, a.atttypmod as typmod, 0 as depth
                union all
                select t.typbasetype, t.typtypmod, chain.depth + 1
                from chain
                inner join pg_type as t on t.oid = chain.oid and t.typtype = 'd'
            )
            select oid, typmod from chain order by depth desc limit 1
        ) as base
        inner join pg_type as b on b.oid = base.oid
        where a.attrelid = w.oid and a.attnum > 0 and not a.attisdropped
    ) as columns
from wanted as w
left join standing as s on s.oid = w.oid
"""


def read(source: Connection, tables: Iterable[Declared]) -> dict[str, Shape]:
    """Shapes of those of the tables that exist, by qualified name."""
    tables = list(tables)
    rows = source.execute(
        QUERY, {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]}
    ).fetchall()
    shapes = {}
    for schema, name, oid, kind, readable, definition, relations, is_heap, reads_one, estimate, columns in rows:
        found = tuple(Column.from_json(column) for column in columns or ())  # type: ignore[attr-defined]
        passes_on = kind == "v" and any(c.name == PASSED_ON and c.type == "xid" for c in found)
        shapes[f"{schema}.{name}"] = Shape(
            oid=int(str(oid)),
            kind=str(kind),
            readable=bool(readable),
            is_heap=bool(is_heap),
            relations=tuple(relations or ()),  # type: ignore[arg-type]
            definition=None if definition is None else str(definition),
            columns=tuple(column for column in found if not (passes_on and column.name == PASSED_ON)),
            passes_on_xmin=passes_on and bool(reads_one),
            estimate=float(str(estimate)),
        )
    return shapes
