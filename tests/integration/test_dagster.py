"""In Dagster: partition status is the ledger's, after every kind of run; the UI and the daemon that weir up serves.

Belongs here: what Dagster is told and what it starts. Does not belong here: what runs publish.
"""

import contextlib
import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import psycopg
import pytest
import sqlalchemy
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dagster._serdes import serialize_value

from assets import freshness, ledger, specs
from orchestration import dagster_home, sensors
from orchestration.definitions import build_defs
from orchestration.run import run_in_process
from tests.command_line import REPOSITORY, end, start, weir
from tests.integration.test_incremental import AS_OF, BEGINNING, TASKS, metric
from tests.support import EARLIEST, Lab
from tests.webhook import Webhook
from warehouse import lock
from warehouse.catalog import MARTS, mart
from warehouse.plan import Parameters
from warehouse.refresh import Refresh, new_run_id
from warehouse.server import EmbeddedServer


def published(lab: Lab) -> dict[str, set[str]]:
    """Partitions of each dated mart that the ledger has."""
    found: dict[str, set[str]] = {each.name: set() for each in MARTS if each.dated}
    for name, day in lab.warehouse.execute("select distinct mart, partition_start::text from control.publications"):
        if day is not None:
            found[str(name)].add(str(day))
    return found


def told(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    return {each.name: set(instance.get_materialized_partitions(specs.mart_key(each))) for each in MARTS if each.dated}


def test_dagster_is_told_what_the_ledger_says_whatever_was_missed(lab: Lab) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        lab.write(*BEGINNING)
        lab.run(AS_OF, gate_open=True)
        (publications,) = lab.warehouse.execute("select count(*) from control.publications").fetchone() or (0,)
        assert ledger.tell(instance, lab.warehouse) == publications
        assert told(instance) == published(lab)
        assert ledger.tell(instance, lab.warehouse) == 0

        # Two runs that Dagster never saw, of which the second publishes a day of the first again.
        lab.write(metric("projects", "5", "2024-03-15T12:00:00Z"))
        lab.run(AS_OF, gate_open=True)
        lab.write(
            metric("projects", "6", "2024-03-15T12:00:00Z"),
            f"update scheduling.tasks set deleted_at = now() where task_id = '{TASKS[1]}'",
        )
        last = lab.run(AS_OF, gate_open=True)
        republished = {("kpi_daily", "2024-03-15"), ("kpi_monthly", "2024-03-01")} | {
            (name, day) for name, days in lab.published_since(last).items() for day in days
        }
        assert ledger.tell(instance, lab.warehouse) == len(republished)
        event = instance.get_latest_data_version_record(specs.mart_key(mart("kpi_daily")), partition_key="2024-03-15")
        assert event is not None and event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        rows, content_hash = lab.warehouse.execute(
            "select row_count, content_hash from control.publications where mart = 'kpi_daily'"
            " and partition_start = '2024-03-15' order by publication_id desc limit 1"
        ).fetchone() or (None, None)
        assert (metadata["dagster/row_count"].value, metadata["content_hash"].value) == (rows, content_hash)
        assert event.run_id == last.parameters.run_id


def test_many_events_at_once_are_those_that_dagster_would_write(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", dagster_home.URL_VARIABLE):
        monkeypatch.setenv(name, "")  # restored after what is set below
    lab.write(*BEGINNING)
    lab.run(AS_OF, gate_open=True)
    with dagster_home.open_instance(lab.home, lab.server) as instance:
        ledger.tell(instance, lab.warehouse)
        assert told(instance) == published(lab)
        key = specs.mart_key(mart("analytics_daily_metrics"))
        records = instance.fetch_materializations(key, limit=10_000).records
        assert len(records) == len(published(lab)["analytics_daily_metrics"]) > 10
        again = [json.loads(serialize_value(record.event_log_entry)) for record in records]
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            rows = connection.execute(
                sqlalchemy.text(
                    "select event, run_id, partition from event_logs where asset_key = :key order by id desc"
                ),
                {"key": key.to_string()},
            ).fetchall()
        assert [json.loads(row.event) for row in rows] == again
        for row, record in zip(rows, records, strict=True):
            materialization = record.asset_materialization
            assert materialization is not None and (record.run_id, record.partition_key) == (row.run_id, row.partition)
            publication = lab.warehouse.execute(
                "select publication_id, row_count, content_hash, source_row_count, partition_start::text"
                " from control.publications where publication_id = %s",
                (materialization.metadata["publication"].value,),
            ).fetchone()
            shown = [
                materialization.metadata[each].value
                for each in ("publication", "dagster/row_count", "content_hash", "source_rows")
            ]
            assert publication == (*shown, row.partition)


def run_here(lab: Lab) -> None:
    """A run as the command line makes it, through Dagster in this process."""
    with Refresh(lab.places, Parameters(new_run_id(), AS_OF, EARLIEST)) as refresh:
        assert run_in_process(refresh, lab.server)


def out_of_sync(instance: dg.DagsterInstance) -> list[str]:
    """Assets and partitions that Dagster would call unsynced."""
    graph = build_defs(dt.date(2024, 2, 26)).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = []
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        partitions = sorted(instance.get_materialized_partitions(key)) if node.is_partitioned else [None]
        for partition in partitions[:3] + partitions[-3:]:
            if resolver.get_status(key, partition) == StaleStatus.STALE:
                found.append(f"{key.to_user_string()} {partition}")
    return found


def test_runs_leave_counts_checks_and_nothing_unsynced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAGSTER_HOME", dagster_home.URL_VARIABLE):
        monkeypatch.setenv(name, "")  # restored after what is set below
    lab.write(*BEGINNING)
    raw = dg.AssetKey(["raw", "services", "services__metrics"])
    proven = dg.AssetCheckKey(raw, specs.EQUALS_SOURCE)

    def metadata(instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, Any]:
        event = instance.get_latest_materialization_event(key)
        assert event is not None and event.asset_materialization is not None
        return {name: value.value for name, value in event.asset_materialization.metadata.items()}

    def proof(instance: dg.DagsterInstance) -> tuple[bool, dict[str, Any]]:
        """Whether the latest evaluation of the check passed, and what it says."""
        (record,) = instance.event_log_storage.get_asset_check_execution_history(proven, limit=1)
        evaluation = record.evaluation
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        return evaluation.passed, {name: value.value for name, value in evaluation.metadata.items()}

    run_here(lab)
    with dagster_home.open_instance(lab.home, lab.server) as instance:
        found = metadata(instance, raw)
        (rows,) = lab.source.execute("select count(*) from services.metrics").fetchone() or (0,)
        assert (found["dagster/row_count"], found["rows_read"], found["rows_inserted"]) == (rows, rows, rows)
        assert found["mode"] == "full" and ":" in found["snapshot"]
        assert found["rows_per_second"] == pytest.approx(rows / found["seconds"], abs=1)
        candidate = metadata(instance, specs.model_key("candidate", "services", "kpi_daily"))
        assert candidate["dagster/row_count"] == len(lab.rows("kpi_daily")) > 0
        executions = specs.model_key("intermediate", "workflows", "int_workflows__executions")
        assert metadata(instance, executions)["rows_estimated"] > 0
        assert proof(instance) == (True, {"compared": False})
        assert out_of_sync(instance) == []

        # A day more, and a row that raw has otherwise than its source.
        lab.warehouse.execute("update raw.services__metrics set value = 7 where metric_id = 1")
        lab.write(metric("projects", "5", "2024-03-15T12:00:00Z"))
        run_here(lab)
        found = metadata(instance, raw)
        assert (found["dagster/row_count"], found["rows_inserted"], found["rows_updated"]) == (rows + 1, 1, 1)
        found = {"compared": True, "rows": rows + 1, "differing_and_healed": 1, "keys": "1"}
        assert proof(instance) == (False, found)
        assert out_of_sync(instance) == []

        run_here(lab)  # with nothing to do
        assert out_of_sync(instance) == []

        # The check alone, as the UI's button executes it, compares every row also where that is not due.
        lab.warehouse.execute("update raw.services__metrics set value = 8 where metric_id = 1")
        monkeypatch.setenv("WEIR_HOME", str(lab.home))
        monkeypatch.setenv("WEIR_WAREHOUSE_URL", lab.places.warehouse_url)
        monkeypatch.setenv("WEIR_SOURCE_URL", lab.server.url("source"))
        whole = build_defs(dt.date(2024, 2, 26)).resolve_implicit_global_asset_job_def()
        alone = whole.get_subset(asset_selection=set(), asset_check_selection={proven})
        told = len(instance.fetch_materializations(raw, limit=100).records)
        assert alone.execute_in_process(instance=instance).success
        assert proof(instance) == (False, found)
        assert len(instance.fetch_materializations(raw, limit=100).records) == told
        # What would be called so: a mart that is older than what it is made from.
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                specs.model_key("candidate", "services", "kpi_daily"), tags={"dagster/data_version": "other"}
            )
        )
        assert any(each.startswith("marts/services/kpi_daily") for each in out_of_sync(instance))


def test_every_mart_has_a_check_that_says_how_old_it_is_and_why(lab: Lab) -> None:
    lab.warehouse.execute(
        "update control.applications set as_of = %s where application in ('services', 'workflows')", (AS_OF,)
    )
    lab.warehouse.execute(
        "update control.applications set failing_since = %s, last_error = 'the source is down'"
        " where application = 'workflows'",
        (AS_OF,),
    )
    hour = dt.timedelta(hours=1)
    for age, fresh in ((26 * hour, {"services"}), (27 * hour, set())):
        verdicts = freshness.verdicts(lab.warehouse, AS_OF + age)
        assert {each.application for each in verdicts if each.fresh} == fresh
        told = list(freshness.evaluations(verdicts))
        assert {each.asset_key for each in told} == {specs.mart_key(each) for each in MARTS}
        assert {each.asset_key.path[1] for each in told if each.passed} == fresh
        (late,) = [each for each in told if each.asset_key.path[-1] == "workflow_analytics"]
        assert late.metadata["because"].value == "the source is down"
        assert late.metadata["age_hours"].value == age / hour
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(late)
        found = dg.materialize(
            [freshness.freshness_checks("workflows")],
            selection=dg.AssetSelection.checks(late.asset_check_key),
            resources={freshness.WAREHOUSE: lab.warehouse},
            instance=instance,
        ).get_asset_check_evaluations()
        assert [(each.asset_check_key, each.passed) for each in found] == [(late.asset_check_key, False)]


def test_freshness_is_told_once_for_each_state(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = mock.Mock(**{"start.return_value": lab.places})
    monkeypatch.setattr(sensors.settings, "load", lambda: chosen)
    cursor = None
    failing = "update control.applications set failing_since = now()"
    a_run = (
        "insert into control.runs (run_id, as_of, applications, status, finished_at)"
        " values ('a run', now(), array['services'], 'nothing_to_do', now())"
    )
    for event, told in ((None, len(MARTS)), (None, 0), (failing, len(MARTS)), (None, 0), (a_run, len(MARTS))):
        if event:
            lab.warehouse.execute(event)
        answer = sensors.tell_freshness(dg.build_sensor_context(cursor=cursor))
        assert isinstance(answer, dg.SensorResult)
        assert len(answer.asset_events) == told
        cursor = answer.cursor or cursor


def test_days_that_were_held_back_show_as_failed() -> None:
    defs = build_defs(dt.date(2024, 3, 1))
    key = specs.mart_key(mart("kpi_daily"))
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(defs.resolve_job_def("refresh"))
        ledger.tell_failures(instance, run.run_id, {"kpi_daily": {dt.date(2024, 3, 3), dt.date(2024, 3, 4)}})
        instance.report_run_failed(run)
        attempts = (
            instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        )
        assert set(attempts) == {"2024-03-03", "2024-03-04"}


def test_the_sensor_asks_once_for_what_is_dirty(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_HOME", str(lab.home))
    monkeypatch.setenv("WEIR_WAREHOUSE_URL", lab.server.url("warehouse"))
    monkeypatch.setenv("WEIR_SOURCE_URL", lab.server.url("source"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert isinstance(sensors._request(instance), dg.SkipReason)
        insert = (
            "insert into control.late_data"
            " (first_batch_id, batch_id, application, mart, partition_start, source_table, row_count)"
            " values (1, 1, 'services', 'kpi_daily', %s, 'services.metrics', 1)"
        )
        lab.warehouse.execute(insert, ("2024-03-01",))
        first, again = sensors._request(instance), sensors._request(instance)
        assert isinstance(first, dg.RunRequest) and isinstance(again, dg.RunRequest)
        assert first.run_key == again.run_key
        lab.warehouse.execute(insert, ("2024-03-02",))
        more = sensors._request(instance)
        assert isinstance(more, dg.RunRequest) and more.run_key != first.run_key
        instance.create_run_for_job(build_defs().resolve_job_def("refresh"), status=dg.DagsterRunStatus.STARTED)
        assert isinstance(sensors._request(instance), dg.SkipReason)


def test_schedule_and_sensor_are_off_unless_the_setting_says_otherwise() -> None:
    for on, expected in ((False, "STOPPED"), (True, "RUNNING")):
        repository = build_defs(automation=on).get_repository_def()
        statuses = {
            each.name: each.default_status.value for each in (*repository.schedule_defs, *repository.sensor_defs)
        }
        assert {statuses["refresh_schedule"], statuses["dirty_partitions"]} == {expected}
    assert build_defs().get_repository_def().get_schedule_def("refresh_schedule").cron_schedule == "*/15 * * * *"


def test_the_workspace_is_valid(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dagster", "definitions", "validate", "--workspace", "workspace.yaml"],
        cwd=REPOSITORY,
        env={**os.environ, "WEIR_HOME": str(tmp_path / "home"), "DAGSTER_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


LAUNCH = """
mutation($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) { __typename ... on LaunchBackfillSuccess { backfillId } }
}"""
BACKFILL = "query($b: String!) { partitionBackfillOrError(backfillId: $b) { ... on PartitionBackfill { status } } }"
RUNS = """
query($f: RunsFilter) { runsOrError(filter: $f) { ... on Runs { results { status tags { key value } } } } }"""
NODES = """
{ assetNodes { assetKey { path } partitionStats { numMaterialized numFailed } }
  schedulesOrError(repositorySelector: {
    repositoryName: "__repository__", repositoryLocationName: "orchestration.definitions"
  }) { ... on Schedules { results { name scheduleState { status } } } } }"""


WAITING = "select count(*) from pg_stat_activity where application_name ~ '^weir run .{36}$'"
HOLDING = (
    "select count(*) from pg_locks join pg_stat_activity using (pid)"
    " where relation = 'control.run_lock'::regclass and granted and application_name ~ '^weir run .{36}$'"
)


class Graphql:
    """The UI's interface."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: object) -> Any:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def backfill(
        self, asset: str, first: str, last: str, meanwhile: Callable[[], object] = lambda: None
    ) -> list[dict[str, Any]]:
        """Launch one, wait for its end, and give its runs."""
        ranges = [{"start": first, "end": last}]
        selection = [{"assetKey": {"path": asset.split("/")}, "partitions": {"ranges": ranges}}]
        launched = self.ask(LAUNCH, p={"partitionsByAssets": selection})["launchPartitionBackfill"]
        backfill = launched["backfillId"]
        meanwhile()
        deadline = time.monotonic() + 300
        while (status := self.ask(BACKFILL, b=backfill)["partitionBackfillOrError"]["status"]) == "REQUESTED":
            assert time.monotonic() < deadline, "the backfill does not end"
            time.sleep(1)
        assert status == "COMPLETED_SUCCESS"
        tags = [{"key": "dagster/backfill", "value": backfill}]
        runs: list[dict[str, Any]] = self.ask(RUNS, f={"tags": tags})["runsOrError"]["results"]
        return runs


@contextlib.contextmanager
def up(home: Path, **settings: object) -> Iterator[Graphql]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = start("up", "--port", port, home=home, **settings)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"http://127.0.0.1:{port}" in line, line
        yield Graphql(f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGINT)
        answer = end(process, seconds=60)
        assert answer.code == 130, answer


def test_the_ui_shows_and_backfills_what_the_command_line_published_and_alerts_leave(tmp_path: Path) -> None:
    home = tmp_path / "home"
    server = EmbeddedServer(home)
    with Webhook(500) as webhook, contextlib.ExitStack() as stack:
        stack.callback(server.remove)
        assert weir("demo", "--scale", "0.05", home=home).code == 0
        report = json.loads(weir("status", "--json", home=home).out)
        partitions = {each["mart"]: each["partitions"] for each in report["marts"]}
        assert weir("down", home=home).code == 0  # what is up by itself is ended with it
        with up(home, alert_webhook_url=webhook.url) as ui:
            answer = ui.ask(NODES)
            shown = {
                node["assetKey"]["path"][-1]: node["partitionStats"]
                for node in answer["assetNodes"]
                if node["assetKey"]["path"][0] == "marts" and node["partitionStats"]
            }
            assert shown == {
                each.name: {"numMaterialized": partitions[each.name], "numFailed": 0} for each in MARTS if each.dated
            }
            assert {each["scheduleState"]["status"] for each in answer["schedulesOrError"]["results"]} == {"STOPPED"}

            with ExitStack() as holder:
                place = weir("url", "warehouse", home=home).out.rstrip("\n")
                holder.enter_context(lock.exclusive(place, "of a test"))

                def meanwhile() -> None:
                    """It waits for the warehouse, and then takes it from whoever comes later."""
                    with psycopg.connect(place, autocommit=True) as connection:
                        deadline = time.monotonic() + 120
                        while connection.execute(WAITING).fetchone() == (0,):
                            assert time.monotonic() < deadline, "the backfill does not ask for the warehouse"
                            time.sleep(0.2)
                        holder.close()
                        while connection.execute(HOLDING).fetchone() == (0,):
                            time.sleep(0.05)
                    refused = weir("run", "--no-wait", home=home)
                    assert refused.code == 2
                    assert "is working on this warehouse" in refused.err

                three_days = ui.backfill("marts/services/kpi_daily", "2026-05-03", "2026-05-05", meanwhile)
            assert [run["status"] for run in three_days] == ["SUCCESS"]
            a_year = ui.backfill("marts/workflows/workflow_executions", "2026-03-01", "2026-11-20")
            assert [run["status"] for run in a_year] == ["SUCCESS"]
            shown = {
                node["assetKey"]["path"][-1]: node["partitionStats"]["numMaterialized"]
                for node in ui.ask(NODES)["assetNodes"]
                if node["assetKey"]["path"][0] == "marts" and node["partitionStats"]
            }
            # Its application's other marts were published with it, and followed.
            days = (dt.date(2026, 11, 20) - dt.date(2026, 3, 1)).days + 1
            assert shown["workflow_executions"] == shown["workflow_analytics"] == days

            # The daemon has looked for alerts at least once by now, and the first has been refused.
            deadline = time.monotonic() + 150
            with psycopg.connect(server.url("warehouse"), autocommit=True) as warehouse:
                published = "select count(*) from marts.kpi_goal_snapshots where alert and status <> 'cancelled'"
                (alerts,) = warehouse.execute(published).fetchone() or (0,)
                sent = "select count(*) from control.sent_alerts where channel = 'webhook' and state = 'sent'"
                while warehouse.execute(sent).fetchone() != (alerts,):
                    assert time.monotonic() < deadline, webhook.received
                    time.sleep(1)
            assert alerts > 1
            keys = [key for key, _ in webhook.received]
            assert keys.count(keys[0]) == 2
            assert len(keys) == len(set(keys)) + 1 == alerts + 1
        assert not server.is_running()
