"""JSON files that hold one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from adapters_tf.errors import WeightsError


def read_json_object(file: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        file: The file.

    Returns:
        The object.

    Raises:
        WeightsError: It is no JSON, or something else than an object.
        OSError: It cannot be read.
    """
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{file} is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise WeightsError(f"{file} should hold one JSON object")
    return fields
