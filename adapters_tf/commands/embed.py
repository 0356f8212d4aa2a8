"""`embed`: a vector per task, how alike they are, and which tasks are nearest."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import tf_keras
from matplotlib.figure import Figure

from adapters_tf.backbone.loading import load_backbone
from adapters_tf.commands.arguments import split_names
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.files.dataset_folder import DatasetFolder, open_dataset
from adapters_tf.files.embeddings_file import save_embeddings
from adapters_tf.files.local_paths import typed_dataset, typed_path
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import build_backbone, load_run
from adapters_tf.task_adapters.embedding import (
    POOLINGS,
    TaskEmbedder,
    common_start,
    cosine_matrix,
    nearest_tasks,
)

# More tasks than that make a table that no terminal is wide enough for.
WIDEST_TABLE = 16
NEAREST = 3


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "embed", help="embed tasks by their examples, and say which are alike"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--run", type=typed_path, help="run folder whose backbone reads the examples"
    )
    source.add_argument("--backbone", help="or a T5: a hub name or a folder")
    parser.add_argument(
        "--dataset", type=typed_dataset, required=True, help="dataset folder, local or gs://"
    )
    parser.add_argument("--tasks", default="", help="a,b,c; by default all of the dataset's")
    parser.add_argument("--examples", type=int, default=100, help="per task; by default 100")
    parser.add_argument("--pooling", default="mean", choices=tuple(POOLINGS), help="over tokens")
    parser.add_argument(
        "--keep-prefix", action="store_true", help="keep the tokens all inputs of a task begin with"
    )
    parser.add_argument(
        "--out", type=typed_path, required=True, help="file to write, .npz; beside it goes a .png"
    )
    parser.set_defaults(run_with=embed_command)


def embed_command(options: argparse.Namespace) -> None:
    """Embed the tasks of a dataset, print and draw how alike they are.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: No examples asked for, or a file that is no .npz.
        WeightsError: No dataset or run there, or no such task in it.
    """
    out = Path(options.out)
    if out.suffix != ".npz":
        raise ConfigurationError(f"--out {options.out!r}: expected a file that ends in .npz")
    if options.examples < 1:
        raise ConfigurationError(f"--examples must be 1 or more, got {options.examples}")
    dataset = open_dataset(options.dataset)
    names = split_names(options.tasks) or list(dataset.tasks)
    embedder = TaskEmbedder(open_backbone(options, dataset), options.pooling)
    vectors_KD = np.stack(list(embed_tasks(embedder, dataset, names, options)))
    cosines_KK = cosine_matrix(vectors_KD)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_embeddings(out, names, vectors_KD, pooling=options.pooling, dataset=options.dataset)
    print("\n".join(describe(names, cosines_KK)))
    draw(names, cosines_KK).savefig(out.with_suffix(".png"), dpi=120)
    print(f"wrote {out} ({len(names)} tasks, {vectors_KD.shape[1]} units each)")
    print(f"wrote {out.with_suffix('.png')}")


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
    embedder: TaskEmbedder,
    dataset: DatasetFolder,
    names: Sequence[str],
    options: argparse.Namespace,
) -> Iterator[np.ndarray]:
    """Embed one task after the other, with a line of progress each.

    Args:
        embedder: With its backbone.
        dataset: Whose training examples are read.
        names: K tasks of it.
        options: With `examples` and `keep_prefix`.

    Yields:
        float32 [D] per task.
    """
    vocabulary = sentencepiece.SentencePieceProcessor(model_proto=dataset.read_vocabulary())
    for name in names:
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
