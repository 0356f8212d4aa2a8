"""How much CPU time preparing data costs, as a ratio to tokenizing it, the part nobody can avoid.

    python -m benchmarks.prep_speed [--data-dir ../shared/data] [--repetitions 7]

Times the whole work of one worker (read, parse, word, tokenize, serialize, checksum, write) against
raw SentencePiece encoding of the same inputs on one thread, in turns, and prints the median of the
repetitions. Without the real files it uses the embedded tasks and a vocabulary trained on them.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sentencepiece

from prep.tasks.examples import row_to_examples

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prep.build.vocabulary_training import task_texts, train_vocabulary, words_to_keep
from prep.shards.jobs import EncodingSettings, ShardJob
from prep.shards.writer import ShardWriter
from prep.sources.blocks import parse_block
from prep.sources.row import RowError
from prep.splits.finding import plan_task
from prep.splits.plan import SplitPlan
from prep.storage.durable_files import sync_file
from prep.tasks import get_task

SHARD_RECORDS = 2048
REAL_CASES = (("short", "sst2", "train"), ("long", "boolq", "test"))
EMBEDDED_CASES = (("embedded", "scan_simple", "train"),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--data-dir", type=Path, default=root / "shared" / "data")
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    vocabulary = arguments.data_dir / "t5_vocab" / "spiece.model"
    print(f"sentencepiece {sentencepiece.__version__}, one worker, CPU time")
    print(f"{'inputs':<10} {'tokens':>7} {'raw us':>8} {'prep us':>8} {'ratio':>6} {'ex/CPU-s':>9}")
    with tempfile.TemporaryDirectory() as folder:
        cases = REAL_CASES
        if not vocabulary.is_file():
            vocabulary, cases = train_embedded_vocabulary(Path(folder)), EMBEDDED_CASES
        for name, task, split in cases:
            plan = find_split(task, split, arguments.data_dir)
            measure(name, plan, vocabulary, Path(folder), arguments.repetitions)


def train_embedded_vocabulary(folder: Path) -> Path:
    tasks = [get_task(task) for _, task, _ in EMBEDDED_CASES]
    path = folder / "spiece.model"
    train_vocabulary(task_texts(tasks, None), path, 256, words_to_keep(tasks))
    return path


def find_split(task: str, split: str, data_dir: Path) -> SplitPlan:
    plan = plan_task(get_task(task), data_dir, SHARD_RECORDS)
    return next(candidate for candidate in plan.splits if candidate.split == split)


def measure(name: str, plan: SplitPlan, vocabulary: Path, folder: Path, repetitions: int) -> None:
    writer = ShardWriter(EncodingSettings(str(vocabulary), 512, 512))
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    make = row_to_examples(plan.task, plan.split)
    chunks = [
        [
            example.inputs
            for row in parse_block(block)
            if not isinstance(row, RowError)
            for example in make(row)
        ]
        for block in plan.open_blocks()
    ]
    examples = sum(map(len, chunks))
    tokens = sum(len(ids) for chunk in chunks for ids in processor.encode(chunk, num_threads=1))

    def encode_only() -> None:
        for chunk in chunks:
            processor.encode(chunk, num_threads=1)

    def prepare() -> None:
        for index, block in enumerate(plan.open_blocks()):
            path = folder / f"{index}.tfrecord"
            writer.write(
                ShardJob(plan.task, plan.split, index, block, 0, None, path, folder / "rejected")
            )
            sync_file(path)

    pairs = [(cpu_seconds(encode_only), cpu_seconds(prepare)) for _ in range(repetitions)]
    raw, whole = (statistics.median(times) * 1e6 / examples for times in zip(*pairs, strict=True))
    ratio = statistics.median(prepared / encoded for encoded, prepared in pairs)
    print(
        f"{name:<10} {tokens / examples:>7.1f} {raw:>8.2f} {whole:>8.2f} {ratio:>6.2f}"
        f" {1e6 / whole:>9,.0f}"
    )


def cpu_seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
