"""Sources with a real past: transaction ids that wrap around, and a server that comes up on a copy of an earlier state.

Belongs here: what needs a server to be stopped and its files to be changed. It is a server of its own.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.adversary import BOTH, Adversary
from tests.support import make_database
from warehouse.server import EmbeddedServer, _run


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
    """An adversary whose source is on another server than the warehouse."""

    def __init__(self, source: EmbeddedServer, warehouse: EmbeddedServer) -> None:
        super().__init__(source)
        self.warehouse_url = warehouse.url("warehouse")

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
