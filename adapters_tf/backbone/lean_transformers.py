"""TFT5, imported without a second search through the source files of transformers' 400 models.

transformers reads them all for the names in them when it is imported, and once more when the first
model is, as the folder has another name then: 0.4 of the 11 seconds from the command to a step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.utils import import_utils

_SEARCH = "create_import_structure_from_path"


def _of_folder(path: str) -> Any:
    """Search as transformers does, which remembers what it found by the `Path` it was given."""
    return _search(Path(path) if Path(path).is_dir() else Path(path).parent)


_search = getattr(import_utils, _SEARCH)
setattr(import_utils, _SEARCH, _of_folder)
try:
    from transformers.models.t5 import modeling_tf_t5
finally:
    setattr(import_utils, _SEARCH, _search)

__all__ = ["modeling_tf_t5"]
