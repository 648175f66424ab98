"""SIGINT and SIGTERM, told apart in spite of Dagster."""

import signal
import socket
from contextlib import suppress


class Signals:
    """Turns SIGINT and SIGTERM into KeyboardInterrupt and remembers which of them it was.

    Dagster replaces the handlers while it runs, with one that does not tell them apart; Python writes the number
    to the wake-up descriptor all the same.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)

    def first(self) -> int | None:
        """The first signal that came, if one did."""
        with suppress(BlockingIOError):
            self._numbers += self._reader.recv(100)
        return next((number for number in self._numbers if number in (signal.SIGINT, signal.SIGTERM)), None)
