"""Keys and specs of assets, derived from the catalog and from the dbt project's file names.

Belongs here: what assets are called, grouped and described. Does not belong here: their computation.
Keys are ``[layer, area, table]`` and match schema and relation.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dagster as dg

from warehouse.catalog import CALENDAR, Mart, SourceTable, marts, source_tables

MODELS = Path(__file__).resolve().parents[1] / "dbt_project" / "models"
EQUALS_SOURCE = "equals_source"
ENGINES = ("great_expectations", "reconciliation", "dbt")


@cache
def models(layer: str, application: str) -> tuple[str, ...]:
    """Names of the dbt models of a layer and area, by their files."""
    return tuple(sorted(path.stem for path in (MODELS / layer / application).glob("*.sql")))


def source_key(table: SourceTable) -> dg.AssetKey:
    """The application's own table."""
    return dg.AssetKey(["source", table.application, table.name])


def raw_key(table: SourceTable) -> dg.AssetKey:
    """Its image in the warehouse."""
    return dg.AssetKey(["raw", table.application, table.raw])


def model_key(layer: str, application: str, model: str) -> dg.AssetKey:
    """A relation that dbt makes."""
    return dg.AssetKey([layer, application, model])


def mart_key(mart: Mart) -> dg.AssetKey:
    """A published table."""
    return model_key("marts", mart.application, mart.name)


def sources() -> Iterator[dg.AssetSpec]:
    """The applications' tables, which Weir reads and never makes."""
    from warehouse.catalog import SOURCE_TABLES

    for table in SOURCE_TABLES:
        yield dg.AssetSpec(
            source_key(table),
            group_name=f"source_{table.application}",
            kinds={"postgres"},
            description=f"Table {table.qualified} of the application.",
        )


def raw(application: str) -> Iterator[dg.AssetSpec]:
    """Images of the application's tables, all as of one snapshot."""
    for table in source_tables(application):
        yield dg.AssetSpec(
            raw_key(table),
            deps=[source_key(table)],
            group_name=f"raw_{application}",
            kinds={"postgres", "python"},
            description=f"Current image of {table.qualified}, with a log of changes and before-images.",
        )


def staged(application: str) -> Iterator[dg.AssetSpec]:
    """Staging views, and what is computed from them per row."""
    staging = [model_key("staging", application, model) for model in models("staging", application)]
    for key in staging:
        yield dg.AssetSpec(
            key,
            deps=[raw_key(table) for table in source_tables(application)],
            group_name=f"staging_{application}",
            kinds={"postgres", "dbt"},
        )
    for model in models("intermediate", application):
        yield dg.AssetSpec(
            model_key("intermediate", application, model),
            deps=staging,
            group_name=f"intermediate_{application}",
            kinds={"postgres", "dbt"},
        )


def published(application: str) -> Iterator[dg.AssetSpec]:
    """Candidates and, from what passes the gate, marts."""
    upstream = (
        []
        if application == CALENDAR
        else [model_key("intermediate", application, model) for model in models("intermediate", application)]
    )
    for mart in marts(application):
        candidate = model_key("candidate", application, mart.name)
        yield dg.AssetSpec(
            candidate, deps=upstream, group_name=f"candidate_{application}", kinds={"postgres", "dbt"}, skippable=True
        )
        yield dg.AssetSpec(
            mart_key(mart),
            deps=[candidate],
            group_name=f"marts_{application}",
            kinds={"postgres"},
            skippable=True,
            description=f"Published table marts.{mart.name}, key {', '.join(mart.key)}.",
        )


def source_checks(application: str) -> Iterator[dg.AssetCheckSpec]:
    """Whether each raw table is what its source is, row by row; once a day, and whenever there is a doubt."""
    for table in source_tables(application):
        yield dg.AssetCheckSpec(
            EQUALS_SOURCE,
            asset=raw_key(table),
            description="All rows are compared in the extract's snapshot; what differs is named and healed.",
        )


def checks(application: str) -> Iterator[dg.AssetCheckSpec]:
    """What each engine says of each candidate: all its checks as one, told apart in the metadata."""
    for mart in marts(application):
        for engine in ENGINES:
            yield dg.AssetCheckSpec(
                engine,
                asset=model_key("candidate", application, mart.name),
                blocking=True,
                description=f"All blocking checks of {engine} on the candidate, before it is published.",
            )
