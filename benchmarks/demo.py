"""The demo at several scales: what its generator and the whole command need of memory, time and disk.

Memory is the peak of a process. The generator's: making all rows and throwing them away, in a process of its own.
The command's: ``weir demo --scale S``, from generating to publishing, in a home of its own. The server's is what its
processes had together at most that was theirs alone, without the buffers that they share; looked at twice a second.

    python -m benchmarks.demo [SCALE …]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from warehouse.server import EmbeddedServer

WEIR = Path(sys.executable).with_name("weir")
GENERATE = "from warehouse import demo; print(sum(1 for table in demo.generate({}).tables for _ in table.rows()))"


@dataclass
class Measured:
    """One command: its wall time and the peak of its memory."""

    seconds: float
    megabytes: float
    output: str


def measured(command: list[str], home: Path, log: Path) -> Measured:
    """Run a command to its end.

    Raises:
        SystemExit: it failed; with what it said last.
    """
    started = time.perf_counter()
    with (log / "out").open("w+") as out, (log / "err").open("w+") as err:
        process = subprocess.Popen(command, env={**os.environ, "WEIR_HOME": str(home)}, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            sys.exit(err.read()[-2000:])
        return Measured(time.perf_counter() - started, usage.ru_maxrss / 1024, out.read())


class ServerMemory(threading.Thread):
    """The most that the processes of a home's server had for themselves at one time; 0 where /proc tells nothing."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self._home, self._done = home, threading.Event()
        self.megabytes = 0.0

    def run(self) -> None:
        """Look twice a second."""
        while not self._done.wait(0.5):
            self.megabytes = max(self.megabytes, self._now())

    def stop(self) -> float:
        """The peak so far; looks no more."""
        self._done.set()
        self.join()
        return self.megabytes

    def _now(self) -> float:
        pid_files = sorted(self._home.glob("**/postmaster.pid"))
        if not pid_files:
            return 0.0
        try:
            postmaster = int(pid_files[0].read_text().split()[0])
            children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        except (OSError, ValueError, IndexError):
            return 0.0
        return sum(_own_kilobytes(int(pid)) for pid in (postmaster, *children)) / 1024


def _own_kilobytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:")), 0)


def rows_of(server: EmbeddedServer, database: str, *schemas: str) -> int:
    """Rows of the tables of these schemas, counted."""
    with psycopg.connect(server.url(database), autocommit=True) as connection:
        tables = connection.execute(
            "select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any (%s)"
            " and not exists (select from pg_inherits where inhrelid = format('%%I.%%I', schemaname, tablename)"
            "::regclass)",
            (list(schemas),),
        ).fetchall()
        return sum(int(connection.execute(f"select count(*) from {name}").fetchone()[0]) for (name,) in tables)  # type: ignore[index]


def size_of(folder: Path) -> float:
    """Gigabytes of files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / (1 << 30)


def main() -> None:
    """Measure one scale after the other and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("scales", type=float, nargs="*", default=[1.0, 10.0])
    scales: list[float] = parser.parse_args().scales
    table = Table(
        "scale", "source rows", "generator, MB", "generator, s", "weir demo, MB", "weir demo, s", "server, MB",
        "marts' rows", "disk, GB", box=None,
    )  # fmt: skip
    for scale in scales:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
            folder = Path(name)
            folder.chmod(0o755)
            home = folder / "home"
            server = EmbeddedServer(home)
            generator = measured([sys.executable, "-c", GENERATE.format(scale)], home, folder)
            watch = ServerMemory(home)
            watch.start()
            try:
                command = measured([str(WEIR), "demo", "--scale", f"{scale:g}", "--json"], home, folder)
                its_memory = watch.stop()
                table.add_row(
                    f"{scale:g}",
                    f"{int(generator.output):,}",
                    f"{generator.megabytes:.0f}",
                    f"{generator.seconds:.1f}",
                    f"{command.megabytes:.0f}",
                    f"{command.seconds:.1f}",
                    f"{its_memory:.0f}",
                    f"{rows_of(server, 'warehouse', 'marts'):,}",
                    f"{size_of(home):.1f}",
                )
            finally:
                server.remove()
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
