"""What a run reads, known by what it holds and not by where it lies.

A run may go on from anywhere: its folder, the dataset, the backbone and the adapters it was built
on may all have been moved. What they hold must be what it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from adapters_tf import ConfigurationError, WeightsError
from adapters_tf.backbone.presets import PRESETS
from adapters_tf.files.adapter_files import CONFIG_FILE, WEIGHTS_FILE
from adapters_tf.methods import method_class
from adapters_tf.methods.trained.folders import find_task_folders
from adapters_tf.runs.loading import digest_of_backbone
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runs.sources import STACK, list_sources
from prep import Manifest
from prep.dataset.digests import task_digest

BACKBONE, DATASET = "model.backbone", "dataset"


def with_fingerprints(settings: ResolvedRun, manifest: Manifest) -> ResolvedRun:
    """Note what a run reads.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Returns:
        A copy with `fingerprints`; what is not there has none, for others to refuse.
    """
    data = settings.data
    prints = {BACKBONE: digest_of_backbone(settings)}
    for task in settings.tasks:
        splits = (data.train_split, data.validation_split)
        prints[f"{DATASET}.{task}"] = task_digest(manifest.task(task), splits)
    for name, place in list_places(settings):
        prints[name] = _digest_of(place)
    return replace(settings, fingerprints={name: one for name, one in prints.items() if one})


def list_places(settings: ResolvedRun) -> Iterator[tuple[str, str | list[str]]]:
    """List the trained adapters and files that a run reads when it begins, and then no more.

    Args:
        settings: Of the run.

    Yields:
        The setting, and the place or places it names.
    """
    adapters = settings.adapters
    if isinstance(adapters.start_from, dict):
        for task, folder in adapters.start_from.items():
            yield f"adapters.start_from.{task}", folder
    elif adapters.start_from:
        yield "adapters.start_from", adapters.start_from
    if adapters.nearest_by:
        yield "adapters.nearest_by", adapters.nearest_by
    for name, source in list_sources(adapters).items():
        section = f"adapters.{STACK}" if name == STACK else f"adapters.settings.{name}"
        yield f"{section}.of", source.get("of", "")
    for method, fields in adapters.settings.items():
        without = method_class(method).without_files(fields)
        for name, value in fields.items():
            if value != without.get(name):
                yield f"adapters.settings.{method}.{name}", value


def _digest_of(place: str | list[str]) -> str:
    """Compute the digest of adapters' folders or of a file; empty for what is not there."""
    places = [place] if isinstance(place, str) else place
    digest = hashlib.sha256()
    try:
        if len(places) == 1 and Path(places[0]).is_file():
            return hashlib.sha256(Path(places[0]).read_bytes()).hexdigest()
        found = find_task_folders(places)
        for name, folder in sorted(found.items()):
            if len(found) > 1:  # one by itself may have another name
                digest.update(name.encode())
            for file in (CONFIG_FILE, WEIGHTS_FILE):
                digest.update(hashlib.sha256((folder / file).read_bytes()).digest())
    except (ConfigurationError, WeightsError, OSError):
        return ""
    return digest.hexdigest()


def changed_inputs(old: ResolvedRun, new: ResolvedRun) -> list[str]:
    """Find what a run would read that is not what it read before.

    Args:
        old: What the run folder's config holds.
        new: What is asked for now.

    Returns:
        A phrase for each.
    """
    problems = []
    read_at_start = dict(list_places(new))
    was_at_start = dict(list_places(old))
    for name, known in old.fingerprints.items():
        if name in was_at_start and read_at_start.get(name) == was_at_start[name]:
            continue  # it is in the run folder now, whatever became of the original
        if name == BACKBONE and old.model.backbone == new.model.backbone in PRESETS:
            continue  # the settings that its weights are drawn from are compared themselves
        if new.fingerprints.get(name) != known:
            problems.append(_describe(name, old, new))
    return problems


def _describe(name: str, old: ResolvedRun, new: ResolvedRun) -> str:
    if name == BACKBONE:
        return f"{name}: {new.model.backbone} is another T5 than {old.model.backbone} was"
    if name.startswith(f"{DATASET}."):
        task = name.partition(".")[2]
        return f"{DATASET}: {new.dataset} has other examples of {task!r} than {old.dataset} had"
    was, now = dict(list_places(old)).get(name), dict(list_places(new)).get(name)
    return f"{name} was {was!r}, now {now!r}, which holds something else"
