"""The whole story on embedded tasks, in one command: `python -m trainer.demo --run DIR`.

Every stage is the public command a person would type, on the configs in `configs/`; a stage that
is done is found done, so running it again resumes.
"""

from __future__ import annotations

import json
import sys
import time
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
from prep.errors import INTERRUPTED
from trainer.quickstart import say
from trainer.settings.arguments import read_arguments

TASKS = ("scan_simple", "synthetic_entailment", "synthetic_similarity", "synthetic_choice")
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
ROW = "{:<21} {:<16} {:>8} {:>10} {:>7}  {:<12} {:>8} {:>9} {:>9}"


def make_parser() -> OneLineParser:
    """Make the parser of the command line."""
    parser = OneLineParser(prog="python -m trainer.demo", description=__doc__)
    parser.add_argument("--run", default="runs/demo", help="folder for all that the demo makes")
    parser.add_argument("--method", default=METHOD, help="adapter method (default: %(default)s)")
    return parser


def main(argv: list[str] | None) -> int:
    """Run the demo, or what is left of it."""
    options = make_parser().parse_args(argv)
    folder, method = local_path(options.run, "--run"), options.method
    adapters = folder / ("adapters" if method == METHOD else f"adapters-{method.replace(',', '-')}")
    quiet_libraries()
    started = time.monotonic()
    dataset = build_dataset(folder)
    say("2. a tiny T5 learns three tasks from scratch")
    if not train_stage(folder, "backbone", folder / "backbone"):
        return INTERRUPTED
    backbone = folder / "backbone" / "backbone"
    say(f"3. the backbone is frozen; each task, one of them new, trains its own {method}")
    chosen = [f"--model.backbone={backbone}", f"--adapters.method={method}"]
    chosen.append(f"--adapters.settings={json.dumps(settings_of(method, folder))}")
    if method in LEARNING_RATES:
        chosen.append(f"--optimizer.learning_rate={LEARNING_RATES[method]}")
    if not train_stage(folder, "adapters", adapters, *chosen):
        return INTERRUPTED
    say("4. scoring on the test split: argmax on the device, greedy decoding for longer answers")
    adapted = score_adapters(adapters)
    alone = score_backbone(folder, dataset)
    say("5. the outcome")
    print(format_outcome(folder, adapters, dataset, alone, adapted))
    minutes = (time.monotonic() - started) / 60
    print(f"\n{minutes:.1f} minutes. Run folder: {adapters}")
    print(f"Curves: tensorboard --logdir {folder}")
    return 0


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


def build_dataset(folder: Path) -> Manifest:
    """Train the vocabulary and build the dataset folder, unless they are there."""
    say("1. generated tasks become a vocabulary and TFRecords")
    vocabulary, dataset = folder / "spiece.model", folder / "dataset"
    names = ",".join(TASKS)
    if not vocabulary.exists():
        prep(
            ["train-vocabulary", "--tasks", names, "--size", str(PIECES), "--out", str(vocabulary)]
        )
    prep(["build", "--tasks", names, "--vocabulary", str(vocabulary), "--out", str(dataset)])
    return load_manifest(dataset)


def train_stage(folder: Path, stage: str, run: Path, *extra: str) -> bool:
    """Train one stage of the demo, and tell whether it reached its end."""
    from trainer.fit import train

    config = read_arguments(
        [
            f"--config={CONFIGS / f'demo-{stage}.yaml'}",
            f"--dataset={folder / 'dataset'}",
            f"--run={run}",
            *extra,
        ]
    )
    return train(config, report=lambda line: print(line, flush=True)).is_done


def score_adapters(run: Path) -> dict[str, Any]:
    """Score the adapters' run with `python -m eval`, unless its scores are there."""
    from eval.__main__ import main as evaluate

    figures = run / "eval" / f"{SPLIT}.json"
    if not figures.exists():
        evaluate(["--run", str(run), "--split", SPLIT])
    return json.loads(figures.read_text(encoding="utf-8"))["tasks"]


def score_backbone(folder: Path, manifest: Manifest) -> dict[str, dict[str, float]]:
    """Score the backbone without adapters on every task, the one it never saw among them."""
    file = folder / "backbone-alone.json"
    if file.exists():
        return json.loads(file.read_text(encoding="utf-8"))
    from adapters_tf import TaskModel, load_backbone
    from adapters_tf.runs.config import read_config
    from eval import Evaluator

    dataset = folder / "dataset"
    model = TaskModel(load_backbone(str(folder / "backbone" / "backbone")), TASKS)
    vocabulary = read_vocabulary(dataset, manifest)
    data = read_config(folder / "backbone").data
    evaluator = Evaluator(
        model,
        manifest,
        vocabulary,
        batch_size=data.batch_size,
        input_length=data.input_length,
    )
    scores = {
        task: evaluator.evaluate(task, read_split(dataset, manifest, task, SPLIT)).metrics
        for task in TASKS
    }
    file.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
    return scores


def format_outcome(
    folder: Path,
    run: Path,
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
            "task",
            "kind",
            "examples",
            "trainable",
            "share",
            "metric",
            "backbone",
            "adapters",
            "trivial",
        )
    ]
    for task in TASKS:
        entry = manifest.task(task)
        metric = entry.metrics[0]
        weights = load_file(str(run / "adapters" / task / "adapter_model.safetensors"))
        trainable = sum(tensor.size for tensor in weights.values())
        lines.append(
            ROW.format(
                task,
                entry.kind,
                f"{entry.splits['train'].examples:,}",
                f"{trainable:,}",
                f"{trainable / total:.1%}",
                metric,
                f"{alone[task][metric]:.3f}",
                f"{adapted[task]['metrics'][metric]:.3f}",
                f"{adapted[task]['trivial_baseline'][metric]:.3f}",
            )
        )
    lines.append(f"The backbone ({total:,} parameters) never saw {TASKS[-1]}.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(main))
