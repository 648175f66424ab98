"""What follows when a source relation does not look as it did: raw follows, or the table stops with a remedy.

Belongs here: the rules, the changes of raw tables, the messages. Does not belong here: reading catalogs (``shapes``).

Columns are followed by attribute number, so that a rename is not taken for a loss and a gain. What can be done
without a decision is done: a new column is added, a safe widening applied. A rename, a narrowing and a loss stop the
table. Whoever wants raw to follow those too changes raw, as the message says: what raw looks like is the consent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql

from warehouse.database import Connection
from warehouse.errors import ConfigurationError
from warehouse.extracting.declared import Declared
from warehouse.extracting.shapes import OWN_COLUMNS, RELATION, Column, Shape

WIDER: Mapping[str, tuple[str, ...]] = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "character varying": ("text",),
}
"""Types that hold every value of another."""

FITTING: Mapping[str, tuple[str, ...]] = {
    "text": ("character varying", "character"),
    "integer": ("smallint", "bigint"),
    "bigint": ("smallint", "integer"),
    "double precision": ("real",),
    "text[]": ("character varying[]",),
}
"""Types that do for a column that has to be of another: views and tables of others need not match to the letter."""


def check_presence(table: Declared, shape: Shape | None) -> None:
    """Refuse what cannot be read at all, before anything is locked.

    Raises:
        ConfigurationError: the role may not read the relation, or its columns collide with Weir's own.
    """
    if shape is None:
        return
    if not shape.readable:
        raise ConfigurationError(
            f"{table.qualified}: the source's role may not read this {RELATION[shape.kind]}; as its owner: "
            f"grant usage on schema {table.schema} to <role>; grant select on {table.qualified} to <role>"
        )
    if taken := [name for name in shape.names if name in OWN_COLUMNS]:
        raise ConfigurationError(
            f"{table.qualified}: column {taken[0]} has a name that Weir keeps for itself; "
            "rename it, or put a view in the table's place that leaves it out"
        )


def check_columns(table: Declared, shape: Shape) -> None:
    """Refuse a relation that lacks what is read from it, or has it in a type that means something else; after ``fit``.

    Raises:
        ConfigurationError: naming table, column and remedy.
    """
    found = {column.name: column for column in shape.columns}
    for name in (*table.key, *table.columns):
        if name not in found:
            raise ConfigurationError(
                f"{table.qualified}: column {name} is missing; add it, or put a view in its place that has it"
            )
    for name, type_ in table.columns.items():
        carried = found[name].carried
        if _plain(carried) != type_:
            raise ConfigurationError(
                f"{table.qualified}: column {name} is {found[name].type} and has to be {type_}; "
                f"change it, or put a view in the table's place that casts it"
            )


def fit(table: Declared, shape: Shape) -> Shape:
    """The relation with needed columns in the types that are needed, where casts lose nothing without an error."""
    return replace(
        shape,
        columns=tuple(
            replace(column, carried=needed)
            if (needed := table.columns.get(column.name)) and _plain(column.carried) in FITTING.get(needed, ())
            else column
            for column in shape.columns
        ),
    )


def follow(
    warehouse: Connection,
    table: Declared,
    before: Sequence[Column],
    shape: Shape,
    *,
    same_relation: bool,
    say: Callable[[str], None],
) -> tuple[str | None, Shape]:
    """Bring raw to the shape of the source, where that needs no decision.

    Args:
        warehouse: in a transaction.
        table: what is extracted.
        before: columns at the last extract.
        shape: the relation now.
        same_relation: whether it is the one of the last extract, so that attribute numbers can be compared.
        say: takes a line for everything done.

    Returns:
        Why changed rows do not suffice this time (None where they do), and the relation as raw carries it: columns
        of another relation in the table's place may be narrower than raw's.

    Raises:
        ConfigurationError: a column was renamed, narrowed or dropped; names table, column and remedy.
    """
    by_number = {column.number: column for column in shape.columns} if same_relation else {}
    by_name = {column.name: column for column in shape.columns}
    raw = _columns_of(warehouse, table.raw)
    reasons: list[str] = []
    matched: set[str] = set()
    kept: dict[str, str] = {}
    for old in before:
        new = by_number.get(old.number) if same_relation and old.number is not None else by_name.get(old.name)
        if new is None and (replacement := by_name.get(old.name)) is not None:
            new = replacement  # dropped and added again under its name: values are new, xmin is not
            reasons.append(f"column {old.name} was made anew")
        if new is None:
            if old.name in raw:
                raise ConfigurationError(_lost(table, old))
            reasons.append(f"column {old.name} was dropped")
            continue
        matched.add(new.name)
        if new.name != old.name:
            if old.name in raw or new.name not in raw:
                raise ConfigurationError(_renamed(table, old, new))
            reasons.append(f"column {old.name} was renamed to {new.name}")
        has = raw.get(new.name, old.carried)
        if new.name in table.columns and has == new.carried and same_relation and not is_wider(old.type, new.type):
            raise ConfigurationError(_narrowed(table, old, new))
        if has != new.carried and is_wider(has, new.carried):
            _widen(warehouse, table, new)
            say(f"{table.qualified}: column {new.name} is {new.type} now, was {old.type}; raw follows")
            reasons.append(f"column {new.name} was widened")
        elif has != new.carried and is_wider(new.carried, has) and (not same_relation or old.type == new.type):
            kept[new.name] = has
        elif has != new.carried:
            raise ConfigurationError(_narrowed(table, old, new))
        elif old.carried != new.carried:
            reasons.append(f"column {new.name} changed its type")
        if old.labels and new.labels and any(new.labels.get(o, label) != label for o, label in old.labels.items()):
            say(f"{table.qualified}: labels of {new.name}'s type {new.type} were renamed; all rows are compared")
            reasons.append(f"labels of {new.name} were renamed")
        elif (old.labels or {}).keys() != (new.labels or {}).keys() and old.labels is not None:
            say(f"{table.qualified}: labels of {new.name}'s type {new.type} are {_labels(new)} now")
        if old.expression != new.expression and old.number is not None:
            reasons.append(f"the expression of {new.name} changed")
    for column in shape.columns:
        if column.name not in matched:
            if column.name not in raw:
                _add(warehouse, table, column)
                say(f"{table.qualified}: new column {column.name} {column.type}; raw has it now")
            elif raw[column.name] != column.carried:
                raise ConfigurationError(_narrowed(table, column, column, raw[column.name]))
            reasons.append(f"column {column.name} was added")
    columns = tuple(replace(column, carried=kept.get(column.name, column.carried)) for column in shape.columns)
    return "; ".join(reasons) or None, replace(shape, columns=columns)


def is_wider(old: str, new: str) -> bool:
    """Whether every value of one type is, unchanged, a value of the other."""
    (name, limits), (new_name, new_limits) = _parts(old), _parts(new)
    if old == new:
        return True
    if name != new_name:
        return new_name in WIDER.get(name, ()) and not new_limits
    if not new_limits:
        return True
    if not limits:
        return False
    if name == "numeric":
        (precision, scale), (new_precision, new_scale) = (
            (numbers[0], numbers[1] if len(numbers) > 1 else 0) for numbers in (limits, new_limits)
        )
        return new_scale >= scale and new_precision - new_scale >= precision - scale
    return name != "character" and new_limits[0] >= limits[0]


def _plain(type_: str) -> str:
    return re.sub(r"\(.*?\)", "", type_)


def _parts(type_: str) -> tuple[str, tuple[int, ...]]:
    match = re.search(r"\(([\d,-]+)\)", type_)
    limits = tuple(int(number) for number in match[1].split(",")) if match else ()
    return re.sub(r"\([\d,-]+\)", "", type_), limits


def _columns_of(warehouse: Connection, raw: str) -> dict[str, str]:
    return {
        str(name): str(type_)
        for name, type_ in warehouse.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = to_regclass(format('raw.%%I', %s::text)) and attnum > 0 and not attisdropped",
            (raw,),
        )
    }


def _both(table: Declared) -> tuple[sql.Identifier, sql.Identifier]:
    return sql.Identifier("raw", table.raw), sql.Identifier("raw", f"{table.raw}__changes")


def _add(warehouse: Connection, table: Declared, column: Column) -> None:
    for relation in _both(table):
        warehouse.execute(
            sql.SQL("alter table {} add column if not exists {} {}").format(
                relation, sql.Identifier(column.name), sql.SQL(column.carried)
            )
        )


def _widen(warehouse: Connection, table: Declared, column: Column) -> None:
    for relation in _both(table):
        try:
            warehouse.execute(
                sql.SQL("alter table {} alter column {} type {}").format(
                    relation, sql.Identifier(column.name), sql.SQL(column.carried)
                )
            )
        except psycopg.errors.FeatureNotSupported as error:
            raise ConfigurationError(
                f"{table.qualified}: column {column.name} is {column.type} now, and raw cannot follow "
                f"({error.diag.message_primary}; {error.diag.message_detail}); drop that, run, and make it again"
            ) from None


def _labels(column: Column) -> str:
    return ", ".join((column.labels or {}).values())


def _alter(table: Declared, change: str) -> str:
    return f"alter table raw.{table.raw} {change}; alter table raw.{table.raw}__changes {change}"


def _lost(table: Declared, column: Column) -> str:
    remedy = "restore it, or put a view in the table's place that has it"
    if column.name not in table.columns:
        remedy = f"restore it, or, to lose it here too, in the warehouse: {_alter(table, f'drop column {column.name}')}"
    return f"{table.qualified}: column {column.name} is gone from the source; {remedy}"


def _renamed(table: Declared, old: Column, new: Column) -> str:
    remedy = f"rename it back, or put a view in the table's place that calls it {old.name}"
    if old.name not in table.columns:
        change = f"rename column {old.name} to {new.name}"
        remedy = f"rename it back, or, to follow, in the warehouse: {_alter(table, change)}"
    return f"{table.qualified}: column {old.name} is called {new.name} now; {remedy}"


def _narrowed(table: Declared, old: Column, new: Column, raw: str | None = None) -> str:
    change = f"alter column {new.name} type {new.carried} using {new.name}::text::{new.carried}"
    remedy = "change it back, or put a view in the table's place"
    if new.name not in table.columns:
        remedy += f", or, to follow, in the warehouse: {_alter(table, change)}"
    return (
        f"{table.qualified}: column {new.name} is {new.type} now, was {raw or old.type}, which may hold less or mean "
        f"something else; {remedy}"
    )
