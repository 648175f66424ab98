"""Forecasts, anomalies and alerts through the whole pipeline, on one small history of two services.

Belongs here: marts that Python computes, and what leaves Weir. Does not belong here: the methods (``tests/unit``),
and sums, goals and comparisons (``test_incremental``, against the reference).
"""

import base64
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import dagster as dg
import pytest

from assets.refresh import RESOURCE
from assets.specs import REFRESH, mart_key
from orchestration.definitions import build_defs
from tests.support import EARLIEST, Lab, gate_left_open, make_database
from tests.webhook import Webhook
from warehouse import status
from warehouse.alerts import Alert, LogChannel, UnknownError, WebhookChannel, send_pending
from warehouse.catalog import mart
from warehouse.plan import Parameters
from warehouse.refresh import Refresh, new_run_id
from warehouse.server import EmbeddedServer
from warehouse.services import rows, worker
from warehouse.services.forecasting import GRANULARITIES

AS_OF = dt.datetime(2024, 6, 10, 12, tzinfo=dt.UTC)
LATER = AS_OF + dt.timedelta(days=1)
FIRST = dt.date(2024, 1, 1)
GOAL, QUIET, CANCELLED = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))


@pytest.fixture(scope="module")
def lab(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """160 days of two services, one day far off, one series too short; goals that alert and one that does not."""
    make_database(server, "source", "template_source")
    make_database(server, "warehouse", "template_warehouse")
    laboratory = Lab(server, Path(tmp_path_factory.getbasetemp()) / "lab")
    week = (0, 10, 12, 12, 11, 6, -20)
    with laboratory.source.cursor() as cursor:
        cursor.executemany(
            "insert into services.metrics (service_name, metric_type, segment, value, unit, recorded_at)"
            " values (%s, 'revenue', %s, %s, 'EUR', %s)",
            [
                (
                    service, segment, 100 + week[number % 7] + (number * 7919 % 13) / 4 + (400 if number == 120 else 0),
                    FIRST + dt.timedelta(days=number),
                )
                for service, segment in (("crm", "a"), ("crm", "b"), ("shop", None))
                for number in range(161)
            ],
        )  # fmt: skip
        cursor.execute(
            "insert into services.metrics (service_name, metric_type, value, unit, recorded_at)"
            " values ('shop', 'orders', 1, null, '2024-06-01')"
        )
        cursor.executemany(
            "insert into services.kpi_goals (goal_id, name, metric_type, target_value, start_date, end_date,"
            " alert_threshold, status, created_by)"
            " values (%s, %s, 'revenue', %s, '2024-05-01', '2024-07-31', 50, %s, %s)",
            [(GOAL, "near", 12_000, "active", GOAL), (QUIET, "far", 1e9, "active", GOAL),
             (CANCELLED, "given up", 100, "cancelled", GOAL)],
        )  # fmt: skip
    try:
        outcome = laboratory.run(AS_OF, applications=("services",)).outcomes["services"]
        assert outcome.status == "published", [check for check in outcome.checks if not check.success]
        yield laboratory
    finally:
        laboratory.close()


def test_the_day_far_off_is_an_anomaly(lab: Lab) -> None:
    found = [row for row in lab.rows("kpi_anomalies") if row["severity"] == "critical"]
    assert {(row["service_name"], row["segment"], str(row["date"])) for row in found} == {
        (service, segment, "2024-04-30") for service, segment in (("crm", "a"), ("crm", "b"), ("shop", ""))
    }
    assert all(abs(row["value"] - row["expected"] - 400) < 20 for row in found)


def test_forecasts_have_every_horizon_and_level(lab: Lab) -> None:
    query = (
        "select granularity, count(*), count(distinct confidence_level), min(horizon), max(horizon),"
        " min(target_period)::text, max(target_period)::text from marts.kpi_forecasts"
        " where service_name = 'crm' and status = 'ok' group by 1 order by 1"
    )
    assert lab.warehouse.execute(query).fetchall() == [
        ("day", 365 * 5, 5, 1, 365, "2024-06-10", "2025-06-09"),
        ("month", 24 * 5, 5, 1, 24, "2024-06-01", "2026-05-01"),
        ("week", 24 * 5, 5, 1, 24, "2024-06-10", "2024-11-18"),
    ]


def test_forecasts_see_the_weekday_in_the_sum_of_the_segments(lab: Lab) -> None:
    rows_of_week = lab.warehouse.execute(
        "select extract(isodow from target_period), forecast, lower, upper from marts.kpi_forecasts"
        " where service_name = 'crm' and granularity = 'day' and confidence_level = 0.95 and horizon <= 7 order by 1"
    ).fetchall()
    for (_, forecast, lower, upper), above in zip(rows_of_week, (0, 10, 12, 12, 11, 6, -20), strict=True):
        assert abs(forecast - 2 * (101.5 + above)) < 8
        assert lower < 2 * (101.5 + above) < upper


def test_series_that_cannot_be_forecast_say_why(lab: Lab) -> None:
    short = [entry for entry in status.without_forecast(lab.warehouse) if entry.metric_type == "orders"]
    assert [(entry.service_name, entry.status, entry.granularities) for entry in short] == [
        ("shop", "too_short", "day, week, month, quarter, year")
    ]


def test_days_without_a_row_of_an_additive_type_are_zero_from_the_next_run_on(lab: Lab) -> None:
    """Of the orders there is one day with a value, 1, and eight without."""

    def orders() -> list[tuple[object, ...]]:
        return lab.warehouse.execute(
            "select granularity, status, count(forecast) from marts.kpi_forecasts"
            " where metric_type = 'orders' and confidence_level = 0.95 group by 1, 2 order by 1"
        ).fetchall()

    def of_others() -> list[tuple[object, ...]]:
        return lab.warehouse.execute(
            "select * from marts.kpi_forecasts where metric_type <> 'orders' order by 1, 2, 3, 4, 5, 6"
        ).fetchall()

    others = of_others()
    without = orders()
    assert without == [(granularity, "too_short", 0) for granularity in sorted(GRANULARITIES)]
    with mock.patch.object(rows, "_fit", wraps=rows._fit) as fit:
        lab.run(AS_OF, applications=("services",), gate_open=True, additive=frozenset({"orders"}))
    (call,) = fit.call_args_list
    assert [(granularity, series.tolist()) for granularity, series in call.args[0]] == [
        ("day", [1.0, *[0.0] * 8]), ("week", [1.0, 0.0]),
    ]  # fmt: skip
    assert orders() == [("day", "ok", 365), *without[1:]]
    assert of_others() == others
    proofs = lab.verify(additive=frozenset({"orders"}))
    assert not proofs["kpi_forecasts"].differences
    lab.run(AS_OF, applications=("services",), gate_open=True)
    assert orders() == without


def test_series_that_move_together_are_correlated(lab: Lab) -> None:
    (row,) = [row for row in lab.rows("kpi_correlations") if (row["segment_x"], row["segment_y"]) == ("a", "b")]
    assert (row["n"], row["pearson"], row["spearman"], row["slope"], row["r_squared"]) == (161, 1.0, 1.0, 1.0, 1.0)
    assert all(row["metric_type_x"] == row["metric_type_y"] == "revenue" for row in lab.rows("kpi_correlations"))


def test_dagster_shows_plots_as_markdown_images_and_scores_as_a_table(lab: Lab) -> None:
    day = dt.date(2024, 6, 9)
    parameters = Parameters(new_run_id(), AS_OF, EARLIEST, from_date=day, to_date=day)
    with (
        gate_left_open(),
        Refresh(lab.places, parameters, ("services",)) as refresh,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        resources = {RESOURCE: dg.ResourceDefinition.hardcoded_resource(refresh)}
        job = build_defs(resources=resources).resolve_job_def(REFRESH)
        keys = [key for key in job.asset_layer.executable_asset_keys if key.path[1] == "services"]
        assert job.execute_in_process(instance=instance, asset_selection=keys).success

        def shown(name: str, entry: str) -> str:
            event = instance.get_latest_materialization_event(mart_key(mart(name)))
            assert event is not None and event.asset_materialization is not None
            text = event.asset_materialization.metadata[entry]
            assert isinstance(text, dg.MarkdownMetadataValue)
            return str(text.value)

        pictures = re.findall(r"!\[[^]]+\]\(data:image/svg\+xml;base64,([^)]+)\)", shown("kpi_forecasts", "plots"))
        assert [ElementTree.fromstring(base64.b64decode(each)).tag.rpartition("}")[2] for each in pictures] == [
            "svg"
        ] * 2
        scores = shown("kpi_forecast_accuracy", "accuracy").splitlines()
        assert scores[0] == "| granularity | model | series | MASE | sMAPE | inside 95 % |"
        assert any(line.startswith("| day | seasonal_naive |") for line in scores)


@pytest.fixture
def nothing_sent(lab: Lab) -> Lab:
    lab.warehouse.execute("truncate control.sent_alerts")
    return lab


def test_the_sensor_sends_an_alert_once_over_each_channel_however_often_a_webhook_fails(
    nothing_sent: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = build_defs().get_repository_def().get_sensor_def("send_kpi_alerts")
    with Webhook(500, 503) as webhook, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("WEIR_HOME", str(nothing_sent.home))
        monkeypatch.setenv("WEIR_WAREHOUSE_URL", nothing_sent.server.url("warehouse"))
        monkeypatch.setenv("WEIR_SOURCE_URL", nothing_sent.server.url("source"))
        monkeypatch.setenv("WEIR_ALERT_WEBHOOK_URL", webhook.url)

        def tick() -> str | None:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).skip_message

        assert tick() == "1 alerts sent, 1 not"  # to the log, not to the webhook
        (waiting,) = status.unsent_alerts(nothing_sent.warehouse)
        assert (waiting.goal, waiting.channel, waiting.state, waiting.attempts, waiting.last_error) == (
            "near", "webhook", "pending", 1, "answered 500",
        )  # fmt: skip
        assert [tick() for _ in range(3)] == ["0 alerts sent, 1 not", "1 alerts sent, 0 not", "no new alerts"]
    assert len(webhook.received) == 3
    assert len({key for key, _ in webhook.received}) == 1
    assert webhook.received[0][1]["goal_id"] == GOAL
    assert str(webhook.received[0][1]["text"]).startswith("KPI goal 'near' reached 5")


def test_an_alert_that_may_have_arrived_is_not_sent_again(nothing_sent: Lab) -> None:
    class Vague:
        name = "vague"
        sent = 0

        def send(self, alert: Alert) -> None:
            self.sent += 1
            raise UnknownError("no answer")

    channel = Vague()
    for _ in range(3):
        assert send_pending(nothing_sent.warehouse, [channel]) == (0, 1)
    assert channel.sent == 1
    assert status.unsent_alerts(nothing_sent.warehouse)[0].state == "unknown"


@pytest.mark.parametrize("is_sent", [False, True], ids=["before it was sent", "before that was noted"])
def test_an_alert_whose_sender_died_is_not_sent_again(nothing_sent: Lab, is_sent: bool) -> None:
    lines: list[str] = []

    def say_and_die(line: str) -> None:
        if is_sent:
            lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        send_pending(nothing_sent.warehouse, [LogChannel(say_and_die)])
    assert send_pending(nothing_sent.warehouse, [LogChannel(lines.append)]) == (0, 1)
    assert len(lines) == is_sent
    (unknown,) = status.unsent_alerts(nothing_sent.warehouse)
    assert (unknown.state, unknown.last_error) == ("unknown", "ended while sending")


def test_a_webhook_that_is_not_there_is_tried_again(nothing_sent: Lab) -> None:
    with Webhook() as webhook:
        pass  # its port is free again
    for attempt in (1, 2):
        assert send_pending(nothing_sent.warehouse, [WebhookChannel(webhook.url)]) == (0, 1)
        (waiting,) = status.unsent_alerts(nothing_sent.warehouse)
        assert (waiting.state, waiting.attempts) == ("pending", attempt)
        assert str(waiting.last_error).startswith("cannot be reached")


def test_a_run_refits_only_series_with_a_new_complete_period(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last, because it moves the lab on by a day, of which one series has a value.

    Beside it, the same marts from scratch in three processes, of which two have other numbers of threads.
    """
    lab.write(
        "insert into services.metrics (service_name, metric_type, segment, value, unit, recorded_at)"
        " values ('crm', 'revenue', 'a', 100, 'EUR', '2024-06-10T11:00:00Z')"
    )
    with mock.patch.object(rows, "_fit", wraps=rows._fit) as fit:
        lab.run(LATER, applications=("services",), gate_open=True)
        (call,) = fit.call_args_list
        assert [(granularity, len(series)) for granularity, series in call.args[0]] == [("day", 162)]
        ahead = (
            "select service_name, model is not null, horizon, target_period::text from marts.kpi_forecasts"
            " where granularity = 'day' and confidence_level = 0.5 and horizon in (1, 365)"
            " and status = 'ok' order by 1, 3"
        )
        assert lab.warehouse.execute(ahead).fetchall() == [
            (service, True, horizon, day)
            for service in ("crm", "shop")
            for horizon, day in ((1, "2024-06-11"), (365, "2025-06-10"))
        ]
        fit.reset_mock()
        lab.write(
            "insert into services.kpi_goals"
            " (goal_id, name, metric_type, target_value, start_date, end_date, created_by)"
            f" values ('{GOAL[:-1]}9', 'another', 'revenue', 1, '2024-05-01', '2024-05-02', '{GOAL}')"
        )
        lab.run(LATER, applications=("services",), gate_open=True)
        assert fit.call_count == 0
    incremental = lab.dump()
    lab.start_over()
    monkeypatch.setattr(rows, "VALUES_IN_ONE_PROCESS", 1)
    monkeypatch.setattr(worker, "cores", lambda: 3)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    with mock.patch.object(worker, "fit_in_processes", wraps=worker.fit_in_processes) as in_processes:
        lab.run(LATER, applications=("services",), gate_open=True)
        (call,) = in_processes.call_args_list
        assert call.args[1] == 3
    assert lab.dump() == incremental
