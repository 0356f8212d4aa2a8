"""Training steps of TensorFlow, for `benchmarks.train_peers`.

    python -m benchmarks.train_contestants trainer DATASET --setting data.batch_size=8 …
    python -m benchmarks.train_contestants plain_fit BATCHES.npz [--pad longest]
    python -m benchmarks.train_contestants products PRODUCTS.json

`trainer`: a run of the trainer on a dataset of `prep build`, through its own batches and `fit`,
without validations and checkpoints. `plain_fit`: TFT5 as transformers documents it, `compile` with
Keras's AdamW and `fit` on labels, all of it trained. `products`: matrix products and nothing else.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.turns import next_turn, take_turns, tell, tell_ready
from prep import Manifest, quiet_libraries

quiet_libraries()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from adapters_tf import load_backbone  # noqa: E402
from adapters_tf.runs.settings import ResolvedRun  # noqa: E402
from trainer.batches.mixture_batches import MixtureBatches  # noqa: E402
from trainer.fit import run_steps  # noqa: E402
from trainer.parts import make_batches, open_devices, open_model, resolve_run  # noqa: E402
from trainer.settings.arguments import read_arguments  # noqa: E402

NO_LABEL = -100
WARM_STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("trainer", "plain_fit", "products"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--setting", action="append", default=[], help="of a run, name=value")
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--pad", choices=("longest", "max_length"), default="longest")
    options = parser.parse_args()
    tf_keras.utils.set_random_seed(0)
    if options.what == "products":
        take_turns(multiply(json.loads(options.file.read_text())))
    elif options.what == "plain_fit":
        fit_plainly(options)
    else:
        train(options)


class Turns(tf_keras.callbacks.Callback):
    """Lets `fit` go on only while it is this contestant's turn.

    Args:
        positions: Of a batch by number, those that hold tokens, and all.
        warm: Steps before the first turn.
    """

    def __init__(self, positions: Callable[[int], tuple[int, int]], warm: int):
        super().__init__()
        self.positions, self.warm = positions, warm
        self.done = self.first = self.last = 0

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Wait for the next turn where this one is over."""
        self.done += 1
        if self.done == self.first:
            self.started = time.perf_counter()
        elif self.done == self.last:
            taken = time.perf_counter() - self.started
            tell(taken, [self.positions(number) for number in range(self.first, self.last)])
            self.wait()
        elif self.done == self.warm:
            tell_ready()
            self.wait()

    def wait(self) -> None:
        """Wait, and lay out the turn: a step that is not timed, then those that are."""
        steps = next_turn()
        if steps is None:
            self.model.stop_training = True
            return
        self.first = self.done + 1
        self.last = self.first + steps


def train(options: argparse.Namespace) -> None:
    """Take turns at steps of a run, until standard input ends."""
    settings, manifest = resolve(options.file, options.setting)
    strategy = open_devices(settings)
    batches = make_batches(settings, manifest)
    fit_model = open_model(settings, strategy, lambda line: None, None)
    numbers = range(batches.steps)
    # Each shape is traced before the first turn.
    warm = 1 + max(int(batches.numbers(shape, 0)[0]) for shape in set(batches.shapes))
    callback = Turns(lambda number: positions_of(batches, number), max(warm, WARM_STEPS))
    run_steps(fit_model, batches, strategy, numbers, [callback])


def resolve(dataset: Path, given: list[str]) -> tuple[ResolvedRun, Manifest]:
    """Read the settings of a run that is never written."""
    words = [f"--dataset={dataset}", f"--run={dataset.parent / 'none'}"]
    return resolve_run(read_arguments([*words, *(f"--{setting}" for setting in given)]))


def positions_of(batches: MixtureBatches, number: int) -> tuple[int, int]:
    """Positions of a batch that hold tokens, and all of them."""
    batch = batches.batch(number)
    tokens = batch["encoder_input_tokens"], batch["decoder_target_tokens"]
    return sum(map(np.count_nonzero, tokens)), sum(array.size for array in tokens)


def fit_plainly(options: argparse.Namespace) -> None:
    """Take turns at steps of TFT5's own `fit`."""
    with np.load(options.file) as data:
        inputs, targets = data["inputs"], data["targets"]

    def rows(number: int) -> list[np.ndarray]:
        both = inputs[number % len(inputs)], targets[number % len(inputs)]
        if options.pad == "max_length":
            return list(both)
        return [array[:, : (array != 0).sum(1).max()] for array in both]

    def stream() -> Iterator[dict[str, np.ndarray]]:
        for number in count():
            texts, answers = rows(number)
            labels = np.where(answers != 0, answers, NO_LABEL)
            yield {"input_ids": texts, "attention_mask": np.int32(texts != 0), "labels": labels}

    def positions(number: int) -> tuple[int, int]:
        both = rows(number)
        return sum(map(np.count_nonzero, both)), sum(array.size for array in both)

    def shape(array: np.ndarray) -> tuple[int, int | None]:
        return array.shape[1], array.shape[2] if options.pad == "max_length" else None

    spec = {
        "input_ids": tf.TensorSpec(shape(inputs), tf.int32),
        "attention_mask": tf.TensorSpec(shape(inputs), tf.int32),
        "labels": tf.TensorSpec(shape(targets), tf.int32),
    }
    data = tf.data.Dataset.from_generator(stream, output_signature=spec).prefetch(2)
    model = load_backbone(options.preset)
    model.compile(tf_keras.optimizers.AdamW(1e-4))
    model.fit(data, steps_per_epoch=10**6, verbose=0, callbacks=[Turns(positions, warm=WARM_STEPS)])


def multiply(products: list[list[int]]) -> Callable[[], tuple[int, int]]:
    """Make what multiplies matrices [G, M, K] by [G, K, N], as often as is said."""
    left: dict[tuple[int, ...], tf.Tensor] = {}
    pairs = []
    for group, rows, inner, columns, times in products:
        key = group, rows, inner
        if key not in left:
            left[key] = tf.random.normal(key)
        pairs += [(left[key], tf.random.normal((group, inner, columns))) for _ in range(times)]
    pairs = [(a[0], b[0]) if len(a) == 1 else (a, b) for a, b in pairs]

    def take_step() -> tuple[int, int]:
        for one, other in pairs:
            tf.linalg.matmul(one, other)
        return 0, 1

    take_step()
    return take_step


if __name__ == "__main__":
    main()
