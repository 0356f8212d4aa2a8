"""The objects of the emulated buckets, in memory: generations, preconditions, pages, uploads."""

import base64
import dataclasses
import hashlib
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import google_crc32c

CHUNK_BYTES = 256 * 1024  # a broken resumable upload keeps whole chunks of this size


class ApiError(Exception):
    """An answer other than success, as Cloud Storage words it."""

    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def no_such_bucket():
    return ApiError(404, "notFound", "The specified bucket does not exist.")


def no_such_object(bucket, name):
    return ApiError(404, "notFound", f"No such object: {bucket}/{name}")


@dataclass(frozen=True)
class StoredObject:
    bucket: str
    name: str
    data: bytes
    generation: int
    content_type: str = "application/octet-stream"
    metageneration: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def crc32c(self):
        return crc32c_of(self.data)

    @property
    def md5(self):
        return base64.b64encode(hashlib.md5(self.data).digest()).decode()


def crc32c_of(data):
    """The checksum as the JSON API writes it: base64 of four big-endian bytes."""
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


@dataclass
class UploadSession:
    """A resumable upload under way."""

    bucket: str
    name: str
    conditions: Mapping[str, str]
    content_type: str
    metadata: Mapping[str, str]
    expected_crc32c: str | None = None
    data: bytearray = field(default_factory=bytearray)
    finished: StoredObject | None = None

    def receive(self, start, content):
        """Appends bytes; those at offsets that are already here are ignored."""
        if start > len(self.data):
            raise ApiError(400, "invalid", f"bytes {len(self.data)}-{start - 1} are missing")
        self.data += content[len(self.data) - start :]


class Store:
    """Buckets of objects. Safe to use from several threads.

    Attributes:
        buckets: The objects by bucket and name.
        writes: Names of the objects that were written, in that order.
    """

    def __init__(self):
        self.lock = threading.RLock()
        self.buckets: dict[str, dict[str, StoredObject]] = {}
        self.sessions: dict[str, UploadSession] = {}
        self.writes: list[str] = []
        self._generations = itertools.count(1_700_000_000_000_001)
        self._session_ids = itertools.count(1)

    def clear(self):
        with self.lock:
            self.buckets.clear()
            self.sessions.clear()

    def create_bucket(self, name):
        with self.lock:
            self.buckets[name] = {}

    def bucket(self, name):
        if name not in self.buckets:
            raise no_such_bucket()
        return self.buckets[name]

    def get(self, bucket, name, conditions=None):
        """The object, or the error that the preconditions call for."""
        with self.lock:
            found = self.bucket(bucket).get(name)
            check_conditions(found, conditions or {}, is_read=True)
            if found is None:
                raise no_such_object(bucket, name)
            return found

    def put(self, bucket, name, data, conditions=None, expected_crc32c=None, **attributes):
        """Writes a new generation of an object."""
        with self.lock:
            objects = self.bucket(bucket)
            check_conditions(objects.get(name), conditions or {})
            if expected_crc32c is not None and expected_crc32c != crc32c_of(data):
                raise ApiError(
                    400,
                    "invalid",
                    f"Provided CRC32C {expected_crc32c!r} doesn't match calculated CRC32C"
                    f" {crc32c_of(data)!r}.",
                )
            stored = StoredObject(bucket, name, bytes(data), next(self._generations), **attributes)
            objects[name] = stored
            self.writes.append(name)
            return stored

    def delete(self, bucket, name, conditions=None):
        with self.lock:
            objects = self.bucket(bucket)
            check_conditions(objects.get(name), conditions or {})
            if name not in objects:
                raise no_such_object(bucket, name)
            del objects[name]

    def change(self, bucket, name, conditions, **attributes):
        """Replaces an object's attributes; its generation stays."""
        with self.lock:
            found = self.get(bucket, name, conditions)
            changed = dataclasses.replace(
                found, metageneration=found.metageneration + 1, **attributes
            )
            self.bucket(bucket)[name] = changed
            return changed

    def flip_byte(self, bucket, name, position=0):
        """Damages an object where it lies: same size, other content."""
        with self.lock:
            found = self.get(bucket, name)
            data = bytearray(found.data)
            data[position] ^= 1
            self.put(bucket, name, bytes(data))

    def begin_upload(self, session):
        with self.lock:
            check_conditions(self.bucket(session.bucket).get(session.name), session.conditions)
            identifier = f"session-{next(self._session_ids)}"
            self.sessions[identifier] = session
            return identifier

    def finish_upload(self, session):
        with self.lock:
            if session.finished is None:
                session.finished = self.put(
                    session.bucket,
                    session.name,
                    bytes(session.data),
                    session.conditions,
                    session.expected_crc32c,
                    content_type=session.content_type,
                    metadata=session.metadata,
                )
            return session.finished

    def page(self, bucket, prefix="", delimiter="", after="", size=1000):
        """One page of a listing.

        Returns:
            The objects, the folded prefixes, and the token of the next page or None.
        """
        with self.lock:
            objects = self.bucket(bucket)
            entries = dict.fromkeys(
                _fold(name, prefix, delimiter)
                for name in sorted(objects)
                if name.startswith(prefix)
            )
            remaining = [entry for entry in entries if entry > after]
            shown = remaining[:size]
            token = shown[-1] if len(remaining) > size else None
            items = [objects[entry] for entry in shown if entry in objects]
            return items, [entry for entry in shown if entry not in objects], token


def _fold(name, prefix, delimiter):
    """Shortens a name to the first delimiter after the prefix, if there is one."""
    end = name.find(delimiter, len(prefix)) if delimiter else -1
    return name if end < 0 else name[: end + len(delimiter)]


def check_conditions(found, conditions, is_read=False):
    """Raises 412 (304 for a read that is up to date) if a precondition does not hold."""
    generation = found.generation if found else 0
    metageneration = found.metageneration if found else 0
    failed = ApiError(
        412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold."
    )
    for name, actual in (("Generation", generation), ("Metageneration", metageneration)):
        if int(conditions.get(f"if{name}Match", actual)) != actual:
            raise failed
        if f"if{name}NotMatch" in conditions and int(conditions[f"if{name}NotMatch"]) == actual:
            raise ApiError(304, "notModified", "not modified") if is_read else failed
    wanted = int(conditions.get("generation", generation))
    if found is not None and wanted != generation:
        raise no_such_object(found.bucket, found.name)
