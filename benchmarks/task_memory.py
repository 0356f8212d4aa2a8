"""How much memory more tasks cost, beside the bank and the optimizer's slots.

    python -m benchmarks.task_memory [--preset t5-small] [--method bottleneck] [--tasks 1 64 256]

Each number of tasks trains a few steps in a process of its own, whose peak resident memory is what
the operating system says. If steps copied banks, the growth would be more than bank and slots.
"""

import argparse
import resource
import subprocess
import sys

STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="t5-small")
    parser.add_argument("--method", default="bottleneck")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 64, 256])
    parser.add_argument("--alone", action="store_true", help="measure here, one number of tasks")
    options = parser.parse_args()
    if options.alone:
        print(*train(options.preset, options.method, options.tasks[0]))
        return
    print(f"{options.preset}, {options.method}, peak resident memory in MB")
    print(
        f"{'tasks':>6} {'peak':>8} {'bank and slots':>15} {'growth':>8} {'of bank and slots':>18}"
    )
    first: tuple[float, float] | None = None
    for tasks in options.tasks:
        peak, size = measure(options.preset, options.method, tasks)
        first = first or (peak, size)
        growth, expected = peak - first[0], size - first[1]
        share = f"{growth / expected:18.2f}" if expected else " " * 18
        print(f"{tasks:>6} {peak:>8.0f} {size:>15.1f} {growth:>8.0f} {share}", flush=True)


def measure(preset: str, method: str, tasks: int) -> tuple[float, float]:
    """Start a process for one number of tasks; its peak, and the size of bank and slots, in MB."""
    command = [sys.executable, "-m", "benchmarks.task_memory", "--alone"]
    command += ["--preset", preset, "--method", method, "--tasks", str(tasks)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    peak, size = map(float, answer.split()[-2:])
    return peak, size


def train(preset: str, method: str, tasks: int) -> tuple[float, float]:
    """Train a few steps; the peak of this process, and the size of bank and slots, in MB."""
    from benchmarks.task_count import make_taskwise
    from benchmarks.train_speed import make_batch, time_steps

    model = make_taskwise(preset, method, tasks, jit_compile=False)
    time_steps(model, make_batch(8, 128, 16), STEPS)
    weights = [*model.trainable_variables, *model.optimizer.variables]
    size = sum(weight.shape.num_elements() * weight.dtype.size for weight in weights) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, size


if __name__ == "__main__":
    main()
