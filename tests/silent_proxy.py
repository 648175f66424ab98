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
        forgets: whether connections that are made when it has fallen silent are served as if nothing had been.
    """

    def __init__(self, url: str, answers: int, *, forgets: bool = False) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self._server = (parts.hostname, parts.port)
        self._left = answers
        self._forgets = forgets
        self._closed = threading.Event()
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
        self._closed.set()
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
                is_new = self._forgets and self.silent.is_set()
                for way in ((client, server, False, is_new), (server, client, True, is_new)):
                    threading.Thread(target=self._pass_on, args=way, daemon=True).start()

    def _pass_on(self, giver: socket.socket, taker: socket.socket, is_answer: bool, is_new: bool) -> None:
        with contextlib.suppress(OSError):
            while data := giver.recv(4096):
                if is_answer and not is_new:
                    data, self._left = data[: self._left], self._left - min(len(data), self._left)
                    taker.sendall(data)
                    if not self._left:
                        self.silent.set()
                if self.silent.is_set() and not is_new:
                    self._closed.wait()  # and read no more of it
                    return
                if not is_answer or is_new:
                    taker.sendall(data)
            taker.shutdown(socket.SHUT_WR)
