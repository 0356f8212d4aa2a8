"""The trained adapters a run is built on, kept in its own folder.

A run that fuses or stacks adapters of another copies them when it starts, so that it can be
resumed, scored and moved whatever becomes of the other one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.methods.trained.folders import find_task_folders

FROZEN_FOLDER = "frozen"
FUSION, STACK = "fusion", "stack_on"
_STACK_KEYS = ("of", "task")


def list_sources(adapters: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Find which parts of a run's settings name trained adapters.

    Args:
        adapters: The section `adapters` of a run's config.

    Returns:
        Settings with `of`, by `fusion` or `stack_on`.

    Raises:
        ConfigurationError: `stack_on` says something unknown, or nothing goes on top.
    """
    sources: dict[str, Mapping[str, Any]] = {}
    if FUSION in [name.strip() for name in adapters["method"].split(",")]:
        sources[FUSION] = adapters["settings"].get(FUSION, {})
    if adapters.get(STACK):
        if adapters["method"] == "none":
            raise ConfigurationError(
                "adapters.stack_on needs adapters to put on top, and adapters.method is 'none'"
            )
        sources[STACK] = adapters[STACK]
        for key in sources[STACK]:
            if key not in _STACK_KEYS:
                raise ConfigurationError(
                    f"adapters.stack_on has no setting {key!r}; {suggest(key, _STACK_KEYS)}"
                )
    return sources


def with_sources(
    adapters: Mapping[str, Any], places: Mapping[str, str | list[str]]
) -> dict[str, Any]:
    """Say anew where the trained adapters are.

    Args:
        adapters: The section `adapters` of a run's config.
        places: What `of` shall be, by `fusion` or `stack_on`.

    Returns:
        A changed copy.
    """
    changed = {**adapters, "settings": dict(adapters["settings"])}
    for name, source in list_sources(adapters).items():
        moved = {**source, "of": places.get(name, source.get("of", ""))}
        if name == FUSION:
            changed["settings"][FUSION] = moved
        else:
            changed[STACK] = moved
    return changed


def use_kept_sources(adapters: Mapping[str, Any], directory: Path | None) -> dict[str, Any]:
    """Read trained adapters from a run's own folder, where it has them.

    Args:
        adapters: The section `adapters` of its config.
        directory: The run folder; None for none.

    Returns:
        A changed copy.
    """
    kept = {
        name: str(directory / FROZEN_FOLDER / name)
        for name in list_sources(adapters)
        if directory is not None and (directory / FROZEN_FOLDER / name).is_dir()
    }
    return with_sources(adapters, kept)


def keep_sources(adapters: Mapping[str, Any], directory: Path) -> None:
    """Copy the trained adapters of a run into its folder, unless they are there.

    Args:
        adapters: The section `adapters` of its config.
        directory: The run folder.
    """
    for name, source in list_sources(adapters).items():
        target = directory / FROZEN_FOLDER / name
        if target.is_dir():
            continue
        partial = target.with_name(target.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        of = source["of"]
        found = find_task_folders((of,) if isinstance(of, str) else of)
        named = source.get("tasks") or [source.get("task") or None]
        for task, folder in found.items():
            if task in named or named == [None]:
                shutil.copytree(folder, partial / task)
        partial.rename(target)


def hand_on_sources(origin: Path, directory: Path) -> None:
    """Copy the trained adapters that one run keeps into the folder of a run made of it.

    Args:
        origin: The run that has them, if it is built on any.
        directory: The other run folder.
    """
    if (origin / FROZEN_FOLDER).is_dir():
        shutil.copytree(origin / FROZEN_FOLDER, directory / FROZEN_FOLDER)
