"""How far a run is whose weights are scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from adapters_tf.runs.checkpoints import BEST_FILE, list_checkpoints
from adapters_tf.runs.config import CHECKPOINTS
from adapters_tf.runs.settings import ResolvedTraining
from eval.report.page.run_files import LOG_FILE, read_log

_MOST_NAMED = 8  # tasks whose own steps are said


def describe_weights(
    run: Path,
    training: ResolvedTraining,
    checkpoint: str,
    step: int,
    own_steps: Mapping[str, int] = MappingProxyType({}),
) -> str:
    """Say which weights are scored, and of a run that has not come to its end, how far it is.

    Args:
        run: The run folder on this machine.
        training: Of the run's settings.
        checkpoint: `best`, `last` or `none`.
        step: Of the weights.
        own_steps: Of tasks whose own weights are of another step.

    Returns:
        Such as "scoring the best checkpoint, of step 100; the run is not finished: 120 of 150
        steps".
    """
    if checkpoint == "none":
        return "scoring the model as it was before training"
    has_best = bool(list_checkpoints(run / CHECKPOINTS["best"]))
    name = "last" if checkpoint == "best" and not has_best else checkpoint
    said = f"scoring the {name} checkpoint, of step {step:,}"
    if name != checkpoint and (run / BEST_FILE).exists():
        said += f", for the best one that {BEST_FILE} is of is not there"
    if others := {task: own for task, own in own_steps.items() if own != step}:
        named = [f"{task} {own:,}" for task, own in list(others.items())[:_MOST_NAMED]]
        more = f" and {len(others) - _MOST_NAMED} more" * (len(others) > _MOST_NAMED)
        said += f", and of tasks' own best steps: {', '.join(named)}{more}"
    reached = [number for number, _ in list_checkpoints(run / CHECKPOINTS["last"])]
    last = training.steps
    if not reached or reached[0] >= last or _was_stopped(run, training.patience):
        return said
    return f"{said}; the run is not finished: {reached[0]:,} of {last:,} steps"


def _was_stopped(run: Path, patience: int) -> bool:
    """Tell whether so many validations without a better one have ended a run early."""
    file = run / BEST_FILE
    if not patience or not file.exists():
        return False
    best = json.loads(file.read_text(encoding="utf-8")).get("step", 0)
    validations = [line for line in read_log(run / LOG_FILE) if line.get("kind") == "validation"]
    return sum(line["step"] > best for line in validations) >= patience
