"""`embed`: a vector per task, how alike they are, and which tasks are nearest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import sentencepiece
import tf_keras
from matplotlib.figure import Figure

from adapters_tf.backbone.loading import load_backbone
from adapters_tf.commands.arguments import split_names
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.dataset_folder import DatasetFolder, open_dataset
from adapters_tf.files.embeddings_file import save_embeddings
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import build_backbone, load_run
from adapters_tf.task_adapters.embedding import (
    TaskEmbedder,
    common_start,
    cosine_matrix,
    nearest_tasks,
)

# More tasks than that make a table that no terminal is wide enough for.
WIDEST_TABLE = 16
NEAREST = 3


def embed_command(options: argparse.Namespace) -> None:
    """Embed the tasks of some datasets, print and draw how alike they are.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: No examples asked for, a file that is no .npz, or a task that two of the
            datasets have.
        WeightsError: No dataset or run there, no such task, or datasets of different vocabularies.
    """
    out = Path(options.out)
    if out.suffix != ".npz":
        raise ConfigurationError(f"--out {options.out!r}: expected a file that ends in .npz")
    if options.examples < 1:
        raise ConfigurationError(f"--examples must be 1 or more, got {options.examples}")
    holders = find_tasks(options.dataset, split_names(options.tasks))
    names = list(holders)
    embedder = TaskEmbedder(open_backbone(options, holders[names[0]]), options.pooling)
    vectors_KD = np.stack(list(embed_tasks(embedder, holders, options)))
    cosines_KK = cosine_matrix(vectors_KD)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_embeddings(
        out, names, vectors_KD, pooling=options.pooling, dataset=",".join(options.dataset)
    )
    print("\n".join(describe(names, cosines_KK)))
    draw(names, cosines_KK).savefig(out.with_suffix(".png"), dpi=120)
    print(f"wrote {out} ({len(names)} tasks, {vectors_KD.shape[1]} units each)")
    print(f"wrote {out.with_suffix('.png')}")


def find_tasks(addresses: Sequence[str], wanted: Sequence[str]) -> dict[str, DatasetFolder]:
    """Find the dataset that holds each task.

    Args:
        addresses: Of dataset folders of one vocabulary.
        wanted: Names of tasks; nothing for all that there are.

    Returns:
        By task, in the order wanted.

    Raises:
        ConfigurationError: A task that two of the datasets have.
        WeightsError: No dataset or task there, or datasets of different vocabularies.
    """
    datasets = [open_dataset(address) for address in addresses]
    holders: dict[str, DatasetFolder] = {}
    for dataset in datasets:
        if dataset.manifest["vocabulary"]["sha256"] != datasets[0].manifest["vocabulary"]["sha256"]:
            raise WeightsError(
                f"{dataset.address} was built with another vocabulary than {addresses[0]}"
            )
        for task in dataset.tasks:
            if (other := holders.setdefault(task, dataset)) is not dataset:
                raise ConfigurationError(
                    f"task {task!r} is in {other.address} and in {dataset.address}"
                )
    for task in wanted:
        if task not in holders:
            raise WeightsError(
                f"{', '.join(addresses)}: no task {task!r}; {suggest(task, list(holders))}"
            )
    return {task: holders[task] for task in wanted} if wanted else holders


def open_backbone(options: argparse.Namespace, dataset: DatasetFolder) -> tf_keras.Model:
    """Load the T5 that reads: of a run, what its adapters stand on, or what it trained.

    Args:
        options: With `run` or `backbone`.
        dataset: What it shall read.

    Returns:
        A TFT5 without adapters.

    Raises:
        WeightsError: Its vocabulary is not the dataset's.
    """
    vocabulary = dataset.manifest["vocabulary"]
    if options.backbone:
        return load_backbone(options.backbone, vocabulary_size=vocabulary["size"])
    settings = read_config(options.run)
    if settings.vocabulary_sha256 != vocabulary["sha256"]:
        raise WeightsError(
            f"{dataset.address} was built with another vocabulary than {options.run}"
        )
    if settings.adapters.method == "none":
        return load_run(options.run, settings=settings).model.backbone
    return build_backbone(settings)


def embed_tasks(
    embedder: TaskEmbedder, holders: Mapping[str, DatasetFolder], options: argparse.Namespace
) -> Iterator[np.ndarray]:
    """Embed one task after the other, with a line of progress each.

    Args:
        embedder: With its backbone.
        holders: By each of K tasks, the dataset whose training examples are read.
        options: With `examples` and `keep_prefix`.

    Yields:
        float32 [D] per task.
    """
    any_holder = next(iter(holders.values()))
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=any_holder.read_vocabulary())
    for name, dataset in holders.items():
        inputs = dataset.read_inputs(name, options.examples)
        prefix = [] if options.keep_prefix else common_start(inputs).tolist()
        bodies = [tokens[len(prefix) :] for tokens in inputs]
        length = sum(map(len, bodies)) / len(bodies)
        line = f"{name}: {len(inputs)} examples of {length:.0f} tokens"
        known = [token for token in prefix if token < vocabulary.vocab_size()]
        print(line + (f", without {vocabulary.decode(known)!r}" if prefix else ""), flush=True)
        yield embedder.embed(bodies)


def describe(names: Sequence[str], cosines_KK: np.ndarray) -> Iterator[str]:
    """Print the matrix, if it is narrow enough, and the nearest tasks.

    Args:
        names: K names.
        cosines_KK: [K, K].

    Yields:
        Lines.
    """
    width = max(map(len, names))
    if len(names) <= WIDEST_TABLE:
        yield " " * width + "".join(f"{number:>7}" for number in range(1, len(names) + 1))
        for number, (name, row) in enumerate(zip(names, cosines_KK, strict=True), 1):
            cells = "".join(f"{cosine:7.3f}" for cosine in row)
            yield f"{name:<{width}}{cells}  {number}"
    for name, others in nearest_tasks(names, cosines_KK).items():
        row = cosines_KK[names.index(name)]
        nearest = (f"{other} {row[names.index(other)]:.3f}" for other in others[:NEAREST])
        yield f"nearest to {name:<{width}}  {', '.join(nearest) or 'none'}"


def draw(names: Sequence[str], cosines_KK: np.ndarray) -> Figure:
    """Draw the matrix.

    Args:
        names: K names.
        cosines_KK: [K, K].

    Returns:
        A figure; its darkest colour is the least alike pair.
    """
    size = 2.4 + 0.42 * len(names)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(cosines_KK, cmap="viridis", vmin=cosines_KK.min(), vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    axes.set_title("Cosine of task embeddings")
    figure.colorbar(image, shrink=0.8)
    middle = (1 + cosines_KK.min()) / 2
    for (row, column), cosine in np.ndenumerate(cosines_KK):
        colour = "black" if cosine > middle else "white"
        axes.text(column, row, f"{cosine:.2f}", ha="center", va="center", color=colour, fontsize=7)
    return figure
