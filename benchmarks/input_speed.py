"""Examples per second of the input pipeline alone: batches as `fit` gets them, and no step.

    python -m benchmarks.input_speed [--batch-sizes 64,512] [--memory-limit 8MB]

A dataset of random tokens is written as `prep build` would write it, and its batches are made as in
a run: read whole, and within `--memory-limit`, in windows of shards. Contestants take turns; the
best of the rounds counts, since other work on the machine only ever adds time. "numpy" makes the
batches without tf.data. With `--peak whole` or `--peak blocks` the batches of an epoch are made
once, and the most is told that the process has resident, beside what it had before it opened the
splits.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import google_crc32c
import numpy as np

from prep import quiet_libraries

quiet_libraries()

from adapters_tf.runs.sections import AdapterConfig, DataConfig, TrainingConfig  # noqa: E402
from adapters_tf.runs.settings import ResolvedModel, ResolvedRun  # noqa: E402
from prep import (  # noqa: E402
    Manifest,
    ShardEntry,
    SplitEntry,
    TaskEntry,
    VocabularyEntry,
    load_manifest,
    write_manifest,
)
from prep.dataset.reading import read_shard  # noqa: E402
from prep.dataset.sharded_split import ShardedSplit  # noqa: E402
from prep.records.encoder import RecordEncoder  # noqa: E402
from trainer.batches.distribution import make_dataset  # noqa: E402
from trainer.batches.mixture_batches import MixtureBatches  # noqa: E402
from trainer.parts import make_batches  # noqa: E402
from trainer.settings.memory import memory_needs, parse_limit  # noqa: E402

TASKS = ("a", "b")
VOCABULARY = 32_100
LENGTHS = 128, 16  # the longest, of inputs and targets
_SHARD = 2048


def write_dataset(folder: Path, examples: int) -> None:
    """Write a dataset of so many examples per task, of random tokens and lengths."""
    random, encoder = np.random.default_rng(0), RecordEncoder(VOCABULARY)
    tasks = {}
    for task in TASKS:
        (folder / task).mkdir()
        shards = []
        for first in range(0, examples, _SHARD):
            count = min(_SHARD, examples - first)
            inputs, targets = (
                [
                    random.integers(3, 32_000, n).tolist()
                    for n in random.integers(least, most, count)
                ]
                for least, most in ((40, LENGTHS[0] + 1), (2, LENGTHS[1] + 1))
            )
            answers = (encoder.answer(-1, ids) for ids in targets)
            content = encoder.frame_all(
                encoder.messages(range(first, first + count), inputs, answers)
            )
            file = f"{task}/train-{len(shards):05d}.tfrecord"
            (folder / file).write_bytes(content)
            sums = sum(map(len, inputs)), sum(map(len, targets))
            checksum = f"{google_crc32c.value(content):08x}"
            shards.append(ShardEntry(file, count, len(content), checksum, *sums))
        split = SplitEntry(examples, tuple(shards), 0, 0, *LENGTHS, (), 0, {})
        tasks[task] = TaskEntry(
            task, "generation", (), (), ("accuracy",), LENGTHS[1], examples, {"train": split}
        )
    manifest = Manifest(1, VocabularyEntry("", "", VOCABULARY, 100), *LENGTHS, None, _SHARD, tasks)
    write_manifest(folder, manifest)


def open_batches(folder: Path, manifest: Manifest, rows: int, steps: int, limit: int):
    """The batches of a run over that dataset."""
    data = DataConfig(rows, *LENGTHS, memory_limit=limit)
    settings = ResolvedRun(
        dataset=str(folder),
        run="",
        tasks=TASKS,
        seed=0,
        model=ResolvedModel(),
        adapters=AdapterConfig(),
        data=data,
        training=TrainingConfig(steps=steps),
    )
    return make_batches(settings, manifest)


def through_numpy(batches: MixtureBatches) -> Iterator[object]:
    """The batches themselves."""
    return map(batches.batch, range(batches.steps))


def through_tensorflow(batches: MixtureBatches) -> Iterator[object]:
    """The batches as one replica gets them."""
    return iter(make_dataset(batches, batches.batch_size, range(1), 0, LENGTHS))


def measure(options: argparse.Namespace, folder: Path, manifest: Manifest) -> None:
    """Print examples per second."""
    contestants = {
        "whole, tf.data": (0, through_tensorflow),
        "whole, numpy": (0, through_numpy),
        "blocks, tf.data": (parse_limit(options.memory_limit), through_tensorflow),
        "blocks, numpy": (parse_limit(options.memory_limit), through_numpy),
    }
    for rows in map(int, options.batch_sizes.split(",")):
        steps = 2 * options.examples // rows
        best = dict.fromkeys(contestants, 0.0)
        waited = dict.fromkeys(contestants, float("inf"))
        for _ in range(options.rounds):
            for name, (limit, through) in contestants.items():
                opened = time.perf_counter()
                batches = open_batches(folder, manifest, rows, steps, limit)
                stream = through(batches)
                next(stream)
                started = time.perf_counter()
                count = sum(1 for _ in stream)
                taken = time.perf_counter() - started
                best[name] = max(best[name], count * rows / taken)
                waited[name] = min(waited[name], started - opened)
                batches.close()
                del stream  # its end waits for TensorFlow's autotuning, by seconds
        print(f"batch {rows}: examples/s, and seconds from opening to the first batch")
        for name, speed in best.items():
            print(f"  {name:16} {speed:9,.0f} {waited[name]:8.2f} s", flush=True)


def tell_peak(options: argparse.Namespace, folder: Path, manifest: Manifest) -> None:
    """Print the most that the process has resident while it makes the batches of an epoch."""
    limit = parse_limit(options.memory_limit) if options.peak == "blocks" else 0
    read_shard(folder, manifest, TASKS[0], "train", 0)  # what TensorFlow's parser takes
    before = most = _resident()
    batches = open_batches(folder, manifest, 64, 2 * options.examples // 64, limit)
    for _ in through_numpy(batches):
        most = max(most, _resident())
    batches.close()
    need = sum(memory_needs(TASKS, manifest, "train").values())
    print(f"{need / 1e6:.0f} MB of examples, a limit of {limit / 1e6:.0f} MB (0: read whole)")
    for name, table in zip(batches.names, batches.tables, strict=True):
        if isinstance(table, ShardedSplit):
            shards = table.shards
            print(f"  {name}: {shards.readings} readings, at most {shards.most_held:,} bytes held")
    print(f"  resident: {before / 1e6:.0f} MB before, at most {(most - before) / 1e6:.0f} MB more")


def _resident() -> int:
    """What the process has resident now, in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=40_960, help="per task")
    parser.add_argument("--batch-sizes", default="64,512")
    parser.add_argument("--memory-limit", default="8MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak", choices=("whole", "blocks"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own, whose memory is none of this one's.
        writer = get_context("spawn").Process(
            target=write_dataset, args=(Path(name), options.examples)
        )
        writer.start()
        writer.join()
        manifest = load_manifest(name)
        (tell_peak if options.peak else measure)(options, Path(name), manifest)


if __name__ == "__main__":
    main()
