"""The file that holds a vector per task: .npz with `names` [K] and `vectors` [K, E]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from adapters_tf.errors import ConfigurationError, suggest


def save_embeddings(
    file: str | Path, names: Sequence[str], vectors_KE: np.ndarray, **facts: Any
) -> None:
    """Write embeddings where settings such as `task_embeddings` and `nearest_by` read them.

    Args:
        file: To write, .npz.
        names: K names.
        vectors_KE: float32 [K, E].
        **facts: How they were made, such as pooling="mean".
    """
    with Path(file).open("wb") as stream:
        np.savez(stream, names=np.array(names), vectors=vectors_KE, **facts)


def read_embeddings(file: str | Path) -> tuple[list[str], np.ndarray]:
    """Read embeddings.

    Args:
        file: From `save_embeddings`.

    Returns:
        K names, and float [K, E].

    Raises:
        ConfigurationError: The file is missing, or is no such file.
    """
    try:
        with Path(file).open("rb") as stream, np.load(stream) as arrays:
            names, vectors_KE = [str(name) for name in arrays["names"]], arrays["vectors"]
    except (OSError, EOFError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise ConfigurationError(
            f"{file} is no .npz file with names and vectors: {error}"
        ) from error
    if vectors_KE.ndim != 2 or len(vectors_KE) != len(names):
        raise ConfigurationError(
            f"{file} holds vectors {vectors_KE.shape} for {len(names)} names, expected one each"
        )
    return names, vectors_KE


def find_embeddings(
    file: str | Path, names: Sequence[str], vectors_KE: np.ndarray, wanted: Sequence[str]
) -> np.ndarray:
    """Look tasks up in what was read.

    Args:
        file: Where it was read, for error messages.
        names: K names.
        vectors_KE: float [K, E].
        wanted: Names of tasks.

    Returns:
        float32 [wanted tasks, E], in their order.

    Raises:
        ConfigurationError: One of them is not there.
    """
    for task in wanted:
        if task not in names:
            raise ConfigurationError(
                f"{file} has no embedding of task {task!r}; {suggest(task, names)}, or name every "
                "dataset to `python -m adapters_tf embed`"
            )
    return vectors_KE[[names.index(task) for task in wanted]].astype(np.float32)
