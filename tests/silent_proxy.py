"""A TCP proxy before a server, which falls silent in the middle of a sentence and keeps its connections open.

Belongs here: passing on bytes, until there have been enough. Does not belong here: what others make of the silence.
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class SilentProxy:
    """Passes on this many bytes of the server's answers, over all connections, and then nothing either way.

    Args:
        url: of the server, with host and port.
        answers: bytes.
    """

    def __init__(self, url: str, answers: int) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self._server = (parts.hostname, parts.port)
        self._left = answers
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.silent = threading.Event()
        here = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = url.replace(f"{parts.hostname}:{parts.port}", here)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody."""
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _pass_on(self, giver: socket.socket, taker: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := giver.recv(4096):
                if counted:
                    data, self._left = data[: self._left], self._left - min(len(data), self._left)
                    if not self._left:
                        self.silent.set()
                elif self.silent.is_set():
                    continue
                taker.sendall(data)
            if not self.silent.is_set():
                taker.shutdown(socket.SHUT_WR)
