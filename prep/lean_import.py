"""TensorFlow without Keras 3, which it imports only to learn in which folder it lies.

That takes two of the seven seconds of an import, with matplotlib, scikit-learn and scipy; models
here are of `tf_keras`. While TensorFlow is imported, empty modules stand for the two packages that
it asks for; afterwards `import keras` finds Keras 3 as ever.

`adapters_tf.lean_import` has the same rules; a test holds the two copies together.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

_KERAS, _ITS_TENSORFLOW_PART = "keras", "keras._tf_keras"


class _LoaderOfTensorFlow(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Import TensorFlow, and take away what stood for Keras meanwhile."""
        stands_for = _stand_in()
        sys.modules.update(stands_for)
        try:
            super().exec_module(module)
        finally:
            for name, one in stands_for.items():
                if sys.modules.get(name) is one:
                    del sys.modules[name]


class _FinderOfTensorFlow:
    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find TensorFlow, to be imported by the loader above; nothing else."""
        if name != "tensorflow" or _KERAS in sys.modules:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = _LoaderOfTensorFlow(name, spec.loader.path)
        return spec


def import_without_keras_3() -> None:
    """Let TensorFlow be imported without Keras 3, whoever does it; call before."""
    if _FinderOfTensorFlow not in sys.meta_path and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _FinderOfTensorFlow)


def _stand_in() -> dict[str, ModuleType]:
    """Make what stands for Keras 3; nothing where it is not installed."""
    found = PathFinder.find_spec(_KERAS)
    if found is None or not found.submodule_search_locations:
        return {}
    folders = [str(Path(folder, "_tf_keras")) for folder in found.submodule_search_locations]
    keras, part = ModuleType(_KERAS), ModuleType(_ITS_TENSORFLOW_PART)
    keras.__path__, part.__path__ = [], folders
    return {_KERAS: keras, _ITS_TENSORFLOW_PART: part}
