"""``weir up``: Dagster's webserver and daemon, and what keeps Data Docs up to date, as children of this process.

Belongs here: starting, watching and ending them. Does not belong here: what they load
(``orchestration.definitions``).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.dagster_home import prepare
from warehouse.errors import ConfigurationError, WeirError
from warehouse.server import EmbeddedServer

WORKSPACE = Path(__file__).resolve().parents[1] / "workspace.yaml"
START_SECONDS = 120
STOP_SECONDS = 20


def serve(home: Path, server: EmbeddedServer | None, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until a signal comes (raised as KeyboardInterrupt) or a child ends.

    Args:
        home: WEIR_HOME.
        server: the embedded server, running; None where nothing lives on it.
        host: address to listen on.
        port: TCP port of the webserver.
        ready: called with the UI's URL once it answers.

    Raises:
        ConfigurationError: the port is in use.
        WeirError: a child ended by itself.
    """
    _check_port(host, port)
    folder = prepare(home, server)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    url = f"http://{host}:{port}"
    workspace = ["--log-level", "warning", "--workspace", str(WORKSPACE)]
    commands = {
        "webserver": ["dagster_webserver", "--host", host, "--port", str(port), *workspace],
        "daemon": ["dagster._daemon", "run", *workspace],
    }
    with contextlib.ExitStack() as stack:
        children = {name: stack.enter_context(_child(name, command, logs)) for name, command in commands.items()}
        # Not one of those that have to live: pages that are not made are no reason to stop.
        stack.enter_context(_child("data_docs", ["warehouse.data_docs", str(home), "--serve"], logs))
        _wait_until(lambda: _answers(url), children, logs)
        ready(url)
        _wait_until(lambda: False, children, logs, seconds=None)


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of {host} cannot be used ({error.strerror}); give another: weir up --port {port + 1}"
            ) from None


@contextmanager
def _child(name: str, command: list[str], logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ,
            start_new_session=True,  # Ctrl-C comes to this process, which passes it on
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a child and its children to end, and make sure that they do."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until(
    condition: Callable[[], bool],
    children: dict[str, subprocess.Popen[bytes]],
    logs: Path,
    seconds: float | None = START_SECONDS,
) -> None:
    started = time.monotonic()
    while not condition():
        for name, process in children.items():
            if (code := process.poll()) is not None:
                raise WeirError(f"Dagster's {name} ended by itself with code {code}; see {logs / f'{name}.log'}")
        if seconds is not None and time.monotonic() - started > seconds:
            raise WeirError(f"Dagster's webserver does not answer after {seconds:.0f} s; see {logs}")
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
