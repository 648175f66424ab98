"""Comparing two sides without moving their rows: per bucket of keys, the number of rows and an order-free hash.

Belongs here: the expressions that are the same on both sides, and which buckets differ. Does not belong here: reading
the rows of a bucket, and what is done about a difference.

Hashes compare two sides of one run and are never stored: PostgreSQL does not promise them across versions. Where two
versions should disagree, every bucket differs, all rows are read, and the comparison of rows decides.
"""

from collections.abc import Sequence

from psycopg import sql

from warehouse.database import Connection
from warehouse.extracting.shapes import Column

ROWS_PER_BUCKET = 128
"""What one differing row makes a run read."""
FEWEST, MOST = 64, 65_536

TEXTS = ("text", "character varying")
AS_THEY_ARE = (
    "boolean", "smallint", "integer", "bigint", "oid", "uuid", "bytea", "date",
    "timestamp without time zone", "timestamp with time zone", "time without time zone",
)  # fmt: skip
"""Types of which equal hashes mean equal bytes; of numeric and jsonb, 1.0 and 1.00 hash alike, of floats 0 and -0."""

Hashes = dict[int, tuple[int, int]]
"""Per bucket: number of rows, and their hash."""


def how_many(rows: float) -> int:
    """A power of two of buckets for so many rows."""
    count = FEWEST
    while count < MOST and count * ROWS_PER_BUCKET < rows:
        count *= 2
    return count


def bucket_of(key: Sequence[Column], alias: str, buckets: int) -> sql.Composed:
    """SQL: the bucket that a row's key falls into."""
    return sql.SQL("({} & {})").format(_hash(key, alias), sql.Literal(buckets - 1))


def read(
    connection: Connection,
    relation: sql.Composable,
    key: Sequence[Column],
    columns: Sequence[Column],
    buckets: int,
    *,
    raw: bool,
) -> Hashes:
    """Rows and hash per bucket of a relation, or of a query in parentheses.

    Args:
        connection: to its server.
        relation: what to read.
        key: columns that place a row in its bucket.
        columns: those that are compared.
        buckets: how many.
        raw: whether it has the types of the warehouse, or those of the source.
    """
    alias = "r" if raw else "t"
    query = sql.SQL("select {}, count(*), bit_xor({}) from {} as {} group by 1").format(
        bucket_of(key, alias, buckets), _hash(columns, alias), relation, sql.Identifier(alias)
    )
    return {int(str(bucket)): (int(str(rows)), int(str(hash_))) for bucket, rows, hash_ in connection.execute(query)}


def differing(one: Hashes, other: Hashes) -> list[int]:
    """Buckets that are not the same on both sides, in order."""
    return sorted(bucket for bucket in one.keys() | other.keys() if one.get(bucket) != other.get(bucket))


def _hash(columns: Sequence[Column], alias: str) -> sql.Composed:
    return sql.SQL("hash_record_extended(row({}), 0)").format(
        sql.SQL(", ").join(_comparable(column, alias) for column in columns)
    )


def _comparable(column: Column, alias: str) -> sql.Composed:
    """The column in a form that hashes by its bytes, whatever type the source calls it."""
    value = column.selected if alias == "t" else sql.SQL("r.{}").format(sql.Identifier(column.name))
    kind = column.carried.split("(")[0].strip() if not column.carried.endswith("[]") else column.carried
    if "(" in column.carried and column.carried.endswith("time zone"):
        kind = f"{kind} {column.carried.split(') ')[1]}"
    if kind in TEXTS:
        return sql.SQL('({})::text collate "C"').format(value)
    if kind in AS_THEY_ARE:
        return sql.SQL("({})::{}").format(value, sql.SQL(column.carried))
    if kind == "double precision":
        return sql.SQL("float8send({})").format(value)
    return sql.SQL('({})::text collate "C"').format(value)
