"""A web server for tests that takes alerts.

Belongs here: answering as told, keeping what came. Does not belong here: what should have come.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Webhook:
    """A web server that answers what it is told, and keeps what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.received: list[tuple[str, dict[str, object]]] = []
        waiting = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.received.append((handler.headers["Idempotency-Key"], body))
                handler.send_response(waiting.pop(0) if waiting else 200)
                handler.end_headers()

            def log_message(handler, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Webhook":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
