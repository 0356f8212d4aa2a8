"""What the manifest says before a row was encoded, and how it differs from one that is there."""

import dataclasses
import importlib.metadata
from collections.abc import Mapping, Sequence

from prep.build.options import BuildOptions
from prep.dataset.entries import PackingEntry, TaskEntry, VocabularyEntry
from prep.dataset.manifest import SCHEMA_VERSION, VOCABULARY_FILE, Manifest
from prep.splits.plan import TaskPlan
from prep.tasks.digest import definition_digest
from prep.tasks.task import Task
from prep.tokens.label_words import check_label_words
from prep.tokens.vocabulary import Vocabulary

_VERSIONED_LIBRARIES = ("numpy", "sentencepiece")  # the ones that decide bytes


def plan_entry(task: Task, vocabulary: Vocabulary, max_target_length: int) -> TaskEntry:
    """Gather what the manifest says of a task that is known before its rows are found.

    Args:
        task: The task.
        vocabulary: Turns its label words into token ids.
        max_target_length: Tokens, EOS included.

    Returns:
        The entry, without sources, notes and splits.

    Raises:
        DataError: If label words cannot be told apart or written back.
    """
    words = task.label_words
    length = min(max_target_length, task.max_target_length or 1 << 30)
    check_label_words(words or tuple(filter(None, (task.no_answer,))), vocabulary, length)
    return TaskEntry(
        name=task.name,
        kind=task.kind,
        label_words=words,
        label_token_ids=tuple(tuple(vocabulary.encode(word)) for word in words),
        metrics=task.metrics,
        decoding_length=0,
        mixture_size=0,
        splits={},
        definition=definition_digest(task),
        truncation=task.truncation,
        language=task.language,
        no_answer=task.no_answer,
        choices=len(words) if task.choices else 0,
    )


def plan_manifest(
    options: BuildOptions,
    vocabulary: Vocabulary,
    plans: Sequence[TaskPlan],
    entries: Mapping[str, TaskEntry],
) -> Manifest:
    """Gather everything of the manifest that is known before a row is encoded.

    Args:
        options: What was asked for.
        vocabulary: The vocabulary.
        plans: The tasks that can be built.
        entries: What `plan_entry` says of them, by name.

    Returns:
        The manifest, of which the splits are still to come.
    """
    return Manifest(
        schema_version=SCHEMA_VERSION,
        vocabulary=VocabularyEntry(
            VOCABULARY_FILE,
            vocabulary.sha256,
            vocabulary.size,
            vocabulary.extra_ids,
            vocabulary.blank_after_sentinels,
        ),
        max_input_length=options.max_input_length,
        max_target_length=options.max_target_length,
        packing=_planned_packing(options),
        shard_records=options.shard_records,
        tasks={
            plan.task.name: dataclasses.replace(
                entries[plan.task.name], sources=plan.sources, notes=plan.notes
            )
            for plan in plans
        },
        library_versions={name: importlib.metadata.version(name) for name in _VERSIONED_LIBRARIES},
        format=options.format,
    )


def _planned_packing(options: BuildOptions) -> PackingEntry | None:
    if not options.pack:
        return None
    return PackingEntry(
        options.max_input_length, options.pack_target_length, options.pack_target_length
    )


def _asked_for(manifest: Manifest) -> set[str]:
    return {*manifest.tasks, *manifest.failed}


def _packing_options(manifest: Manifest) -> tuple[int, int] | None:
    packing = manifest.packing
    return None if packing is None else (packing.input_length, packing.asked_target_length)


def list_differences(planned: Manifest, existing: Manifest) -> list[str]:
    """Name what a planned build would do otherwise than the one that is there."""
    names = ["vocabulary", "max_input_length", "max_target_length", "shard_records"]
    names += ["library_versions", "format"]
    different = [name for name in names if getattr(planned, name) != getattr(existing, name)]
    if _packing_options(planned) != _packing_options(existing):
        different.append("packing")
    if _asked_for(planned) != _asked_for(existing):
        return [*different, "tasks"]
    different += [f"sources of {task}" for task in existing.tasks if task in planned.failed]
    per_task = ["kind", "label_words", "metrics", "sources", "definition", "truncation", "notes"]
    per_task += ["language"]
    both = [task for task in planned.tasks if task in existing.tasks]
    for task, name in ((task, name) for task in both for name in per_task):
        if getattr(planned.tasks[task], name) != getattr(existing.tasks[task], name):
            different.append(f"{name} of {task}")
    return different
