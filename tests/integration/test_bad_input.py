"""Whatever a stranger may get wrong: one line that says what and what to do, exit code 2, nothing half-made.

Belongs here: refusals that end before a run begins; none of these tests runs the pipeline. Does not belong here:
settings alone (``tests/unit/test_settings.py``), and what commands do when all is well (``test_cli``).
"""

import contextlib
import gzip
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.command_line import REPOSITORY, Answer, complaint, environment, weir, write_headers
from tests.support import make_database
from warehouse import lock
from warehouse.catalog import SOURCE_TABLES
from warehouse.server import EmbeddedServer

NOWHERE = "postgresql://someone:s3cret@127.0.0.1:1/nowhere"
"""Nobody listens on port 1."""


@dataclass(frozen=True)
class Bench:
    """A home and two databases of the shared server, which for the command line is somebody else's."""

    server: EmbeddedServer
    home: Path
    source: str
    warehouse: str

    def url(self, database: str, user: str | None = None) -> str:
        return self.server.url(database, user)

    def weir(self, *arguments: object, **settings: object) -> Answer:
        places = {
            "home": self.home,
            "source_url": self.url(self.source),
            "warehouse_url": self.url(self.warehouse),
        }
        return weir(*arguments, **(places | settings))

    def refused(self, *arguments: object, **settings: object) -> str:
        answer = complaint(self.weir(*arguments, **settings))
        assert self.server.password() not in answer
        assert "s3cret" not in answer
        return answer

    def ask(self, database: str, query: str) -> object:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
            return None if row is None else row[0]

    def tell(self, database: str, *statements: str) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def source_rows(self) -> int:
        with psycopg.connect(self.url(self.source)) as connection:
            counts = [
                connection.execute(f"select count(*) from {table.qualified}".encode()).fetchone()
                for table in SOURCE_TABLES
            ]
        return sum(row[0] for row in counts if row)


def make_bench(server: EmbeddedServer, home: Path, name: str, source: str, warehouse: str) -> Bench:
    bench = Bench(server, home, f"{name}_source", f"{name}_warehouse")
    make_database(server, bench.source, source)
    make_database(server, bench.warehouse, warehouse)
    return bench


@pytest.fixture(scope="module")
def bench(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A source with empty tables and a warehouse that is set up, for tests that change neither."""
    home = tmp_path_factory.mktemp("bench") / "home"
    return make_bench(server, home, "kept", "template_source", "template_warehouse")


@pytest.fixture
def fresh(server: EmbeddedServer, tmp_path: Path) -> Bench:
    """The same, for a test that changes it."""
    return make_bench(server, tmp_path / "home", "fresh", "template_source", "template_warehouse")


@pytest.fixture(scope="module")
def bare(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Two databases with nothing in them, for tests that leave it at that."""
    return make_bench(server, tmp_path_factory.mktemp("bare") / "home", "bare", "template0", "template0")


@pytest.fixture
def fresh_bare(server: EmbeddedServer, tmp_path: Path) -> Bench:
    """The same, for a test that changes it."""
    return make_bench(server, tmp_path / "home", "fresh_bare", "template0", "template0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file with a header for each source table."""
    return write_headers(tmp_path / "data")


@pytest.fixture
def role(server: EmbeddedServer) -> Iterator[Callable[..., str]]:
    """Makes an ordinary role, and gives its URL of a database."""
    used: list[str] = []

    def make(database: str, *options: str) -> str:
        used.append(database)
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute(f"create role plain login password '{server.password('plain')}'".encode())
            for option in options:
                connection.execute(option.encode())
        return server.url(database, "plain")

    yield make
    for database in used:
        with psycopg.connect(server.url(database), autocommit=True) as connection:
            connection.execute("drop owned by plain cascade")
            connection.execute("drop role plain")


# Words on the command line


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("bogus", "No such command 'bogus'; see: weir --help"),
        ("--bogus", "No such option: --bogus; see: weir --help"),
        ("run --bogus", "No such option: --bogus; see: weir run --help"),
        ("run --frm 2020-01-01", "No such option: --frm"),
        ("run today", "Got unexpected extra argument(s) (today); see: weir run --help"),
        ("source loadd", "No such command 'loadd'. Did you mean 'load'; see: weir source --help"),
        ("source load", "Missing argument 'DIR'; see: weir source load --help"),
        ("url", "Missing argument 'source|warehouse|bi'; see: weir url --help"),
        ("url foo", "there is no URL of 'foo'; ask for source, warehouse or bi"),
        (
            "demo --scale 0",
            "Invalid value for '--scale': Input should be greater than or equal to 0.05; see: weir demo",
        ),
        ("demo --scale nan", "Invalid value for '--scale'"),
        ("run --from yesterday", "--from 'yesterday' is not a date; give one such as 2018-01-31"),
        ("run --to 2020-02-30", "--to '2020-02-30' is not a date; give one such as 2018-01-31"),
        ("run --from 2020-01-02 --to 2020-01-01", "--to 2020-01-01 is before --from 2020-01-02; swap them"),
        (
            "run --from 2020-01-03 --as-of 2020-01-01T00:00:00Z",
            "--from 2020-01-03 is after the run's last day 2020-01-02",
        ),
        ("run --to 1999-12-30", "--to 1999-12-30 is before WEIR_EARLIEST_DATE 2000-01-01; give a later day"),
        ("run --as-of now", "--as-of 'now' is not an instant; give one such as 2018-01-31T00:00:00Z"),
        ("run --as-of 2020-01-01T00:00:00", "--as-of '2020-01-01T00:00:00' has no offset from UTC; give one such as"),
        ("run --as-of 2020-01-01", "--as-of '2020-01-01' has no offset from UTC; give one such as"),
        ("run --as-of 0001-01-01T00:00:00+14:00", "--as-of '0001-01-01T00:00:00+14:00' is far from any data"),
        ("run --as-of 9999-12-31T23:59:59Z", "--as-of '9999-12-31T23:59:59Z' is far from any data"),
        ("run --as-of 1999-12-30T00:00:00Z", "--as-of 1999-12-30T00:00:00Z is before WEIR_EARLIEST_DATE 2000-01-01"),
        ("run --only planning", "--only: there is no application 'planning'; they are scheduling, workflows, services"),
        ("run --only ,", "--only names no application; they are scheduling, workflows, services"),
    ],
)
def test_words_that_mean_nothing_are_refused_before_anything_is_touched(
    tmp_path: Path, words: str, answer: str
) -> None:
    home = tmp_path / "home"
    assert complaint(weir(*words.split(), home=home)).startswith(answer)
    assert not home.exists()


def test_a_command_without_its_words_prints_its_help() -> None:
    for words in ([], ["source"]):
        answer = weir(*words)
        assert answer.code == 2
        assert "Usage: weir" in answer.err
        assert answer.out == ""


def test_an_unknown_setting_is_refused_by_every_command(tmp_path: Path) -> None:
    for words in ("init", "status", "run", "down", "url source", "source create", f"source load {tmp_path}", "demo"):
        assert complaint(weir(*words.split(), home=tmp_path / "home", foo=1)).startswith("unknown setting WEIR_FOO")
    assert not (tmp_path / "home").exists()


# Servers


@pytest.mark.parametrize("words", ["run", "source create", "demo", "run --only services,workflows"])
def test_a_source_that_does_not_answer_is_named_and_the_warehouse_is_left_alone(bare: Bench, words: str) -> None:
    assert bare.refused(*words.split(), source_url=NOWHERE) == (
        "127.0.0.1:1/nowhere does not answer (Connection refused); start the server or mend WEIR_SOURCE_URL"
    )
    assert bare.ask(bare.warehouse, OWN_SCHEMAS) == 0


def test_an_application_whose_own_source_does_not_answer_is_named_by_its_own_setting(bench: Bench) -> None:
    answer = bench.refused("run", "--only", "services", source_url_services=NOWHERE)
    assert answer.endswith("start the server or mend WEIR_SOURCE_URL_SERVICES")


@pytest.mark.parametrize("words", ["init", "status", "run", "url bi", "demo"])
def test_a_warehouse_that_does_not_answer_is_named(bench: Bench, words: str) -> None:
    assert bench.refused(*words.split(), warehouse_url=NOWHERE) == (
        "127.0.0.1:1/nowhere does not answer (Connection refused); start the server or mend WEIR_WAREHOUSE_URL"
    )
    assert bench.source_rows() == 0


def test_source_create_makes_nothing_before_all_sources_answer(bare: Bench) -> None:
    assert bare.refused("source", "create", source_url_services=NOWHERE).endswith("mend WEIR_SOURCE_URL_SERVICES")
    assert bare.ask(bare.source, OWN_SCHEMAS) == 0


def test_a_name_that_nobody_knows_is_told_from_a_server_that_is_down(bench: Bench) -> None:
    answer = bench.refused("init", warehouse_url="postgresql://u:s3cret@weir.invalid/w")
    assert answer.startswith("weir.invalid:5432/w does not answer (failed to resolve host 'weir.invalid'")


def test_a_login_that_is_refused_says_why(bench: Bench) -> None:
    url = bench.url(bench.warehouse).replace("//weir:", "//weir:s3cret")
    answer = bench.refused("init", warehouse_url=url)
    assert "refuses the connection (FATAL: password authentication failed for user" in answer
    assert answer.endswith("mend that, or WEIR_WAREHOUSE_URL")
    answer = bench.refused("init", warehouse_url=bench.url("nowhere"))
    assert '/nowhere refuses the connection (FATAL: database "nowhere" does not exist)' in answer


@contextlib.contextmanager
def old_server(version: str) -> Iterator[int]:
    """A server that lets everybody in and reports this version; gives its port."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def greet(client: socket.socket) -> None:
        with client:
            while (length := client.recv(4)) and client.recv(struct.unpack("!i", length)[0] - 4)[:2] == b"\x04\xd2":
                client.sendall(b"N")  # neither TLS nor GSSAPI
            client.sendall(
                message(b"R", struct.pack("!i", 0))
                + message(b"S", b"server_version\0" + version.encode() + b"\0")
                + message(b"S", b"client_encoding\0UTF8\0")
                + message(b"Z", b"I")
            )
            client.recv(100)

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                greet(listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener], daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(("setting", "words"), [("warehouse_url", "init"), ("source_url", "run")])
def test_a_server_that_is_too_old_is_named_with_its_version(bench: Bench, setting: str, words: str) -> None:
    with old_server("14.2") as port:
        answer = bench.refused(words, **{setting: f"postgresql://u:s3cret@127.0.0.1:{port}/old"})
    assert answer == (
        f"127.0.0.1:{port}/old is PostgreSQL 14; 15 or later is needed: "
        f"upgrade it or point WEIR_{setting.upper()} elsewhere"
    )


def test_a_server_with_too_few_locks_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    small = EmbeddedServer(tmp_path / "small")
    try:
        small.start()
        with psycopg.connect(small.url("postgres"), autocommit=True) as connection:
            connection.execute("alter system set max_locks_per_transaction = 10")
            connection.execute("alter system set max_connections = 20")
        small.stop()
        small.start()
        answer = complaint(
            weir(
                "init",
                home=tmp_path / "home",
                source_url=small.url("postgres"),
                warehouse_url=small.url("postgres"),
            )
        )
        assert answer == (
            "the warehouse server has room for 300 locks and needs 6400: "
            "set max_locks_per_transaction to 214 or more and restart it"
        )
        with psycopg.connect(small.url("postgres")) as connection:
            assert connection.execute("select to_regnamespace('control')").fetchone() == (None,)
    finally:
        small.remove()


OWN_SCHEMAS = "select count(*) from pg_namespace where nspname !~ '^(pg_|public|information_schema)'"


def test_a_role_that_may_not_create_schemas_makes_nothing(bare: Bench, role: Callable[..., str]) -> None:
    assert bare.refused("init", warehouse_url=role(bare.warehouse, "alter role plain createrole")) == (
        "user plain of WEIR_WAREHOUSE_URL may not create schemas in database bare_warehouse; "
        "grant create on database bare_warehouse to plain, or give another URL"
    )
    assert bare.ask(bare.warehouse, OWN_SCHEMAS) == 0


def test_a_role_that_may_not_create_roles_makes_nothing(bare: Bench, role: Callable[..., str]) -> None:
    url = role(bare.warehouse, "grant create on database bare_warehouse to plain")
    answer = bare.refused("init", warehouse_url=url)
    assert answer.startswith("the roles weir_owner, weir_runner, weir_bi cannot be set up (permission denied")
    assert answer.endswith("to the user of WEIR_WAREHOUSE_URL with admin option")
    assert bare.ask(bare.warehouse, OWN_SCHEMAS) == 0


def test_an_ordinary_role_with_these_two_rights_is_enough(fresh_bare: Bench, role: Callable[..., str]) -> None:
    """Its sessions once failed on ``lc_messages``, which only a superuser may set."""
    url = role(
        fresh_bare.warehouse,
        "alter role plain createrole",
        "grant create on database fresh_bare_warehouse to plain",
        # They are there: other databases of this server have them. test_access begins without.
        "grant weir_owner, weir_runner, weir_bi to plain with admin option",
    )
    for _ in range(2):
        assert fresh_bare.weir("init", warehouse_url=url).code == 0
    with psycopg.connect(fresh_bare.weir("url", "bi", warehouse_url=url).out.strip()) as connection:
        assert connection.execute("select count(*) from marts.kpi_daily").fetchone() == (0,)


def test_a_warehouse_of_somebody_elses_is_not_set_up_by_looking_at_it(bare: Bench) -> None:
    for words in ("status", "url bi"):
        assert bare.refused(*words.split()) == (
            "the database of WEIR_WAREHOUSE_URL is not set up for this version of weir; run: weir init"
        )
    assert bare.ask(bare.warehouse, "select to_regnamespace('control')") is None


def test_a_warehouse_of_a_newer_weir_is_left_alone(fresh: Bench) -> None:
    fresh.tell(fresh.warehouse, "update control.alembic_version set version_num = '9999'")
    assert "was set up by another version of weir" in fresh.refused("init")
    assert fresh.ask(fresh.warehouse, "select version_num from control.alembic_version") == "9999"


def test_a_readers_url_that_would_not_work_is_not_printed(fresh: Bench, tmp_path: Path) -> None:
    """Another home has another password; to print it would send BI tools to a closed door."""
    assert fresh.weir("init").code == 0
    other = {"home": tmp_path / "another"}
    answer = fresh.refused("url", "bi", **other)
    assert answer.startswith("role weir_bi cannot log in with the password kept in ")
    assert answer.endswith("to give it that password, run: weir init")
    assert fresh.weir("url", "bi").code == 0
    assert fresh.weir("init", **other).code == 0
    assert fresh.weir("url", "bi", **other).code == 0


# Sources


def test_a_run_before_source_create_names_what_is_missing_and_makes_nothing(bare: Bench) -> None:
    port = urlsplit(bare.url(bare.source)).port
    assert bare.refused("run") == (
        f"the source 127.0.0.1:{port}/bare_source lacks scheduling.users and 11 more; create what is missing "
        "(weir source create makes all tables), or point WEIR_SOURCE_URL to the database that has them"
    )
    assert bare.ask(bare.warehouse, "select to_regnamespace('control')") is None


def test_a_source_that_lacks_one_column_is_told_which(fresh: Bench) -> None:
    fresh.tell(fresh.source, "alter table services.metrics drop column segment")
    assert "/fresh_source lacks services.metrics.segment; " in fresh.refused("run", "--only", "services")


def test_source_create_is_idempotent(fresh_bare: Bench) -> None:
    assert fresh_bare.weir("source", "create") == Answer(0, "", "created 12 tables\n")
    fresh_bare.tell(
        fresh_bare.source, "insert into scheduling.users (user_id, email) values (gen_random_uuid(), 'x@example.com')"
    )
    assert fresh_bare.weir("source", "create") == Answer(0, "", "the source tables are there already\n")
    assert fresh_bare.source_rows() == 1


def test_source_create_makes_nothing_where_some_tables_are(fresh_bare: Bench) -> None:
    fresh_bare.tell(fresh_bare.source, "create schema services", "create table services.metrics (metric_id bigint)")
    answer = fresh_bare.refused("source", "create")
    assert answer.startswith("the source has services.metrics already but not scheduling.users; create the tables in")
    assert fresh_bare.ask(fresh_bare.source, "select to_regnamespace('scheduling')") is None


def test_source_create_by_a_role_that_may_not_says_so(bare: Bench, role: Callable[..., str]) -> None:
    assert bare.refused("source", "create", source_url=role(bare.source)) == (
        "the source tables cannot be made or filled (permission denied for database bare_source); "
        "give WEIR_SOURCE_URL a role that may create schemas and tables"
    )


# Files


def test_files_are_looked_at_before_a_server_is(tmp_path: Path) -> None:
    assert complaint(weir("source", "load", tmp_path / "nowhere", home=tmp_path / "home")).endswith(
        "nowhere is not a folder; give one with files such as scheduling.users.csv.gz"
    )
    (tmp_path / "notes.txt").touch()
    assert complaint(weir("source", "load", tmp_path, home=tmp_path / "home")).endswith(
        "has no files such as scheduling.users.csv.gz; nothing to load"
    )
    assert not (tmp_path / "home").exists()


def test_loading_before_source_create_says_so(bare: Bench, folder: Path) -> None:
    assert bare.refused("source", "load", folder) == (
        "the source has no table scheduling.users; run: weir source create"
    )


def test_loading_twice_is_refused(fresh: Bench, folder: Path) -> None:
    add(folder, "scheduling.users", USER)
    assert fresh.weir("source", "load", folder).code == 0
    assert fresh.refused("source", "load", folder) == (
        "scheduling.users has rows already; load into empty tables (drop or truncate them first)"
    )
    assert fresh.source_rows() == 1


USER = "00000000-0000-4000-8000-000000000001,a@example.com,UTC,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z,"
CATEGORY = "00000000-0000-4000-8000-000000000002,00000000-0000-4000-8000-00000000000f,Work,,2020-01-01T00:00:00Z,"
METRICS = "services.metrics.csv"
VALUE = "1,shop,orders,,{},,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z"


def add(folder: Path, table: str, *lines: str) -> Path:
    path = folder / f"{table}.csv"
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def missing(folder: Path) -> None:
    (folder / METRICS).unlink()


def misspelt(folder: Path) -> None:
    (folder / METRICS).rename(folder / "services.metric.csv")


def of_no_table(folder: Path) -> None:
    (folder / "customers.csv").touch()


def there_twice(folder: Path) -> None:
    (folder / f"{METRICS}.gz").write_bytes(gzip.compress((folder / METRICS).read_bytes()))


def a_folder(folder: Path) -> None:
    missing(folder)
    (folder / METRICS).mkdir()


def empty(folder: Path) -> None:
    (folder / METRICS).write_text("")


def header(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / METRICS
        path.write_text(path.read_text().replace(old, new))

    return change


def lines(*texts: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        add(folder, "services.metrics", *texts)

    return change


def raw(content: bytes, name: str = METRICS) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        whole = (folder / METRICS).read_bytes()
        missing(folder)
        (folder / name).write_bytes(content.replace(b"<header>", whole))

    return change


def packed(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def pack(folder: Path) -> None:
        whole = (folder / METRICS).read_bytes()
        rows = b"".join(
            f"{number},shop,orders,{os.urandom(9).hex()},1,,2020-01-01,2020-01-01\n".encode() for number in range(9999)
        )
        missing(folder)
        (folder / f"{METRICS}.gz").write_bytes(change(gzip.compress(whole + rows)))

    return pack


BAD_FILES = {
    "missing": (missing, r"/data lacks services\.metrics\.csv\[\.gz\]; add it"),
    "misspelt": (misspelt, r"services\.metric\.csv is named after no source table; did you mean services\.metrics"),
    "of no table": (of_no_table, r"customers\.csv is named after no source table; tables are scheduling\.users, "),
    "there twice": (there_twice, r"metrics\.csv and .*metrics\.csv\.gz are the same table; remove one"),
    "a folder": (a_folder, r"metrics\.csv cannot be read \(Is a directory\); give UTF-8 CSV"),
    "empty": (empty, r"metrics\.csv is empty; its first row must name columns of services\.metrics"),
    "wrong column": (header("value", "amount"), r"services\.metrics has no column 'amount'; it has metric_id, "),
    "other separator": (header(",", ";"), r"services\.metrics has no column 'metric_id;service_name;"),
    "missing column": (header(",value", ""), r"metrics\.csv lacks column 'value' of services\.metrics; add it"),
    "column twice": (header("unit", "value"), r"metrics\.csv: column 'value' stands there twice; remove one"),
    "bad value": (
        lines(VALUE.format(1), VALUE.format("many").replace("1,", "2,", 1)),
        r'metrics\.csv, line 3, column value: invalid input syntax for type double precision: "many"; mend it',
    ),
    "no value": (lines(VALUE.format('""')), r'metrics\.csv, line 2: null value in column "value"'),
    "too many values": (lines(VALUE.format(1) + ",x"), r"metrics\.csv, line 2: extra data after last expected column"),
    "too few values": (lines("1,shop"), r'metrics\.csv, line 2: missing data for column "metric_type"'),
    "open quote": (lines('1,"shop'), r"metrics\.csv, line \d: unterminated CSV quoted field"),
    "same key": (lines(VALUE.format(1), VALUE.format(2)), r"metrics\.csv, line 3: duplicate key value violates"),
    "no parent": (
        lambda folder: add(folder, "scheduling.categories", CATEGORY),
        r"categories\.csv: insert .* violates foreign key .* \(Key \(user_id\)=\(.*f\) is not present in table",
    ),
    "latin-1 header": (raw("größe,<header>".encode("latin-1")), r"metrics\.csv cannot be read \('utf-8' codec"),
    "latin-1 value": (
        raw(b"<header>" + VALUE.format(1).replace("shop", "caf\xe9").encode("latin-1")),
        r'metrics\.csv, line 2: invalid byte sequence for encoding "UTF8": 0xe9',
    ),
    "UTF-16": (raw("metric_id,service_name".encode("utf-16")), r"metrics\.csv cannot be read \('utf-8' codec"),
    "not packed": (raw(b"<header>", f"{METRICS}.gz"), r"metrics\.csv\.gz cannot be read \(Not a gzipped file"),
    "truncated": (packed(lambda content: content[:-30_000]), r"metrics\.csv\.gz cannot be read \(Compressed file"),
    "truncated at once": (packed(lambda content: content[:20]), r"metrics\.csv\.gz cannot be read \(Compressed file"),
    "damaged": (
        packed(lambda content: content[:60_000] + bytes(9_000) + content[69_000:]),
        r"metrics\.csv\.gz cannot be read \(.*\); make it anew and load again: nothing was loaded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILES)
def test_files_that_cannot_be_loaded_are_named_and_nothing_is_loaded(bench: Bench, folder: Path, what: str) -> None:
    change, words = BAD_FILES[what]
    add(folder, "scheduling.users", USER)
    change(folder)
    answer = bench.weir("source", "load", folder)
    *progress, last = answer.err.splitlines()
    assert all(" rows" in line and not line.startswith("weir: ") for line in progress)
    said = complaint(Answer(answer.code, answer.out, last + "\n"))
    assert re.search(words, said), said
    assert bench.source_rows() == 0


def test_what_is_good_is_loaded_after_all(fresh: Bench, folder: Path) -> None:
    """A byte-order mark, a packed file, a column with a default left out, quotes, and null in both forms."""
    add(folder, "scheduling.users", USER, USER.replace("0001", "0009").replace("UTC", '"UTC"'))
    (folder / "services.report_requests.csv").unlink()
    text = (folder / METRICS).read_text().replace(",created_at", "")
    row = '1,shop,orders,"",1e3,\\N,2020-01-01T00:00:00Z\n'
    (folder / METRICS).unlink()
    (folder / f"{METRICS}.gz").write_bytes(gzip.compress(("\ufeff" + text + row).encode()))
    answer = fresh.weir("source", "load", folder)
    assert (answer.code, answer.err.splitlines()[-1]) == (0, "loaded 3 rows into 11 tables")
    assert fresh.ask(fresh.source, "select row(segment, unit)::text from services.metrics") == '(,"\\\\N")'
    assert fresh.ask(fresh.source, "select nextval(pg_get_serial_sequence('services.metrics', 'metric_id'))") == 2


# Runs that are not to begin


def test_a_second_run_that_does_not_want_to_wait_names_the_first(bench: Bench) -> None:
    with lock.exclusive(bench.url(bench.warehouse), "of-somebody-else"):
        assert bench.refused("run", "--no-wait") == (
            "run of-somebody-else is working on this warehouse; wait for it, or run again without --no-wait"
        )
    assert bench.ask(bench.warehouse, "select count(*) from control.runs") == 0


def test_an_as_of_before_the_last_publication_needs_rewind(fresh: Bench) -> None:
    fresh.tell(
        fresh.warehouse,
        "update control.applications set newest_as_of = '2026-01-02Z' where application = 'services'",
    )
    assert fresh.refused("run", "--as-of", "2026-01-01T01:00:00+01:00") == (
        "as-of 2026-01-01T00:00:00+00:00 is before that of the last publication (2026-01-02T00:00:00+00:00); "
        "give a later --as-of, or --rewind to move windows and periods back"
    )
    assert fresh.ask(fresh.warehouse, "select count(*) from control.current_run") == 0


# Homes


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; pytest's own is closed."""
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_ordinary_user(*arguments: str, **settings: object) -> Answer:
    """The command line as somebody who is not root, whom every permission counts for.

    Everything is imported first: that user may be unable to enter the folder of root's interpreter.
    """
    become_nobody = """
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    """
    prelude = """
        import difflib, os, pwd, sys, encodings.idna
        from orchestration import cli, dagster_home, run
        from warehouse import extract, loading, plan, refresh, schema, status
    """
    parts = [prelude, become_nobody if os.geteuid() == 0 else "", "cli.main()"]
    done = subprocess.run(
        [sys.executable, "-B", "-c", "\n".join(map(textwrap.dedent, parts)), *arguments],
        env=environment(**settings) | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(os.geteuid() == 0 and "nobody" not in {user.pw_name for user in pwd.getpwall()}, reason="no nobody")
@pytest.mark.parametrize(("words", "inside"), [("init", ""), ("run", "home")])
def test_a_home_without_permission_is_named(open_folder: Path, words: str, inside: str) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    answer = complaint(as_ordinary_user(*words.split(), home=closed / inside))
    assert answer.startswith(f"cannot use {closed / inside} for the embedded server")
    assert answer.endswith("make it a folder that you may write to, or set WEIR_HOME to one")
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "home"])
def test_so_is_one_that_needs_no_server(open_folder: Path, bench: Bench, inside: str) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    urls = {"source_url": bench.url(bench.source), "warehouse_url": bench.url(bench.warehouse)}
    answer = complaint(as_ordinary_user("status", home=closed / inside, **urls))
    assert re.match(r"WEIR_HOME .* cannot be (made \(Permission denied\)|written); set WEIR_HOME to a folder", answer)
    assert list(closed.iterdir()) == []


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    assert "set WEIR_HOME to one" in complaint(weir("init", home=tmp_path / "home"))
