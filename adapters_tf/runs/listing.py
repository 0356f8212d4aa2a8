"""What adapters a run folder holds, without building its model; what becomes of a T5's tensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from adapters_tf.errors import WeightsError
from adapters_tf.files.adapter_files import ADAPTERS_FOLDER, WEIGHTS_FILE, read_adapter_config
from adapters_tf.runs.config import read_config, read_provenance


def describe_run(run: str | Path) -> Iterator[str]:
    """List a run's backbone, adapter method and tasks.

    Args:
        run: The run folder.

    Yields:
        Lines of text: the model, each task with the size of its folder, and to which formats the
        adapters can go, where that was noted.

    Raises:
        WeightsError: No run folder; or, once everything is listed, adapters that are damaged.
    """
    folder, settings = Path(run), read_config(run)
    norms = ", layer norms trained" if settings.adapters.train_layer_norms else ""
    yield f"{folder}: {settings.adapters.method} on {settings.model.backbone}{norms}"
    width = max(map(len, settings.tasks))
    damaged = {}
    for task in settings.tasks:
        try:
            described = _describe_task(folder / ADAPTERS_FOLDER / task)
        except (WeightsError, OSError) as error:
            damaged[task], described = error, "damaged"
        yield f"  {task:<{width}}  {described}"
    if exports := read_provenance(folder).get("exports"):
        yield f"  {exports}"
    if damaged:
        count = f"{len(damaged)} of {len(settings.tasks)} adapters"
        raise WeightsError(f"{count} cannot be read: {'; '.join(map(str, damaged.values()))}")


def describe_checkpoint(folder: str | Path) -> list[str]:
    """Tell what becomes of every tensor of a T5 when it is loaded here.

    Args:
        folder: In Hugging Face's format.

    Returns:
        Lines of text.

    Raises:
        WeightsError: It cannot be loaded.
    """
    # Takes TensorFlow; a run is listed without.
    from adapters_tf.backbone.loading import trace_tensors

    fates = trace_tensors(folder)
    width = max(map(len, fates))
    return [f"{folder}: a T5 of {len(fates)} tensors"] + [
        f"  {name:<{width}}  {fate}" for name, fate in fates.items()
    ]


def _describe_task(folder: Path) -> str:
    file = folder / WEIGHTS_FILE
    if not file.is_file():
        return "not written yet"
    try:
        with safe_open(file, framework="numpy") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{file} is not a whole safetensors file: {error}") from None
    read_adapter_config(folder)
    parameters = sum(int(np.prod(shape)) for shape in shapes)
    return f"{parameters:>11,} parameters  {file.stat().st_size:>11,} bytes  {folder}"
