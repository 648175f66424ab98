"""Sources with a real past: transaction ids that wrap around, a copy of an earlier state, a replica that lags.

Belongs here: what needs a server to be stopped and its files to be changed. It is a server of its own.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.adversary import BOTH, Adversary
from tests.support import make_database
from warehouse.database import Connection
from warehouse.errors import WeirError
from warehouse.server import EmbeddedServer, _free_port, _run


@pytest.fixture
def restorable(server: EmbeddedServer) -> Iterator[tuple[EmbeddedServer, Path]]:
    """A second server, and where its data are; the warehouse stays on the first."""
    make_database(server, "warehouse", "template_warehouse")
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        Path(folder).chmod(0o755)
        embedded = EmbeddedServer(Path(folder, "home"))
        embedded.start()
        embedded.ensure_database("hostile_source")
        state = embedded._read_state()
        assert state is not None
        try:
            yield embedded, embedded._data(state)
        finally:
            embedded.remove()


class Far(Adversary):
    """An adversary whose source is on another server than the warehouse, and may be read from a replica of it."""

    read_from: str | None = None

    def __init__(self, source: EmbeddedServer, warehouse: EmbeddedServer) -> None:
        super().__init__(source)
        self.warehouse_url = warehouse.url("warehouse")

    @contextmanager
    def reader(self, source_url: str | None = None) -> Iterator[tuple[Connection, Connection]]:
        with super().reader(source_url or self.read_from) as connections:
            yield connections

    def reconnect(self) -> None:
        """After the source's server was stopped and started."""
        self.source_url = self.server.url("hostile_source")
        self.one = self.session()


@pytest.fixture
def far(
    restorable: tuple[EmbeddedServer, Path], server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Far]:
    embedded, _ = restorable
    monkeypatch.setattr("tests.adversary.connect", _connect_to(server))
    far = Far(embedded, server)
    far.begin_anew()
    try:
        yield far
    finally:
        far.close()


def _connect_to(server: EmbeddedServer) -> object:
    from warehouse.database import connect

    def connect_there(url: str, **options: object) -> object:
        return connect(server.url("warehouse") if url.endswith("/warehouse") else url, **options)  # type: ignore[arg-type]

    return connect_there


def test_a_server_on_a_copy_of_an_earlier_state(far: Far, restorable: tuple[EmbeddedServer, Path]) -> None:
    """Same cluster, same timeline, and by the time of the extract its ids are past the watermark again."""
    embedded, data = restorable
    far.extract()
    embedded.stop()
    copy = data.with_name("copy")
    subprocess.run(["cp", "-a", data, copy], check=True)
    embedded.start()
    far.reconnect()
    for number in range(20):
        far.one.execute(f"update shop.orders set note = 'of the lost history' where order_id = {number}")
    far.one.execute("insert into shop.orders (order_id) values (900)")
    far.extract()
    far.assert_equal()
    embedded.stop()
    shutil.rmtree(data)
    copy.rename(data)
    embedded.start()
    far.reconnect()
    far.one.execute("update shop.orders set note = 'of the new history' where order_id = 150")
    for _ in range(60):
        far.one.execute("select pg_current_xact_id()")
    batch = far.extract()
    assert [table.reason for table in batch.tables] == ["the source's server was restarted, perhaps from a copy"] * 2
    far.assert_equal()


def test_transaction_ids_that_wrap_around(far: Far, restorable: tuple[EmbeddedServer, Path]) -> None:
    embedded, data = restorable
    for database in ("postgres", "template1", "hostile_source"):
        with psycopg.connect(embedded.url(database), autocommit=True) as session:
            session.execute("vacuum (freeze)")
    embedded.stop()
    # pg_resetwal takes an id as it stands in rows; the commit log must have a page for it.
    page = data / "pg_xact" / "0FFF"
    page.write_bytes(bytes(256 * 1024))
    shutil.copystat(data / "pg_xact" / "0000", page)
    owner = (data / "pg_xact" / "0000").stat()
    shutil.chown(page, owner.st_uid, owner.st_gid)
    account = embedded._account()
    done = _run(
        [
            embedded._find_binaries(account).folder / "pg_resetwal",
            f"--next-transaction-id={2**32 - 60}",
            f"--pgdata={data}",
        ],
        account,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    embedded.start()
    far.reconnect()
    far.extract()
    far.extract()
    wrapped = []
    late = far.session()
    late.execute("begin")
    late.execute("update shop.orders set note = 'before the wrap, committed after it' where order_id = 199")
    for number in range(1, 120):
        far.one.execute(f"update shop.orders set note = 'update {number}' where order_id = {number}")
        if number % 10 == 0:
            far.warehouse.execute("update control.watermarks set proven_at = now()")
            batch = far.extract()
            assert {table.mode for table in batch.tables} == {"xmin"}, batch
            far.assert_equal()
            (xid,) = far.one.execute(
                "select max(xmin::text::bigint) - min(xmin::text::bigint) from shop.orders"
            ).fetchone()  # type: ignore[misc]
            wrapped.append(xid > 2**31)
    late.execute("commit")
    batch = far.extract()
    assert [table.mode for table in batch.tables] == ["xmin"] * len(BOTH)
    far.assert_equal()
    assert wrapped[-1]
    (epoch,) = far.one.execute("select pg_current_xact_id()::text::bigint >> 32").fetchone()  # type: ignore[misc]
    assert epoch == 1


@pytest.fixture
def replica(far: Far, restorable: tuple[EmbeddedServer, Path]) -> Iterator[Callable[[], None]]:
    """A streaming replica of the source, which extracts read from; called, it waits until the replica has caught up."""
    embedded, data = restorable
    for setting in ("wal_level = replica", "max_wal_senders = 4"):
        far.one.execute(f"alter system set {setting}")
    embedded.stop()
    embedded.start()
    far.reconnect()
    account = embedded._account()
    programs, folder = embedded._find_binaries(account).folder, data.with_name("replica")
    port = _free_port()

    def run(program: str, *arguments: str) -> None:
        done = _run([programs / program, *arguments], account, timeout=60, directory=data.parent)
        assert done.returncode == 0, done.stderr

    folder.mkdir(mode=0o700)
    os.chown(folder, data.stat().st_uid, data.stat().st_gid)
    there = f"--pgdata={folder}"
    run("pg_basebackup", there, "--write-recovery-conf", "--checkpoint=fast", f"--dbname={far.source_url}")
    run("pg_ctl", "start", there, "--wait", "--silent", f"--log={folder / 'start.log'}", f"--options=-p {port}")
    try:
        url = far.source_url.replace(f":{urlsplit(far.source_url).port}/", f":{port}/")
        with psycopg.connect(url, autocommit=True) as session:

            def catch_up() -> None:
                (written,) = far.one.execute("select pg_current_wal_insert_lsn()").fetchone()  # type: ignore[misc]
                deadline = time.monotonic() + 30
                has_come = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
                while session.execute(has_come, (written,)).fetchone() != (True,):
                    assert time.monotonic() < deadline, "the replica does not catch up"
                    time.sleep(0.02)

            far.read_from = url
            yield catch_up
    finally:
        run("pg_ctl", "stop", "--mode=immediate", "--silent", there)


def test_a_replica_is_read_as_far_as_it_has_come(far: Far, replica: Callable[[], None]) -> None:
    late = far.session()
    late.execute("begin")
    late.execute("update shop.orders set note = 'written early, committed late' where order_id = 7")
    replica()
    far.extract()
    far.assert_equal()
    far.one.execute("insert into shop.orders (order_id, note) values (901, 'new')")
    far.one.execute("delete from shop.customers where customer_id = 3")  # with its orders
    replica()
    batch = far.extract()
    assert [table.mode for table in batch.tables] == ["xmin"] * len(BOTH)
    far.assert_equal()
    late.execute("commit")
    replica()
    far.extract()
    far.assert_equal()

    # What the primary is ahead of it is not there yet; nothing that was read is lost for it.
    with psycopg.connect(far.read_from or "", autocommit=True) as there:
        there.execute("select pg_wal_replay_pause()")
        far.one.execute("update shop.orders set note = 'not replayed' where order_id = 8")
        far.extract()
        assert far.here() != far.there()
        there.execute("select pg_wal_replay_resume()")
    replica()
    far.extract()
    far.assert_equal()

    # Read from the primary, and then from a replica that is behind it.
    with psycopg.connect(far.read_from or "", autocommit=True) as there:
        there.execute("select pg_wal_replay_pause()")
        far.one.execute("update shop.orders set note = 'read on the primary' where order_id = 9")
        behind, far.read_from = far.read_from, None
        far.extract()
        far.read_from = behind
        with pytest.raises(WeirError, match="this replica is behind what has been read already"):
            far.extract()
        there.execute("select pg_wal_replay_resume()")
    replica()
    far.extract()
    far.assert_equal()
