"""The command line as a stranger uses it: from an empty home to published marts, through interruptions.

Belongs here: what commands print, leave behind and end with, on one home with an embedded server. A run takes many
seconds, so there are few of them, and each test goes on where the last one stopped. Does not belong here: what is
refused (``test_bad_input``), and what marts contain.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.command_line import MAIN, Answer, end, environment, start, weir
from tests.silent_proxy import SilentProxy
from warehouse import access, demo, lock
from warehouse.catalog import APPLICATIONS, MARTS
from warehouse.errors import ConfigurationError
from warehouse.server import EmbeddedServer

AS_OF = demo.AS_OF.isoformat()
NOWHERE = "postgresql://someone:s3cret@127.0.0.1:1/nowhere"
LATE = "insert into services.metrics (service_name, metric_type, value, recorded_at) values ('late', 'value', %s, %s)"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of all these tests, in a folder that the server's account can enter."""
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder, "home")
        try:
            yield home
        finally:
            EmbeddedServer(home).remove()


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, with data in its source."""
    folder = tmp_path_factory.mktemp("data")
    rows = demo.write_csv(folder, demo.SMALLEST_SCALE)
    assert weir("source", "create", home=home).err == "created 12 tables\n"
    answer = weir("source", "load", folder, home=home)
    assert (answer.code, answer.out) == (0, "")
    assert answer.err.splitlines()[-1] == f"loaded {sum(rows.values()):,} rows into 12 tables"
    return home


@pytest.fixture(scope="module")
def partly(loaded: Path) -> Answer:
    """The first run, while one application's source is down."""
    return end(start("run", "--as-of", AS_OF, "--json", home=loaded, source_url_services=NOWHERE))


@pytest.fixture(scope="module")
def published(loaded: Path, partly: Answer) -> Path:
    """The home, with everything published."""
    answer = end(start("run", "--as-of", AS_OF, home=loaded))
    assert answer.code == 0, answer
    assert re.search(r"^services +kpi_daily +124 +[\d,]+ +published", answer.out, re.MULTILINE)
    assert re.search(r"^[\d.]+ s: start [\d.]+, .*publish [\d.]+", answer.out, re.MULTILINE)
    return loaded


def url(home: Path, which: str) -> str:
    answer = weir("url", which, home=home)
    assert (answer.code, answer.err) == (0, "")
    return answer.out.rstrip("\n")


def ask(place: str, query: str) -> object:
    with psycopg.connect(place) as connection:
        row = connection.execute(query.encode()).fetchone()
        return None if row is None else row[0]


def marts(home: Path) -> object:
    """What stands in the mart that these tests interrupt the publication of, and in the ledger."""
    query = "select md5(string_agg(m::text, '|' order by m::text)) || (select count(*) from control.publications)"
    return ask(url(home, "warehouse"), f"{query} from marts.kpi_daily as m")


def waiting(place: str) -> bool:
    """Whether any session of the server waits for a lock."""
    return bool(ask(place, "select exists (select from pg_locks where not granted)"))


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@contextlib.contextmanager
def run_that_waits(home: Path, table: str, mode: str, only: str = "services") -> Iterator[subprocess.Popen[str]]:
    """A run of one application that has come as far as wanting this table, which somebody else has locked."""
    place = url(home, "warehouse")
    with psycopg.connect(place) as holder:
        holder.execute(f"lock table {table} in {mode} mode".encode())
        process = start("run", "--as-of", AS_OF, "--only", only, home=home)
        try:
            wait_until(lambda: process.poll() is not None or waiting(place), seconds=120)
            assert process.poll() is None, process.communicate()
            yield process
        finally:
            process.kill()
            process.communicate()


# Before the first run


def test_init_is_idempotent(home: Path) -> None:
    for _ in range(2):
        assert weir("init", home=home) == Answer(0, "", f"warehouse ready; state is in {home}\n")
    assert ask(url(home, "warehouse"), "select count(*) from pg_tables where schemaname = 'marts'") == len(MARTS)


def test_urls_lead_to_where_they_say(home: Path) -> None:
    weir("init", home=home)
    for which, database, user in (
        ("source", "source", "weir"),
        ("warehouse", "warehouse", "weir"),
        ("bi", "warehouse", "weir_bi"),
    ):
        with psycopg.connect(url(home, which)) as connection:
            assert (connection.info.dbname, connection.info.user) == (database, user)


def test_down_stops_the_server_and_any_command_starts_it_again_if_need_be_on_another_port(home: Path) -> None:
    weir("init", home=home)
    before = urlsplit(url(home, "source")).port
    assert weir("down", home=home) == Answer(0, "", "stopped the embedded server\n")
    assert weir("down", home=home) == Answer(0, "", "nothing was running\n")
    with socket.create_server(("127.0.0.1", before or 0)):
        after = url(home, "source")
        assert urlsplit(after).port != before
        assert ask(after, "select 1") == 1


def test_down_without_a_home_makes_none(tmp_path: Path) -> None:
    assert weir("down", home=tmp_path / "home") == Answer(0, "", "nothing was running\n")
    assert not (tmp_path / "home").exists()


def test_status_of_an_empty_warehouse_says_never(home: Path) -> None:
    answer = weir("status", home=home)
    assert (answer.code, answer.err) == (0, "")
    header, *rows = answer.out.splitlines()
    assert header.split()[:3] == ["application", "mart", "partitions"]
    assert [row.split()[1] for row in rows] == [mart.name for mart in MARTS]
    assert all("never" in row for row in rows) or "published" in answer.out


def test_help_fits_a_terminal_and_names_every_command() -> None:
    answer = weir("--help")
    assert (answer.code, answer.err) == (0, "")
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    for command in ("init", "demo", "run", "status", "verify", "url", "down", "source"):
        assert re.search(rf"^  {command} +[A-Z][^.]+\.", answer.out, re.MULTILINE), command
        assert weir(command, "-h").out.startswith(f"Usage: weir {command} ")


def test_the_installed_command_is_this_one() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("weir"), "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert re.fullmatch(r"weir \d+\.\d+\.\d+\n", done.stdout)


def test_a_url_does_not_wait_for_heavy_libraries(home: Path) -> None:
    weir("init", home=home)
    script = f"""{MAIN[: MAIN.rindex(";")]}
import atexit, sys
heavy = {{"sqlalchemy", "alembic", "dagster", "dbt", "great_expectations", "pandas", "numpy"}}
atexit.register(lambda: print(*heavy & set(sys.modules), file=sys.stderr))
c.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "url", "source"],
        env=environment(home=home),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == "\n"


# Runs


def test_an_application_that_is_down_does_not_hold_up_the_others(loaded: Path, partly: Answer) -> None:
    assert partly.code == 2
    report = json.loads(partly.out)
    assert {name: one["status"] for name, one in report["applications"].items()} == {
        "scheduling": "published",
        "workflows": "published",
        "services": "failed",
        "calendar": "published",
    }
    assert report["as_of"] == AS_OF
    complaint = (
        "127.0.0.1:1/nowhere does not answer (Connection refused); start the server or mend WEIR_SOURCE_URL_SERVICES"
    )
    assert report["applications"]["services"]["error"] == complaint
    *progress, last = partly.err.splitlines()
    assert last == f"weir: {complaint}"
    assert [line for line in progress if line.startswith("weir: ") or not line.isprintable()] == []
    assert any(re.fullmatch(r"scheduling: [\d,]+ rows published", line) for line in progress)
    known = {each["application"]: each for each in json.loads(weir("status", "--json", home=loaded).out)["freshness"]}
    assert [name for name, each in known.items() if each["failing_since"]] == ["services"]
    assert (known["services"]["as_of"], known["services"]["last_error"]) == (None, complaint)
    assert known["workflows"]["as_of"] == AS_OF
    (line,) = [
        line
        for line in weir("status", home=loaded).out.splitlines()
        if line.startswith("services  ") and complaint in line
    ]
    assert "never published" in line


def test_status_tells_what_stands_in_the_marts(published: Path) -> None:
    lines = weir("status", home=published).out.splitlines()
    (kpi,) = [line for line in lines if line.split()[1] == "kpi_daily"]
    assert re.search(r"services +kpi_daily +124 +[\d,]+ +2026-07-01 00:00Z +\d+ (s|min) ago +0 +0 +0", kpi)
    assert any(re.match(r"services\.metrics +value_not_finite +\d+ +\d+", line) for line in lines)
    answer = weir("status", "--json", home=published)
    assert answer.err == ""
    report = json.loads(answer.out)
    assert [row["mart"] for row in report["marts"]] == [mart.name for mart in MARTS]
    assert all(row["as_of"] == AS_OF and row["rows"] for row in report["marts"])
    assert {"source_table", "reason", "entries", "rows"} == set(report["quarantine"][0])
    assert [each for each in report["failed_checks"] if each["severity"] == "block"] == []
    assert all(each["reason"] and each["result_id"] for each in report["failed_checks"])
    assert [each["failing_since"] for each in report["freshness"]] == [None] * 4
    assert "no failing rows of a result 0" in weir("status", "--rows", "0", home=published).err


def test_verify_proves_what_is_published_and_names_what_is_not(published: Path) -> None:
    answer = weir("verify", "--only", "services", home=published)
    assert answer.code == 0, answer
    assert re.search(r"^services +kpi_daily +124 +[\d,]+ +0 +0$", answer.out, re.MULTILINE)
    assert "services: building from raw as of 2026-07-01 00:00:00Z" in answer.err.splitlines()

    place = url(published, "warehouse")
    with psycopg.connect(place, autocommit=True) as warehouse:
        day = "where date = (select max(date) from marts.kpi_daily)"
        warehouse.execute(f"update marts.kpi_daily set value_count = value_count + 1 {day}".encode())
        answer = weir("verify", "--from", "2026-05-01", "--only", "services", home=published)
        report = weir("verify", "--json", "--only", "services", home=published)
        warehouse.execute(f"update marts.kpi_daily set value_count = value_count - 1 {day}".encode())
    assert (answer.code, report.code) == (4, 4)
    because = "rows are not those that were published"
    assert re.search(rf"^kpi_daily +2026-\d\d-\d\d +{because} .* changed: ", answer.out, re.MULTILINE)
    assert re.search(rf"^weir: 1 published partitions differ, first kpi_daily 2026-\S+: {because}; ", answer.err, re.M)
    (kpi,) = [each for each in json.loads(report.out)["marts"] if each["mart"] == "kpi_daily"]
    (difference,) = kpi["differences"]
    assert difference["changed"]["count"] == difference["rows_in_mart"]


def test_readers_see_marts_and_nothing_else_and_cannot_write(published: Path) -> None:
    readers = url(published, "bi")
    assert ask(readers, "select count(*) > 0 from marts.kpi_daily") is True
    assert ask(readers, "select count(*) > 0 from marts.kpi_daily_2026_05") is True
    forbidden = [
        "select from control.runs",
        "select from raw.services__metrics",
        "select from quality.quarantine",
        "select from intermediate.int_scheduling__users",
        "select from candidate.kpi_daily",
        "delete from marts.kpi_daily",
        "insert into marts.dim_date select * from marts.dim_date",
        "truncate marts.kpi_daily",
        "create table marts.mine (n integer)",
        "create table public.mine (n integer)",
        "create temp table mine (n integer)",
        "create schema mine",
    ]
    with psycopg.connect(readers, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")  # a default is no lock
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    for database in ("source", "dagster", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(readers.replace("/warehouse", f"/{database}"))
    runners = EmbeddedServer(published)
    for database in ("dagster", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(runners.url(database, access.RUNNER))


def test_ctrl_c_during_the_extract_leaves_everything_as_it_was(published: Path) -> None:
    before = marts(published)
    with run_that_waits(published, "raw.services__metrics", "access exclusive") as process:
        process.send_signal(signal.SIGINT)
        answer = end(process, seconds=60)
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.splitlines()[-1] == (
        "weir: interrupted; the marts are as the last publication left them, and the next run carries on"
    )
    assert "Traceback" not in answer.err
    assert marts(published) == before


def test_runs_that_are_ended_or_killed_are_made_up_for_by_the_next(published: Path) -> None:
    before, place = marts(published), url(published, "warehouse")
    with psycopg.connect(url(published, "source")) as source:
        source.execute(LATE, (7, "2026-05-05T12:00:00Z"))
    with run_that_waits(published, "marts.kpi_daily", "share") as process:  # so that it cannot write, only read
        assert_no_process_shows_a_password(published)
        with pytest.raises(ConfigurationError, match=r"run .* is working on this warehouse"):
            take_lock(published)
        process.send_signal(signal.SIGTERM)
        answer = end(process, seconds=60)
    assert (answer.code, answer.out) == (143, "")
    assert answer.err.splitlines()[-1].startswith("weir: interrupted; ")
    assert marts(published) == before

    with run_that_waits(published, "raw.services__metrics", "access exclusive") as process:
        process.send_signal(signal.SIGKILL)
        assert end(process, seconds=60).code == -signal.SIGKILL
        wait_until(lambda: not waiting(place))
        take_lock(published)
    assert marts(published) == before

    answer = end(start("run", "--as-of", AS_OF, "--only", "services", "--no-wait", home=published))
    assert answer.code == 0, answer
    assert ask(url(published, "bi"), "select sum(value_count) from marts.kpi_daily where service_name = 'late'") == 1


@contextlib.contextmanager
def failing_stage(home: Path, application: str) -> Iterator[None]:
    """A warehouse that refuses what runs make of an application's rows."""
    with psycopg.connect(url(home, "warehouse"), autocommit=True) as warehouse:
        warehouse.execute("create sequence control.refused")
        warehouse.execute("grant usage on sequence control.refused to public")
        warehouse.execute(
            "create function control.refuse() returns trigger language plpgsql"
            " as $$ begin perform nextval('control.refused'); raise exception 'no facts of %', new.application; end $$"
        )
        warehouse.execute(
            "create trigger refuse before update of facts_as_of_from on control.applications"
            f" for each row when (new.application ~ '{application}') execute function control.refuse()".encode()
        )
        try:
            yield
        finally:
            warehouse.execute("drop function control.refuse() cascade")
            warehouse.execute("drop sequence control.refused")


@pytest.mark.parametrize("only", [*APPLICATIONS, "scheduling,services", "services,workflows"])
def test_a_run_ends_whatever_else_it_is_of_where_a_stage_fails(published: Path, only: str) -> None:
    names = only.split(",")
    with failing_stage(published, "|".join(names)):
        process = start("run", "--as-of", AS_OF, "--only", only, home=published)
        try:
            answer = end(process, seconds=60)
        finally:
            process.kill()
    assert answer.code == 1, answer
    complaints = [line for line in answer.err.splitlines() if line.startswith("weir: ")]
    assert sorted(re.findall(r"no facts of (\w+)", "; ".join(complaints))) == sorted(names), answer.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_in_which_one_stage_has_failed(published: Path, number: signal.Signals) -> None:
    with (
        failing_stage(published, "scheduling"),
        run_that_waits(published, "raw.services__metrics", "access exclusive", only="scheduling,services") as process,
    ):
        wait_until(lambda: ask(url(published, "warehouse"), "select is_called from control.refused"))
        process.send_signal(number)
        answer = end(process, seconds=60)
    assert (answer.code, answer.out) == (128 + number, "")
    assert answer.err.splitlines()[-1].startswith("weir: interrupted; ")


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_a_silent_source_holds_back_its_own_application_only(published: Path, number: signal.Signals | None) -> None:
    place = url(published, "warehouse")
    count = "select count(*) from control.publications where application = any ('{scheduling,workflows}')"
    before = int(str(ask(place, count)))
    with SilentProxy(url(published, "source"), 3_000) as proxy:
        days = ("--from", "2026-05-05", "--to", "2026-05-05")
        process = start("run", "--as-of", AS_OF, *days, home=published, source_url_services=proxy.url)
        try:
            wait_until(lambda: process.poll() is not None or int(str(ask(place, count))) >= before + 8, seconds=120)
            assert process.poll() is None, process.communicate()
            if number is None:
                proxy.close()
            else:
                process.send_signal(number)
            answer = end(process, seconds=60)
        finally:
            process.kill()
    if number is not None:
        assert (answer.code, answer.out) == (128 + number, "")
        return
    assert answer.code == 1, answer
    (complaint,) = [line for line in answer.err.splitlines() if line.startswith("weir: ")]
    assert complaint.startswith("weir: services: the source's connection broke off")
    (line,) = [line for line in weir("status", home=published).out.splitlines() if "broke off" in line]
    assert re.match(r"services +2026-07-01 00:00Z +\d+", line), line


def take_lock(home: Path) -> None:
    with lock.exclusive(url(home, "warehouse"), "of a test", wait=False):
        pass


def passwords(home: Path) -> list[bytes]:
    found = [urlsplit(url(home, which)).password for which in ("warehouse", "bi")]
    found.append(EmbeddedServer(home).password(access.RUNNER))
    return [password.encode() for password in found if password]


def assert_no_process_shows_a_password(home: Path) -> None:
    secrets = passwords(home)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_no_file_but_one_holds_a_password(published: Path) -> None:
    secrets = passwords(published)
    assert len({*secrets}) == 3
    holders = {
        path.relative_to(published)
        for path in published.rglob("*")
        if path.is_file() and "base" not in path.parts
        if any(secret in path.read_bytes() for secret in [*secrets, b"s3cret"])
    }
    assert holders == {Path("postgres.json")}
    assert (published / "postgres.json").stat().st_mode & 0o777 == 0o600


def test_no_row_of_ours_and_no_event_of_dagsters_holds_a_password(published: Path, partly: Answer) -> None:
    """Nor what a run prints, whose source is down."""
    secrets = [*(secret.decode() for secret in passwords(published)), "s3cret"]
    assert not any(secret in text for secret in secrets for text in (partly.out, partly.err))
    searched = set()
    for database in ("warehouse", "dagster"):
        with psycopg.connect(EmbeddedServer(published).url(database)) as connection:
            tables = connection.execute(
                "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace::regnamespace::text"
                " = any ('{control,quality,public}')"
            ).fetchall()
            for (table,) in tables:
                query = f"select t::text from {table} as t where t::text ~ any (%s) limit 1"
                assert connection.execute(query.encode(), (secrets,)).fetchone() is None, table
                searched.add(table)
    assert {"event_logs", "runs", "control.runs", "control.applications", "quality.check_results"} <= searched


def test_a_run_cannot_change_the_source_nor_read_what_others_keep_there(published: Path) -> None:
    with psycopg.connect(EmbeddedServer(published).url("source", access.RUNNER), autocommit=True) as runner:
        assert runner.execute("select count(*) > 0 from services.metrics").fetchone() == (True,)
        for statement in (
            "delete from services.metrics",
            "insert into services.metrics (service_name, metric_type, value, recorded_at) values ('a', 'b', 1, now())",
            "truncate services.metrics",
            "update services.metrics set value = 1",
            "alter table services.metrics add column mine integer",
            "drop table services.metrics",
            "create table services.mine (n integer)",
            "create schema mine",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runner.execute(statement.encode())


def test_output_that_nobody_reads_to_its_end_is_no_error(published: Path) -> None:
    process = start("status", home=published)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) in (0, 1, 128 + signal.SIGPIPE)
    assert published.exists()
