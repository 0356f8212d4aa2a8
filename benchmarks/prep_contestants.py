"""One way of preparing data, timed in a process and an environment of its own.

    python benchmarks/prep_contestants.py NAME EXAMPLES.jsonl VOCABULARY OUT.tfrecord ROUNDS

`benchmarks.prep_peers` runs it. Every contestant takes the same worded texts to a TFRecord file of
token ids with EOS; it prints one line of JSON per round: CPU and wall seconds, examples, and a
checksum of the ids, by which all are seen to have done the same work.
"""

import json
import resource
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

BATCH = 1000
Ids = Iterable[tuple[list[int], list[int]]]


def read_texts(examples: Path) -> list[dict[str, str]]:
    with examples.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write_records(path: Path, pairs: Ids) -> None:
    """Writes examples as most scripts do: `tf.train.Example`, one by one."""
    import tensorflow as tf

    def feature(ids: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=ids))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for inputs, targets in pairs:
            features = {"inputs": feature(inputs), "targets": feature(targets)}
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def sentencepiece_alone(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """The limit: raw SentencePiece encoding of the inputs on one thread; writes nothing."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    texts = [example["inputs"] for example in read_texts(examples)]

    def run() -> None:
        for start in range(0, len(texts), BATCH):
            processor.encode(texts[start : start + BATCH], num_threads=1)

    return run


def ours(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """What a worker of `prep build` does, JSON parsing and wording included."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from prep.shards.jobs import EncodingSettings, ShardJob
    from prep.shards.writer import ShardWriter
    from prep.sources.blocks import read_blocks
    from prep.sources.declarations import FileSource, FileSpec, Layout
    from prep.tasks.task import Task

    spec = FileSpec(examples.name, "jsonl")
    task = Task(
        name="given",
        kind="generation",
        description="Texts as they are given.",
        fields=("inputs", "targets"),
        inputs="{inputs}",
        targets="{targets}",
        metrics=("exact_match",),
        source=FileSource(folders=(".",), layouts=(Layout({"train": spec}),)),
    )
    writer = ShardWriter(EncodingSettings(str(vocabulary), 1 << 20, 1 << 20))
    rejected = path.with_suffix(".rejected")

    def run() -> None:
        shards = []
        for index, block in enumerate(read_blocks(examples, spec, 2048)):
            shard = path.with_suffix(f".{index}")
            writer.write(ShardJob(task, "train", index, block, 0, None, shard, rejected))
            shards.append(shard)
        path.write_bytes(b"".join(shard.read_bytes() for shard in shards))

    return run


def huggingface(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """`datasets.map` in batches with the fast tokenizer."""
    import datasets
    from transformers import PreTrainedTokenizerFast, T5Tokenizer
    from transformers.convert_slow_tokenizer import convert_slow_tokenizer

    datasets.disable_caching()
    datasets.disable_progress_bars()
    # Built this way because T5TokenizerFast(vocab_file=…) loses the leading blank (4.57.6).
    slow = T5Tokenizer(vocab_file=str(vocabulary), legacy=True, extra_ids=100)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=convert_slow_tokenizer(slow))

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {name: tokenizer(batch[name])["input_ids"] for name in ("inputs", "targets")}

    def run() -> None:
        texts = datasets.Dataset.from_list(read_texts(examples))
        encoded = texts.map(encode, batched=True, batch_size=BATCH)
        write_records(path, ((row["inputs"], row["targets"]) for row in encoded))

    return run


def tensorflow_text(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """tf.text's SentencePiece in a `tf.data` pipeline."""
    import tensorflow as tf
    import tensorflow_text

    tokenizer = tensorflow_text.SentencepieceTokenizer(vocabulary.read_bytes(), add_eos=True)

    def pairs(texts: list[dict[str, str]]) -> Iterator[tuple[list[int], list[int]]]:
        columns = {name: [text[name] for text in texts] for name in ("inputs", "targets")}
        data = tf.data.Dataset.from_tensor_slices(columns).batch(BATCH)
        for batch in data.map(lambda row: {key: tokenizer.tokenize(row[key]) for key in row}):
            yield from zip(batch["inputs"].to_list(), batch["targets"].to_list(), strict=True)

    return lambda: write_records(path, pairs(read_texts(examples)))


def seqio_task(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """A seqio task with its own preprocessors."""
    import seqio
    import tensorflow as tf

    words = seqio.SentencePieceVocabulary(str(vocabulary))
    feature = seqio.Feature(words, add_eos=True)

    def dataset(split: str, shuffle_files: bool, seed: int | None = None) -> "tf.data.Dataset":
        texts = read_texts(examples)
        return tf.data.Dataset.from_tensor_slices(
            {name: [text[name] for text in texts] for name in ("inputs", "targets")}
        )

    task = seqio.TaskRegistry.add(
        "given",
        source=seqio.FunctionDataSource(dataset, splits=["train"]),
        preprocessors=[seqio.preprocessors.tokenize, seqio.preprocessors.append_eos],
        output_features={"inputs": feature, "targets": feature},
    )

    def run() -> None:
        rows = task.get_dataset(None, "train", use_cached=False, shuffle=False).as_numpy_iterator()
        write_records(path, ((row["inputs"], row["targets"]) for row in rows))

    return run


def row_loop(examples: Path, vocabulary: Path, path: Path) -> Callable[[], None]:
    """A loop over rows with the slow tokenizer of `transformers`."""
    from transformers import T5Tokenizer

    tokenizer = T5Tokenizer(vocab_file=str(vocabulary), legacy=True, extra_ids=100)

    def ids(text: str) -> list[int]:
        return tokenizer(text)["input_ids"]

    def run() -> None:
        texts = read_texts(examples)
        write_records(path, ((ids(text["inputs"]), ids(text["targets"])) for text in texts))

    return run


CONTESTANTS = {
    "sentencepiece": sentencepiece_alone,
    "prep": ours,
    "huggingface": huggingface,
    "tf_text": tensorflow_text,
    "seqio": seqio_task,
    "row_loop": row_loop,
}


def checksum(path: Path) -> int:
    """Sums up the ids that a file holds; the order of examples and of features does not count."""
    import tensorflow as tf

    total = 0
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        ids = [list(features[name].int64_list.value) for name in ("inputs", "targets")]
        total = (total + zlib.crc32(repr(ids).encode())) % (1 << 32)
    return total


def cpu_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def main() -> None:
    name, examples, vocabulary, path, rounds = sys.argv[1:]
    run = CONTESTANTS[name](Path(examples), Path(vocabulary), Path(path))
    run()  # imports, traces, fills caches
    for _ in range(int(rounds)):
        cpu, wall = cpu_seconds(), time.perf_counter()
        run()
        figures = {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps(figures), flush=True)
    if Path(path).exists():
        print(json.dumps({"checksum": checksum(Path(path))}))


if __name__ == "__main__":
    main()
