"""Seconds per training step, as a ratio to the same TFT5 fully fine-tuned through plain `fit`.

    python -m benchmarks.train_speed [--preset t5-small] [--batch-size 8] [--steps 10]

The contestants take turns, a few steps each, so that the machine's changes of mood hit all alike;
the median over the rounds is what counts. A turn begins with a step that is not timed, since the
system may have taken back the memory of whoever rested. Ours clips gradients and the reference does
not. T5's layer norms train beside the adapters, but where it says otherwise. Three of five
positions hold real tokens.
"""

import argparse
import statistics
import time

import numpy as np

from prep import quiet_libraries

quiet_libraries()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from adapters_tf import (  # noqa: E402
    BottleneckConfig,
    TaskModel,
    load_backbone,
    make_dropout_stateless,
)
from trainer.optimizers.registry import OPTIMIZERS  # noqa: E402
from trainer.steps.fit_model import FitModel  # noqa: E402

REAL_SHARE = 0.6


def make_batch(batch_size: int, input_length: int, target_length: int) -> dict[str, np.ndarray]:
    """A batch of random tokens, the last two fifths of every row padded."""
    random = np.random.default_rng(0)
    inputs = random.integers(3, 32_000, (batch_size, input_length)).astype(np.int32)
    targets = random.integers(3, 32_000, (batch_size, target_length)).astype(np.int32)
    inputs[:, int(REAL_SHARE * input_length) :] = 0
    targets[:, int(REAL_SHARE * target_length) :] = 0
    shifted = np.zeros_like(targets)
    shifted[:, 1:] = targets[:, :-1]
    return {
        "encoder_input_tokens": inputs,
        "decoder_input_tokens": shifted,
        "decoder_target_tokens": targets,
        "decoder_loss_weights": (targets != 0).astype(np.float32),
        "task": np.zeros(batch_size, np.int32),
    }


def make_reference(preset, batch, jit_compile):
    """TFT5 as transformers documents it: `compile` with Keras's AdamW, `fit` on labels."""
    model = load_backbone(preset)
    model.compile(tf_keras.optimizers.AdamW(1e-4), jit_compile=jit_compile)
    features = {
        "input_ids": batch["encoder_input_tokens"],
        "attention_mask": (batch["encoder_input_tokens"] != 0).astype(np.int32),
        "decoder_input_ids": batch["decoder_input_tokens"],
        "labels": np.where(batch["decoder_loss_weights"] > 0, batch["decoder_target_tokens"], -100),
    }
    return model, features


def make_ours(preset, batch, adapters, tasks, jit_compile, train_layer_norms=True):
    """The trainer's model, with adapters or without."""
    names = tuple(f"task{number}" for number in range(tasks))
    model = TaskModel(load_backbone(preset), names, adapters, train_layer_norms=train_layer_norms)
    optimizer = OPTIMIZERS["adamw"](1e-4, model.is_bank, clip_norm=1.0, is_compiled=jit_compile)
    optimizer.build(model.trainable_variables)
    make_dropout_stateless(model, 0, optimizer.iterations)
    fit_model = FitModel(model)
    fit_model.compile(optimizer, jit_compile=jit_compile)
    return fit_model, batch


def time_steps(model, features, steps: int) -> float:
    """Seconds per step of one call of `fit`, after a step that is not timed."""
    options = tf.data.Options()
    # With autotuning, ends of `fit` were seen to wait for its thread, by up to 2.5 seconds.
    options.autotune.enabled = False
    data = tf.data.Dataset.from_tensors(features).with_options(options)
    model.fit(data, verbose=0)
    data = data.repeat(steps)
    started = time.perf_counter()
    model.fit(data, verbose=0)
    return (time.perf_counter() - started) / steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--input-length", type=int, default=128)
    parser.add_argument("--target-length", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jit", action="store_true", help="compile the steps with XLA")
    options = parser.parse_args()
    tf_keras.utils.set_random_seed(0)
    batch = make_batch(options.batch_size, options.input_length, options.target_length)
    adapters = BottleneckConfig(reduction_factor=32)
    contestants = {
        "full, plain fit (reference)": make_reference(options.preset, batch, options.jit),
        "full, ours": make_ours(options.preset, batch, None, 1, options.jit),
        "adapters, 1 task": make_ours(options.preset, batch, adapters, 1, options.jit),
        "adapters, all else frozen": make_ours(
            options.preset, batch, adapters, 1, options.jit, train_layer_norms=False
        ),
        "adapters, 64 tasks": make_ours(options.preset, batch, adapters, 64, options.jit),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for name, (model, features) in contestants.items():
        time_steps(model, features, 2)  # traces and compiles
        print(f"ready: {name}", flush=True)
    for _ in range(options.rounds):
        for name, (model, features) in contestants.items():
            seconds[name].append(time_steps(model, features, options.steps))
    reference = seconds["full, plain fit (reference)"]
    real = batch["decoder_loss_weights"].sum() + np.count_nonzero(batch["encoder_input_tokens"])
    print(
        f"{options.preset}, batch {options.batch_size}, {options.input_length}/"
        f"{options.target_length} tokens, float32, {'XLA' if options.jit else 'graph'}"
    )
    print(f"{'':30} {'s/step':>8} {'real tokens/s':>14} {'ratio to reference':>19}")
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, reference, strict=True))
        median = statistics.median(times)
        print(f"{name:30} {median:8.3f} {real / median:14.0f} {ratio:19.2f}")


if __name__ == "__main__":
    main()
