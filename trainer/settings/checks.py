"""Refuse settings that cannot work, before data is read, a model is built or anything written."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from adapters_tf import read_methods
from adapters_tf.files.local_paths import local_path
from adapters_tf.methods import split_methods
from adapters_tf.runs.settings import ResolvedHeads, ResolvedRun, flatten_settings
from adapters_tf.runs.sources import check_sources
from adapters_tf.task_adapters.starting import choose_starts
from eval.metrics.registry import check_metrics
from prep import Manifest, UsageError, nearest
from prep.dataset.batches import DECODER_START_ID
from prep.dataset.manifest import MANIFEST_FILE
from prep.tasks.metrics import LESS_IS_BETTER
from trainer.optimizers.groups import GROUPS
from trainer.settings.batch_checks import (
    check_balancing,
    check_heads,
    check_lanes,
    check_shapes,
    check_weights,
)
from trainer.settings.choices import list_wrong_choices
from trainer.settings.config import DataConfig, RunConfig
from trainer.settings.durations import (
    SCHEDULE_STEPS,
    STEPS,
    asked_durations,
    asked_epochs,
    asked_lists,
)
from trainer.settings.extending import check_schedule, may_extend, why_not
from trainer.settings.inputs import changed_inputs
from trainer.settings.loss_scale import check_loss_scale
from trainer.settings.memory import SETTING as MEMORY_LIMIT
from trainer.settings.memory import check_limit, parse_limit
from trainer.settings.observing import check_observing
from trainer.settings.resolving import packed_lengths
from trainer.settings.workers import check_workers

_COLUMNS = 80
_SHOWN_DIFFERENCES = 8  # of settings, in a message
_VALUE_CHARACTERS = 60
_MOST = 2**31 - 1  # what counts in int32 can hold
_MOST_SEED = 2**32 - 1  # that NumPy's generators take
# What may change between the parts of one run: it does not reach what is learned, or, of the
# places, a fingerprint says that what lies there is the same.
MAY_CHANGE = (
    "run",
    "dataset",
    "training.log_every",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "training.validate_every",
    "training.validation_examples",
    "training.patience",
    "training.wait_for_space",
    # These act through training.steps alone.
    "training.epochs",
    "training.epochs_of",
    "training.gradient_checkpointing",
    "training.loss_chunk",
    "training.max_skipped_steps",
    "training.norms",
    "training.profile",
    "training.wandb",
    # Arithmetic in bfloat16 sees frozen matrices as it keeps them.
    "model.frozen_dtype",
    # These reach them by the rounding of sums alone, and replicas by dropout's masks too.
    "training.jit_compile",
    "training.steps_per_execution",
    "distribution.kind",
    "distribution.logical_devices",
)


def check_config(config: RunConfig) -> None:
    """Check every setting that needs neither data nor devices.

    Args:
        config: As the user wrote it.

    Raises:
        UsageError: The first thing that is wrong.
    """
    for option, value in (("--dataset", config.dataset), ("--run", config.run)):
        if not value:
            raise UsageError(f"{option} is missing: name the folder")
    if (local_path(config.run, "--run") / MANIFEST_FILE).exists():
        raise UsageError(f"--run {config.run} is a dataset folder; name another one")
    check_workers(config.distribution)
    if wrong := list_wrong_choices(config):
        raise UsageError(wrong[0])
    for group in config.optimizer.rates:
        _check_choice("optimizer.rates", group, GROUPS)
    parse_limit(config.data.memory_limit)
    check_observing(config)
    _check_numbers(config)


def _check_numbers(config: RunConfig) -> None:
    durations = {name: one.amount for name, one in asked_durations(config).items()}
    may_be_nought = ("optimizer.warmup_steps", "training.validate_every", "training.patience")
    asked_lists(config)
    epochs, steps = asked_epochs(config.training), config.training.steps
    positive = {
        **{name: one for name, one in durations.items() if name not in may_be_nought},
        STEPS: steps if isinstance(steps, int) else epochs,
        "training.tasks_per_step": config.training.tasks_per_step,
        "balancing.rate": config.balancing.rate,
        "balancing.alpha": config.balancing.alpha,
        "training.keep_checkpoints": config.training.keep_checkpoints,
        "training.steps_per_execution": config.training.steps_per_execution,
        "data.batch_size": config.data.batch_size,
        "data.shapes": config.data.shapes,
        "data.lanes": config.data.lanes,
        "data.epochs": config.data.epochs,
        **{f"data.weights.{task}": weight for task, weight in config.data.weights.items()},
        "data.temperature": config.data.temperature,
        "optimizer.learning_rate": config.optimizer.learning_rate,
        "optimizer.power": config.optimizer.power,
        "optimizer.cycles": config.optimizer.cycles,
    }
    for name, number in positive.items():
        if not number > 0:
            raise UsageError(f"{name} must be above 0, got {number}")
        if number > _MOST:
            raise UsageError(f"{name} must be at most {_MOST:,}, got {number}")
    not_negative = {
        "data.cap": config.data.cap,
        "data.input_length": config.data.input_length,
        "data.target_length": config.data.target_length,
        **{name: durations[name] for name in may_be_nought},
        "optimizer.end_rate": config.optimizer.end_rate,
        **{f"optimizer.rates.{name}": rate for name, rate in config.optimizer.rates.items()},
        "optimizer.weight_decay": config.optimizer.weight_decay,
        "optimizer.clip_norm": config.optimizer.clip_norm,
        "optimizer.ema_decay": config.optimizer.ema_decay,
        "training.wait_for_space": config.training.wait_for_space,
        "training.validation_examples": config.training.validation_examples,
        "training.epochs": config.training.epochs,
        "balancing.weight_decay": config.balancing.weight_decay,
        "heads.layers": config.heads.layers,
        "heads.dropout": config.heads.dropout,
        "heads.focal_gamma": config.heads.focal_gamma,
        **{f"balancing.weights.{task}": one for task, one in config.balancing.weights.items()},
        "training.label_smoothing": config.training.label_smoothing,
        "training.z_loss": config.training.z_loss,
        "training.loss_chunk": config.training.loss_chunk,
        "seed": config.seed,
    }
    for name, number in not_negative.items():
        if not 0 <= number < math.inf:  # YAML's .nan is neither
            kind = "0 or more" if number < 0 else "a finite number"
            raise UsageError(f"{name} must be {kind}, got {number}")
    if config.seed > _MOST_SEED:
        raise UsageError(f"seed must be at most {_MOST_SEED:,}, got {config.seed}")
    for name, share in {
        "training.label_smoothing": config.training.label_smoothing,
        "optimizer.ema_decay": config.optimizer.ema_decay,
        "heads.dropout": config.heads.dropout,
    }.items():
        if share >= 1:
            raise UsageError(f"{name} must be below 1, got {share}")


def _check_choice(name: str, value: str, valid: Iterable[str]) -> None:
    if value not in valid:
        raise UsageError(f"{name} {value!r} is unknown; {nearest(value, valid)}")


def check_run(settings: ResolvedRun, manifest: Manifest) -> None:
    """Check what the settings and the dataset together make impossible.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Raises:
        UsageError: The first thing that is wrong; so for `ConfigurationError`, of adapters.
    """
    check_packed_lengths(settings, manifest)
    check_shapes(settings, manifest)
    check_weights(settings)
    check_schedule(settings)
    check_lanes(settings, manifest)
    check_limit(settings.data, settings.tasks, manifest)
    check_balancing(settings)
    check_heads(settings, manifest)
    check_loss_scale(settings)
    check_methods(settings, manifest)
    check_frozen_dtype(settings)
    check_metrics(manifest.task(task) for task in settings.tasks)
    check_validation(settings, manifest)


def check_packed_lengths(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse lengths that are not those of the rows the dataset was packed into.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        UsageError: With the dataset's lengths.
    """
    data = settings.data
    lengths = packed_lengths(manifest, settings.tasks, data.train_split)
    if lengths is None:
        return
    given = {"input": data.input_length, "target": data.target_length}
    for (name, asked), length in zip(given.items(), lengths, strict=True):
        if asked != length:
            option = "--max-input-length" if name == "input" else "--pack-target-length"
            raise UsageError(
                f"data.{name}_length is {asked}, and the dataset is packed into "
                f"rows of {lengths[0]} input and {lengths[1]} target tokens; leave it out, or "
                f"build the dataset with another {option}"
            )


def check_methods(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse adapter methods that are unknown, or cannot read the rows the dataset holds.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        ConfigurationError: An unknown method or setting.
        UsageError: A method that cannot read packed rows; it says which and why.
    """
    methods = read_methods(settings.adapters.method, settings.adapters.settings)
    if packed_lengths(manifest, settings.tasks, settings.data.train_split) is None:
        return
    for method in methods:
        if problem := method.packed_rows_problem():
            raise UsageError(problem)


def check_frozen_dtype(settings: ResolvedRun) -> None:
    """Refuse to keep frozen matrices in bfloat16 where that changes results, or there are none.

    Args:
        settings: Of the run.

    Raises:
        UsageError: Naming the other setting.
    """
    model = settings.model
    if model.frozen_dtype == "float32":
        return
    precision = settings.training.precision
    if precision != "mixed_bfloat16":
        raise UsageError(
            f"model.frozen_dtype {model.frozen_dtype} would round the weights that "
            f"training.precision {precision} computes with; use mixed_bfloat16"
        )
    has_decoder = set(settings.tasks) != set(settings.heads.kinds)
    if has_decoder and not split_methods(settings.adapters.method) and not model.freeze:
        raise UsageError(
            f"model.frozen_dtype {model.frozen_dtype}: adapters.method none trains the whole "
            "backbone; choose an adapter method, or name parts with model.freeze"
        )


def check_validation(settings: ResolvedRun, manifest: Manifest) -> None:
    """Refuse a validation split that nobody has, and a best metric that no step can be best by.

    Args:
        settings: Of the run.
        manifest: Of the dataset.

    Raises:
        UsageError: With the nearest valid name.
    """
    split, best = settings.data.validation_split, settings.training.best_metric
    entries = [manifest.task(task) for task in settings.tasks]
    validated = [entry for entry in entries if split in entry.splits]
    if not validated and split != DataConfig.validation_split:
        present = {name for entry in entries for name in entry.splits}
        raise UsageError(
            f"data.validation_split: no task has a split {split!r}; {nearest(split, present)}"
        )
    task = best.partition("/")[0]
    if task in settings.tasks and split not in manifest.task(task).splits:
        raise UsageError(
            f"training.best_metric {best!r} would never be computed: task {task!r} has no split"
            f" {split!r}"
        )
    valid = ["mean", "loss"] + [
        f"{entry.name}/{metric}"
        for entry in validated
        for metric in (*entry.metrics, "loss")
        if metric not in LESS_IS_BETTER
    ]
    _check_choice("training.best_metric", best, valid)


def check_start(start: int, backbone: str) -> None:
    """Refuse a backbone whose answers begin with another token than the batches' targets do.

    Args:
        start: The id its answers begin with.
        backbone: Its name.

    Raises:
        UsageError: It is not the padding's.
    """
    if start != DECODER_START_ID:
        raise UsageError(
            f"the answers of {backbone} begin with token {start} (decoder_start_token_id), and "
            f"those of a dataset with {DECODER_START_ID}: it cannot be trained on one"
        )


def check_trained_adapters(settings: ResolvedRun) -> None:
    """Refuse adapters to start from, or to build on, that are not there.

    Args:
        settings: Of a run that has not begun; later it has all it needs in its own folder.

    Raises:
        ConfigurationError: Nothing to choose from, or nothing named.
        WeightsError: A task or folder that is not there.
    """
    adapters = settings.adapters
    check_sources(adapters)
    choose_starts(adapters.start_from, settings.tasks, adapters.nearest_by)


def check_same_run(old: ResolvedRun, new: ResolvedRun, folder: str) -> None:
    """Refuse to resume a run with settings that would have made other weights.

    Args:
        old: What the run folder's config holds.
        new: What is asked for now.
        folder: The run folder, for the message.

    Raises:
        UsageError: Naming every setting that differs, and what may.
    """
    before, after = (flatten_settings(_compared(run).as_dict()) for run in (old, new))
    may_change = {*MAY_CHANGE, *old.fingerprints, *may_extend(old, new)}
    differing = [
        f"{key} was {_shown(before.get(key))}, now {_shown(after.get(key))}" + _why(key, old, new)
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and key not in may_change
    ]
    differing += changed_inputs(old, new)
    if differing:
        names = ", ".join(
            sorted(may_change & {*MAY_CHANGE, STEPS, SCHEDULE_STEPS} - {"run", "dataset"})
        )
        problem = f"run folder {folder} is of another configuration"
        way_out = (
            "use its settings, or another --run folder (what may change: where things lie, "
            f"{names})"
        )
        error = UsageError(f"{problem}: {'; '.join(differing)}; {way_out}")
        shown = differing[:_SHOWN_DIFFERENCES]
        more = [f"and {len(differing) - len(shown)} more"] if len(differing) > len(shown) else []
        error.lines = (f"{problem}:", *map(_wrapped, (*shown, *more, way_out)))
        raise error


def _compared(run: ResolvedRun) -> ResolvedRun:
    """Leave out what fingerprints compare, labels too, and how a run without heads says so."""
    heads = replace(run.heads, words={}) if run.heads.kinds else ResolvedHeads()
    return replace(run, fingerprints={}, heads=heads)


def _shown(value: Any) -> str:
    text = repr(value)
    half = _VALUE_CHARACTERS // 2
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:half]} … {text[-half:]}"


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _why(key: str, old: ResolvedRun, new: ResolvedRun) -> str:
    if key == MEMORY_LIMIT:
        return " (0: all read whole; the order of examples depends on it)"
    return why_not(old, new) if key == STEPS else ""
