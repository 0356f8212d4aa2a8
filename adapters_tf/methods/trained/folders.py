"""Trained adapters, found and read back from the folders of earlier runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER, CONFIG_FILE, read_settings, read_task
from adapters_tf.methods.bottleneck import BottleneckConfig
from adapters_tf.methods.compacter import CompacterConfig
from adapters_tf.methods.method import training_only_fields
from adapters_tf.methods.trained.adapters import TrainedAdapters
from adapters_tf.methods.trained.dense_compacter import dense_settings, dense_tensors

RUN_CONFIG = "config.yaml"  # of a run folder
COMPOSABLE: Mapping[str, type] = {"bottleneck": BottleneckConfig, "compacter": CompacterConfig}


def read_trained(of: str | Sequence[str], tasks: Sequence[str] = ()) -> TrainedAdapters:
    """Read trained adapters.

    Args:
        of: A run folder, a folder of task folders, or a task folder; or several of these.
        tasks: Names of the adapters to take; all by default.

    Returns:
        The adapters, ordered by name.

    Raises:
        ConfigurationError: Nothing was named, no such task, one name twice, or adapters that are
            no bottlenecks, or differ in their settings.
        WeightsError: A folder holds no adapter, or a torn one.
    """
    chosen = choose_task_folders(of, tasks)
    described = {task: read_settings(folder) for task, folder in chosen.items()}
    settings = {task: _read_method(chosen[task], described[task]) for task in chosen}
    _check_alike(settings)
    digests = {described[task].get("frozen_digest") for task in chosen}
    if len(digests) > 1:
        raise ConfigurationError(
            f"the adapters of {', '.join(chosen)} were trained on different frozen adapters"
        )
    tensors = {task: read_task(folder) for task, folder in chosen.items()}
    method = next(iter(settings.values()))
    if isinstance(method, CompacterConfig):
        tensors = {task: dense_tensors(own, method) for task, own in tensors.items()}
        method = dense_settings(method)
    return TrainedAdapters(method, tensors, digests.pop())


def choose_task_folders(of: str | Sequence[str], tasks: Sequence[str] = ()) -> dict[str, Path]:
    """Find the folders of trained adapters, without reading them.

    Args:
        of: As `read_trained`.
        tasks: Names of the adapters to take; all by default.

    Returns:
        Task folders by name, ordered by it.

    Raises:
        ConfigurationError: Nothing was named, no such task, or one name twice.
        WeightsError: There is no adapter in a folder.
    """
    places = (of,) if isinstance(of, str) else of
    found = find_task_folders(places)
    for folder in map(Path, places):
        refuse_cut_off(folder, tasks)
    for task in tasks:
        if task not in found:
            raise ConfigurationError(f"{of} has no adapter {task!r}; {suggest(task, found)}")
    return {task: found[task] for task in sorted(tasks or found)}


def find_task_folders(of: Sequence[str]) -> dict[str, Path]:
    """Find the task folders below run folders, and folders of task folders.

    Args:
        of: Those folders; a task folder stands for itself.

    Returns:
        Task folders by name.

    Raises:
        ConfigurationError: No folder was named, or two adapters have one name.
        WeightsError: There is no adapter in one of them.
    """
    found: dict[str, Path] = {}
    if not [name for name in of if name]:
        raise ConfigurationError("`of` is missing: name the run whose trained adapters to take")
    for folder in map(Path, of):
        inside = folder / ADAPTERS_FOLDER if (folder / ADAPTERS_FOLDER).is_dir() else folder
        own = [folder] if (folder / CONFIG_FILE).is_file() else []
        # A hidden folder is what a program that was killed had begun to write.
        own = own or sorted(file.parent for file in inside.glob(f"[!.]*/{CONFIG_FILE}"))
        if not own:
            raise WeightsError(f"{folder} holds no trained adapters; train that run to its end")
        for task_folder in own:
            if task_folder.name in found:
                raise ConfigurationError(
                    f"{found[task_folder.name]} and {task_folder} have one name; rename a folder"
                )
            found[task_folder.name] = task_folder
    return found


def refuse_cut_off(run: Path, tasks: Sequence[str] = ()) -> None:
    """Refuse a run whose adapters were not all written, where those that lack are wanted.

    Args:
        run: A run folder; any other is left alone.
        tasks: Those that are wanted; none for all that the run has.

    Raises:
        WeightsError: Adapters lack.
    """
    file = run / RUN_CONFIG
    if not file.is_file():
        return
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return  # whoever reads the run says so
    own = tree.get("tasks") if isinstance(tree, dict) else None
    present = {path.parent.name for path in (run / ADAPTERS_FOLDER).glob(f"[!.]*/{CONFIG_FILE}")}
    missing = [
        str(task) for task in own or () if task not in present and (not tasks or task in tasks)
    ]
    if missing:
        raise WeightsError(
            f"{run} holds no adapters of {', '.join(missing)}: its training or export was cut off; "
            "the same command of the trainer writes them"
        )


def _check_alike(settings: Mapping[str, Any]) -> None:
    first = next(iter(settings))
    for task, own in settings.items():
        if type(own) is not type(settings[first]):
            raise ConfigurationError(
                f"the adapters of {first!r} and {task!r} are of different methods"
            )
        for field in fields(own):
            values = getattr(settings[first], field.name), getattr(own, field.name)
            if field.name not in training_only_fields(type(own)) and values[0] != values[1]:
                raise ConfigurationError(
                    f"the adapters of {first!r} and {task!r} differ in {field.name}:"
                    f" {values[0]!r} and {values[1]!r}; compose adapters of the same settings"
                )


def _read_method(folder: Path, described: Mapping[str, Any]) -> BottleneckConfig | CompacterConfig:
    methods = described["methods"]
    name = next(iter(methods), "")
    if len(methods) != 1 or name not in COMPOSABLE:
        held = " and ".join(map(repr, methods)) or "no method"
        raise ConfigurationError(
            f"{folder} holds {held}; only the adapters of {', '.join(COMPOSABLE)} and their"
            " variants can be composed"
        )
    known = {field.name for field in fields(COMPOSABLE[name])} - {"reads_residual_stream"}
    given: dict[str, Any] = {}
    for field, value in methods[name].items():
        if field in known:
            given[field] = tuple(value) if isinstance(value, list) else value
        elif value:
            raise ConfigurationError(
                f"{folder} was trained with {field} = {value!r}, which cannot be composed"
            )
    if "reduction_factors" in given:  # JSON turned the numbers of the blocks into texts
        factors = given["reduction_factors"].items()
        given["reduction_factors"] = {int(block): factor for block, factor in factors}
    return COMPOSABLE[name](**given)
