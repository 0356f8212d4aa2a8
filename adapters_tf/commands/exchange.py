"""`export` and `import`: one task's adapter out as another library's folder, and in from one."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters_tf.backbone.loading import load_backbone
from adapters_tf.errors import ConfigurationError
from adapters_tf.interop import FOLDED, LIBRARIES, base_folder, export_task, import_task
from adapters_tf.interop.exchange import check_target, has_trained_backbone
from adapters_tf.interop.folding import export_folded, export_tokenizer
from adapters_tf.methods import AdapterMethod, method_name, read_methods
from adapters_tf.runs.config import read_config
from adapters_tf.runs.loading import LoadedRun, build_backbone, load_run
from adapters_tf.runs.sections import AdapterConfig
from adapters_tf.task_adapters.folder import OWN_MARK, save_task

_COLUMNS = 80


def export_command(options: argparse.Namespace) -> None:
    """Write one task of a run as another library's folder.

    Args:
        options: Of the command line.
    """
    run = load_run(options.run, options.checkpoint, tasks=[options.task])
    if options.format == FOLDED:
        export_model(run, options.task, options.out)
        return
    base = run.settings.model.backbone
    folder = export_task(run.model, options.task, options.format, options.out, base)
    if has_trained_backbone(run.model):
        beside = base_folder(folder)
        settings = run.settings
        for note in export_tokenizer(settings.dataset, settings.vocabulary_sha256, beside):
            print(wrap_note(note))
        print(f"wrote {beside}: the T5 with this run's layer norms, which the adapter belongs on")
    print(f"wrote {folder} (weights of step {run.step_of(options.task)})")
    print(f"there: {LIBRARIES[options.format].loading_command(folder)}")


def export_model(run: LoadedRun, task: str, out: str) -> None:
    """Write one task of a run as a plain T5, with its tokenizer where the dataset is at hand.

    Args:
        run: Opened.
        task: One of its tasks.
        out: The folder.
    """
    folder = export_folded(run.model, task, out)
    settings = run.settings
    for note in export_tokenizer(settings.dataset, settings.vocabulary_sha256, folder):
        print(wrap_note(note))
    print(f"wrote {folder} (weights of step {run.step_of(task)})")
    print(f"there: T5ForConditionalGeneration.from_pretrained({str(folder)!r})")


def wrap_note(note: str) -> str:
    """Lay a note out in lines of 80 columns; a word that is longer stays whole.

    Args:
        note: One line.

    Returns:
        Lines, the later ones further to the right.
    """
    return textwrap.fill(
        f"note: {note}",
        _COLUMNS,
        subsequent_indent=" " * 4,
        break_long_words=False,
        break_on_hyphens=False,
    )


def import_command(options: argparse.Namespace) -> None:
    """Read another library's folder and write a task folder of ours.

    Args:
        options: Of the command line.

    Raises:
        ConfigurationError: The run's adapters are of another method or other settings, or the
            folder to write holds something else.
    """
    check_target(Path(options.out), OWN_MARK)
    if options.run:
        settings = read_config(options.run)
        backbone = build_backbone(settings)
    else:
        settings, backbone = None, load_backbone(options.backbone)
    imported = import_task(backbone, options.task, options.format, options.source)
    if settings is not None:
        check_settings(options.run, settings.adapters, imported.model.methods[0])
    for note in imported.notes:
        print(wrap_note(note))
    print(f"wrote {save_task(imported.model, options.task, options.out)}")


def check_settings(run: str, adapters: AdapterConfig, settings: AdapterMethod) -> None:
    """Make sure that a run's model computes what an imported adapter means.

    Args:
        run: The run folder, for the message.
        adapters: What its config.yaml says of them.
        settings: What was imported.

    Raises:
        ConfigurationError: Another method, or settings that differ in more than training.
    """
    methods = read_methods(adapters.method, adapters.settings)
    if [type(method) for method in methods] != [type(settings)]:
        raise ConfigurationError(
            f"{run} has adapters of the method {adapters.method!r}, and these are "
            f"{method_name(settings)!r}; import them with --backbone"
        )
    ours, theirs = _comparable(methods[0]), _comparable(settings)
    differing = [
        f"{name} {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]
    ]
    if differing:
        raise ConfigurationError(f"the adapters of {run} have {'; '.join(differing)}")


def _comparable(settings: AdapterMethod) -> dict[str, Any]:
    return {
        name: sorted(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for name, value in settings.meaning().items()
    }
