"""Seconds per adapter step with 1, 16 and 256 tasks in the bank, and with a dense Adam beside it.

    python -m benchmarks.task_count [--preset t5-small] [--method bottleneck] [--jit]

The contestants take turns, a few steps each; medians of the rounds are printed as ratios to one
task. The dense contestant is Keras's AdamW over whole banks of 128 tasks, which is what stacking
adapters without a taskwise optimizer amounts to: it also moves the tasks that rest.
"""

import argparse
import statistics

from prep import quiet_libraries

quiet_libraries()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from adapters_tf import TaskModel, load_backbone, make_dropout_stateless, read_methods  # noqa: E402
from benchmarks.train_speed import make_batch, time_steps  # noqa: E402
from trainer.optimizers.registry import OPTIMIZERS  # noqa: E402
from trainer.steps.fit_model import FitModel  # noqa: E402
from trainer.steps.step import Batch, sum_losses  # noqa: E402

COUNTS = (1, 16, 256)
DENSE_COUNT = 128


class DenseModel(tf_keras.Model):
    """The same model stepped by an optimizer that knows nothing of tasks."""

    def __init__(self, task_model: TaskModel):
        super().__init__()
        self.task_model = task_model

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """Take one step on whole banks."""
        variables = self.task_model.trainable_variables
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            total, _ = sum_losses(self.task_model, batch, training=True)
            loss = total / tf.reduce_sum(batch["decoder_loss_weights"])
        gradients = [tf.convert_to_tensor(one) for one in tape.gradient(loss, variables)]
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {"loss": loss}


def make_model(preset: str, method: str, tasks: int, routing: str = "batch") -> TaskModel:
    names = tuple(f"task{number}" for number in range(tasks))
    return TaskModel(load_backbone(preset), names, read_methods(method, {}), routing=routing)


def make_taskwise(
    preset: str, method: str, tasks: int, jit_compile: bool, routing: str = "batch"
) -> FitModel:
    """The trainer's own step."""
    model = make_model(preset, method, tasks, routing)
    optimizer = OPTIMIZERS["adamw"](1e-4, model.is_bank, clip_norm=1.0, is_compiled=jit_compile)
    optimizer.build(model.trainable_variables)
    make_dropout_stateless(model, 0, optimizer.iterations)
    fit_model = FitModel(model)
    fit_model.compile(optimizer, jit_compile=jit_compile)
    return fit_model


def make_dense(preset: str, method: str, jit_compile: bool) -> DenseModel:
    """Keras's own AdamW."""
    dense = DenseModel(make_model(preset, method, DENSE_COUNT))
    make_dropout_stateless(dense.task_model, 0, tf.Variable(0, dtype=tf.int64))
    dense.compile(tf_keras.optimizers.AdamW(1e-4, global_clipnorm=1.0), jit_compile=jit_compile)
    return dense


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--method", default="bottleneck")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--input-length", type=int, default=128)
    parser.add_argument("--target-length", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4, help="per round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jit", action="store_true", help="compile the steps with XLA")
    options = parser.parse_args()
    batch = make_batch(options.batch_size, options.input_length, options.target_length)
    contestants: dict[str, tf_keras.Model] = {
        f"{tasks} tasks": make_taskwise(options.preset, options.method, tasks, options.jit)
        for tasks in COUNTS
    }
    dense = f"{DENSE_COUNT} tasks, dense Adam"
    contestants[dense] = make_dense(options.preset, options.method, options.jit)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for model in contestants.values():
        time_steps(model, batch, 2)  # traces and compiles
    for _ in range(options.rounds):
        for name, model in contestants.items():
            seconds[name].append(time_steps(model, batch, options.steps))
    reference = seconds[f"{COUNTS[0]} tasks"]
    print(f"{options.preset}, {options.method}, {'XLA' if options.jit else 'graph'}")
    print(f"{'':24} {'s/step':>8} {'ratio':>7} {'bank and slots, MB':>19}")
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, reference, strict=True))
        model = contestants[name]
        weights = [*model.trainable_variables, *model.optimizer.variables]
        size = sum(int(tf.size(weight)) * weight.dtype.size for weight in weights) / 2**20
        print(f"{name:24} {statistics.median(times):8.3f} {ratio:7.2f} {size:19.1f}")


if __name__ == "__main__":
    main()
