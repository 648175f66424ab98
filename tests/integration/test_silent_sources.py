"""A source that falls silent in the middle of an extract: the other applications are published all the same.

Belongs here: runs of the core while one connection says nothing. Does not belong here: sources that are down before a
run begins (``test_cli``) and extracts that break off (``test_extracts_interrupted``).
"""

import dataclasses
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from orchestration import connections
from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.silent_proxy import SilentProxy
from tests.support import EARLIEST, Lab, assert_published, gate_left_open
from warehouse import database, extract, schema, silence
from warehouse.catalog import APPLICATIONS, CALENDAR, mart
from warehouse.database import KEEPALIVES, line_of, session
from warehouse.errors import ConfigurationError, WeirError
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


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the source was held to be lost, each time that it was asked; after a second at most."""
    for name, value in (("SILENT_SECONDS", 0.5), ("ASK_SECONDS", 0.2), ("ANSWER_SECONDS", 2)):
        monkeypatch.setattr(silence, name, value)
    verdicts: list[bool] = []
    ask = silence._is_lost

    def noting(*about: Any) -> bool:
        verdicts.append(ask(*about))
        return verdicts[-1]

    monkeypatch.setattr(silence, "_is_lost", noting)
    return verdicts


@pytest.mark.parametrize("answers", [BEFORE_ANY_ROW, AMONG_THE_ROWS])
def test_a_source_that_stays_silent_is_given_up(lab: Lab, impatient: list[bool], answers: int) -> None:
    lab.write(*BEGINNING, MANY_METRICS)
    with run_with_a_silent_source(lab, "services", answers) as (refresh, _):
        with pytest.raises(WeirError, match=r"^services: the source fell silent in the middle of the extract"):
            refresh.extract("services")
        wait_for(refresh, others_of("services"))
    assert impatient[-silence.QUESTIONS :] == [True] * silence.QUESTIONS
    assert {name: outcome.status for name, outcome in refresh.outcomes.items() if name != "services"} == dict.fromkeys(
        others_of("services"), "published"
    )
    ((since, why),) = lab.warehouse.execute(
        "select failing_since, last_error from control.applications where application = 'services'"
    ).fetchall()
    assert since is not None and str(why).startswith("services: the source fell silent")


def test_a_server_that_sends_what_never_comes_is_given_up(lab: Lab, impatient: list[bool]) -> None:
    with (
        SilentProxy(lab.server.url("source"), 1_000_000, forgets=True) as proxy,
        session(proxy.url, name="test") as source,
        pytest.raises(WeirError, match="fell silent"),
        silence.watched(source, proxy.url, "services"),
    ):
        source.execute("select repeat('x', 1000) from generate_series(1, 100000)")
    assert impatient[-silence.QUESTIONS :] == [True] * silence.QUESTIONS


def test_a_server_at_work_may_be_silent(lab: Lab, impatient: list[bool]) -> None:
    url = lab.server.url("source")
    with session(url, name="test") as source, silence.watched(source, url, "services"):
        source.execute("select pg_sleep(3)")
        assert len(impatient) >= silence.QUESTIONS and not any(impatient)
        asked = len(impatient)
        time.sleep(1)  # while nothing is waited for
    assert len(impatient) <= asked + 1
    # Of a server that refuses to be asked, or is another one than was read, nothing is known.
    assert not silence._is_lost("postgresql://nobody:x@127.0.0.1:1/nowhere", 1, "")
    assert not silence._is_lost(url, 1, "another")


def test_an_end_without_a_word_is_noticed_in_a_minute_or_when_the_url_says(lab: Lab) -> None:
    url = lab.server.url("source")
    own = f"{url}{'&' if '?' in url else '?'}keepalives_idle=7&tcp_user_timeout=5000"
    for place, expected in ((url, ("30", "10", "3", "60000")), (own, ("7", "10", "3", "5000"))):
        with session(place, name="test") as source:
            found = source.info.get_parameters()
            assert tuple(found[name] for name in KEEPALIVES) == expected
            with line_of(source) as line:
                assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == int(expected[0])


def test_a_source_that_falls_silent_before_it_is_asked_for_rows_holds_nobody_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = lab.server.url("source")
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(
        extract, "missing_tables", lambda source, name: name == "scheduling" and source.execute("select pg_sleep(60)")
    )
    urls = {"scheduling": f"{url}?connect_timeout=9", "workflows": url}
    places = dataclasses.replace(lab.places, source_urls=urls)
    connections.check_sources(mock.Mock(), places, ("scheduling", "workflows"))
    with pytest.raises(ConfigurationError, match="broke off, or was silent, when looked at"):
        connections.check_sources(mock.Mock(), places, ("scheduling",))
    monkeypatch.setattr(database, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(database, "_set_up", lambda source: source.execute("select pg_sleep(60)"))
    with pytest.raises(ConfigurationError, match=r"/source does not answer \("):
        database.connect(url, name="test")


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
