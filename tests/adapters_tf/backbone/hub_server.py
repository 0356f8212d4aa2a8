"""A loopback server that answers as the Hugging Face hub does for file downloads."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubHandler(BaseHTTPRequestHandler):
    """Answers HEAD and GET of `/{organisation}/{model}/resolve/{revision}/{file}`."""

    def __init__(self, repositories: dict[str, Path], requests: list[str], *args):
        self.repositories, self.requests = repositories, requests
        super().__init__(*args)

    def do_HEAD(self):
        self.answer(has_body=False)

    def do_GET(self):
        self.answer(has_body=True)

    def answer(self, *, has_body: bool) -> None:
        self.requests.append(f"{self.command} {self.path}")
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        if repository not in self.repositories:
            return self.refuse("RepoNotFound", "Repository not found")
        file = self.repositories[repository] / rest.partition("/")[2]
        if not file.is_file():
            return self.refuse("EntryNotFound", "Entry not found")
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("Content-Length", str(len(body)))
        if file.suffix == ".safetensors":
            # Large files are stored apart: their etag is a sha256 and comes as "linked".
            self.send_header("X-Linked-ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(body)))
        self.end_headers()
        if has_body:
            self.wfile.write(body)
        return None

    def refuse(self, code: str, message: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args) -> None:
        """Keeps the test's output quiet."""


@contextmanager
def serve(repositories: dict[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Serves folders as hub repositories; yields the address and the requests it saw."""
    requests: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(HubHandler, repositories, requests))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
