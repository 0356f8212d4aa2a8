"""A training step with adapters beside the peers', and beside its matrix products alone.

    python -m benchmarks.train_peers [--python .venv-parity/bin/python] [--case shapes]
        [--data-dir ../shared/data] [--turns 5] [--steps 6]

`make benchmark-train-peers` makes PyTorch's environment and runs this. Each contestant is a process
of its own; they take turns of a few steps. All T5s are of `--preset`'s sizes, in float32, with
dropout; ours and AdapterHub's have a bottleneck of factor 32 after attention and feed-forward of
every block for each task, AdamW and clipping, and freeze all else. The plain `fit` trains all.

Two cases. `shapes`: every batch has the same positions, 8 rows of 128 and 16, random tokens in
three of five. Beside the contestants, the matrix products of such a step and nothing else, as
TensorFlow and as PyTorch does them: a step with adapters can't take less. `lengths`: real tasks
of `--data-dir` (the embedded ones without it), tokens as `prep build` makes them, tasks
proportional to their sizes; every contestant pads as its users do, and tokens per second count.
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
from benchmarks.input_speed import LENGTHS, write_dataset
from benchmarks.packing import plan_build
from benchmarks.step_products import step_products
from benchmarks.train_contestants import resolve
from benchmarks.turns import Contestant, compare, median_ratio
from prep import build_dataset, load_manifest
from trainer.parts import make_batches

FACTOR = 32
VOCABULARY = 32_128
PACKED = 512  # input positions of a packed row
CUT = 128  # tokens that AdapterHub's script for GLUE cuts inputs to, and pads them to, by default
SETTINGS = (
    *("adapters.method=bottleneck", "adapters.train_layer_norms=false"),
    f"adapters.settings={{bottleneck: {{reduction_factor: {FACTOR}, post_norm: false}}}}",
    *("training.steps=4000", "distribution.kind=cpu"),
)
_ROWS = 8  # of the case of equal shapes
_BATCHES = 300  # that the peers are given, before they begin again


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if options.case in ("shapes", "both"):
            compare_shapes(options, folder / "shapes")
        if options.case in ("lengths", "both"):
            compare_lengths(options, folder / "lengths")
    if not options.python:
        print("left out: AdapterHub, PyTorch's products (give their environment with --python)")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--python", help="of an environment with torch, transformers, adapters")
    parser.add_argument("--case", choices=("shapes", "lengths", "both"), default="both")
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--tasks", help="of `lengths`, names separated by commas")
    parser.add_argument("--preset", default="t5-small", choices=PRESETS)
    parser.add_argument("--rows", type=int, default=8, help="of `lengths`, where not packed")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="of a turn")
    return parser.parse_args()


def compare_shapes(options: argparse.Namespace, folder: Path) -> None:
    """Print seconds per step where all compute the same positions."""
    dataset = folder / "dataset"
    dataset.mkdir(parents=True)
    write_dataset(dataset, 2048)
    S, T = LENGTHS
    settings = [f"data.batch_size={_ROWS}", f"data.input_length={S}", f"data.target_length={T}"]
    batches = folder / "batches.npz"
    weighted = write_batches(batches, dataset, [*settings, *SETTINGS], options.preset)
    products = folder / "products.json"
    sizes = {"vocab_size": VOCABULARY, **PRESETS[options.preset]}
    products.write_text(json.dumps(step_products(sizes, FACTOR, _ROWS, *LENGTHS, weighted)))
    make = Contestants(options, folder)
    ours = make.ours("adapters, ours", dataset, settings)
    compiled = make.ours(
        "adapters, ours, with XLA", dataset, [*settings, "training.jit_compile=true"]
    )
    floor = make.tensorflow("products alone, TensorFlow", "products", products)
    contestants = [ours, compiled, make.plain("full, plain fit", batches, "max_length"), floor]
    if options.python:
        hub = make.torch("adapters, AdapterHub", "adapterhub", batches, "--pad=max_length")
        contestants += [hub, make.torch("products alone, PyTorch", "products", products)]
    compare(contestants, options.turns, options.steps)
    print(f"\n{options.preset}, {_ROWS} rows of {LENGTHS[0]}/{LENGTHS[1]}, float32")
    print(f"{'':34} {'s/step':>8} {'to ours':>8} {'to products':>12}")
    for one in contestants:
        times = one.seconds()
        to_ours, to_floor = (median_ratio(times, other.seconds()) for other in (ours, floor))
        print(f"{one.name:34} {statistics.median(times):8.3f} {to_ours:8.2f} {to_floor:12.2f}")


def compare_lengths(options: argparse.Namespace, folder: Path) -> None:
    """Print real tokens per second where each pads as its users do."""
    single, packed = build_datasets(options, folder)
    rows = f"data.batch_size={options.rows}"
    batches = folder / "batches.npz"
    write_batches(batches, single, [rows, *SETTINGS], options.preset)
    make = Contestants(options, folder)
    settings = [rows, "data.lengths=per_task"]
    # About as many positions in a step as the others compute of the longest task.
    packed_rows = max(1, options.rows * _longest(single) // PACKED)
    contestants = [
        make.ours(f"ours, packed rows of {PACKED}", packed, [f"data.batch_size={packed_rows}"]),
        make.ours("ours, a shape per task", single, settings),
        make.ours("ours, one shape", single, [rows]),
        make.plain("plain fit, to the longest", batches, "longest"),
    ]
    if options.python:
        name = "AdapterHub, to the {}"
        contestants += [
            make.torch(name.format("batch's longest"), "adapterhub", batches, "--pad=longest"),
            make.torch(name.format("longest of all"), "adapterhub", batches, "--pad=max_length"),
            make.torch(
                f"AdapterHub, to {CUT}, the rest cut",
                *("adapterhub", batches, "--pad=max_length", f"--cut={CUT}"),
            ),
        ]
    compare(contestants, options.turns, options.steps)
    print(f"\n{options.preset}, {options.rows} rows where not packed, else {packed_rows}; float32")
    print(f"{'':34} {'real tokens/s':>14} {'real share':>11} {'ours, packed, to it':>20}")
    for one in contestants:
        speeds = one.real_per_second()
        ratio = median_ratio(contestants[0].real_per_second(), speeds)
        speed = statistics.median(speeds)
        print(f"{one.name:34} {speed:14,.0f} {one.real_share():11.1%} {ratio:20.2f}")


def _longest(dataset: Path) -> int:
    tasks = load_manifest(dataset).tasks.values()
    return max(task.split("train").longest_input for task in tasks)


class Contestants:
    """Makes contestants, their logs in a folder."""

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options, self.folder = options, folder

    def ours(self, name: str, dataset: Path, settings: list[str]) -> Contestant:
        """A run of the trainer."""
        given = [*settings, *SETTINGS, f"model.backbone={self.options.preset}"]
        return self.tensorflow(name, "trainer", dataset, *(f"--setting={one}" for one in given))

    def plain(self, name: str, batches: Path, pad: str) -> Contestant:
        """TFT5 and Keras."""
        preset = f"--preset={self.options.preset}"
        return self.tensorflow(name, "plain_fit", batches, preset, f"--pad={pad}")

    def tensorflow(self, name: str, what: str, file: Path, *arguments: str) -> Contestant:
        """A contestant of this environment."""
        return self._make(name, sys.executable, "train_contestants", what, file, *arguments)

    def torch(self, name: str, what: str, file: Path, *arguments: str) -> Contestant:
        """A contestant of PyTorch's environment."""
        python = str(self.options.python)
        return self._make(name, python, "torch_train", what, file, *arguments)

    def _make(self, name: str, python: str, module: str, *arguments: str | Path) -> Contestant:
        command = [python, "-m", f"benchmarks.{module}", *map(str, arguments)]
        return Contestant(name, command, self.folder / f"{name}.log")


def build_datasets(options: argparse.Namespace, folder: Path) -> tuple[Path, Path]:
    """Build the tasks, one example a record, and packed."""
    folder.mkdir()
    packed = plan_build(options.tasks, options.data_dir, PACKED, folder)
    single = replace(packed, out=folder / "single", pack=False)
    for build in (single, packed):
        build_dataset(build, report=lambda line: None)
    return single.out, packed.out


def write_batches(path: Path, dataset: Path, settings: list[str], preset: str) -> int:
    """Write the first batches of a run for the peers, and the sizes of their model.

    Returns:
        The median of the target positions of a batch that hold tokens.
    """
    batches = make_batches(*resolve(dataset, [*settings, f"model.backbone={preset}"]))
    made = [batches.batch(number) for number in range(_BATCHES)]
    names = {"inputs": "encoder_input_tokens", "targets": "decoder_target_tokens"}
    arrays = {name: np.stack([batch[key] for batch in made]) for name, key in names.items()}
    tasks = np.array([batch["task"].flat[0] for batch in made])
    np.savez(path, **arrays, tasks=tasks)
    sizes = {"vocab_size": VOCABULARY, "decoder_start_token_id": 0, **PRESETS[preset]}
    path.with_suffix(".model.json").write_text(json.dumps(sizes | {"tasks": int(tasks.max()) + 1}))
    return int(np.median([np.count_nonzero(batch) for batch in arrays["targets"]]))


if __name__ == "__main__":
    main()
