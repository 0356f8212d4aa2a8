"""The command line of `add-task`: whose run grows, by which task, and how that one trains."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapters_tf.commands.arguments import split_names
from adapters_tf.files.bucket_runs import is_in_bucket
from adapters_tf.files.local_paths import local_path
from adapters_tf.runs.config import read_config
from adapters_tf.runs.sections import BalancingConfig, DataConfig, HeadsConfig, ModelConfig
from adapters_tf.runs.settings import ResolvedRun
from adapters_tf.task_adapters.merging import MERGERS
from prep.errors import UsageError, nearest
from trainer.settings.arguments import SuggestingParser, make_parser, read_options
from trainer.settings.config import RunConfig

SCRATCH, NEAREST = "scratch", "nearest"


@dataclass(frozen=True)
class AddedTask:
    """What is asked for.

    Attributes:
        origin: The settings of the run that grows.
        run: Its folder on this machine, absolute.
        task: The new one.
        start: What its row starts from: `scratch`, `nearest`, a task of the run, or several with
            commas between them, which are merged.
        nearest_by: A file of task embeddings, for `nearest`.
        out: The run folder to write, absolute, or an address in a bucket.
        config: How the row trains; its tasks are the new one, and its run is not known yet.
        how: Several are merged, one of `MERGERS`.
        density: Of what training changed, the share that TIES and DARE keep.
        is_dry: Whether it is told only what would be done.
        known_as: Where others find the run that grows, if it is the copy of one in a bucket.
    """

    origin: ResolvedRun
    run: str
    task: str
    start: str
    nearest_by: str
    out: str
    config: RunConfig
    how: str = "mean"
    density: float = 0.2
    is_dry: bool = False
    known_as: str = ""

    def name(self) -> str:
        """Name the run that grows as others do."""
        return self.known_as or self.run


def named_run(argv: Sequence[str]) -> str:
    """Read which run grows, a folder or an address; empty where the command line does not say."""
    named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    named.add_argument("--run", default="")
    return str(named.parse_known_args(argv)[0].run)


def read_added_task(argv: Sequence[str], copy: Path | None = None) -> AddedTask:
    """Read the command line; settings that it does not name are those of the run.

    Args:
        argv: Arguments after `add-task`.
        copy: Of the run that grows, where that is in a bucket.

    Returns:
        What is asked for.

    Raises:
        UsageError: An unknown option, or one that is missing or of the run.
        WeightsError: There is no run folder.
    """
    parser = make_adding_parser()
    folder = named_run(argv)
    place = copy or (local_path(folder, "--run") if folder else None)
    origin = read_config(place) if place else None
    if origin is not None:
        parser.set_defaults(_defaults(origin))
    config, others = read_options(parser, argv)
    required = {"--run": folder, "--dataset": config.dataset, "--task": others["task"]}
    for option, value in {**required, "--out": others["out"]}.items():
        if not value:
            raise UsageError(f"add-task: {option} is missing")
    assert origin is not None and place is not None
    steps = others["steps"] or config.training.steps
    if not steps and not config.training.epochs:
        raise UsageError("add-task: --steps is missing (or --training.epochs)")
    if steps and config.training.epochs:
        raise UsageError(
            f"add-task: --steps is {steps} and --training.epochs {config.training.epochs:g}; "
            "leave one out"
        )
    _check(origin, config, others)
    _check_merge(others)
    if not config.heads.tasks and config.heads == _heads(origin):
        config = replace(config, heads=HeadsConfig())  # how the run's are built says nothing here
    return AddedTask(
        origin=origin,
        run=str(place.resolve()),
        task=others["task"],
        start=",".join(split_names(others["from"])),
        nearest_by=others["nearest_by"]
        and str(local_path(others["nearest_by"], "--nearest-by").resolve()),
        out=others["out"] if is_in_bucket(others["out"]) else str(Path(others["out"]).resolve()),
        config=replace(
            config,
            tasks=[others["task"]],
            training=replace(config.training, steps=steps or 1),
        ),
        how=others["how"],
        density=others["density"],
        is_dry=others["dry_run"],
        known_as=folder if copy else "",
    )


def make_adding_parser() -> SuggestingParser:
    """Make the parser of the command line; settings are taken, and hidden in its help."""
    prog = "python -m trainer add-task"
    parser = make_parser(prog, "Grow a trained run by a task: only the new task's row trains.")
    parser.usage = f"{prog} --run DIR --dataset DIR --task NAME --out DIR"
    parser.epilog = (
        "Settings of --data, --optimizer, --training and --distribution may be given too, and are "
        "the run's where they are not; so --heads.tasks NAME, where heads answer tasks of the run. "
        "`python -m trainer --help-all` lists them."
    )
    here = {
        "run": "the trained run that grows, a folder or gs://…; it is read, and stays as it is",
        "dataset": "the dataset folder that has the new task",
        "config": "YAML or JSON file of settings",
        "help": "show this help message and exit",
        "version": "show program's version number and exit",
    }
    for action in parser._actions:
        action.help = here.get(action.dest, argparse.SUPPRESS)
    parser.add_argument("--task", default="", help="the new task, of --dataset")
    parser.add_argument("--out", default="", help="the run folder to write, or gs://…")
    parser.add_argument(
        "--from",
        default=SCRATCH,
        help=f"what its row starts from: {SCRATCH}, a task of the run, several with commas between "
        f"them, which are merged, or {NEAREST}",
    )
    parser.add_argument(
        "--nearest-by",
        default="",
        help=f"for --from {NEAREST}: what `python -m adapters_tf embed` wrote of the run's tasks "
        "and the new one",
    )
    parser.add_argument(
        "--how", default="mean", help=f"several rows are merged: {', '.join(MERGERS)}"
    )
    parser.add_argument(
        "--density", type=float, default=0.2, help="share of entries that ties and dare keep"
    )
    parser.add_argument(
        "--steps", type=int | str, default=0, help="of training, or '3 epochs'; as --training.steps"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    return parser


def _check_merge(others: dict[str, Any]) -> None:
    """Refuse a way to merge where there is nothing to, or that cannot be."""
    how, density = others["how"], others["density"]
    if how not in MERGERS:
        raise UsageError(f"add-task: --how {how!r} is unknown; {nearest(how, MERGERS)}")
    if how != "mean" and len(split_names(others["from"])) < 2:
        raise UsageError(f"add-task: --how {how} is for several tasks in --from a,b")
    if not 0 < density <= 1:
        raise UsageError(f"add-task: --density must be above 0 and at most 1, got {density}")


def _defaults(origin: ResolvedRun) -> dict[str, Any]:
    """List the settings of a run that the row of a task is trained with."""
    scale = origin.data.loss_scale
    data = replace(
        origin.data,
        loss_scale=scale if isinstance(scale, str) else DataConfig.loss_scale,
        mixture=DataConfig.mixture,
        weights={},
        epochs=DataConfig.epochs,
        memory_limit=DataConfig.memory_limit,
        lanes=DataConfig.lanes,
    )
    of_a_task = "/" in origin.training.best_metric
    training = replace(
        origin.training,
        steps=0,
        epochs=0.0,
        epochs_of="longest",
        tasks_per_step=1,
        best_metric="mean" if of_a_task else origin.training.best_metric,
    )
    sections: dict[str, Any] = {
        "model": _model(origin),
        "adapters": origin.adapters,
        "data": data,
        "optimizer": replace(origin.optimizer, schedule_steps=0),
        "training": training,
        "balancing": BalancingConfig(),
        "heads": _heads(origin),
        "distribution": origin.distribution,
    }
    defaults: dict[str, Any] = {"seed": origin.seed}
    for section, values in sections.items():
        for field in dataclasses.fields(values):
            defaults[f"{section}.{field.name}"] = getattr(values, field.name)
    return defaults


def _model(origin: ResolvedRun) -> ModelConfig:
    names = [field.name for field in dataclasses.fields(ModelConfig)]
    return ModelConfig(**{name: getattr(origin.model, name) for name in names})


def _heads(origin: ResolvedRun) -> HeadsConfig:
    """Give the heads' shape and dropout; which tasks they answer is asked for anew."""
    names = [field.name for field in dataclasses.fields(HeadsConfig)]
    theirs = {name: getattr(origin.heads, name) for name in names}
    return HeadsConfig(**{**theirs, "tasks": "", "class_weights": ""})


def _check_heads(origin: ResolvedRun, config: RunConfig) -> None:
    """Refuse a head where the run has none like it, and words where no decoder was trained."""
    kinds, heads = origin.heads.kinds, config.heads
    if heads.tasks and not kinds:
        raise UsageError(
            "add-task: --heads.tasks: the run has no heads; leave it out, and the new task answers "
            "in words"
        )
    for name in ("pooling", "layers"):
        given, theirs = getattr(heads, name), getattr(origin.heads, name)
        if given != theirs:
            raise UsageError(
                f"add-task: --heads.{name} is {given}, and the run's heads have {theirs}; leave it "
                "out"
            )
    if not heads.tasks and kinds.keys() >= set(origin.tasks):
        raise UsageError(
            "add-task: heads answer all tasks of the run, and no adapters of a decoder were "
            "trained; name the new task in --heads.tasks"
        )


def _check(origin: ResolvedRun, config: RunConfig, others: dict[str, Any]) -> None:
    # What is not to be chosen for one task.
    of_the_run = {
        "seed": origin.seed,
        "model": _model(origin),
        "adapters": origin.adapters,
        "balancing": BalancingConfig(),
    }
    for name, value in of_the_run.items():
        if getattr(config, name) != value:
            raise UsageError(f"add-task: --{name} is the run's, for all its tasks; leave it out")
    _check_heads(origin, config)
    if config.task_list():
        raise UsageError("add-task: --tasks is the trainer's; name the new one with --task")
    if config.optimizer.name != origin.optimizer.name:
        raise UsageError(
            f"add-task: optimizer.name is {config.optimizer.name}, and the rows of the run have "
            f"the slots of {origin.optimizer.name}; leave it out"
        )
    if bool(config.optimizer.ema_decay) != bool(origin.optimizer.ema_decay):
        raise UsageError(
            "add-task: optimizer.ema_decay must be 0 where the run's is, and only there"
        )
    task, names = others["task"], split_names(others["from"])
    if task in origin.tasks:
        raise UsageError(f"add-task: the run has a task {task!r} already")
    if names == [NEAREST] and not others["nearest_by"]:
        raise UsageError(
            f"add-task: --from {NEAREST} needs --nearest-by: what `python -m adapters_tf embed` "
            "wrote of the run's tasks and the new one"
        )
    if names != [NEAREST] and others["nearest_by"]:
        raise UsageError(f"add-task: --nearest-by is for --from {NEAREST}")
    for name in names:
        if name not in origin.tasks and names not in ([SCRATCH], [NEAREST]):
            valid = (*origin.tasks, SCRATCH, NEAREST)
            raise UsageError(
                f"add-task: --from {name!r} is no task of the run; {nearest(name, valid)}"
            )
    if not names or len(set(names)) < len(names):
        raise UsageError(f"add-task: --from {others['from']!r} names no task, or one twice")
