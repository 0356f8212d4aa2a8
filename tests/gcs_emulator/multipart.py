"""The bodies of multipart/related uploads: a JSON part that describes, and a part of content.

The standard library's e-mail parser is no help: gsutil quotes its boundary with apostrophes and
ends part headers with bare line feeds, and content may hold any bytes.
"""

import json
import re

from tests.gcs_emulator.store import ApiError

_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|'([^']+)'|([^;\s]+))")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def parse_related(content_type, body):
    """Takes an upload's body apart.

    Returns:
        The object's attributes, the type of its content, and the content.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ApiError(400, "invalid", f"no boundary in {content_type!r}")
    boundary = next(group for group in found.groups() if group).encode()
    marks = re.compile(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|$)")
    ends = list(marks.finditer(body))
    if len(ends) < 3:
        raise ApiError(400, "invalid", f"{max(len(ends) - 1, 0)} parts instead of 2")
    (_, description), (headers, content) = (
        _split_part(body[ends[i].end() : ends[i + 1].start()]) for i in range(2)
    )
    kind = _CONTENT_TYPE.search(headers)
    return (
        json.loads(description),
        kind[1].decode() if kind else "application/octet-stream",
        content,
    )


def _split_part(part):
    blank = _HEADERS_END.search(part)
    if blank is None:
        raise ApiError(400, "invalid", "a part without headers")
    return part[: blank.start()], part[blank.end() :]
