"""What a TPU's compiler makes of a step: time, traffic and memory, as a Markdown table.

    python -m benchmarks.tpu_steps [--only small] [--topology v5e-1] [--dropout per_unit]

Nothing is run: libtpu compiles for a chip that is not there (`make tpu-compiler` installs it). The
times are its own estimates, so ratios count; sorts, scatters and loops carry none and are counted
apart, but for loops whose turns are known, as those of decoding: these are estimated as if every
token were decoded. 512/64 tokens, mixed_bfloat16, AdamW with clipping, T5's layer norms trained
too; batch 8 where the name says nothing else. A t5-small takes some minutes and 5 GB, a t5-base
more of both. "Copies" are the milliseconds of kernels that only lay something out anew.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from prep import quiet_libraries

quiet_libraries()

from adapters_tf import (  # noqa: E402
    BottleneckConfig,
    TaskModel,
    load_backbone,
    make_dropout_stateless,
    set_precision,
)
from adapters_tf.runtime.dropout import DROPOUTS  # noqa: E402
from eval import Beams  # noqa: E402
from prep.dataset.batches import BATCH_KEYS  # noqa: E402
from trainer.optimizers.registry import OPTIMIZERS  # noqa: E402
from trainer.preflight.compiler import compile_step, find_python  # noqa: E402
from trainer.preflight.flops import train_flops  # noqa: E402
from trainer.preflight.steps import (  # noqa: E402
    Step,
    describe_adapters,
    describe_model,
    make_answer_step,
    make_scoring_step,
)
from trainer.preflight.topologies import find_topology  # noqa: E402
from trainer.steps.step import train_step  # noqa: E402

ROWS, INPUT_LENGTH, TARGET_LENGTH = 8, 512, 64
SHORT = 128  # inputs that are answered at a quarter of the length


@dataclass(frozen=True)
class Workload:
    """A train step.

    Attributes:
        preset: Of the backbone.
        tasks: With adapters; 0 trains the whole model.
        rows: Of a batch.
        routing: `batch`: of one task; `example`: of all of them.
    """

    preset: str
    tasks: int
    rows: int = ROWS
    routing: str = "batch"


WORKLOADS = {
    "small, full": Workload("t5-small", 0),
    "small, adapters, 8 tasks": Workload("t5-small", 8),
    "small, adapters, 64 tasks": Workload("t5-small", 64),
    "small, adapters, 256 tasks": Workload("t5-small", 256),
    "small, adapters, 32 tasks, 32 rows of one": Workload("t5-small", 32, 32),
    "small, adapters, 32 tasks, 32 rows of all": Workload("t5-small", 32, 32, "example"),
    "base, full": Workload("t5-base", 0),
    "base, adapters, 8 tasks": Workload("t5-base", 8),
    "base, adapters, 64 tasks": Workload("t5-base", 64),
}
# Of t5-small with the adapters of 8 tasks: rows, and the step.
EVALUATION: dict[str, tuple[int, Callable[[TaskModel], Step]]] = {
    "eval, argmax, 64 rows": (64, lambda model: make_answer_step(model, INPUT_LENGTH, 1)),
    "eval, argmax, 64 rows of 128": (64, lambda model: make_answer_step(model, SHORT, 1)),
    "eval, scoring": (ROWS, lambda model: make_scoring_step(model, (INPUT_LENGTH, TARGET_LENGTH))),
    "eval, greedy": (ROWS, lambda model: make_answer_step(model, INPUT_LENGTH, TARGET_LENGTH)),
    "eval, greedy, of 128": (
        ROWS,
        lambda model: make_answer_step(model, SHORT, TARGET_LENGTH),
    ),
    "eval, 4 beams": (
        ROWS,
        lambda model: make_answer_step(model, INPUT_LENGTH, TARGET_LENGTH, Beams(4)),
    ),
}


def make_model(preset: str, tasks: int, routing: str = "batch") -> TaskModel:
    """A model with bottleneck adapters; of no tasks, without."""
    names = tuple(f"task{number}" for number in range(tasks or 1))
    method = BottleneckConfig(reduction_factor=32) if tasks else None
    backbone = load_backbone(preset)
    return TaskModel(backbone, names, method, train_layer_norms=True, routing=routing)


def make_train_step(workload: Workload, dropout: str) -> Step:
    """The step that `fit` runs."""
    model = make_model(workload.preset, workload.tasks, workload.routing)
    optimizer = OPTIMIZERS["adamw"](1e-4, model.is_bank, clip_norm=1.0, is_compiled=True)
    optimizer.build(model.trainable_variables)
    make_dropout_stateless(model, 0, optimizer.iterations, dropout)
    shape, adapters = describe_model(model), describe_adapters(model)
    S, T = INPUT_LENGTH, TARGET_LENGTH
    return Step(
        "train step",
        lambda batch: train_step(model, optimizer, batch),
        BATCH_KEYS,
        S,
        T,
        lambda rows: train_flops(shape, rows, S, T, adapters),
    )


def make_step(name: str, dropout: str) -> tuple[int, Step]:
    """A workload's rows and step."""
    if name in WORKLOADS:
        return WORKLOADS[name].rows, make_train_step(WORKLOADS[name], dropout)
    rows, make = EVALUATION[name]
    return rows, make(make_model("t5-small", 8))


def main() -> None:
    """Compile and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="workloads whose names have this in them")
    parser.add_argument("--topology", default="v5e-1")
    parser.add_argument("--dropout", choices=DROPOUTS, default=DROPOUTS[0])
    parser.add_argument("--compiler-python", default="")
    options = parser.parse_args()
    names = [name for name in (*WORKLOADS, *EVALUATION) if options.only in name]
    if not names:
        parser.error(
            f"--only {options.only!r} is in none of: {'; '.join((*WORKLOADS, *EVALUATION))}"
        )
    python, topology = find_python(options.compiler_python), find_topology(options.topology)
    set_precision("mixed_bfloat16")
    print(
        "| workload | ms | HBM GB | temp GiB | kernels | loops, sorts, scatters | copies "
        "| GFLOP | s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in names:
        rows, step = make_step(name, options.dropout)
        text, flops = step.export(rows, replicas=1), step.count_flops(rows)
        begun = time.monotonic()
        result = compile_step(text, topology, python, report=lambda line: None, name=name)
        program, memory = result.step, result.memory
        if program is None or memory is None:
            print(f"| {name} | {result.refusal or 'does not fit'} |", flush=True)
            continue
        tick = 1e3 / topology.device.clock  # milliseconds
        copies = sum(one.cycles for one in program.moves) * tick
        serial = f"{len(program.loops)}, {len(program.sorts)}, {len(program.scatters)}"
        print(
            f"| {name} | {program.cycles * tick:.2f} "
            f"| {program.hbm_bytes / 1e9:.2f} | {memory.temp / 2**30:.2f} | {program.kernels:,} "
            f"| {serial} | {copies:.2f} "
            f"| {result.flops / 1e9:.0f} ({result.flops / flops:.2f}) "
            f"| {time.monotonic() - begun:.0f} |",
            flush=True,
        )
    print(", ".join(f"{package} {version}" for package, version in result.compiler.items()))


if __name__ == "__main__":
    main()
