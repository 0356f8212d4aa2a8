"""Cloud Storage's JSON API, and as much of the XML API as TensorFlow reads with.

Pure functions from requests to replies over a store; sockets and faults are the server's matter.
Reference: https://cloud.google.com/storage/docs/json_api/v1
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from tests.gcs_emulator.multipart import parse_related
from tests.gcs_emulator.store import (
    CHUNK_BYTES,
    ApiError,
    StoredObject,
    UploadSession,
    no_such_bucket,
)

CREATED = "2026-01-01T00:00:00.000Z"
OBJECT = r"/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)"


@dataclass
class Request:
    """A request as it came; `headers` is looked up without regard to case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(document, status=200, **headers):
    return Reply(
        status,
        json.dumps(document).encode(),
        {"Content-Type": "application/json; charset=UTF-8", **headers},
    )


def error_reply(status, reason, message):
    errors = [{"domain": "global", "reason": reason, "message": message}]
    return json_reply({"error": {"code": status, "message": message, "errors": errors}}, status)


class Api:
    """Answers requests."""

    def __init__(self, store):
        self.store = store
        self._routes = [
            ("POST", r"(/oauth2/v\d)?/token", self._token),
            ("POST", r"/storage/v1/b", self._create_bucket),
            ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)", self._get_bucket),
            ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/storageLayout", self._storage_layout),
            ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/(managedFolders|folders)", self._no_folders),
            ("GET", r"/storage/v1/b/(?P<bucket>[^/]+)/o", self._list),
            ("GET", rf"/download/storage/v1{OBJECT}", self._download),
            ("GET", rf"/storage/v1{OBJECT}", self._get),
            ("DELETE", rf"/storage/v1{OBJECT}", self._delete),
            ("PATCH", rf"/storage/v1{OBJECT}", self._change),
            (
                "POST",
                rf"/storage/v1{OBJECT}/(rewrite|copy)To"
                r"/b/(?P<to_bucket>[^/]+)/o/(?P<to_name>[^/]+)",
                self._rewrite,
            ),
            (
                "POST|PUT",
                r"/(resumable/)?upload/storage/v1/b/(?P<bucket>[^/]+)/o",
                self._upload,
            ),
            ("GET|HEAD", r"/(?!storage/|upload/)(?P<bucket>[^/]+)/(?P<name>.+)", self._download),
        ]

    def answer(self, request):
        """Does what a request asks for.

        Returns:
            The reply; errors are replies too.
        """
        try:
            for method, pattern, route in self._routes:
                matched = re.fullmatch(pattern, request.path)
                if matched and re.fullmatch(method, request.method):
                    parts = {key: unquote(part) for key, part in matched.groupdict().items()}
                    with self.store.lock:
                        return route(request, **parts)
            raise ApiError(404, "notFound", f"not emulated: {request.method} {request.path}")
        except ApiError as error:
            return error_reply(error.status, error.reason, error.message)

    def keep_partial(self, request):
        """Keeps the whole chunks of a resumable upload whose connection broke."""
        session = self.store.sessions.get(request.query.get("upload_id", ""))
        placed = re.match(r"bytes (\d+)-", request.headers.get("Content-Range") or "")
        if session and placed:
            whole = len(request.body) // CHUNK_BYTES * CHUNK_BYTES
            session.receive(int(placed[1]), request.body[:whole])

    def _token(self, request):
        return error_reply(400, "invalid_grant", "Invalid JWT Signature.")

    def _create_bucket(self, request):
        bucket = json.loads(request.body)["name"]
        if bucket in self.store.buckets:
            raise ApiError(409, "conflict", "Your previous request to create it succeeded.")
        self.store.create_bucket(bucket)
        return self._get_bucket(request, bucket)

    def _get_bucket(self, request, bucket):
        self.store.bucket(bucket)
        return json_reply(
            {
                "kind": "storage#bucket",
                "id": bucket,
                "name": bucket,
                "location": "US",
                "storageClass": "STANDARD",
                "metageneration": "1",
                "timeCreated": CREATED,
                "updated": CREATED,
            }
        )

    def _storage_layout(self, request, bucket):
        self.store.bucket(bucket)
        return json_reply(
            {
                "kind": "storage#storageLayout",
                "bucket": bucket,
                "location": "US",
                "locationType": "multi-region",
                "hierarchicalNamespace": {"enabled": False},
            }
        )

    def _no_folders(self, request, bucket):
        self.store.bucket(bucket)
        return json_reply({"kind": "storage#folders"})

    def _list(self, request, bucket):
        query = request.query
        items, prefixes, token = self.store.page(
            bucket,
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("pageToken", ""),
            int(query.get("maxResults", 1000)),
        )
        document = {"kind": "storage#objects"}
        if items:
            document["items"] = [resource(item, request.base_url) for item in items]
        if prefixes:
            document["prefixes"] = prefixes
        if token:
            document["nextPageToken"] = token
        return json_reply(document)

    def _get(self, request, bucket, name):
        if request.query.get("alt") == "media":
            return self._download(request, bucket, name)
        found = self.store.get(bucket, name, request.query)
        return json_reply(resource(found, request.base_url))

    def _download(self, request, bucket, name):
        found = self.store.get(bucket, name, request.query)
        headers = {
            "Content-Type": found.content_type,
            "ETag": f'"{found.generation}"',
            "X-Goog-Generation": str(found.generation),
            "X-Goog-Metageneration": str(found.metageneration),
            "X-Goog-Stored-Content-Length": str(len(found.data)),
            "X-Goog-Hash": f"crc32c={found.crc32c},md5={found.md5}",
            "Accept-Ranges": "bytes",
            "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        }
        return _ranged(found.data, request.headers.get("Range"), headers)

    def _delete(self, request, bucket, name):
        self.store.delete(bucket, name, request.query)
        return Reply(204)

    def _change(self, request, bucket, name):
        document = json.loads(request.body or b"{}")
        changes = {"metadata": document.get("metadata") or {}}
        if "contentType" in document:
            changes["content_type"] = document["contentType"]
        changed = self.store.change(bucket, name, request.query, **changes)
        return json_reply(resource(changed, request.base_url))

    def _rewrite(self, request, bucket, name, to_bucket, to_name):
        source = self.store.get(bucket, name)
        written = self.store.put(
            to_bucket, to_name, source.data, request.query, content_type=source.content_type
        )
        document = resource(written, request.base_url)
        if "/copyTo/" in request.path:
            return json_reply(document)
        size = str(len(source.data))
        return json_reply(
            {
                "kind": "storage#rewriteResponse",
                "totalBytesRewritten": size,
                "objectSize": size,
                "done": True,
                "resource": document,
            }
        )

    def _upload(self, request, bucket):
        if bucket not in self.store.buckets:
            raise no_such_bucket()
        if "upload_id" in request.query:
            return self._continue_upload(request)
        kind = request.query.get("uploadType")
        if kind == "resumable":
            return self._begin_upload(request, bucket)
        attributes, content = {}, request.body
        content_type = request.headers.get("Content-Type") or "application/octet-stream"
        if kind == "multipart":
            attributes, content_type, content = parse_related(content_type, request.body)
        stored = self.store.put(
            bucket,
            request.query.get("name") or attributes["name"],
            content,
            request.query,
            attributes.get("crc32c") or _header_crc32c(request),
            content_type=attributes.get("contentType", content_type),
            metadata=attributes.get("metadata", {}),
        )
        return json_reply(resource(stored, request.base_url))

    def _begin_upload(self, request, bucket):
        attributes = json.loads(request.body or b"{}")
        default_type = request.headers.get("X-Upload-Content-Type") or "application/octet-stream"
        session = UploadSession(
            bucket,
            request.query.get("name") or attributes["name"],
            dict(request.query),
            attributes.get("contentType", default_type),
            attributes.get("metadata", {}),
            attributes.get("crc32c") or _header_crc32c(request),
        )
        identifier = self.store.begin_upload(session)
        location = (
            f"{request.base_url}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
            f"?uploadType=resumable&upload_id={identifier}"
        )
        return Reply(200, b"", {"Location": location, "X-GUploader-UploadID": identifier})

    def _continue_upload(self, request):
        session = self.store.sessions.get(request.query["upload_id"])
        if session is None:
            raise ApiError(404, "notFound", "no such upload session")
        start, total = _content_range(request)
        if session.finished is None and start is not None:
            session.receive(start, request.body)
        if session.finished is None and (total is None or len(session.data) < total):
            end = len(session.data) - 1
            return Reply(308, b"", {"Range": f"bytes=0-{end}"} if end >= 0 else {})
        session.expected_crc32c = session.expected_crc32c or _header_crc32c(request)
        return json_reply(resource(self.store.finish_upload(session), request.base_url))


def resource(stored: StoredObject, base_url):
    """An object's description, as the JSON API gives it."""
    path = f"b/{quote(stored.bucket, safe='')}/o/{quote(stored.name, safe='')}"
    return {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": f"{base_url}/storage/v1/{path}",
        "mediaLink": f"{base_url}/download/storage/v1/{path}?alt=media",
        "bucket": stored.bucket,
        "name": stored.name,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "contentType": stored.content_type,
        "storageClass": "STANDARD",
        "size": str(len(stored.data)),
        "crc32c": stored.crc32c,
        "md5Hash": stored.md5,
        "etag": str(stored.generation),
        "metadata": dict(stored.metadata),
        "timeCreated": CREATED,
        "updated": CREATED,
    }


def _header_crc32c(request):
    matched = re.search(r"crc32c=([^,]+)", request.headers.get("X-Goog-Hash") or "")
    return matched[1] if matched else None


def _content_range(request):
    """Where the body belongs and how long the whole object is; None for what isn't said."""
    text = request.headers.get("Content-Range")
    if text is None:
        return 0, len(request.body)
    matched = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", text)
    if matched is None:
        raise ApiError(400, "invalid", f"Content-Range {text!r}")
    start, total = (None if part is None else int(part) for part in matched.groups())
    return start, total


def _ranged(data, wanted, headers):
    """A download, whole or of the range that was asked for."""
    matched = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
    if matched is None or matched.groups() == ("", ""):
        return Reply(200, data, headers)
    first, last = matched.groups()
    size = len(data)
    start = int(first) if first else max(0, size - int(last))
    end = min(size - 1, int(last)) if first and last else size - 1
    if start >= size:
        raise ApiError(416, "requestedRangeNotSatisfiable", f"{wanted} of {size} bytes")
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Reply(206, data[start : end + 1], headers)
