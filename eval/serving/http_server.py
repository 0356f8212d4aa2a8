"""An HTTP server of one SavedModel, with the standard library's own server."""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eval.serving.rest import Loaded, RequestError, answer_get, answer_post

MOST_BYTES = 64 << 20  # of a request


class _Handler(BaseHTTPRequestHandler):
    served: Loaded
    protocol_version = "HTTP/1.1"  # connections stay open from request to request
    # What is answered where no method of this class is asked, such as PUT.
    error_message_format = '{"error": "%(message)s"}'
    error_content_type = "application/json"

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer(lambda: answer_get(self.served, self.path))

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer(lambda: answer_post(self.served, self.path, self._read()))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of requests that were answered."""

    def _read(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True  # what was not read cannot be told from the next request
            raise RequestError(f"Content-Length is {length!r}; expected up to {MOST_BYTES} bytes")
        return self.rfile.read(int(length))

    def _answer(self, find: Callable[[], dict[str, Any]]) -> None:
        status = 200
        try:
            found = find()
        except RequestError as error:
            status, found = error.status, {"error": str(error)}
        body = json.dumps(found, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def make_server(served: Loaded, host: str, port: int) -> ThreadingHTTPServer:
    """Make a server that waits for requests once `serve_forever` is called.

    Args:
        served: The model.
        host: The address it listens at.
        port: 0 for any that is free.

    Returns:
        The server.

    Raises:
        OSError: The port is taken.
    """
    handler = type("Handler", (_Handler,), {"served": served})
    return ThreadingHTTPServer((host, port), handler)
