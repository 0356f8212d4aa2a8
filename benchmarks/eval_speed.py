"""Examples per second of our argmax and greedy models, beside TFT5's own `generate`.

    python -m benchmarks.eval_speed                # a tiny T5 and t5-small's sizes, about 4 minutes
    python -m benchmarks.eval_speed --sizes t5-tiny --repetitions 5

The same TFT5, batch and lengths for all; weights are random, and the embedding of EOS is pushed
out of reach so that every program decodes all of its tokens. Each figure is the median of the
repetitions, taken in turns after one warm-up. Two ratios: to `generate` called as most people call
it, and to the fastest way of running it (eager, in a graph, or compiled with XLA).
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel, load_backbone
from eval import ArgmaxModel, GreedyModel

# Name, preset, batch in examples, input and output lengths in tokens.
SIZES = {"t5-tiny": (64, 64, 32), "t5-small": (8, 128, 16)}
VOCABULARY = 32128

Program = Callable[[dict[str, tf.Tensor]], tf.Tensor]


def build(preset: str) -> TaskModel:
    backbone = load_backbone(preset, vocabulary_size=VOCABULARY)
    embedding = backbone.shared.embeddings.numpy()
    # A tied head scores EOS by this row; far from every other row it is never the best.
    embedding[1] = -10 * embedding.mean(axis=0)
    backbone.shared.embeddings.assign(embedding)
    return TaskModel(backbone, ("task",))


def make_batch(batch_size: int, input_length: int) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(0)
    tokens = generator.integers(2, VOCABULARY, (batch_size, input_length), dtype=np.int32)
    lengths = generator.integers(input_length // 4, input_length + 1, batch_size)
    tokens *= np.arange(input_length) < lengths[:, None]
    return {
        "encoder_input_tokens": tf.constant(tokens),
        "task": tf.zeros(batch_size, tf.int32),
    }


def compiled(model: tf_keras.Model, is_xla: bool) -> Program:
    return tf.function(lambda batch: model(batch, training=False), jit_compile=is_xla)


def generate_with(model: TaskModel, tokens: int, wrap: Callable | None) -> Program:
    """TFT5's `generate`, eager or in a tf.function, greedy, of exactly so many new tokens."""

    def generate(batch):
        return model.backbone.generate(
            batch["encoder_input_tokens"],
            attention_mask=tf.cast(batch["encoder_input_tokens"] != 0, tf.int32),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            num_beams=1,
            do_sample=False,
        )

    return wrap(generate) if wrap else generate


def programs(model: TaskModel, tokens: int) -> dict[str, Program]:
    ours = ArgmaxModel(model) if tokens == 1 else GreedyModel(model, length=tokens)
    candidates = {"generate": generate_with(model, tokens, None)}
    if tokens > 1:  # in a graph `generate` can't make one token alone: its cache would be empty
        candidates["generate, graph"] = generate_with(model, tokens, tf.function)
        candidates["generate, XLA"] = generate_with(model, tokens, tf.function(jit_compile=True))
    candidates["ours, graph"] = compiled(ours, False)
    candidates["ours, XLA"] = compiled(ours, True)
    return candidates


def measure(candidates: dict[str, Program], batch: dict, repetitions: int) -> dict[str, float]:
    """The median seconds of each program, all run in turns so that a busy moment hits them all."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    expected = None
    for repetition in range(repetitions + 1):
        for name, program in candidates.items():
            start = time.perf_counter()
            tokens = program(batch).numpy()
            elapsed = time.perf_counter() - start
            if repetition:
                seconds[name].append(elapsed)
                continue
            # `generate` gives the start token too.
            answer = tokens[:, 1:] if name.startswith("generate") else tokens
            expected = answer if expected is None else expected
            if not np.array_equal(answer, expected):
                share = float(np.mean(answer == expected))
                print(f"  note: {name} agrees with generate on {share:.1%} of the tokens")
    return {name: statistics.median(times) for name, times in seconds.items()}


def report(title: str, batch_size: int, medians: dict[str, float]) -> None:
    fastest = min(value for name, value in medians.items() if name.startswith("generate"))
    print(title)
    for name, value in medians.items():
        print(
            f"  {name:<16} {value * 1000:9.1f} ms  {batch_size / value:9.1f} examples/s"
            f"  {medians['generate'] / value:6.2f} x generate"
            f"  {fastest / value:6.2f} x its fastest"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(SIZES), help="names separated by commas")
    parser.add_argument("--repetitions", type=int, default=5)
    arguments = parser.parse_args()
    for preset in arguments.sizes.split(","):
        batch_size, input_length, length = SIZES[preset]
        model = build(preset)
        batch = make_batch(batch_size, input_length)
        for tokens in (1, length):
            medians = measure(programs(model, tokens), batch, arguments.repetitions)
            lengths = f"{input_length} tokens in, {tokens} out"
            report(f"{preset}, batch {batch_size}, {lengths}", batch_size, medians)


if __name__ == "__main__":
    main()
