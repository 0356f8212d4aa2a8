"""Seconds of an adapter step whose rows are of 32 tasks, beside one whose rows are of one task.

    python -m benchmarks.mixed_step [--preset t5-small] [--method bottleneck] [--jit]

The two take turns of a few steps each; the median of the turns' ratios is printed. Both models hold
32 tasks and both batches are the same but for the tasks of their rows. What a TPU's compiler says
of the same pair: `python -m benchmarks.tpu_steps --only "32 tasks"`.
"""

import argparse
import statistics

from prep import quiet_libraries

quiet_libraries()

import numpy as np  # noqa: E402

from benchmarks.task_count import make_taskwise  # noqa: E402
from benchmarks.train_speed import make_batch, time_steps  # noqa: E402
from benchmarks.turns import median_ratio  # noqa: E402

TASKS = 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--method", default="bottleneck")
    parser.add_argument("--batch-size", type=int, default=TASKS)
    parser.add_argument("--input-length", type=int, default=128)
    parser.add_argument("--target-length", type=int, default=16)
    parser.add_argument("--steps", type=int, default=2, help="per turn")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--jit", action="store_true", help="compile the steps with XLA")
    options = parser.parse_args()
    one = make_batch(options.batch_size, options.input_length, options.target_length)
    mixed = {**one, "task": np.arange(options.batch_size, dtype=np.int32) % TASKS}
    of = (options.preset, options.method, TASKS, options.jit)
    pairs = {"rows of one task": (make_taskwise(*of), one)}
    pairs[f"rows of {TASKS} tasks"] = (make_taskwise(*of, routing="example"), mixed)
    seconds: dict[str, list[float]] = {name: [] for name in pairs}
    for model, batch in pairs.values():
        time_steps(model, batch, 2)  # traces and compiles
    for _ in range(options.turns):
        for name, (model, batch) in pairs.items():
            seconds[name].append(time_steps(model, batch, options.steps))
    print(f"{options.preset}, {options.method}, {'XLA' if options.jit else 'graph'}")
    print(f"{'':20} {'s/step':>8} {'ratio':>7}")
    first = next(iter(seconds.values()))
    for name, times in seconds.items():
        print(f"{name:20} {statistics.median(times):8.3f} {median_ratio(times, first):7.2f}")


if __name__ == "__main__":
    main()
