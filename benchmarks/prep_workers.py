"""How much faster a build is with more workers.

    python -m benchmarks.prep_workers [--data-dir ../shared/data] [--repeat 60] [--rounds 3]

Builds one large task, the real rows of SST-2 many times over, with each number of workers in turn,
from start to manifest; planning, the search for duplicates between splits and the manifest are done
by one process. The limit is what the machine gives as many separate programs: each builds the same
with one worker, all at once.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.tasks import get_task

HELD_OUT = 200  # rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--repeat", type=int, default=60, help="how often the rows are repeated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="at most")
    arguments = parser.parse_args()
    vocabulary = arguments.data_dir / "t5_vocab" / "spiece.model"
    if not vocabulary.is_file():
        sys.exit(f"error: this benchmark needs real files, and {vocabulary} is not there")
    counts = [1 << power for power in range(arguments.workers.bit_length())]
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    separate: dict[int, list[float]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder:
        repeat_rows(arguments.data_dir / "sst2" / "dev.tsv", Path(folder), arguments.repeat)
        for _ in range(arguments.rounds):
            for count, times in seconds.items():
                examples, elapsed = time_build(Path(folder), "together", vocabulary, count)
                times.append(elapsed)
                separate[count].append(time_separate_builds(Path(folder), vocabulary, count))
    print(f"{examples:,} examples, {os.cpu_count()} processors")
    print(f"{'workers':>7} {'seconds':>8} {'examples/s':>11} {'times faster':>13} {'limit':>6}")
    for count, times in seconds.items():
        faster = median_ratio(seconds[1], times)
        limit = count * median_ratio(separate[1], separate[count])
        median = statistics.median(times)
        rate = examples / median
        print(f"{count:>7} {median:>8.2f} {rate:>11,.0f} {faster:>13.2f} {limit:>6.2f}")


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over rounds of one time divided by another."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def repeat_rows(file: Path, folder: Path, repeat: int) -> None:
    """Write the raw files of SST-2, with other rows in validation than in training."""
    header, *rows = file.read_text(encoding="utf-8").splitlines(keepends=True)
    raw = folder / "raw" / "sst2"
    raw.mkdir(parents=True)
    (raw / "train.tsv").write_text(header + "".join(rows[HELD_OUT:]) * repeat, encoding="utf-8")
    (raw / "dev.tsv").write_text(header + "".join(rows[:HELD_OUT]), encoding="utf-8")


def time_separate_builds(folder: Path, vocabulary: Path, count: int) -> float:
    """Build the same several times at once with one worker each; the mean of their seconds."""
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        builds = [
            pool.submit(time_build, folder, f"separate{number}", vocabulary, 1)
            for number in range(count)
        ]
    return statistics.mean(build.result()[1] for build in builds)


def time_build(folder: Path, name: str, vocabulary: Path, workers: int) -> tuple[int, float]:
    """Build from nothing; count the examples and the seconds."""
    out = folder / name
    options = BuildOptions(
        tasks=(get_task("sst2"),),
        vocabulary=vocabulary,
        out=out,
        data_dir=folder / "raw",
        workers=workers,
    )
    shutil.rmtree(out, ignore_errors=True)
    started = time.perf_counter()
    manifest = build_dataset(options, report=lambda line: None)
    elapsed = time.perf_counter() - started
    splits = manifest.task("sst2").splits.values()
    return sum(split.examples for split in splits), elapsed


if __name__ == "__main__":
    main()
