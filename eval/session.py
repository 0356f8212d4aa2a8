"""A run opened for scoring: its model, its dataset's manifest and vocabulary, an evaluator."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import tensorflow as tf

from adapters_tf import LoadedRun, load_average, load_run, set_precision
from adapters_tf.errors import say_note
from adapters_tf.runs.config import read_config
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.runtime.strategy import ask_all, join_strategy
from adapters_tf.runtime.workers import VARIABLE, read_worker, reason_of_loss
from eval.decoding.options import Decoding
from eval.evaluator import Evaluator
from prep import (
    DataError,
    Manifest,
    UsageError,
    Vocabulary,
    load_manifest,
    read_vocabulary,
)


@dataclass(frozen=True)
class Session:
    """What scoring a run takes.

    Attributes:
        run: The model with a checkpoint's weights, and its configuration.
        dataset: The dataset folder.
        manifest: Of the dataset.
        vocabulary: Of the dataset, the one the run was trained with.
        evaluator: Of the run's model.
    """

    run: LoadedRun
    dataset: str
    manifest: Manifest
    vocabulary: Vocabulary
    evaluator: Evaluator


def open_session(
    run: str,
    *,
    dataset: str | None = None,
    checkpoint: str = "best",
    batch_size: int | None = None,
    logical_devices: int = 1,
    jit_compile: bool | None = None,
    average: Sequence[str] = (),
    weights: Sequence[float] | None = None,
    decoding: Decoding | None = None,
    settings: ResolvedRun | None = None,
    manifest: Manifest | None = None,
) -> Session:
    """Open a run folder with its dataset; call it before anything else touches a tensor.

    Where `TF_CONFIG` names several workers, each of them opens it, and they answer together.

    Args:
        run: The run folder.
        dataset: The dataset folder; by default the one the run was trained on.
        checkpoint: `best`, `last`, or `none` for the model before training.
        batch_size: Examples per global batch; by default the run's.
        logical_devices: Replicas to split the CPU into.
        jit_compile: Whether to compile with XLA; by default where that is faster.
        average: Adapters of the run, of whose outputs the mean answers every task in place of its
            own; none for each task's own.
        weights: One per name in `average`; equal ones by default.
        decoding: How answers are found.
        settings: What the run's config.yaml holds, if that was read already.
        manifest: Of the dataset, if that was read already.

    Returns:
        The session.

    Raises:
        ValueError: Something is missing, unknown, or made with another vocabulary.
    """
    settings = settings or read_config(run)
    directory = dataset or settings.dataset
    manifest = manifest or load_manifest(directory)
    if read_worker() and logical_devices > 1:
        raise UsageError(f"{VARIABLE} is set: a worker is one replica; leave out --logical-devices")
    strategy = join_strategy("auto", logical_devices, say_note)
    set_precision(settings.training.precision)
    vocabulary = open_vocabulary(directory, manifest, settings.vocabulary_sha256)
    if average:
        loaded = load_average(run, average, weights, settings=settings, strategy=strategy)
    else:
        loaded = load_run(run, checkpoint, settings=settings, strategy=strategy)
    evaluator = Evaluator(
        loaded.model,
        manifest,
        vocabulary,
        batch_size=settings.data.batch_size if batch_size is None else batch_size,
        input_length=settings.data.input_length,
        strategy=strategy,
        jit_compile=jit_compile,
        decoding=decoding,
    )
    return Session(loaded, directory, manifest, vocabulary, evaluator)


def open_vocabulary(directory: str, manifest: Manifest, expected_sha256: str) -> Vocabulary:
    """Open a dataset's vocabulary and make sure it is the one the model learned.

    Args:
        directory: The dataset folder.
        manifest: Of the dataset.
        expected_sha256: Of the vocabulary the run was trained with.

    Returns:
        The vocabulary.

    Raises:
        DataError: The file isn't the manifest's, or the manifest's isn't the run's.
    """
    entry = manifest.vocabulary
    vocabulary = read_vocabulary(directory, manifest)
    if entry.sha256 != expected_sha256:
        raise DataError(
            f"dataset {directory} has vocabulary {entry.sha256[:12]}…, and the run was trained "
            f"with {expected_sha256[:12]}…; evaluate on a dataset built with the run's vocabulary"
        )
    return vocabulary


@contextlib.contextmanager
def scoring_together(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Let no worker end before the others have, and say when one was lost.

    Args:
        strategy: Of a session; of one process nothing is done.

    Raises:
        DataError: Another worker has ended before it was done.
    """
    worker = read_worker()
    if worker is None:
        yield
        return
    try:
        yield
        ask_all(strategy, 0.0)
    except tf.errors.OpError as error:
        raise DataError(
            f"worker {worker.number} of {worker.count} has lost another one; the same command on "
            f"every worker scores again ({reason_of_loss(str(error.message))})"
        ) from error
