"""Runs on one warehouse, two at once: the second waits for the first, and no lock outlives its holder.

Belongs here: the lock, the runs of the core that take it, and runs that two sensors ask for. Does not belong here: the
command line and signals (``test_cli``), backfills that the UI launches (``test_dagster``).
"""

import contextlib
import datetime as dt
import os
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from orchestration import sensors
from tests.command_line import REPOSITORY
from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import EARLIEST, Lab
from warehouse import access, lock, schema
from warehouse.errors import ConfigurationError, WeirError
from warehouse.plan import Parameters
from warehouse.refresh import Refresh

FIRST = Parameters("first", AS_OF, EARLIEST)
BACKFILL = Parameters("second", AS_OF, EARLIEST, from_date=dt.date(2024, 3, 1), to_date=dt.date(2024, 3, 2))
LOCK_SESSION = "select pid from pg_stat_activity where application_name = 'weir run first'"

EXECUTE = """
import sys
import dagster as dg
from orchestration.definitions import build_defs
with dg.DagsterInstance.ephemeral() as instance:
    done = build_defs().resolve_job_def("refresh").execute_in_process(instance=instance, raise_on_error=True)
sys.exit(not done.success)
"""


def test_a_backfill_waits_for_a_run_and_says_for_which(lab: Lab) -> None:
    said: list[str] = []
    waits, entered = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        waits.set()

    def backfill() -> None:
        with Refresh(lab.places, BACKFILL, say=say):
            entered.set()

    with Refresh(lab.places, FIRST):
        second = threading.Thread(target=backfill)
        second.start()
        assert waits.wait(30)
        assert said == ["waiting for run first to end"]
        assert not entered.wait(3 * lock.POLL)
        with pytest.raises(ConfigurationError, match=r"^run first is working on this warehouse; wait for it, or run"):
            Refresh(lab.places, BACKFILL, wait=False).__enter__()
        (runs,) = lab.warehouse.execute("select array_agg(run_id) from control.runs").fetchone() or ([],)
        assert runs == ["first"]
    assert entered.wait(30)
    second.join(30)


def test_a_lock_dies_with_its_holder_who_then_publishes_nothing(lab: Lab) -> None:
    with pytest.raises(WeirError, match="lost its hold of the warehouse"), Refresh(lab.places, FIRST) as refresh:
        refresh.extract("services")
        refresh.refresh_facts("services")
        lab.warehouse.execute(f"select pg_terminate_backend(pid) from ({LOCK_SESSION}) as holder")
        with Refresh(lab.places, BACKFILL, wait=False):
            pass
        refresh.build("services")
    assert lab.warehouse.execute("select count(*) from control.publications").fetchone() == (0,)


def test_no_timeout_of_the_server_ends_a_lock(lab: Lab) -> None:
    for timeout in lab.warehouse.execute(
        "select name from pg_settings where name ~ '^(idle_session|idle_in_transaction_session|transaction)_timeout$'"
    ).fetchall():
        lab.warehouse.execute(f"alter database warehouse set {timeout[0]} = '200ms'")
    with lock.exclusive(lab.places.warehouse_url, "first") as check, pytest.raises(ConfigurationError, match="first"):
        threading.Event().wait(0.6)
        check()
        with lock.exclusive(lab.places.warehouse_url, "second", wait=False):
            pass


def test_no_reader_can_keep_runs_out(lab: Lab) -> None:
    """Whoever may connect can take an advisory lock, in a read-only transaction too."""
    access.apply(lab.warehouse)  # rights to a database are not copied with it
    access.set_password(lab.warehouse, access.BI, "secret")
    with psycopg.connect(access.reader_url(lab.server.url("warehouse"), "secret"), autocommit=True) as reader:
        with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
            reader.execute("select pg_advisory_lock(x'77656972'::int)")
        for mode in ("access share", "share update exclusive", "access exclusive"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), reader.transaction():
                reader.execute(f"lock table control.run_lock in {mode} mode")
        with lock.exclusive(lab.places.warehouse_url, "first", wait=False):
            pass


def test_advisory_locks_of_others_hold_no_run_up(lab: Lab) -> None:
    """On a server that somebody else runs, everybody may take them."""
    lab.warehouse.execute("alter database warehouse set lock_timeout = '3s'")
    lab.warehouse.execute(
        "select pg_advisory_lock(hashtext('weir.extract'), hashtext(application)),"
        " pg_advisory_lock(hashtext('weir.local_days')) from control.applications"
    )
    lab.write(*BEGINNING)
    assert {outcome.status for outcome in lab.run(AS_OF, gate_open=True).outcomes.values()} == {"published"}


def test_a_lock_holds_up_neither_vacuum_nor_whoever_looks_or_sets_up(lab: Lab) -> None:
    lab.warehouse.execute("set lock_timeout = '1s'")
    with lock.exclusive(lab.places.warehouse_url, "first"):
        assert lab.warehouse.execute(
            "select state, backend_xid is null, backend_xmin is null from pg_stat_activity"
            f" where pid = ({LOCK_SESSION})"
        ).fetchone() == ("idle in transaction", True, True)
        for statement in ("vacuum", "analyze", "select * from control.run_lock"):
            lab.warehouse.execute(statement)
        schema.migrate(lab.warehouse, lab.server.url("warehouse"))


def test_runs_that_two_sensors_ask_for_at_once_follow_each_other(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.write(
        "insert into services.metrics (service_name, metric_type, value, recorded_at) values ('a', 'revenue', 1, now())"
    )
    for name, value in {
        "WEIR_HOME": str(lab.home),
        "WEIR_WAREHOUSE_URL": lab.server.url("warehouse"),
        "WEIR_SOURCE_URL": lab.server.url("source"),
        "PYTHONWARNINGS": "ignore",
    }.items():
        monkeypatch.setenv(name, value)
    now = dt.datetime.now(dt.UTC)
    killed = Parameters("killed", now, EARLIEST)
    with pytest.raises(WeirError, match="leaves dirty partitions"), Refresh(lab.places, killed) as refresh:
        for step in (refresh.extract, refresh.refresh_facts):
            for application in refresh.applications:
                step(application)
        raise WeirError("which leaves dirty partitions")
    with dg.DagsterInstance.ephemeral() as instance:  # of two daemons, neither of which sees the other's runs
        asked = [sensors._request(instance) for _ in range(2)]
    assert all(isinstance(each, dg.RunRequest) for each in asked)
    logs = [(tmp_path / name).open("w+") for name in ("one", "other")]  # a full pipe would stop its run
    runs = [
        subprocess.Popen([sys.executable, "-c", EXECUTE], cwd=REPOSITORY, env=os.environ.copy(), stderr=log)
        for log in logs
    ]
    codes = [run.wait(timeout=240) for run in runs]
    assert codes == [0, 0], [log.seek(0) or log.read()[-2000:] for log in logs]
    ended = lab.warehouse.execute(
        "select status, started_at > lag(finished_at) over (order by started_at) from control.runs"
        " where run_id <> 'killed' order by started_at"
    ).fetchall()
    assert ended == [("published", None), ("nothing_to_do", True)]
