"""How old the marts are, as an asset check of each: also of those that no run gets as far as.

Belongs here: the verdict, and the check that the UI can execute. Does not belong here: when anybody looks
(``orchestration.sensors``), and what stands in the marts (``warehouse.status``).
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from assets import specs
from warehouse import status
from warehouse.catalog import marts
from warehouse.database import Connection

WAREHOUSE = "warehouse"
"""Key of the resource that is a connection to the warehouse."""

LONGEST_AGE = dt.timedelta(hours=26)
"""A day, for those who run once a day, and two hours for the run itself."""


@dataclass(frozen=True)
class Verdict:
    """Of one application's marts. ``age`` is that of the as-of instant; None: never published."""

    application: str
    as_of: dt.datetime | None
    age: dt.timedelta | None
    failing_since: dt.datetime | None
    because: str | None

    @property
    def fresh(self) -> bool:
        """Whether the marts are young enough, and the last run went well."""
        return self.failing_since is None and self.age is not None and self.age <= LONGEST_AGE


def verdicts(warehouse: Connection, now: dt.datetime) -> list[Verdict]:
    """One per application, and one for the calendar."""
    return [
        Verdict(
            each.application,
            each.as_of,
            None if each.as_of is None else now - each.as_of,
            each.failing_since,
            each.last_error,
        )
        for each in status.freshness(warehouse)
    ]


def evaluations(found: Iterable[Verdict]) -> Iterator[dg.AssetCheckEvaluation]:
    """The verdicts as events of each mart, to be recorded outside of a run."""
    for verdict in found:
        for mart in marts(verdict.application):
            yield dg.AssetCheckEvaluation(
                asset_key=specs.mart_key(mart),
                check_name=specs.FRESHNESS,
                passed=verdict.fresh,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=_metadata(verdict),
            )


def freshness_checks(area: str) -> dg.AssetChecksDefinition:
    """The checks of an area's marts, for who executes them in the UI.

    An op of its own for each area, because Dagster never ends a run in which one step fails and another yields nothing,
    if nothing is left to do but a step that waits for both.
    """

    @dg.multi_asset_check(
        name=f"freshness_{area}",
        specs=list(specs.freshness(area)),
        can_subset=True,
        required_resource_keys={WAREHOUSE},
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        found = {each.application: each for each in verdicts(context.resources.warehouse, dt.datetime.now(dt.UTC))}
        for key in context.selected_asset_check_keys:
            verdict = found[key.asset_key.path[1]]
            yield dg.AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=verdict.fresh,
                severity=dg.AssetCheckSeverity.WARN,
                metadata=_metadata(verdict),
            )

    return check


def _metadata(verdict: Verdict) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {"because": dg.MetadataValue.text(verdict.because or "")}
    if verdict.as_of is not None and verdict.age is not None:
        found["as_of"] = dg.MetadataValue.timestamp(verdict.as_of)
        found["age_hours"] = dg.MetadataValue.float(round(verdict.age.total_seconds() / 3600, 1))
    if verdict.failing_since is not None:
        found["failing_since"] = dg.MetadataValue.timestamp(verdict.failing_since)
    return found
