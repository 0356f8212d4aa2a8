"""Tensors and texts written to a file; tensors held against what there should be."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from adapters_tf.errors import WeightsError

SHOWN = 6  # misfits that a message names


def write_text(file: Path, text: str) -> None:
    """Write a text file; what the disk refuses names it.

    Args:
        file: To write.
        text: Its content.

    Raises:
        OSError: The disk refuses; it names the file.
    """
    with naming(file):
        file.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Name a file in what the system refuses: a write that fails does not know its name."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(file)) from error


def write_tensors(
    tensors: Mapping[str, np.ndarray], file: str | Path, metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file.

    Args:
        tensors: Arrays by name, contiguous.
        file: To write.
        metadata: Texts for the file's header.

    Raises:
        OSError: The disk refuses; it names the file.
    """
    try:
        save_file(dict(tensors), str(file), metadata=metadata)
    except SafetensorError as error:  # it wraps what the system said
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(file)) from error


def check_tensors(
    tensors: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
    what: str = "the tensors do not fit the backbone",
) -> None:
    """Make sure that tensors are those that are needed, and no others.

    Args:
        tensors: Arrays by name.
        shapes: What there should be, by name.
        what: What the message begins with.

    Raises:
        WeightsError: Tensors are missing, unexpected or misshapen; the first ones are named, and
            the others counted.
    """
    problems = [f"missing {name}" for name in shapes if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in shapes]
    problems += [
        f"{name} is {list(tensors[name].shape)}, expected {list(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise WeightsError(f"{what}: {'; '.join(problems[:SHOWN])}{more}")
