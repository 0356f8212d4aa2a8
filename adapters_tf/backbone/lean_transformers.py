"""TFT5, imported without what transformers loads beside it, a second of ten from command to step.

transformers reads the source of its 400 models for the names in them when it is imported, and once
more when the first model is, as the folder has another name then; and it loads scikit-learn and
scipy for metrics that it calls obsolete and that nothing here uses. These load them when called.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers.utils import import_utils

_SEARCH, _HAS_SKLEARN = "create_import_structure_from_path", "_sklearn_available"
_OF_METRICS = {
    "pearsonr": "scipy.stats",
    "spearmanr": "scipy.stats",
    "f1_score": "sklearn.metrics",
    "matthews_corrcoef": "sklearn.metrics",
}


def _of_folder(path: str) -> Any:
    """Search as transformers does, which remembers what it found by the `Path` it was given."""
    return _search(Path(path) if Path(path).is_dir() else Path(path).parent)


def _later(module: str, name: str) -> Callable[..., Any]:
    """Make a function that looks for the one it stands for when it is called."""
    return lambda *values, **named: getattr(import_module(module), name)(*values, **named)


_search, _has_sklearn = getattr(import_utils, _SEARCH), getattr(import_utils, _HAS_SKLEARN)
setattr(import_utils, _SEARCH, _of_folder)
setattr(import_utils, _HAS_SKLEARN, False)
try:
    from transformers.data import metrics
    from transformers.models.t5 import modeling_tf_t5
finally:
    setattr(import_utils, _SEARCH, _search)
    setattr(import_utils, _HAS_SKLEARN, _has_sklearn)
for _name, _module in _OF_METRICS.items():
    if not hasattr(metrics, _name):
        setattr(metrics, _name, _later(_module, _name))

__all__ = ["modeling_tf_t5"]
