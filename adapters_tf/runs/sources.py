"""The trained adapters a run is built on, kept in its own folder.

A run that fuses or stacks adapters of another copies them when it starts, so that it can be
resumed, scored and moved whatever becomes of the other one.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.files.whole_folder import replaced_folder
from adapters_tf.methods import method_class, split_methods
from adapters_tf.methods.trained.folders import choose_task_folders
from adapters_tf.runs.sections import AdapterConfig

FROZEN_FOLDER = "frozen"
STACK = "stack_on"
_STACK_KEYS = ("of", "task")


def list_sources(adapters: AdapterConfig) -> dict[str, Mapping[str, Any]]:
    """Find which parts of a run's settings name trained adapters.

    Args:
        adapters: Of the run.

    Returns:
        Settings with `of`, by the name of a method that is built on trained adapters, such as
        `fusion`, or by `stack_on`.

    Raises:
        ConfigurationError: `stack_on` says something unknown, or nothing goes on top.
    """
    sources: dict[str, Mapping[str, Any]] = {
        name: adapters.settings.get(name, {})
        for name in split_methods(adapters.method)
        if method_class(name).is_built_on_trained
    }
    if adapters.stack_on:
        if adapters.method == "none":
            raise ConfigurationError(
                "adapters.stack_on needs adapters to put on top, and adapters.method is 'none'"
            )
        sources[STACK] = adapters.stack_on
        for key in sources[STACK]:
            if key not in _STACK_KEYS:
                raise ConfigurationError(
                    f"adapters.stack_on has no setting {key!r}; {suggest(key, _STACK_KEYS)}"
                )
    return sources


def with_sources(adapters: AdapterConfig, places: Mapping[str, str | list[str]]) -> AdapterConfig:
    """Say anew where the trained adapters are.

    Args:
        adapters: Of the run.
        places: What `of` shall be, named as `list_sources` does.

    Returns:
        A changed copy.
    """
    moved = {
        name: {**source, "of": places.get(name, source.get("of", ""))}
        for name, source in list_sources(adapters).items()
    }
    stack = moved.pop(STACK, adapters.stack_on)
    return replace(adapters, settings={**adapters.settings, **moved}, stack_on=stack)


def use_kept_sources(adapters: AdapterConfig, directory: Path | None) -> AdapterConfig:
    """Read trained adapters from a run's own folder, where it has them.

    Args:
        adapters: Of the run.
        directory: The run folder; None for none.

    Returns:
        A changed copy.
    """
    kept: dict[str, str | list[str]] = {
        name: str(directory / FROZEN_FOLDER / name)
        for name in list_sources(adapters)
        if directory is not None and (directory / FROZEN_FOLDER / name).is_dir()
    }
    return with_sources(adapters, kept)


def check_sources(adapters: AdapterConfig) -> None:
    """Make sure that the trained adapters a run is built on are there, before anything is read.

    Args:
        adapters: Of a run that has no copies of them yet.

    Raises:
        ConfigurationError: Nothing was named, or no such task.
        WeightsError: There are no trained adapters in a folder.
    """
    for source in list_sources(adapters).values():
        choose_task_folders(source.get("of", ""), _named_tasks(source))


def _named_tasks(source: Mapping[str, Any]) -> tuple[str, ...]:
    """List the adapters that a source names; none for all of them."""
    return tuple(source.get("tasks") or ()) or tuple(filter(None, [source.get("task")]))


def keep_sources(adapters: AdapterConfig, directory: Path) -> None:
    """Copy the trained adapters of a run into its folder, unless they are there.

    Args:
        adapters: Of the run.
        directory: The run folder.
    """
    for name, source in list_sources(adapters).items():
        target = directory / FROZEN_FOLDER / name
        if target.is_dir():
            continue
        chosen = choose_task_folders(source["of"], _named_tasks(source))
        with replaced_folder(target) as partial:
            for task, folder in chosen.items():
                shutil.copytree(folder, partial / task)


def hand_on_sources(origin: Path, directory: Path) -> None:
    """Copy the trained adapters that one run keeps into the folder of a run made of it.

    Args:
        origin: The run that has them, if it is built on any.
        directory: The other run folder.
    """
    if (origin / FROZEN_FOLDER).is_dir():
        shutil.copytree(origin / FROZEN_FOLDER, directory / FROZEN_FOLDER)
