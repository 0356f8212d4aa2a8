"""The run folder: its resolved config.yaml, its metrics.jsonl and its TensorBoard logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapters_tf.runs.config import CONFIG_FILE, read_config
from adapters_tf.runs.provenance import PROVENANCE, find_commit, list_versions
from prep.storage.durable_files import write_atomically
from trainer.settings.checks import check_same_run


def open_run(resolved: Mapping[str, Any]) -> Path:
    """Create the run folder, or check that it belongs to the same configuration.

    Args:
        resolved: From `resolve`.

    Returns:
        The run folder.

    Raises:
        UsageError: The folder is of another configuration.
    """
    folder = Path(resolved["run"])
    if (folder / CONFIG_FILE).exists():
        old = read_config(folder)
        check_same_run(
            {key: old[key] for key in old if key not in PROVENANCE}, resolved, folder.name
        )
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    provenance = {"commit": find_commit(), "versions": list_versions()}
    text = yaml.safe_dump({**resolved, **provenance}, sort_keys=False, allow_unicode=True)
    write_atomically(folder / CONFIG_FILE, text.encode())
    return folder
