"""Keys and specs of assets, derived from the catalog and from the dbt project's files.

Belongs here: what assets are called, grouped, described and made from. Does not belong here: their
computation. Keys are ``[layer, area, table]`` and match schema and relation.
"""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import TopologicalSorter

import dagster as dg

from assets import project
from warehouse.catalog import APPLICATIONS, CALENDAR, SOURCE_TABLES, Grain, Mart, SourceTable, marts, source_tables

REFRESH = "refresh"
"""The job that does it all."""

EQUALS_SOURCE = "equals_source"
FRESHNESS = "freshness"
CHECKED = {
    "great_expectations": "Rows, key, nulls and ranges.",
    "reconciliation": "Measures recomputed from raw, which block; whether as many rows as usual, which warns.",
    "dbt": "Whether rows contradict themselves or each other.",
}
"""What each engine looks at."""

ENGINES = tuple(CHECKED)

IN_ORDER = dg.DataVersion("in order")
"""Of everything up to the marts. What is out of date stands in ``control.late_data``; told versions of what it reads,
Dagster would call each day "unsynced" whenever another day has been rebuilt."""

Partitions = Mapping[Grain, dg.PartitionsDefinition]
"""How the partitions of each grain are named; empty: Dagster is told of none."""


def publish_op(application: str) -> str:
    """The op that builds, checks and publishes an application's marts."""
    return f"publish_{application}"


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
    for table in SOURCE_TABLES:
        yield _spec(source_key(table), {"postgres"}, project.descriptions()[table.qualified], own_columns=False)


def raw(application: str) -> Iterator[dg.AssetSpec]:
    """Images of the application's tables, all as of one snapshot."""
    for table in source_tables(application):
        yield _spec(
            raw_key(table), {"postgres", "python"}, project.descriptions()[table.qualified], deps=[source_key(table)]
        )


def staged(application: str) -> Iterator[dg.AssetSpec]:
    """Staging views, and what is computed from them per row; none before what it reads."""
    models = {
        model.name: model
        for model in project.models().values()
        if model.application == application and model.layer in {"staging", "intermediate"}
    }
    for name in TopologicalSorter({name: set(m.models) & set(models) for name, m in models.items()}).static_order():
        yield _spec(
            model_key(models[name].layer, application, name),
            {"postgres", "dbt"},
            project.descriptions()[name],
            deps=_read_by(models[name]),
        )


def published(application: str, partitions: Partitions) -> Iterator[dg.AssetSpec]:
    """Candidates and, from what passes the gate, marts."""
    for mart in marts(application):
        candidate = model_key("candidate", application, mart.name)
        described = project.descriptions()[mart.name]
        yield _spec(
            candidate, {"postgres", "dbt"}, described, deps=_read_by(project.models()[mart.name]), skippable=True
        )
        yield _spec(
            mart_key(mart),
            {"postgres"},
            described,
            deps=[candidate],
            skippable=True,
            own_columns=False,
            partitions=partitions.get(mart.grain) if mart.dated else None,
            tags={"weir/grain": mart.grain if mart.dated else "whole"},
        )


def source_checks(application: str) -> Iterator[dg.AssetCheckSpec]:
    """Whether each raw table is what its source is, row by row; once a day, and whenever there is a doubt."""
    for table in source_tables(application):
        yield dg.AssetCheckSpec(
            EQUALS_SOURCE,
            asset=raw_key(table),
            description="All rows are compared in the extract's snapshot; what differs is named and healed.",
        )


def in_order(application: str) -> list[str]:
    """Names of the application's marts, none before one that its candidate reads: Dagster wants results in it."""
    names = {mart.name for mart in marts(application)}
    read = {name: {key.path[-1] for key in _read_by(project.models()[name])} & names for name in sorted(names)}
    return list(TopologicalSorter(read).static_order())


def checks(application: str) -> Iterator[dg.AssetCheckSpec]:
    """What each engine says of each mart's candidate: all its checks as one, told apart in the metadata."""
    for mart in marts(application):
        for engine in ENGINES:
            if engine == "dbt" and mart.name not in project.tested():
                continue
            yield dg.AssetCheckSpec(
                engine,
                asset=mart_key(mart),
                blocking=True,
                description=f"{CHECKED[engine]} On the candidate, before it is published: a mart keeps its last good "
                "rows where a check fails that blocks. Why each blocks or warns stands in its result.",
            )


def freshness(area: str) -> Iterator[dg.AssetCheckSpec]:
    """How old each mart is; it warns, because old numbers are still right as of when they stand."""
    for mart in marts(area):
        yield dg.AssetCheckSpec(
            FRESHNESS,
            asset=mart_key(mart),
            description="As of when the mart stands, and since when and why runs of its application fail.",
        )


def _read_by(model: project.Model) -> list[dg.AssetKey]:
    """What a model reads, but for the warehouse's own control tables and for what it stands in for."""
    tables = {(table.application, table.name): table for table in SOURCE_TABLES}
    read: dict[dg.AssetKey, None] = {}
    for each in (project.models()[name] for name in model.models if name != model.name):
        if each.layer == "standing":  # a part of the candidate that has a file of its own
            read |= dict.fromkeys(_read_by(each))
        else:
            read[model_key(each.layer, each.application, each.name)] = None
    return [*read, *(raw_key(tables[source]) for source in model.sources if source in tables)]


def _spec(
    key: dg.AssetKey,
    kinds: set[str],
    described: project.Described,
    *,
    deps: Iterable[dg.AssetKey] = (),
    skippable: bool = False,
    own_columns: bool = True,
    partitions: dg.PartitionsDefinition | None = None,
    tags: Mapping[str, str] | None = None,
) -> dg.AssetSpec:
    layer, area, table = key.path
    return dg.AssetSpec(
        key,
        deps=list(deps),
        group_name=f"{layer}_{area}",
        kinds=kinds,
        owners=[f"team:{area}" if area in APPLICATIONS and layer == "source" else "team:data"],
        tags={"weir/layer": layer, "weir/application": area, **(tags or {})},
        description=described.description,
        skippable=skippable,
        partitions_def=partitions,
        metadata={
            "dagster/table_name": f"{area if layer == 'source' else layer}.{table}",
            "dagster/column_schema": dg.TableSchema(
                [
                    dg.TableColumn(column.name, column.type or "unknown", column.description)
                    for column in described.columns
                    if own_columns or not column.name.startswith("_")
                ]
            ),
        },
    )


def areas() -> tuple[str, ...]:
    """What is gated and published on its own: the applications, and the calendar."""
    return (*APPLICATIONS, CALENDAR)
