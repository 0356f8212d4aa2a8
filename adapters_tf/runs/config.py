"""A run folder's config.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapters_tf.errors import WeightsError

CONFIG_FILE = "config.yaml"


CHECKPOINTS = {"best": "best", "last": "checkpoints"}


def without_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the same model without the files its start was read from, which may be gone.

    Args:
        config: Of a run.

    Returns:
        Task embeddings out of a file are `fixed` ones; the checkpoint brings them.
    """
    settings = {
        method: {**fields, "task_embeddings": "fixed"}
        if fields.get("task_embeddings", "learned") != "learned"
        else fields
        for method, fields in config["adapters"]["settings"].items()
    }
    return {**config, "adapters": {**config["adapters"], "settings": settings}}


def read_config(directory: str | Path) -> dict[str, Any]:
    """Read a run folder's config.yaml.

    Args:
        directory: The run folder.

    Returns:
        Its settings.

    Raises:
        WeightsError: There is none, or it cannot be parsed.
    """
    file = Path(directory) / CONFIG_FILE
    if not file.is_file():
        raise WeightsError(f"{directory} is no run folder: it holds no {CONFIG_FILE}")
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise WeightsError(f"{file} cannot be parsed: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict) or "adapters" not in config:
        raise WeightsError(f"{file} does not describe a run")
    if "settings" not in config["adapters"]:
        raise WeightsError(f"{file} was written by an earlier version; train the run again")
    for added_later in ("start_from", "nearest_by"):
        config["adapters"].setdefault(added_later, "")
    return config
