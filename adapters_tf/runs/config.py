"""A run folder's config.yaml: its resolved settings, and which code made it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from adapters_tf.errors import WeightsError
from adapters_tf.runs.settings import PROVENANCE, ResolvedRun, parse_settings

CONFIG_FILE = "config.yaml"
_MOST_NAMED = 3  # runs in a message
CHECKPOINTS = {"best": "best", "last": "checkpoints"}


def read_config(directory: str | Path) -> ResolvedRun:
    """Read a run folder's config.yaml.

    Args:
        directory: The run folder.

    Returns:
        Its settings.

    Raises:
        WeightsError: There is none, it cannot be parsed, or it does not describe a run.
    """
    file = Path(directory) / CONFIG_FILE
    if not file.is_file():
        within = list_runs(Path(directory))
        hint = f"; {', '.join(within[:_MOST_NAMED])} {'do' if within[1:] else 'does'}"
        raise WeightsError(
            f"{directory} is no run folder: it holds no {CONFIG_FILE}" + hint * bool(within)
        )
    tree = _read_tree(file)
    if not isinstance(tree.get("adapters"), dict):
        raise WeightsError(f"{file} does not describe a run: it has no section adapters")
    return parse_settings(tree, str(file))


def list_runs(folder: Path) -> list[str]:
    """List the runs below a folder that is none itself, such as a sweep's.

    Args:
        folder: On this machine.

    Returns:
        Their folders; none of a run.
    """
    if (folder / CONFIG_FILE).exists():
        return []
    return sorted(str(file.parent) for file in folder.glob(f"*/{CONFIG_FILE}"))


def read_provenance(directory: str | Path) -> dict[str, Any]:
    """Read which code and libraries made a run.

    Args:
        directory: The run folder.

    Returns:
        By `PROVENANCE`, what its config.yaml says.

    Raises:
        WeightsError: It cannot be parsed.
    """
    tree = _read_tree(Path(directory) / CONFIG_FILE)
    return {name: tree[name] for name in PROVENANCE if name in tree}


def _read_tree(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise WeightsError(f"{file} cannot be parsed: {' '.join(str(error).split())}") from error
    return tree if isinstance(tree, dict) else {}


def config_text(settings: ResolvedRun, provenance: Mapping[str, Any] | None = None) -> str:
    """Word a config.yaml.

    Args:
        settings: Of the run.
        provenance: By `PROVENANCE`, which code and libraries made it.

    Returns:
        YAML.
    """
    tree = {**settings.as_dict(), **(provenance or {})}
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
