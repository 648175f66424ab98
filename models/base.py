"""Declarative bases and the column types that several tables share.

Belongs here: one base per set of tables that is created together, the mapping from Python types to
PostgreSQL types, and ``Annotated`` types used by more than one module.

Does not belong here: tables, and types that one module alone uses.

The two bases keep metadata of their own, so that ``create_all`` for the warehouse can never create an
application's tables, nor the other way round.
"""

import datetime as dt
import uuid
from typing import Annotated, Any, ClassVar

from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    BigInteger,
    Boolean,
    Date,
    Double,
    Identity,
    Integer,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

TYPE_MAP: dict[Any, Any] = {
    bool: Boolean(),
    int: Integer(),
    float: Double(),
    str: Text(),
    dt.date: Date(),
    dt.datetime: TIMESTAMP(timezone=True),
    uuid.UUID: Uuid(),
}
"""What a bare Python type means in every table: no varchar, no timestamp without time zone."""

UuidKey = Annotated[uuid.UUID, mapped_column(primary_key=True)]
"""A primary key that the writer assigns."""

IdentityKey = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
"""A bigint primary key from a sequence: gaps, and becoming visible out of order, are normal."""

BigInt = Annotated[int, mapped_column(BigInteger)]
"""A 64-bit integer; a bare ``int`` is 32 bits wide."""

WrittenAt = Annotated[dt.datetime, mapped_column(server_default=func.now())]
"""An instant that defaults to the start of the writing transaction, in the writer's database."""

JsonArray = Annotated[Any, mapped_column(JSONB, server_default=text("'[]'"), nullable=False)]
"""A jsonb meant to be an array, empty by default. Nothing enforces it: any JSON value can come back."""

JsonObject = Annotated[Any, mapped_column(JSONB, server_default=text("'{}'"), nullable=False)]
"""A jsonb meant to be an object, empty by default. Nothing enforces it: any JSON value can come back."""

TextArray = Annotated[list[str], mapped_column(ARRAY(Text()), server_default=text("'{}'"))]
"""A ``text[]``, empty by default."""


class SourceBase(DeclarativeBase):
    """Base of the applications' tables.

    There is no naming convention: constraints get the names that PostgreSQL gives them, which are the ones
    that the applications' own DDL leads to.
    """

    metadata: ClassVar[MetaData] = MetaData()
    type_annotation_map: ClassVar[dict[Any, Any]] = TYPE_MAP


class WarehouseBase(DeclarativeBase):
    """Base of the warehouse's own tables (schemas ``control`` and ``quality``), which migrations create.

    Constraints are named by convention, because a migration can only drop what has a known name.
    """

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ck": "%(table_name)s_%(constraint_name)s_check",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = TYPE_MAP
