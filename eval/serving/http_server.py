"""An HTTP server of one SavedModel, with the standard library's own server."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eval.serving.rest import MOST_LETTERS, Loaded, RequestError, answer_get, answer_post

MOST_BYTES = 64 << 20  # of a request
_PART = 1 << 16  # bytes that are read at a time


class _Handler(BaseHTTPRequestHandler):
    served: Loaded
    protocol_version = "HTTP/1.1"  # connections stay open from request to request
    timeout = 60.0  # seconds without a byte, after which a connection ends
    body_seconds = 300.0  # that the body of a request may take

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
        return self._receive(int(length))

    def _receive(self, length: int) -> bytes:
        """Read a body, for so long as something comes."""
        body, ends = bytearray(), time.monotonic() + self.body_seconds
        while len(body) < length:
            try:
                part = self.rfile.read1(min(length - len(body), _PART))
            except TimeoutError:
                part = b""
            body += part
            if not part or (len(body) < length and time.monotonic() > ends):
                self.close_connection = True
                raise RequestError(f"{len(body)} of {length} bytes came in time", 408)
        return bytes(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer where no method of this class is asked, such as PUT, or a line is no request."""
        self.close_connection = True
        self._send(code, {"error": message or HTTPStatus(code).phrase})

    def _answer(self, find: Callable[[], dict[str, Any]]) -> None:
        status = 200
        try:
            found = find()
        except RequestError as error:
            status, found = error.status, {"error": str(error)}
        except ConnectionError:
            raise
        except Exception as error:  # a client is answered whatever went wrong
            print(f"error: {self.path[:40]}: {error!r}"[:MOST_LETTERS], file=sys.stderr, flush=True)
            status, found = 500, {"error": f"{error!r}"[:MOST_LETTERS]}
        self._send(status, found)

    def _send(self, status: int, found: dict[str, Any]) -> None:
        body = json.dumps(found, ensure_ascii=False).encode(errors="backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # connections that wait to be taken; five are too few for a burst

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away before it was answered."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


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
    return _Server((host, port), handler)
