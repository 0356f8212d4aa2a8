"""A run folder as a SavedModel folder, with what is known of it, for `export.json` beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text

from adapters_tf.errors import say_note
from adapters_tf.model.stored_matrices import store_matrices
from eval.decoding.answerer import way_of
from eval.predicting.asking import TextAnswerer, usual_start
from eval.serving.inputs import Limits
from eval.serving.model import ServedModel
from eval.serving.programs import Programs, ServedTask
from eval.serving.texts import TextVocabulary
from eval.serving.wording import Template, find_declared, longest_input, template_of
from eval.session import Session
from prep import Task, UsageError, read_split
from prep.tokens.truncation import MARKER_SENTINEL, TRUNCATIONS

VERSION = "1"  # the folder that TensorFlow Serving looks for
_SCORES = {
    "number": "the number itself",
    "head": "log-probability of the answer among the label words",
    "labels": "log-probability of the answer among the label words",
    "decoded": "log-probability of the answer's tokens; with beams over length ** length_penalty",
}


@dataclass(frozen=True)
class Planned:
    """The tasks of an export, before anything is traced.

    Attributes:
        tasks: In their order.
        templates: How they are worded, by task, where that is a template.
        starts: How their inputs begin, by task; empty where nothing is known.
    """

    tasks: tuple[ServedTask, ...]
    templates: Mapping[str, Template]
    starts: Mapping[str, str]


def plan_tasks(session: Session, names: Sequence[str], own_tasks: Mapping[str, Task]) -> Planned:
    """Find out how the tasks of a run are asked and answered.

    Args:
        session: The open run.
        names: The tasks.
        own_tasks: Declarations of a person's own, by name.

    Returns:
        The tasks.

    Raises:
        UsageError: The dataset does not say what the answers of a head mean.
    """
    answerer, manifest = session.evaluator.answerer, session.manifest
    tasks, templates, starts = [], {}, {}
    unworded: dict[str, list[str]] = {}
    for name in names:
        entry = TextAnswerer(session, name).entry
        way = way_of(entry, answerer.model, answerer.decoding)
        row = answerer.model.task_names.index(name)
        declared = find_declared(entry, manifest, own_tasks)
        limit = longest_input(entry, manifest, declared)
        tasks.append(ServedTask(entry, row, way, limit))
        template, why = template_of(declared)
        if template is None:
            unworded.setdefault(why, []).append(name)
        else:
            templates[name] = template
        if splits := [one for one in ("train", *entry.splits) if one in entry.splits]:
            table = read_split(session.dataset, manifest, name, splits[0])
            starts[name] = usual_start(table, session.vocabulary)
    for why, some in unworded.items():
        verb = "is" if len(some) == 1 else "are"
        say_note(f"{', '.join(some)} {verb} asked by text alone, and not by columns: {why}")
    return Planned(tuple(tasks), templates, starts)


def trace_run(session: Session, planned: Planned, stored: str) -> tuple[ServedModel, Any]:
    """Make the programs of an export; the run's model answers through the stored weights then.

    Args:
        session: The open run, on one device.
        planned: The tasks.
        stored: How matrices are stored.

    Returns:
        What can be saved, and its signatures, concrete functions by name.

    Raises:
        UsageError: The run is spread over several devices, or a task cannot be answered.
    """
    answerer, vocabulary = session.evaluator.answerer, session.vocabulary
    replicas = answerer.strategy.num_replicas_in_sync
    if replicas > 1:
        raise UsageError(f"a model is exported on one device, and {replicas} are in use here")
    model, tasks = answerer.model, planned.tasks
    matrices = store_matrices(model.backbone, stored)
    programs = Programs(model, tasks, TextVocabulary(vocabulary), answerer.decoding, matrices)
    limits = Limits(
        np.array([task.limit for task in tasks], np.int32),
        np.array([TRUNCATIONS.index(task.entry.truncation) for task in tasks], np.int32),
        vocabulary.sentinel_id(MARKER_SENTINEL) if vocabulary.extra_ids else vocabulary.unk_id,
    )
    served = ServedModel(programs, limits, answerer.input_length, planned.templates)
    variables = [*model.variables, *(one for matrix in matrices for one in matrix.variables)]
    return served, served.make_signatures(variables)


def describe_export(
    planned: Planned, signatures: Mapping[str, Any], source: Mapping[str, Any], stored: str
) -> dict[str, Any]:
    """Say what an export is, what it takes and what it returns.

    Args:
        planned: The tasks.
        signatures: Concrete functions by name.
        source: Where it comes from.
        stored: How matrices are stored.

    Returns:
        What `export.json` holds, without the check.
    """
    return {
        **source,
        "weights": stored,
        "versions": {
            "tensorflow": tf.__version__,
            "tensorflow_text": tensorflow_text.__version__,
        },
        "tasks": {
            task.entry.name: {
                "kind": task.entry.kind,
                "answered_by": task.way,
                "label_words": list(task.entry.label_words),
                "score": _SCORES["number" if _is_number(task) else task.way],
                "max_input_length": task.limit,
                "truncation": task.entry.truncation,
                "choices": task.entry.choices,
                "text_begins_with": planned.starts.get(task.entry.name, ""),
                "template": _as_text(planned.templates.get(task.entry.name)),
            }
            for task in planned.tasks
        },
        "signatures": {
            name: {
                "inputs": [
                    one.name for one in tf.nest.flatten(function.structured_input_signature)
                ],
                "outputs": sorted(function.structured_outputs),
            }
            for name, function in signatures.items()
        },
    }


def _is_number(task: ServedTask) -> bool:
    """Tell whether a head answers with a number."""
    return task.way == "head" and task.entry.kind == "regression"


def _as_text(template: Template | None) -> str | None:
    """Write a template as its task has it; None where there is none."""
    if template is None:
        return None
    first, *others = (part.replace("{", "{{").replace("}", "}}") for part in template.parts)
    names = (template.fields[place] for place in template.places)
    return first + "".join(f"{{{name}}}{part}" for name, part in zip(names, others, strict=True))
