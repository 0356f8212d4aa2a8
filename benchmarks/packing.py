"""What packing gains: fuller rows, at what cost in preparing them, and how much faster training.

    python -m benchmarks.packing [--tasks rte,cola] [--data-dir ../shared/data] [--preset t5-tiny]

Builds the tasks twice, with and without packing. Preparing is timed as CPU seconds of one worker
writing every training shard, in turns. Training takes turns too: steps on packed rows, and steps on
single examples at the shortest lengths that cut none of them, with about as many input positions in
a batch; what a step costs does not depend on what is in the batch, so one batch of each is enough.
Without the real files it uses the embedded tasks.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from adapters_tf import BottleneckConfig
from benchmarks.train_speed import make_ours, time_steps
from prep import (
    BuildOptions,
    Manifest,
    build_dataset,
    get_task,
    make_batch,
    make_packed_batch,
    read_split,
)
from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.inspection.text import describe_packing
from prep.shards.jobs import EncodingSettings, ShardJob
from prep.shards.writer import ShardWriter
from prep.splits.finding import plan_task
from prep.tokens.packing import pack_examples

REAL_TASKS = "rte,cola,stsb,sst2,commonsense_qa,e_care,inflection_eng"
EMBEDDED_TASKS = "synthetic_entailment,synthetic_similarity,synthetic_choice"
SHARD_RECORDS = 2048


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        build = plan_build(options.tasks, options.data_dir, options.max_input_length, folder)
        manifest = build_dataset(build, report=lambda line: None)
        describe_rows(manifest)
        time_preparing(build, manifest, options.rounds)
        time_training(build.out, manifest, options)


def plan_build(names: str, data_dir: Path, max_input_length: int, folder: Path) -> BuildOptions:
    """What packs tasks below a folder: those that are named, or the real ones if they are there."""
    vocabulary = data_dir / "t5_vocab" / "spiece.model"
    is_real = vocabulary.is_file()
    names = names or (REAL_TASKS if is_real else EMBEDDED_TASKS)
    tasks = tuple(map(get_task, names.split(",")))
    if not is_real:
        print("no real files here: the embedded tasks, and a vocabulary of their own")
        vocabulary = folder / "spiece.model"
        train_vocabulary(task_texts(tasks, None), vocabulary, 300, words_to_keep(tasks))
    return BuildOptions(
        tasks=tasks,
        vocabulary=vocabulary,
        out=folder / "packed",
        data_dir=data_dir if is_real else None,
        max_input_length=max_input_length,
        shard_records=SHARD_RECORDS,
        pack=True,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--tasks", help="names separated by commas")
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--max-input-length", type=int, default=512)
    parser.add_argument("--preset", default="t5-tiny")
    parser.add_argument("--batch-size", type=int, default=4, help="packed rows")
    parser.add_argument("--steps", type=int, default=3, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def describe_rows(manifest: Manifest) -> None:
    """Print how full the rows of each task are, and those of all together."""
    for task in manifest.tasks.values():
        split = task.split("train")
        print(f"{task.name}: {split.examples:,} examples")
        print("\n".join(f"  {line}" for line in describe_packing(split.packing)))
    examples = sum(task.split("train").examples for task in manifest.tasks.values())
    print(f"all: {examples:,} examples")
    print("\n".join(f"  {line}" for line in describe_packing(manifest.packing)))
    print(f"  padding without packing: {1 - manifest.packing.unpacked_input_share:.1%} of inputs")


def time_preparing(build: BuildOptions, manifest: Manifest, rounds: int) -> None:
    """Print CPU microseconds per example: encoding, encoding and packing, choosing rows alone."""
    jobs = list(training_jobs(build))
    lengths = shard_lengths(build, manifest)
    settings = (str(build.vocabulary), build.max_input_length, build.max_target_length)
    single = ShardWriter(EncodingSettings(*settings))
    packing = ShardWriter(EncodingSettings(*settings, is_packed=True))
    contestants = {
        "encoding, one example per record": lambda: [single.write(job) for job in jobs],
        "encoding and packing": lambda: [packing.write(job) for job in jobs],
        "choosing rows alone": lambda: [
            pack_examples(*shard, build.max_input_length) for shard in lengths
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            started = time.process_time()
            work()
            seconds[name].append(time.process_time() - started)
    reference = seconds["encoding, one example per record"]
    examples = sum(len(inputs) for inputs, _ in lengths)
    print(f"\n{'CPU per example':34} {'us':>7} {'ratio':>6}")
    for name, times in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(times, reference, strict=True))
        print(f"{name:34} {statistics.median(times) * 1e6 / examples:7.2f} {ratio:6.2f}")


def training_jobs(build: BuildOptions) -> Iterator[ShardJob]:
    """The training shards as a build writes them, all into the same file."""
    shard, rejected = (build.out.with_name(name) for name in ("shard.tfrecord", "rejected.jsonl"))
    for task in build.tasks:
        plan = plan_task(task, build.data_dir, SHARD_RECORDS).find("train")
        for index, block in enumerate(plan.open_blocks()):
            member = plan.is_member
            if member is not None:
                member = member[block.first_index : block.first_index + block.count]
            yield ShardJob(task, "train", index, block, 0, member, shard, rejected)


def shard_lengths(build: BuildOptions, manifest: Manifest) -> list[tuple[list[int], list[int]]]:
    """Input and target lengths of the examples of every training shard."""
    shards = []
    for task in manifest.tasks:
        table = read_split(build.out, manifest, task, "train")
        order = np.argsort(table.examples, kind="stable")
        for first in range(0, len(order), SHARD_RECORDS):
            rows = order[first : first + SHARD_RECORDS]
            offsets = (table.input_offsets, table.target_offsets)
            shards.append(tuple(np.diff(column)[rows].tolist() for column in offsets))
    return shards


def time_training(directory: Path, manifest: Manifest, options: argparse.Namespace) -> None:
    """Print training examples per second on packed rows and on single examples."""
    task = next(iter(manifest.tasks))
    table = read_split(directory, manifest, task, "train")
    splits = [entry.split("train") for entry in manifest.tasks.values()]
    lengths = [max(split.longest_input for split in splits)]
    lengths += [max(split.longest_target for split in splits)]
    packing = manifest.packing
    single_rows = max(1, round(options.batch_size * packing.input_length / lengths[0]))
    batches = {
        "one example per row": make_batch(
            table,
            np.arange(single_rows) % len(table),
            input_length=lengths[0],
            target_length=lengths[1],
            task=0,
        ),
        "packed rows": make_packed_batch(
            table,
            np.arange(options.batch_size) % table.rows,
            input_length=packing.input_length,
            target_length=packing.target_length,
            task=0,
        ),
    }
    examples = sum(split.examples for split in splits)
    counts = {
        "one example per row": single_rows,
        "packed rows": options.batch_size * examples / packing.rows,
    }
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    adapters = BottleneckConfig(reduction_factor=32)
    models = {
        name: make_ours(options.preset, batch, adapters, 1, False)
        for name, batch in batches.items()
    }
    for model, batch in models.values():
        time_steps(model, batch, 1)  # traces
    for _ in range(options.rounds):
        for name, (model, batch) in models.items():
            seconds[name].append(time_steps(model, batch, options.steps))
    title = f"training, {options.preset}, adapters"
    print(f"\n{title:34} {'rows':>5} {'tokens':>9} {'examples/s':>11}")
    for name, batch in batches.items():
        shape = [batch[f"{stack}_input_tokens"].shape[1] for stack in ("encoder", "decoder")]
        rate = counts[name] / statistics.median(seconds[name])
        print(f"{name:34} {len(batch['task']):5} {shape[0]:>4}/{shape[1]:<4} {rate:11.1f}")
    ratio = statistics.median(
        counts["packed rows"] / packed / (single_rows / single)
        for single, packed in zip(*seconds.values(), strict=True)
    )
    print(f"packed rows train {ratio:.2f} times as many examples per second")


if __name__ == "__main__":
    main()
