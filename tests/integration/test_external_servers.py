"""Source and warehouse on two servers of their own, PostgreSQL 15 and 18, the source read by a role that can only read.

Belongs here: what differs between servers. Does not belong here: what is published.
"""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from tests.integration.test_incremental import AS_OF, BEGINNING
from tests.support import Lab, assert_published, make_database, make_templates
from warehouse import access
from warehouse.catalog import APPLICATIONS
from warehouse.refresh import Places
from warehouse.server import EmbeddedServer

READER = "reports"


def debian() -> Path | None:
    """Folder of the binaries of Debian's package ``postgresql``, whatever its version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in folders if (folder / "initdb").exists() and int(folder.parent.name) >= 15), None)


class TwoServers(Lab):
    """A laboratory whose source is on another server, where the pipeline may only read."""

    def __init__(self, source: EmbeddedServer, warehouse: EmbeddedServer, home: Path) -> None:
        super().__init__(warehouse, home)
        self.source.close()
        self.source = psycopg.connect(source.url("source"), autocommit=True)
        self.source.execute(f"drop role if exists {READER}")
        self.source.execute(f"create role {READER} login password 'secret'")
        for application in APPLICATIONS:
            self.source.execute(f"grant usage on schema {application} to {READER}")
            self.source.execute(f"grant select on all tables in schema {application} to {READER}")
        parts = conninfo.conninfo_to_dict(source.url("source"))
        self.reader = f"postgresql://{READER}:secret@{parts['host']}:{parts['port']}/source"

    @property
    def places(self) -> Places:
        return Places(self.home, self.server.url("warehouse", access.RUNNER), dict.fromkeys(APPLICATIONS, self.reader))


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    binaries = debian()
    if binaries is None:
        pytest.skip("Debian's package postgresql is not installed")
    embedded = EmbeddedServer(tmp_path_factory.mktemp("older") / "weir", binaries)
    embedded.start()
    try:
        make_templates(embedded)
        yield embedded
    finally:
        embedded.remove()


def test_two_servers_of_two_versions_publish_the_same(
    older: EmbeddedServer, server: EmbeddedServer, tmp_path: Path
) -> None:
    hashes = []
    for source, warehouse in ((older, server), (server, older)):
        for each in (source, warehouse):
            make_database(each, "source", "template_source")
            make_database(each, "warehouse", "template_warehouse")
        lab = TwoServers(source, warehouse, tmp_path)
        try:
            lab.write(*BEGINNING, "update scheduling.users set created_at = '2024-01-01T00:00:00Z'")
            refresh = lab.run(AS_OF)
            assert {outcome.status for outcome in refresh.outcomes.values()} == {"published"}
            assert_published(lab, AS_OF)
            lab.write("update scheduling.tasks set scheduled_slots = '[]' where completed_at is not null")
            lab.run(AS_OF)
            assert_published(lab, AS_OF)
            hashes.append(
                lab.warehouse.execute(
                    "select distinct on (mart, partition_start) mart, partition_start, content_hash"
                    " from control.publications order by mart, partition_start, publication_id desc"
                ).fetchall()
            )
            reader = psycopg.connect(lab.reader, autocommit=True)
            with reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute("delete from scheduling.tasks")
        finally:
            lab.close()
    assert hashes[0] == hashes[1]
