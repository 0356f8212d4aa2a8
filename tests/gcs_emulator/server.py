"""A Cloud Storage on 127.0.0.1 that real clients accept, and that misbehaves on order.

One port speaks plain HTTP, for clients that know an endpoint setting, and is a CONNECT proxy that
terminates TLS for *.googleapis.com, for TensorFlow, which has no such setting; a second port
speaks TLS straight away, for gsutil.
"""

import contextlib
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import trustme

from tests.gcs_emulator.api import Api, Reply, Request, error_reply
from tests.gcs_emulator.faults import FaultPlan, flip_bit
from tests.gcs_emulator.store import Store

HOST = "127.0.0.1"
SERVED_HOSTS = ("storage.googleapis.com", "www.googleapis.com", "oauth2.googleapis.com")


@dataclass(frozen=True)
class LoggedRequest:
    """What came, and how it was answered; 0 stands for no answer."""

    method: str
    path: str
    range: str | None
    status: int


class Emulator:
    """The emulated service: a store, the faults in force, and a log of what was asked.

    Attributes:
        store: The objects.
        faults: The faults in force.
        log: The requests so far.
        port: Plain HTTP and CONNECT proxy.
        tls_port: TLS from the first byte.
        certificate: Path of the authority's certificate that clients must trust.
    """

    def __init__(self, folder):
        self.store = Store()
        self.faults = FaultPlan()
        self.log: list[LoggedRequest] = []
        self.api = Api(self.store)
        self.certificate = Path(folder) / "authority.pem"
        self.tls = self._make_certificate()
        self._servers = [_Server(self, is_tls) for is_tls in (False, True)]
        self.port, self.tls_port = (server.server_address[1] for server in self._servers)

    def _make_certificate(self):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*SERVED_HOSTS, "localhost", HOST).configure_cert(context)
        return context

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def clear(self):
        """Forgets all objects, faults and requests."""
        self.store.clear()
        self.faults.clear()
        self.forget_requests()

    def forget_requests(self):
        """Empties the log and the list of writes."""
        self.log.clear()
        self.store.writes.clear()

    def client_settings(self):
        """Environment variables that lead google-cloud-storage here, without credentials."""
        return {"STORAGE_EMULATOR_HOST": self.url}

    def proxy_settings(self):
        """Variables that lead google-cloud-storage here believing it talks to the real service."""
        return {
            "https_proxy": self.url,
            "REQUESTS_CA_BUNDLE": str(self.certificate),
            "NO_GCE_CHECK": "true",
        }

    def tensorflow_settings(self):
        """Variables that lead TensorFlow's gs:// here; they may be set after its import."""
        return {
            "https_proxy": self.url,
            "CURL_CA_BUNDLE": str(self.certificate),
            "NO_GCE_CHECK": "true",
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
            "GCS_RETRY_CONFIG_MAX_RETRIES": "4",
            "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "10000",
            "GCS_RETRY_CONFIG_MAX_DELAY_TIME_US": "50000",
            # Objects change between one test and the next, faster than these caches forget.
            "GCS_STAT_CACHE_MAX_AGE": "0",
            "GCS_MATCHING_PATHS_CACHE_MAX_AGE": "0",
        }

    @contextlib.contextmanager
    def serving(self) -> Iterator["Emulator"]:
        """Answers requests until the end of the block."""
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            for server in self._servers
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server, thread in zip(self._servers, threads, strict=True):
                server.shutdown()
                thread.join()
                server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, emulator, is_tls):
        self.emulator, self.is_tls = emulator, is_tls
        super().__init__((HOST, 0), _Connection)

    def finish_request(self, request, client_address):
        if self.is_tls:
            with self.emulator.tls.wrap_socket(request, server_side=True) as wrapped:
                self.RequestHandlerClass(wrapped, client_address, self)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        """Connections that break are the point here; anything else is a defect."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    """One client's connection: reads requests, lets faults have their way, writes replies."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    is_tunnel = False

    def log_message(self, *arguments):
        """The emulator keeps a log of its own."""

    def do_CONNECT(self):
        host = self.path.rpartition(":")[0]
        if host not in SERVED_HOSTS:
            self.send_error(403, f"not emulated: {host}")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.connection = self.server.emulator.tls.wrap_socket(self.connection, server_side=True)
        self.is_tunnel = True
        self.setup_streams()

    def setup_streams(self):
        """Reads and writes through the TLS that now wraps the connection."""
        self.rfile.close()
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self):
        super().finish()
        if self.is_tunnel:
            self.connection.close()

    def answer(self):
        emulator = self.server.emulator
        fault = emulator.faults.take(f"{self.command} {self.path}")
        if fault and fault.reset_after is not None:
            emulator.api.keep_partial(self._request(self.read_body(fault.reset_after)))
            return self._reset()
        body = self.read_body()
        if fault and fault.flip_request:
            body = flip_bit(body)
        if fault:
            time.sleep(fault.delay)
        if fault and fault.status:
            reply = error_reply(fault.status, "injected", fault.message)
        else:
            reply = emulator.api.answer(self._request(body))
        if fault and fault.lose_response:
            return self._reset()
        if fault and fault.flip_response:
            reply.body = flip_bit(reply.body)
        self._log(reply.status)
        self.send(reply, truncate=bool(fault and fault.truncate_response))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

    def _request(self, body):
        address = urlsplit(self.path)
        scheme = "https" if self.is_tunnel or self.server.is_tls else "http"
        method = self.headers.get("X-HTTP-Method-Override") or self.command
        return Request(
            method=method,
            path=address.path,
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers=self.headers,
            body=body,
            base_url=f"{scheme}://{self.headers.get('Host')}",
        )

    def read_body(self, limit=sys.maxsize):
        """Reads the request's body, or as much of it as the limit allows.

        TensorFlow sends Content-Length and chunked coding at once; the latter counts (RFC 9112,
        section 6.3).
        """
        if (self.headers.get("Transfer-Encoding") or "").lower() != "chunked":
            return self.rfile.read(min(int(self.headers.get("Content-Length") or 0), limit))
        body = b""
        while len(body) < limit:
            size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                break
        return body[:limit]

    def send(self, reply: Reply, truncate=False):
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        content = b"" if self.command == "HEAD" else reply.body
        self.wfile.write(content[: len(content) // 2] if truncate else content)
        self.wfile.flush()
        if truncate:
            self.close_connection = True

    def _reset(self):
        """Ends the connection with RST, as a machine in between that gave up does."""
        self._log(0)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _log(self, status):
        entry = LoggedRequest(
            self.command,
            self.path,
            self.headers.get("Range") or self.headers.get("Content-Range"),
            status,
        )
        self.server.emulator.log.append(entry)
