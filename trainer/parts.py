"""What a run is made of: devices, batches, model, optimizer, each from the run's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf
import tf_keras

from adapters_tf import (
    TaskModel,
    build_model,
    make_dropout_stateless,
    set_precision,
)
from adapters_tf.model.checkpointing import checkpoint_blocks
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runtime.strategy import check_xla, join_strategy
from adapters_tf.runtime.workers import Worker
from adapters_tf.task_adapters.head_files import fits_head
from adapters_tf.task_adapters.starting import start_tasks
from eval.decoding.replicas import check_batch_size
from prep import Manifest, UsageError, load_manifest, read_split, read_vocabulary
from prep.dataset.sharded_split import ShardedSplit
from prep.dataset.split_part import SplitPart
from trainer.balancing.method import Balancing
from trainer.balancing.registry import BALANCINGS
from trainer.batches.distribution import check_hosts
from trainer.batches.head_rows import HeadRows, head_rows
from trainer.batches.lanes import Table, rows_of_places
from trainer.batches.mixture_batches import MixtureBatches
from trainer.losses.tokens import TokenLoss
from trainer.optimizers.groups import group_by_variable, rate_by_variable
from trainer.optimizers.learning_rate import WarmupSchedule
from trainer.optimizers.registry import OPTIMIZERS
from trainer.optimizers.taskwise import TaskwiseOptimizer
from trainer.run.folder import has_begun, keep_lengths, keep_warmup
from trainer.settings.checks import check_config, check_run, check_start
from trainer.settings.config import RunConfig
from trainer.settings.extending import schedule_ends
from trainer.settings.inputs import with_fingerprints
from trainer.settings.loss_scale import loss_scales
from trainer.settings.memory import memory_needs, share_limit
from trainer.settings.mixture import batch_schedule, batch_shares
from trainer.settings.resolving import resolve
from trainer.settings.shapes import task_shapes
from trainer.steps.fit_model import FitModel

Report = Callable[[str], None]
Prepare = Callable[[TaskModel], None]


def resolve_run(config: RunConfig) -> tuple[ResolvedRun, Manifest]:
    """Read and check all that can be without data, devices or a model.

    Args:
        config: As the user wrote it.

    Returns:
        The settings with nothing left to the dataset, and its manifest.

    Raises:
        UsageError: A setting that cannot work.
        DataError: A dataset or run folder that is not whole.
    """
    check_config(config)
    manifest = load_manifest(config.dataset)
    settings = keep_lengths(resolve(config, manifest), config.data)
    settings = keep_warmup(settings, config.optimizer)
    settings = with_fingerprints(settings, manifest)
    check_run(settings, manifest)
    return settings, manifest


def open_devices(settings: ResolvedRun, say: Report = print) -> tf.distribute.Strategy:
    """Choose what the run is spread over, and set what TensorFlow keeps globally.

    Args:
        settings: Of the run.
        say: Called with a line while other workers are waited for.

    Returns:
        The strategy; precision, seeds and determinism are set.

    Raises:
        UsageError: A batch that the replicas cannot share, devices of another host, or XLA where
            it cannot compile.
        ConfigurationError: No such device or precision.
    """
    training, distribution = settings.training, settings.distribution
    strategy = join_strategy(distribution.kind, distribution.logical_devices, say)
    check_hosts(strategy)
    check_batch_size(settings.data.batch_size, strategy)
    if training.jit_compile:
        check_xla(strategy, sums_over_replicas=True)
    set_precision(training.precision)
    tf_keras.utils.set_random_seed(settings.seed)
    if training.deterministic:
        tf.config.experimental.enable_op_determinism()
    return strategy


def make_batches(
    settings: ResolvedRun, manifest: Manifest, worker: Worker | None = None
) -> MixtureBatches:
    """Open the training splits and lay out the whole run's batches.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        worker: This one, which makes its share of every batch; None where one process makes all.

    Returns:
        The batches by number.
    """
    data = settings.data
    tables = open_training_splits(settings, manifest, worker)
    sizes = [len(table) for table in tables.values()]
    shares = batch_shares(settings, sizes, [table.rows for table in tables.values()])
    draws = data.batch_size if data.routing == "example" else 1
    return MixtureBatches(
        tables,
        batch_schedule(settings, shares, draws),
        batch_size=data.batch_size,
        input_length=data.input_length,
        target_length=data.target_length,
        seed=settings.seed,
        shapes=task_shapes(settings, manifest),
        draws=draws,
        per_step=settings.training.tasks_per_step,
        heads=read_head_rows(settings, manifest),
        scales=loss_scales(settings, manifest),
        lanes=data.lanes,
    )


def read_head_rows(settings: ResolvedRun, manifest: Manifest) -> Mapping[str, HeadRows]:
    """Prepare the rows of tasks that heads answer.

    Args:
        settings: Of the run.
        manifest: Of its dataset.

    Returns:
        By task; nothing where all answer in words.
    """
    if not settings.heads.kinds:
        return {}
    return head_rows(settings.heads, read_vocabulary(settings.dataset, manifest))


def open_training_splits(
    settings: ResolvedRun, manifest: Manifest, worker: Worker | None = None
) -> dict[str, Table]:
    """Read the training splits that have room in memory, and open the others.

    Args:
        settings: Of the run.
        manifest: Of its dataset.
        worker: As `make_batches` takes it; of several lanes it reads its own.

    Returns:
        By task: its tokens, those of the worker's lanes, or its shards.

    Raises:
        DataError: A shard that is missing, truncated or corrupt.
    """
    data = settings.data
    limit = data.memory_limit if isinstance(data.memory_limit, int) else 0
    needs = memory_needs(settings.tasks, manifest, data.train_split)
    given = share_limit(limit, needs)

    def opened(task: str) -> Table:
        where = settings.dataset, manifest, task, data.train_split
        if given[task] < needs[task]:
            return ShardedSplit(*where, given[task])
        if worker is None or data.lanes == 1:
            return read_split(*where, has_answers=False)
        share = data.batch_size // worker.count
        places = range(worker.number * share, (worker.number + 1) * share)
        rows = manifest.task(task).split(data.train_split).records
        return SplitPart(*where, rows_of_places(rows, data.lanes, data.batch_size, places))

    return {task: opened(task) for task in needs}


def make_model(
    settings: ResolvedRun,
    strategy: tf.distribute.Strategy,
    kept: Path | None = None,
    prepare: Prepare | None = None,
) -> tuple[TaskModel, TaskwiseOptimizer, FitModel]:
    """Build the model, its optimizer, and what `fit` is called on.

    Args:
        settings: Of the run.
        strategy: Under whose scope variables are made.
        kept: The run folder, whose copies of trained adapters are read rather than the originals;
            None for the originals.
        prepare: Called with the model before the optimizer is made for what trains of it.

    Returns:
        The model, the optimizer with its slots, and the Keras model that holds both.

    Raises:
        ConfigurationError: Nothing to train, or methods that do not go together.
        WeightsError: A backbone or trained adapters that are missing or do not fit.
    """
    training = settings.training
    with strategy.scope():
        model = build_model(
            settings.without_files() if kept else settings, settings.data.routing, kept
        )
        if prepare is not None:
            prepare(model)
        check_start(model.backbone.config.decoder_start_token_id, settings.model.backbone)
        is_compiled = training.jit_compile or isinstance(strategy, tf.distribute.TPUStrategy)
        optimizer = make_optimizer(settings, model, is_compiled)
        if training.gradient_checkpointing:
            checkpoint_blocks(model, is_compiled=is_compiled)
        fit_model = FitModel(
            model,
            TokenLoss(
                training.label_smoothing,
                training.z_loss,
                training.loss_chunk,
                settings.heads.focal_gamma,
                is_compiled,
            ),
            training.max_skipped_steps,
            training.tasks_per_step,
            make_balancing(settings, model),
        )
        fit_model.compile(
            optimizer,
            jit_compile=training.jit_compile,
            steps_per_execution=training.steps_per_execution,
        )
    dropout = settings.model.dropout
    make_dropout_stateless(model, settings.seed, optimizer.iterations, dropout)
    return model, optimizer, fit_model


def make_optimizer(settings: ResolvedRun, model: TaskModel, is_compiled: bool) -> TaskwiseOptimizer:
    """Build the optimizer and its slots; call it in the strategy's scope.

    Args:
        settings: Of the run.
        model: Whose variables it updates.
        is_compiled: Whether steps are compiled with XLA.

    Returns:
        The optimizer, built.
    """
    chosen = settings.optimizer
    rate = WarmupSchedule(
        chosen.learning_rate,
        chosen.warmup_steps,
        schedule_ends(settings),
        chosen.schedule,
        end=chosen.end_rate,
        power=chosen.power,
        cycles=chosen.cycles,
    )
    optimizer = OPTIMIZERS[chosen.name](
        rate,
        model.is_bank,
        weight_decay=chosen.weight_decay,
        clip_norm=chosen.clip_norm or None,
        rate_of=rate_by_variable(model, chosen.rates),
        ema_decay=chosen.ema_decay,
        is_compiled=is_compiled,
        group_of=group_by_variable(model) if settings.training.norms else None,
    )
    optimizer.build(model.trainable_variables)
    return optimizer


def make_balancing(settings: ResolvedRun, model: TaskModel) -> Balancing | None:
    """Build what weighs the tasks of a step; call it in the strategy's scope.

    Args:
        settings: Of the run.
        model: As it will be trained.

    Returns:
        The method; None for steps of one task.

    Raises:
        UsageError: It weighs what tasks share, and nothing that is shared trains.
    """
    if settings.training.tasks_per_step == 1:
        return None
    method = settings.balancing.method
    balancing = BALANCINGS[method](settings.tasks, settings.balancing, settings.seed)
    if balancing.needs_shared and model.trains_rows_only():
        raise UsageError(
            f"balancing.method {method} weighs what tasks share, and each task has its own rows of "
            "all that trains here; use sum or tokens, or adapters.train_layer_norms"
        )
    return balancing


def start_from_adapters(
    settings: ResolvedRun, model: TaskModel, strategy: tf.distribute.Strategy, report: Report
) -> None:
    """Let the tasks of a new run start from earlier adapters, if the settings say so.

    Args:
        settings: Of the run.
        model: As it was drawn.
        strategy: That the model's variables live under.
        report: Called with a line per task.
    """
    adapters = settings.adapters
    with strategy.scope():
        started = start_tasks(model, adapters.start_from, adapters.nearest_by)
    for task, folder in started.items():
        anew = model.has_head(task) and not fits_head(model, task, folder)
        report(f"{task} starts from {folder}" + ", its head anew" * anew)


def open_model(
    settings: ResolvedRun,
    strategy: tf.distribute.Strategy,
    report: Report,
    prepare: Prepare | None,
) -> FitModel:
    """Build the model of a run, as it begins or as its checkpoint is read into it.

    Args:
        settings: Of the run.
        strategy: What the run is spread over.
        report: Called with a line for each task that starts from an earlier adapter.
        prepare: Called with the model as it is drawn.

    Returns:
        What `fit` is called on, compiled.
    """
    is_new = not has_begun(settings)
    # What an empty first try kept may be of other settings.
    kept = None if is_new else Path(settings.run)
    model, optimizer, fit_model = make_model(settings, strategy, kept, prepare)
    if is_new:
        start_from_adapters(settings, model, strategy, report)
        optimizer.begin_averages(model.trainable_variables)
    return fit_model
