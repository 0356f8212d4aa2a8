"""A story on embedded tasks, in one command: `python -m trainer.demo --run DIR [--full]`.

Every stage is the public command a person would type, on the configs in `configs/`; a stage that
is done is found done, so running it again resumes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters_tf.commands.arguments import OneLineParser, split_names
from adapters_tf.files.local_paths import local_path
from prep import (
    Manifest,
    load_manifest,
    quiet_libraries,
    read_split,
    read_vocabulary,
    run_command,
)
from prep.__main__ import main as prep
from prep.errors import INTERRUPTED, is_terminal
from trainer.quickstart import say
from trainer.settings.arguments import read_arguments

NEW = "synthetic_choice"  # that the backbone never sees
TASKS = ("synthetic_entailment", "synthetic_similarity", NEW)
FULL_TASKS = ("scan_simple", *TASKS)
METHOD = "bottleneck"
PIECES = 512
SPLIT = "test"
# Of the methods that want other steps than configs/demo-adapters.yaml; found by trying.
LEARNING_RATES = {
    "houlsby": 2e-2,
    "pfeiffer": 6e-3,
    "compacter": 1e-2,
    "compacter++": 1e-2,
    "ia3": 3e-2,
    "layer_norm": 1e-1,
    "prefix": 5e-3,
    "prefix_flat": 3e-2,
    "prompt": 5e-2,
}
# Of methods whose published settings are for wider backbones than the demo's.
SETTINGS: dict[str, dict[str, Any]] = {
    "bottleneck": {"reduction_factor": 2},
    "houlsby": {"reduction_factor": 2},
    "pfeiffer": {"reduction_factor": 2},
    "compacter": {"reduction_factor": 2},
    "compacter++": {"reduction_factor": 2},
    "hyperformer": {"reduction_factor": 2},
    "hyperformer++": {"reduction_factor": 2},
    "meta_adapter": {"reduction_factor": 8},
    "lora": {"rank": 32, "alpha": 64, "targets": ["q", "k", "v", "o", "wi", "wo"]},
    "dora": {"rank": 32, "alpha": 64, "targets": ["q", "k", "v", "o", "wi", "wo"]},
}
CONFIGS = Path(__file__).parents[1] / "configs"
ROW = "{:<21} {:>9} {:>6}  {:<12} {:>8} {:>8} {:>7}"


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m trainer.demo", description=__doc__)
    parser.add_argument(
        "--run",
        help="folder for all that the demo makes (default: runs/demo, with --full runs/demo-full)",
    )
    parser.add_argument("--method", default=METHOD, help="adapter method (default: %(default)s)")
    parser.add_argument(
        "--full", action="store_true", help="learn SCAN too, which takes some minutes more"
    )
    return parser


def main(argv: list[str] | None) -> int:
    """Run the demo, or what is left of it."""
    options = make_parser().parse_args(argv)
    folder = local_path(options.run or ("runs/demo-full" if options.full else "runs/demo"), "--run")
    tasks, stage = (FULL_TASKS, "demo") if options.full else (TASKS, "demo-short")
    method = options.method
    adapters = folder / ("adapters" if method == METHOD else f"adapters-{method.replace(',', '-')}")
    quiet_libraries()
    started = time.monotonic()
    say(f"1. {len(tasks)} generated tasks become a vocabulary and TFRecords")
    dataset = build_dataset(folder, tasks)
    say("2. a tiny T5 learns all of them but the last from scratch")
    if not train_stage(folder, f"{stage}-backbone", folder / "backbone"):
        return INTERRUPTED
    print(f"\nIts answers on the {SPLIT} split; {NEW} it cannot know:", flush=True)
    alone = score_backbone(folder, dataset, tasks)
    say(f"3. the backbone is frozen; each task, the new one too, gets its own {method}")
    print("What a task adds is small, and learning the new one cannot harm the others.")
    if not train_stage(folder, f"{stage}-adapters", adapters, *choose_settings(method, folder)):
        return INTERRUPTED
    say(f"4. the same {SPLIT} split with the adapters, by `python -m eval`")
    adapted = score_adapters(adapters)
    say("5. the outcome: what each task's adapters are in size, and what they bring")
    print(format_outcome(folder, adapters, tasks, dataset, alone, adapted))
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.1f} minutes. Run folder: {adapters}")
    print(f"Report: {adapters / 'report.html'}")
    print(f"Curves: tensorboard --logdir {folder}")
    if not options.full:
        print("The long story, with a harder task: make demo FULL=1")
    return 0


def choose_settings(method: str, folder: Path) -> list[str]:
    """Choose what the adapters' stage is told beside its config.

    Args:
        method: One, or several with commas between them.
        folder: Of the demo.

    Returns:
        Words of a command line.
    """
    chosen = [f"--model.backbone={folder / 'backbone' / 'backbone'}", f"--adapters.method={method}"]
    chosen.append(f"--adapters.settings={json.dumps(settings_of(method, folder))}")
    if method in LEARNING_RATES:
        chosen.append(f"--optimizer.learning_rate={LEARNING_RATES[method]}")
    return chosen


def settings_of(method: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Choose the settings of a method on the demo's narrow backbone.

    Args:
        method: One, or several with commas between them.
        folder: Of the demo; a fusion is of its plain adapters.

    Returns:
        Settings by method, where they differ from the defaults.
    """
    known = {**SETTINGS, "fusion": {"of": str(folder / "adapters")}}
    return {name: known[name] for name in split_names(method) if name in known}


def build_dataset(folder: Path, tasks: tuple[str, ...]) -> Manifest:
    """Train the vocabulary and build the dataset folder, unless they are there."""
    vocabulary, dataset = folder / "spiece.model", folder / "dataset"
    names = ",".join(tasks)
    if not vocabulary.exists():
        prep(
            ["train-vocabulary", "--tasks", names, "--size", str(PIECES), "--out", str(vocabulary)]
        )
    prep(["build", "--tasks", names, "--vocabulary", str(vocabulary), "--out", str(dataset)])
    return load_manifest(dataset)


def train_stage(folder: Path, stage: str, run: Path, *extra: str) -> bool:
    """Train one stage of the demo, and tell whether it reached its end."""
    from trainer.callbacks.progress import say as say_above_the_bar
    from trainer.fit import train

    config = read_arguments(
        [
            f"--config={CONFIGS / f'{stage}.yaml'}",
            f"--dataset={folder / 'dataset'}",
            f"--run={run}",
            *extra,
        ]
    )
    return train(config, say_above_the_bar, is_live=is_terminal(sys.stdout)).is_done


def score_adapters(run: Path) -> dict[str, Any]:
    """Score the adapters' run with `python -m eval`, unless its scores are there."""
    from eval.__main__ import main as evaluate

    figures = run / "eval" / f"{SPLIT}.json"
    if not figures.exists():
        evaluate(["--run", str(run), "--split", SPLIT])
    return json.loads(figures.read_text(encoding="utf-8"))["tasks"]


def score_backbone(
    folder: Path, manifest: Manifest, tasks: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Score the backbone without adapters on every task, and print each as it is scored."""
    file = folder / "backbone-alone.json"
    if file.exists():
        scores = json.loads(file.read_text(encoding="utf-8"))
        for task in tasks:
            print_score(manifest, task, scores[task])
        return scores
    from adapters_tf import TaskModel, load_backbone
    from adapters_tf.runs.config import read_config
    from eval import Evaluator
    from trainer.settings.resolving import longest_lengths

    dataset = folder / "dataset"
    evaluator = Evaluator(
        TaskModel(load_backbone(str(folder / "backbone" / "backbone")), tasks),
        manifest,
        read_vocabulary(dataset, manifest),
        batch_size=read_config(folder / "backbone").data.batch_size,
        input_length=longest_lengths(manifest, tasks)[0],
    )
    scores = {}
    for task in tasks:
        split = read_split(dataset, manifest, task, SPLIT)
        scores[task] = evaluator.evaluate(task, split).metrics
        print_score(manifest, task, scores[task])
    file.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    return scores


def print_score(manifest: Manifest, task: str, scores: Mapping[str, float]) -> None:
    """Print a task's main figure."""
    metric = manifest.task(task).metrics[0]
    print(f"  {task:<21} {metric} {scores[metric]:.3f}", flush=True)


def format_outcome(
    folder: Path,
    run: Path,
    tasks: tuple[str, ...],
    manifest: Manifest,
    alone: dict[str, dict[str, float]],
    adapted: dict[str, Any],
) -> str:
    """Lay out one line per task: size, trainable share, and three scores of its main metric."""
    from safetensors.numpy import load_file

    backbone = load_file(str(folder / "backbone" / "backbone" / "model.safetensors"))
    total = sum(tensor.size for tensor in backbone.values())
    lines = [
        ROW.format(
            "task", "trainable", "share", "metric", "backbone", "adapters", "trivial"
        ).rstrip()
    ]
    for task in tasks:
        metric = manifest.task(task).metrics[0]
        weights = load_file(str(run / "adapters" / task / "adapter_model.safetensors"))
        trainable = sum(tensor.size for tensor in weights.values())
        cells = (
            task,
            f"{trainable:,}",
            f"{trainable / total:.1%}",
            metric,
            f"{alone[task][metric]:.3f}",
            f"{adapted[task]['metrics'][metric]:.3f}",
            f"{adapted[task]['trivial_baseline'][metric]:.3f}",
        )
        lines.append(ROW.format(*cells))
    lines.append(
        f"Trivial is the best answer that does not look at the input. The backbone ({total:,}"
    )
    lines.append(f"parameters) never saw {NEW}.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main))
