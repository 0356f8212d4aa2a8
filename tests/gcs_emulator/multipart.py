"""The bodies of multipart/related uploads: a JSON part that describes, and a part of content.

The standard library's e-mail parser is no help: gsutil quotes its boundary with apostrophes and
ends all lines with bare line feeds, so that a carriage return before one belongs to the content.
"""

import json
import re

from tests.gcs_emulator.store import ApiError

_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|'([^']+)'|([^;\s]+))")
_CONTENT_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def parse_related(content_type, body):
    """Takes an upload's body apart.

    Returns:
        The object's attributes, the type of its content, and the content.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ApiError(400, "invalid", f"no boundary in {content_type!r}")
    boundary = b"--" + next(group for group in found.groups() if group).encode()
    newline = b"\r\n" if body.startswith(boundary + b"\r\n") else b"\n"
    opening, *parts, _ = (newline + body).split(newline + boundary)
    if opening or len(parts) != 2:
        raise ApiError(400, "invalid", f"{len(parts)} parts instead of 2")
    (_, description), (headers, content) = (_split_part(part, newline) for part in parts)
    kind = _CONTENT_TYPE.search(headers)
    return (
        json.loads(description),
        kind[1].decode().strip() if kind else "application/octet-stream",
        content,
    )


def _split_part(part, newline):
    headers, blank, content = part.partition(newline * 2)
    if not blank:
        raise ApiError(400, "invalid", "a part without headers")
    return headers, content
