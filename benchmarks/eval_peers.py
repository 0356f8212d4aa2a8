"""Answers per second beside Hugging Face's `generate`, in TensorFlow and in PyTorch.

    python -m benchmarks.eval_peers [--python .venv-parity/bin/python] [--case shapes]
        [--data-dir ../shared/data] [--turns 5] [--steps 3] [--only greedy]

`make benchmark-eval-peers` makes PyTorch's environment and runs this. Each contestant is a process
of its own; they take turns of a few batches. All T5s are of `--preset`'s sizes, in float32, without
adapters; weights are random, and no answer ends before its last token.

Two cases. `shapes`: 8 rows of 128 tokens, about half of them padding, one token to answer with, 16,
32, or label words; beside them the matrix products that such answers can't do without. `lengths`:
the inputs of real tasks of `--data-dir` (the embedded ones without it), in their own order: ours
takes rows of like length together, `generate` pads each batch to its longest row, as Hugging Face's
collator does. The last column is the most memory that a contestant's process had.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from adapters_tf.backbone.presets import PRESETS
from benchmarks.packing import plan_build
from benchmarks.step_products import answer_products
from benchmarks.turns import Contestant, compare, median_ratio
from prep import build_dataset, load_manifest, read_split

VOCABULARY = 32_128
ROWS, INPUTS = 8, 128
LENGTHS = (1, 16, 32)  # tokens of an answer
MOST = 512  # tokens of a real input
_EXAMPLES = 512  # of the case of real lengths


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.case in ("shapes", "both"):
            compare_shapes(options, folder)
        if options.case in ("lengths", "both"):
            compare_lengths(options, folder)
    if not options.python:
        print("left out: PyTorch (give its environment with --python)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--python", help="of an environment with torch and transformers")
    parser.add_argument("--case", choices=("shapes", "lengths", "both"), default="both")
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--tasks", default="", help="of `lengths`, names separated by commas")
    parser.add_argument("--preset", default="t5-small", choices=PRESETS)
    parser.add_argument("--only", default="", help="contestants whose names have this in them")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="batches of a turn")
    return parser.parse_args()


def compare_shapes(options: argparse.Namespace, folder: Path) -> None:
    """Print milliseconds per batch where all rows are as long."""
    generator = np.random.default_rng(0)
    inputs = generator.integers(2, VOCABULARY, (1, ROWS, INPUTS), dtype=np.int32)
    lengths = generator.integers(INPUTS // 4, INPUTS + 1, (1, ROWS, 1))
    lengths[:, 0] = INPUTS  # the longest of a batch is as long as all are made
    inputs *= np.arange(INPUTS) < lengths
    file = folder / "shapes.npz"
    np.savez(file, inputs=inputs, sizes=json.dumps(PRESETS[options.preset]))
    make = Contestants(options, folder, file)
    encoder = "the encoder alone"
    groups = [
        [
            make.ours(encoder, "encoder"),
            make.ours("two label words of a token", "labels", 1),
            make.ours("four label words of three tokens", "labels", 3),
            make.ours("one decoder pass over their rows", "pass", 3),
            make.ours("all scores of a token to the host", "scores"),
        ]
    ]
    for tokens in LENGTHS:
        what = f"{tokens} token{'s' if tokens > 1 else ''}"
        # transformers cannot compile one for a single token.
        graph = [make.ours(f"{what}, the same in a graph", "generate_graph", tokens)]
        groups.append(
            [
                make.ours(encoder, "encoder"),
                make.ours(f"{what}, ours", "answers", tokens),
                make.ours(f"{what}, TFT5 generate", "generate", tokens),
                *(graph if tokens > 1 else []),
                make.torch(f"{what}, PyTorch generate", tokens),
                *make.products(f"{what}, products alone", tokens),
            ]
        )
    for group in groups:
        show(options, chosen(group, options), f"{ROWS} rows of {INPUTS} tokens", "ms a batch")


def compare_lengths(options: argparse.Namespace, folder: Path) -> None:
    """Print milliseconds per batch of the inputs of real tasks."""
    build = replace(plan_build(options.tasks, options.data_dir, MOST, folder), pack=False)
    build_dataset(build, report=lambda line: None)
    file = folder / "lengths.npz"
    np.savez(file, inputs=real_inputs(build.out), sizes=json.dumps(PRESETS[options.preset]))
    make = Contestants(options, folder, file)
    for tokens in LENGTHS[:2]:
        group = [
            make.ours(f"{tokens} tokens, ours", "answers", tokens),
            make.torch(f"{tokens} tokens, PyTorch generate", tokens),
        ]
        # A step is all batches, or who takes short rows first would gain by it.
        show(options, chosen(group, options), "inputs of real tasks", "ms for all", steps=1)


def real_inputs(dataset: Path) -> np.ndarray:
    """Take validation inputs of all tasks, in their own order: int32 [batches, ROWS, MOST]."""
    manifest = load_manifest(dataset)
    rows: list[np.ndarray] = []
    for name, entry in manifest.tasks.items():
        split = "validation" if "validation" in entry.splits else "train"
        table = read_split(dataset, manifest, name, split)
        count = min(len(table), _EXAMPLES // len(manifest.tasks))
        rows += [np.resize(table.input_ids(row)[:MOST], MOST) for row in range(count)]
        for row, ids in zip(rows[-count:], map(table.input_ids, range(count)), strict=True):
            row[min(len(ids), MOST) :] = 0
    order = np.random.default_rng(0).permutation(len(rows))
    kept = np.stack(rows)[order][: len(rows) // ROWS * ROWS]
    return kept.reshape(-1, ROWS, MOST).astype(np.int32)


class Contestants:
    """Makes contestants, their logs in a folder."""

    def __init__(self, options: argparse.Namespace, folder: Path, file: Path):
        self.options, self.folder, self.file = options, folder, file

    def ours(self, name: str, what: str, tokens: int = 1) -> Contestant:
        """A program of TensorFlow."""
        return self._make(name, sys.executable, "eval_contestants", what, tokens)

    def torch(self, name: str, tokens: int) -> Contestant | None:
        """PyTorch's `generate`, where there is an environment of it."""
        if not self.options.python:
            return None
        return self._make(name, self.options.python, "torch_generate", "generate", tokens)

    def products(self, name: str, tokens: int) -> list[Contestant]:
        """What no answer can do without, as TensorFlow and as PyTorch multiply."""
        sizes = {"vocab_size": VOCABULARY, **PRESETS[self.options.preset]}
        once, each = answer_products(sizes, ROWS, INPUTS, tokens)
        file = self.folder / f"products-{tokens}.json"
        file.write_text(json.dumps({"once": once, "each": each, "tokens": tokens}))
        here = Contestants(self.options, self.folder, file)
        made = [here.ours(name, "products")]
        if self.options.python:
            python = self.options.python
            made.append(
                here._make(f"{name}, PyTorch", python, "torch_generate", "products", tokens)
            )
        return made

    def _make(self, name: str, python: str, module: str, what: str, tokens: int) -> Contestant:
        command = [python, "-m", f"benchmarks.{module}", what, str(self.file)]
        command += [f"--tokens={tokens}", f"--preset={self.options.preset}"]
        return Contestant(name, command, self.folder / f"{name}.log")


def chosen(contestants: list[Contestant | None], options: argparse.Namespace) -> list[Contestant]:
    """Leave out what is not there, and what was not asked for."""
    return [one for one in contestants if one is not None and options.only in one.name]


def show(
    options: argparse.Namespace,
    contestants: list[Contestant],
    title: str,
    unit: str,
    steps: int | None = None,
) -> None:
    """Let contestants take turns, and print their table."""
    if not contestants:
        return
    compare(contestants, options.turns, steps or options.steps)
    print(
        f"\n{options.preset}, {title}, float32\n{'':36} {unit:>12} {'to the first':>13} {'GB':>6}"
    )
    for one in contestants:
        times = one.seconds()
        ratio = median_ratio(times, contestants[0].seconds())
        milliseconds = statistics.median(times) * 1000
        print(f"{one.name:36} {milliseconds:12,.0f} {ratio:13.2f} {one.peak() / 1e9:6.2f}")


if __name__ == "__main__":
    main()
