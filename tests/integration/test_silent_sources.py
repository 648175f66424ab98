"""A source that falls silent in the middle of an extract: the other applications are published all the same.

Belongs here: runs of the core while one connection says nothing. Does not belong here: sources that are down before a
run begins (``test_cli``) and extracts that break off (``test_extracts_interrupted``).
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.silent_proxy import SilentProxy
from tests.support import EARLIEST, Lab, assert_published, gate_left_open
from warehouse import schema
from warehouse.catalog import APPLICATIONS, CALENDAR, mart
from warehouse.errors import WeirError
from warehouse.plan import Parameters
from warehouse.refresh import Refresh, new_run_id

MANY_METRICS = (
    "insert into services.metrics (service_name, metric_type, value, recorded_at)"
    " select 'many', 'value', n, timestamptz '2024-03-01Z' + n * interval '1 second'"
    " from generate_series(1, 20000) as n"
)
BEFORE_ANY_ROW, AMONG_THE_ROWS = 3_000, 400_000
SECONDS = 60


@contextmanager
def run_with_a_silent_source(lab: Lab, application: str, answers: int) -> Iterator[tuple[Refresh, SilentProxy]]:
    """A run that has begun, one of whose sources has fallen silent."""
    places = lab.places
    with SilentProxy(places.source_urls[application], answers) as proxy:
        urls = {**places.source_urls, application: proxy.url}
        with (
            gate_left_open(),
            Refresh(
                dataclasses.replace(places, source_urls=urls), Parameters(new_run_id(), AS_OF, EARLIEST)
            ) as refresh,
        ):
            refresh.run_ahead()
            assert proxy.silent.wait(SECONDS)
            yield refresh, proxy


def others_of(application: str) -> list[str]:
    return [each for each in (*APPLICATIONS, CALENDAR) if each != application]


def wait_for(refresh: Refresh, areas: list[str]) -> None:
    """Until these are published."""
    deadline = time.monotonic() + SECONDS
    while any(refresh.outcomes[area].status == "started" for area in areas):
        assert time.monotonic() < deadline, refresh.outcomes
        time.sleep(0.05)


@pytest.mark.parametrize("answers", [BEFORE_ANY_ROW, AMONG_THE_ROWS])
def test_a_first_run_publishes_what_has_been_extracted(lab: Lab, answers: int) -> None:
    lab.write(*BEGINNING, MANY_METRICS)
    application = "services"
    others = others_of(application)
    with run_with_a_silent_source(lab, application, answers) as (refresh, proxy):
        wait_for(refresh, others)
        assert {refresh.outcomes[each].status for each in others} == {"published"}
        assert refresh.outcomes[application].status == "started"
        ((published,),) = lab.warehouse.execute("select array_agg(distinct application) from control.publications")
        assert published == sorted(others)
        proxy.close()
        with pytest.raises(WeirError, match=f"^{application}: the source's connection broke off"):
            refresh.extract(application)
    assert refresh.outcomes[application].status == "failed"
    lab._see_goals()
    assert_published(lab, AS_OF, applications=[each for each in others if each != CALENDAR])
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)


@pytest.mark.parametrize("application", ["scheduling", "services"])
def test_models_that_have_changed_are_made_anew_for_each_when_its_turn_comes(lab: Lab, application: str) -> None:
    lab.write(*BEGINNING, MANY_METRICS)
    lab.run(AS_OF, gate_open=True)
    before = lab.dump()
    lab.warehouse.execute("update control.applications set facts_fingerprint = 'another'")
    others = others_of(application)
    with run_with_a_silent_source(lab, application, BEFORE_ANY_ROW) as (refresh, _):
        wait_for(refresh, others)
        assert {refresh.outcomes[each].status for each in others} == {"published"}
    assert refresh.outcomes[application].status == "started"  # to be interrupted says nothing of it
    assert lab.dump() == before
    # What the other version has published is known to be dirty, and is not recomputed by this one.
    proofs = lab.verify()
    assert {proof.application for proof in proofs.values() if proof.not_recomputed} == {application}
    assert {proof.application for proof in proofs.values() if proof.pending} == {application}
    assert not any(proof.differences for proof in proofs.values())
    assert lab.run(AS_OF, gate_open=True).outcomes[application].status == "published"
    assert lab.dump() == before
    assert not any(proof.not_recomputed or proof.pending or proof.differences for proof in lab.verify().values())


def test_each_relation_that_dbt_makes_is_of_one_area(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    relations = (
        "select array_agg(oid::regclass::text order by 1) from pg_class"
        " where relnamespace::regnamespace::text = any (%s) and relkind in ('r', 'v')"
    )

    def standing() -> set[str]:
        ((names,),) = lab.warehouse.execute(relations, (list(schema.MADE_BY_DBT),)).fetchall()
        return {*names} if isinstance(names, list) else set()

    everything = standing()
    assert "intermediate.computed_kpi_forecasts" in everything
    for area in (*APPLICATIONS, CALENDAR):
        before = standing()
        with lab.warehouse.transaction():
            schema.forget_models(lab.warehouse, area)
        gone = before - standing()
        assert gone and all(area_of(name) == area for name in gone), gone
    assert standing() == set()


def area_of(relation: str) -> str:
    """By its name, or the mart's whose candidate it is."""
    name = relation.split(".")[1].removeprefix("computed_")
    return (
        next(
            (area for area in APPLICATIONS if f"_{area}__" in name),
            None,
        )
        or mart(name).application
    )
