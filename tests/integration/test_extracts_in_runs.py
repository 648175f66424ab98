"""Extracts as runs and the command line make them: what is recorded, what stops, and whom it holds back."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.command_line import Answer, weir
from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, assert_published, make_database
from warehouse.errors import ConfigurationError, WeirError
from warehouse.server import EmbeddedServer

TASKS = "scheduling.tasks"


def test_a_table_that_stops_holds_back_its_own_application_only(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    lab.write(
        "alter table services.metrics rename unit to currency",
        "update scheduling.tasks set title = 'x', completed_at = '2024-03-03Z' where completed_at is null",
    )
    with pytest.raises(ConfigurationError, match=r"^services\.metrics: column unit is called currency now; rename it"):
        lab.run(AS_OF, applications=("services",))
    lab.run(AS_OF, gate_open=True, applications=("scheduling", "workflows"))
    lab.write("alter table services.metrics rename currency to unit")
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)

    # A wider column: the marts are what they were.
    before = lab.dump()
    lab.write("alter table workflows.workflow_steps alter position type bigint")
    lab.run(AS_OF, gate_open=True)
    assert lab.dump() == before
    # A view in a table's place, with other names behind it.
    lab.write(
        "alter table services.metrics rename to measured",
        "alter table services.measured rename unit to currency",
        "create view services.metrics as select metric_id, service_name::varchar(50), metric_type, segment,"
        " value, currency as unit, recorded_at, created_at, xmin as _xmin from services.measured",
    )
    lab.run(AS_OF, gate_open=True)
    assert lab.dump() == before
    lab.write("update services.measured set value = 5 where currency = 'EUR' and value = 0.1")
    changed = lab.run(AS_OF, gate_open=True)
    batch = changed.outcomes["services"].batch
    assert batch is not None
    assert [(t.mode, t.updated) for t in batch.tables if t.source_table == "services.metrics"] == [("xmin", 1)]
    lab.write(
        "drop view services.metrics",
        "alter table services.measured rename to metrics",
        "alter table services.metrics rename currency to unit",
    )
    lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)


def test_what_differs_is_healed_published_and_recorded(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    lab.warehouse.execute("update raw.services__metrics set value = 7 where metric_id = 1")
    lab.warehouse.execute("delete from raw.scheduling__tasks where title = 'task' and completed_at is not null")
    refresh = lab.run(AS_OF, gate_open=True)
    assert_published(lab, AS_OF)
    rows = lab.warehouse.execute(
        "select check_name, severity, success, observed from quality.check_results"
        " where run_id = %s and check_name like 'equals_source%%' and not success order by 1",
        (refresh.parameters.run_id,),
    ).fetchall()
    assert [row[:3] for row in rows] == [
        ("equals_source(scheduling.tasks)", "warn", False),
        ("equals_source(services.metrics)", "warn", False),
    ]
    assert str(rows[1][3]) == "1 of 6 rows differed: 1"
    assert lab.published_since(refresh)["kpi_daily"] == {"2024-03-01"}


@pytest.fixture(scope="module")
def home(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Settings of a source and a warehouse that have been extracted from each other, without the marts."""
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    lab = Lab(server, Path(tmp_path_factory.mktemp("verify")))
    try:
        lab.write(*BEGINNING)
        from warehouse.catalog import APPLICATIONS
        from warehouse.database import session
        from warehouse.extract import extract

        for application in APPLICATIONS:
            with (
                session(server.url("source"), name="test", read_only=True) as source,
                session(lab.places.warehouse_url, name="test") as warehouse,
            ):
                extract(application, source, warehouse, "test")
    finally:
        lab.close()
    return {
        "home": tmp_path_factory.mktemp("home"),
        "source_url": server.url("source"),
        "warehouse_url": server.url("warehouse"),
    }


def ask(url: object, query: str) -> None:
    with psycopg.connect(str(url), autocommit=True) as connection:
        connection.execute(query.encode())


def test_verify_finds_what_differs_and_not_what_is_new(home: dict[str, object]) -> None:
    assert weir("verify", **home) == Answer(0, "nothing is published yet\n", "")
    ask(home["source_url"], "update services.metrics set value = 3 where metric_id = 1")
    ask(home["source_url"], "delete from scheduling.tasks where status = 'cancelled'")
    answer = weir("verify", "--source", "--json", **home)
    assert answer.code == 0, answer
    found = {item["source_table"]: item["proof"] for item in json.loads(answer.out)["tables"]}
    assert len(found) == 12
    assert found["services.metrics"] == {"rows": 6, "differing": 0, "keys": []}

    ask(home["warehouse_url"], "update raw.services__metrics set unit = 'USD' where metric_id in (2, 4)")
    ask(home["warehouse_url"], "delete from raw.scheduling__users where timezone = 'Pacific/Auckland'")
    for _ in range(2):  # it heals nothing
        answer = weir("verify", "--source", **home)
        assert answer.code == 4, answer
        assert "2 tables of raw differ from the source, first scheduling.users, key 00000000-0000-4000" in answer.err
        assert "services.metrics" in answer.out
        assert "2, 4" in answer.out
    assert weir("verify", "--source", "--only", "workflows", **home).code == 0


def test_force_deletes_takes_names_of_tables(home: dict[str, object]) -> None:
    answer = weir("run", "--force-deletes", "scheduling.task", **home)
    assert answer.code == 2
    assert "--force-deletes: there is no table 'scheduling.task'; give all, or of scheduling.users" in answer.err


def test_an_empty_table_stops_a_run_until_it_is_forced(lab: Lab) -> None:
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    lab.write("truncate scheduling.tasks")
    with pytest.raises(WeirError, match=r"then: weir run --force-deletes scheduling\.tasks$"):
        lab.run(AS_OF, gate_open=True)
    lab.run(AS_OF, gate_open=True, force_deletes=(TASKS,))
    assert_published(lab, AS_OF)
