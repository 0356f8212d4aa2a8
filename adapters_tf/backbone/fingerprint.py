"""What a backbone is, whatever it is called and wherever it lies: a digest of what it computes."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adapters_tf.backbone.loading import local_folder, open_tensors, tensor_files
from adapters_tf.backbone.model_config import CONFIG_FILE
from adapters_tf.backbone.presets import PRESETS
from adapters_tf.files.json_objects import read_json_object

# Fields of config.json that say who wrote it and how.
_ABOUT = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


def backbone_digest(
    name_or_path: str,
    *,
    vocabulary_size: int = 0,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> str:
    """Compute the digest of a backbone's weights and configuration.

    Args:
        name_or_path: As `load_backbone`; a hub model is fetched.
        vocabulary_size: Of a preset, as `load_backbone`; a checkpoint has its own.
        overrides: Of a preset, as `load_backbone`.
        seed: Of a preset's random weights.

    Returns:
        Hexadecimal SHA-256, the same however the tensors are shared out among files; of a preset,
        whose weights are not there to be read, of all that they are drawn from.

    Raises:
        ConfigurationError: No such preset, folder or hub model.
        WeightsError: A checkpoint that can't be read.
    """
    if name_or_path in PRESETS:
        drawn = [PRESETS[name_or_path], vocabulary_size, dict(overrides or {}), seed]
        return hashlib.sha256(json.dumps(drawn, sort_keys=True).encode()).hexdigest()
    folder = local_folder(name_or_path)
    files = (folder / CONFIG_FILE, *tensor_files(folder))
    states = [file.stat() for file in files if file.is_file()]
    return _digest(folder, tuple((state.st_mtime_ns, state.st_size) for state in states))


@functools.lru_cache(maxsize=8)
def _digest(folder: Path, states: tuple[tuple[int, int], ...]) -> str:
    """Read everything, once as long as the files stay what they are."""
    fields = read_json_object(folder / CONFIG_FILE)
    told = {name: value for name, value in fields.items() if name not in _ABOUT}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    with open_tensors(tensor_files(folder), folder) as tensors:
        for name in sorted(tensors):
            tensor = np.ascontiguousarray(tensors[name])
            digest.update(f"{name}{tensor.dtype}{tensor.shape}".encode())
            digest.update(tensor.view(np.uint8).data if tensor.size else b"")
    return digest.hexdigest()
